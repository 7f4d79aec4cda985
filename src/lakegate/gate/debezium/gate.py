"""The gate of a stream of changes: Debezium events in, judged rows of the table out.

Per event (SEMANTICS "CDC"): ``after`` of a create, read or update is judged by the contract; of a
delete only the key, from ``before`` or else the record's key; a truncate has no row. What an update
did not send (unchanged TOAST) is neither null nor invalid: such a column is not judged, and
named in ``_unavailable``. The rows are judged by the very gate of plain records, and the paths of
failures lead into the envelope: ``$.after.total``, ``$.payload.after.total``, ``$.before.id``.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Self

import numpy as np
import pyarrow as pa

from lakegate.contract.cdc import CdcSchema
from lakegate.contract.record_format import RecordFormat
from lakegate.contract.stream import Place, RuleKind, Stream, UnknownFields
from lakegate.contract.temporal import MAX_TIMESTAMP_US, MIN_TIMESTAMP_US
from lakegate.errors import GateError
from lakegate.gate.debezium.envelope import (
    Change,
    Members,
    NotAChange,
    PassedOver,
    failure_at,
    open_event,
    strict_members,
    unwrap_key,
)
from lakegate.gate.debezium.layout import Layout, Layouts
from lakegate.gate.debezium.value import Undecodable, rewritten
from lakegate.gate.decode.base import Decoder
from lakegate.gate.decode.choice import format_of
from lakegate.gate.decode.format import Format
from lakegate.gate.decode.json_format import JsonFormat
from lakegate.gate.gate import Gate, Values, _as_sequence
from lakegate.gate.json_text import Malformed
from lakegate.gate.native.choice import Path
from lakegate.gate.path import ROOT, child
from lakegate.gate.references import ReferenceSet, judged_here
from lakegate.gate.sql.rule import row_rules
from lakegate.gate.verdict import Failure, Noted, Rejected, Verdict

__all__ = ["ENVELOPE", "ChangeGate"]

ENVELOPE = "events are opened one by one in Python, and cost more than their rows do"
"""Why the envelope of a change event is on no faster path; its row is judged by the gate's path."""

_PLACEHOLDER = b"__debezium_unavailable_value"
_IN_BASE64 = b"X19kZWJleml1bV91bmF2YWlsYWJsZV92YWx1ZQ=="
_UNAVAILABLE = frozenset(
    [
        b'"' + _PLACEHOLDER + b'"',
        b'"' + _IN_BASE64 + b'"',  # bytea
        b'["' + _PLACEHOLDER + b'"]',  # arrays of text
        b'{"' + _PLACEHOLDER + b'":"' + _PLACEHOLDER + b'"}',  # hstore
    ]
)
_MOST_VARIANTS = 256
_DELETE = frozenset(["\0delete"])  # no column has this name

_Group = tuple[frozenset[str], str]  # columns not to be judged (or _DELETE), and the path of rows


@dataclass(slots=True)
class _Batch:
    """What the events of one batch are, by position."""

    size: int
    changes: dict[int, Change] = field(default_factory=dict)
    rows: dict[_Group, tuple[list[int], list[bytes]]] = field(default_factory=dict)
    unavailable: dict[int, list[str]] = field(default_factory=dict)
    undecoded: dict[int, list[Failure]] = field(default_factory=dict)
    truncates: list[int] = field(default_factory=list)
    passed: list[int] = field(default_factory=list)
    rejected: list[Rejected] = field(default_factory=list)

    def judge(self, position: int, group: _Group, row: bytes) -> None:
        """Have a row judged with others of its group."""
        positions, rows = self.rows.setdefault(group, ([], []))
        positions.append(position)
        rows.append(row)


class ChangeGate(Gate):
    """Judges batches of change events of one stream; as exact, per event, as :class:`Gate`.

    ``Verdict.accepted`` has the contract's columns, all nullable, then ``_op`` (c, r, u, d, t),
    ``_source_position`` and ``_transaction`` (as the source says, for comparing, not ordering),
    ``_source_ts``, ``_source_table`` and ``_unavailable`` (null, or the columns whose value was not
    sent). ``Verdict.tombstones`` has tombstones, and events about no row (heartbeats, schema
    changes, transaction boundaries, messages), which are counted in ``passed_over``.
    """

    def __init__(
        self,
        stream: Stream,
        decoder: Decoder | Path | None = None,
        format: Format | None = None,  # noqa: A002
    ) -> None:
        if stream.cdc is None:
            raise GateError(f"{stream.name} takes no change events; use lakegate.gate.compile")
        written = format_of(stream) if format is None else format
        if not isinstance(written, JsonFormat):
            raise GateError(f"{stream.name} takes change events, which are JSON and nothing else")
        self._frame = written.frame
        self._plain = replace(stream, cdc=None, format=RecordFormat())
        super().__init__(stream, None)
        self._path: Path | None = decoder if isinstance(decoder, str) else None
        self._cdc = stream.cdc
        self._fields = {item.name: item for item in stream.fields}
        self._order = {child(ROOT, item.name): n for n, item in enumerate(stream.fields)}
        self._gates: dict[frozenset[str], Gate] = {}
        self._left: Counter[str] = Counter()  # by gates that were not kept
        self._layouts = Layouts(stream)
        self.passed_over: dict[str, int] = defaultdict(int)
        self._sets: Mapping[str, ReferenceSet] = {}

    def refer(self, sets: Mapping[str, ReferenceSet]) -> Self:
        """See :meth:`Gate.refer`; the rows of created, read and updated are judged."""
        made = super().refer(sets)
        made._sets, made._gates = sets, {}
        made._left = Counter(self.fallbacks)
        return made

    @property
    def path(self) -> Path:
        """How the rows of events are judged, see :attr:`Gate.path`; their envelopes: in Python."""
        return self._gate(frozenset()).path

    @property
    def fallbacks(self) -> Mapping[str, int]:
        """How many rows the native path left to the reference so far, by reason."""
        return dict(sum((Counter(g.fallbacks) for g in [*self._gates.values()]), self._left))

    def __call__(self, values: Values, *, keys: Values | None = None) -> Verdict:
        """Judge a batch of events; never raises for bad data. See :meth:`Gate.__call__`.

        Raises:
            GateError: the input has another shape than this.
        """
        records = _as_sequence(values, "values")
        known = [None] * len(records) if keys is None else _as_sequence(keys, "keys")
        if len(known) != len(records):
            raise GateError(f"expected as many keys as values: {len(known)} and {len(records)}")
        batch = _Batch(len(records))
        for position, (value, key) in enumerate(zip(records, known, strict=True)):
            if value is None and key is not None:
                batch.passed.append(position)
            else:
                self._sort(batch, position, value, key)
        return self._verdict(batch, records)

    def _sort(self, batch: _Batch, position: int, value: bytes | None, key: bytes | None) -> None:
        """Find out what an event is and where its row goes, or why it is refused."""
        if value is None:
            failure = Failure(ROOT, "record.null", "a value, or a key (a tombstone)", "null")
            batch.rejected.append(Rejected(position, value, (failure,)))
            return
        limit = self.stream.size_limit_bytes
        try:
            if len(value) > limit:
                expected = f"at most {limit} bytes"
                raise Malformed("record.size", expected, f"{len(value)} bytes")
            body = self._frame.body(value)
            event = open_event(body)
            if isinstance(event, PassedOver):
                batch.passed.append(position)
                self.passed_over[event.kind] += 1
                return
            self._check_table(event)
            batch.changes[position] = event
            if event.op == "t":
                batch.truncates.append(position)
            elif event.op == "d":
                self._deleted(batch, position, event, self._key(key))
            else:
                self._upserted(batch, position, event, body)
        except Malformed as error:
            failure = Failure(ROOT, error.rule, error.expected, error.observed)
            batch.rejected.append(Rejected(position, value, (failure,)))
        except NotAChange as error:
            batch.rejected.append(Rejected(position, value, (error.failure,)))

    def _key(self, key: bytes | None) -> bytes | None:
        """The text of a record's key, which is framed where its serializer frames keys."""
        frame = self._frame
        framed = key is not None and frame.size_bytes and frame.holds(key)
        return frame.body(key) if framed and key is not None else key

    def _check_table(self, event: Change) -> None:
        wanted = self._cdc.source_table
        if wanted is not None and wanted not in (event.table, event.table.rpartition(".")[2]):
            path = f"{event.path}.source.table"
            raise NotAChange(failure_at(path, "cdc.table", wanted, event.table.encode()))

    def _upserted(self, batch: _Batch, position: int, event: Change, value: bytes) -> None:
        if event.after is None:
            raise NotAChange(failure_at(f"{event.path}.after", "cdc.row", "a row", None))
        path = f"{event.path}.after"
        layout = self._layout(event.schema, event.path)
        hidden = _PLACEHOLDER in value or _IN_BASE64 in value
        if (not layout.converters and not hidden) or event.after[:1] != b"{":
            batch.judge(position, (frozenset(), path), event.after)
            return
        row = None if hidden else self._converted(layout, event.after)
        if row is not None:
            batch.judge(position, (frozenset(), path), row)
            return
        members = strict_members(event.after)
        unavailable = frozenset(
            name for name, raw in members.items() if hidden and bytes(raw) in _UNAVAILABLE
        ) - frozenset(self.stream.primary_key)
        if unavailable:
            batch.unavailable[position] = sorted(unavailable)
        row, unread = self._row(batch, position, members, layout, path, unavailable)
        unjudged = unavailable.intersection(self._fields) | unread
        batch.judge(position, (unjudged, path), row)

    @staticmethod
    def _converted(layout: Layout, row: bytes) -> bytes | None:
        try:
            return layout.converted(row)
        except Undecodable:
            return None  # found again, and told, column by column

    def _deleted(self, batch: _Batch, position: int, event: Change, key: bytes | None) -> None:
        path, schema, members = f"{event.path}.before", event.schema, None
        if event.before is not None and event.before[:1] == b"{":
            members = strict_members(event.before)
        elif key is not None and event.before is None:
            found = unwrap_key(key)
            if found is not None:
                members, schema, path = found.members, found.schema, found.path
        if members is None:
            expected = "the key of the deleted row, here or as the record's key"
            raise NotAChange(failure_at(path, "cdc.key", expected, event.before))
        own = {name: members[name] for name in self.stream.primary_key if name in members}
        layout = self._layout(schema, event.path)
        row, _ = self._row(batch, position, own, layout, path, frozenset())
        batch.judge(position, (_DELETE, path), row)

    def _layout(self, schema: bytes | None, path: str) -> Layout:
        if schema is None and self._cdc.schema is CdcSchema.EMBEDDED and self._layouts.needs_schema:
            expected = "an event with its schema, as the contract says"
            raise NotAChange(failure_at(path, "cdc.schema", expected, None))
        return self._layouts.of(schema)

    def _row(
        self,
        batch: _Batch,
        position: int,
        members: Members,
        layout: Layout,
        path: str,
        left_out: frozenset[str],
    ) -> tuple[bytes, frozenset[str]]:
        """The row's text with values decoded, and the columns that could not be."""
        pairs = [(name, bytes(raw)) for name, raw in members.items() if name not in left_out]
        unread: set[str] = set()
        while True:
            try:
                return rewritten(pairs, layout.converters), frozenset(unread)
            except Undecodable as error:
                at = next(i for i, (name, _) in enumerate(pairs) if _leads(error.step, name))
                name = pairs.pop(at)[0]
                unread.add(name)
                severity = self._fields[name].type_severity
                found = failure_at(path + error.step, error.rule, error.expected, error.observed)
                said = batch.undecoded.setdefault(position, [])
                said.append(replace(found, severity=severity))

    def _gate(self, unjudged: frozenset[str]) -> Gate:
        """The gate of rows that lack some columns; few sets of columns ever occur."""
        gate = self._gates.get(unjudged)
        if gate is None:
            from lakegate.gate.gate import compile as compile_gate

            stream = self._of_key() if unjudged == _DELETE else _without(self._plain, unjudged)
            gate = compile_gate(stream, decoder=self._path)
            here = {item.name for item in judged_here(stream)}
            gate = gate.refer({name: s for name, s in self._sets.items() if name in here})
            if len(self._gates) < _MOST_VARIANTS:
                self._gates[unjudged] = gate
        return gate

    def _of_key(self) -> Stream:
        return replace(
            self._plain,
            fields=tuple(self._fields[name] for name in self.stream.primary_key),
            constraints=(),
            rules=(),
            references=(),
            unknown_fields=UnknownFields.IGNORE,
        )

    def _verdict(self, batch: _Batch, records: Sequence[bytes | None]) -> Verdict:
        noted: list[Noted] = []
        paths: set[str] = set()
        tables = [self._nothing_but(batch.truncates)]
        places = [np.array(batch.truncates, dtype=np.int64)]
        for (unjudged, path), (positions, rows) in batch.rows.items():
            gate = self._gate(unjudged)
            found = gate(rows)
            if unjudged not in self._gates:
                self._left.update(gate.fallbacks)
            mapped = _Mapped(batch, path, np.array(positions, dtype=np.int64), self._order)
            batch.rejected += mapped.rejected(found, records)
            kept = mapped.kept(found, records, noted)
            accepted = found.accepted if kept is None else found.accepted.filter(pa.array(kept))
            at = mapped.positions[np.asarray(found.accepted_index)]
            at = at if kept is None else at[kept]
            tables.append(self._widened(accepted, at))
            places.append(at)
            paths |= {path + name[1:] for name in found.unknown_paths}
        index = np.concatenate(places)
        order = np.argsort(index, kind="stable")
        table = pa.concat_tables(tables)
        if len(tables) > 2 or len(batch.truncates):
            table = table.take(pa.array(order))
        index = index[order]
        return Verdict(
            contract=self.stream.contract,
            accepted=self._with_change(table, index, batch),
            accepted_index=pa.array(index),
            rejected=sorted(batch.rejected, key=lambda record: record.index),
            noted=sorted(noted, key=lambda record: record.index),
            tombstones=batch.passed,
            unknown_paths=frozenset(paths),
            references=self.references,
        )

    @property
    def _row_schema(self) -> pa.Schema:
        width = len(self.schema) - 6
        return pa.schema([self.schema.field(i) for i in range(width)])

    def _nothing_but(self, positions: Sequence[int]) -> pa.Table:
        schema = self._row_schema
        return pa.table([pa.nulls(len(positions), item.type) for item in schema], schema=schema)

    def _widened(self, rows: pa.Table, at: np.ndarray) -> pa.Table:
        """Rows of some columns as rows of all; the others are null."""
        schema = self._row_schema
        columns = [
            rows[item.name] if item.name in rows.column_names else pa.nulls(len(at), item.type)
            for item in schema
        ]
        return pa.table(columns, schema=schema)

    def _with_change(self, rows: pa.Table, index: np.ndarray, batch: _Batch) -> pa.Table:
        positions = index.tolist()
        changes = [batch.changes[position] for position in positions]
        added = [
            [change.op for change in changes],
            [change.position for change in changes],
            [_within(change.source_ts) for change in changes],
            [change.transaction for change in changes],
            [change.table for change in changes],
            [batch.unavailable.get(position) for position in positions],
        ]
        fields = list(self.schema)[-len(added) :]
        columns = [pa.array(column, item.type) for column, item in zip(added, fields, strict=True)]
        return pa.table([*rows.columns, *columns], schema=self.schema)


class _Mapped:
    """Verdicts on rows, told as verdicts on the events they come from."""

    def __init__(
        self, batch: _Batch, path: str, positions: np.ndarray, order: dict[str, int]
    ) -> None:
        self._batch = batch
        self._path = path
        self.positions = positions
        self._order = {path + step[1:]: n for step, n in order.items()}

    def rejected(self, found: Verdict, records: Sequence[bytes | None]) -> list[Rejected]:
        """The refused ones, with their failures and what could not be decoded."""
        result = []
        for record in found.rejected:
            position = int(self.positions[record.index])
            failures = self._all(position, record.failures)
            result.append(Rejected(position, records[position], failures))
        return result

    def kept(
        self, found: Verdict, records: Sequence[bytes | None], noted: list[Noted]
    ) -> np.ndarray | None:
        """Which of the accepted rows stay so: None for all. Notes go to ``noted``."""
        notes = {int(self.positions[item.index]): item.failures for item in found.noted}
        refused: set[int] = set()
        for position in notes.keys() | (self._batch.undecoded.keys() & set(self._accepted(found))):
            failures = self._all(position, notes.get(position, ()))
            if any(failure.severity.rejects for failure in failures):
                refused.add(position)
                record = Rejected(position, records[position], failures)
                self._batch.rejected.append(record)
            else:
                noted.append(Noted(position, failures))
        if not refused:
            return None
        return np.array([at not in refused for at in self._accepted(found)], dtype=bool)

    def _accepted(self, found: Verdict) -> list[int]:
        if not self._batch.undecoded:
            return []
        at: list[int] = self.positions[np.asarray(found.accepted_index)].tolist()
        return at

    def _all(self, position: int, failures: Sequence[Failure]) -> tuple[Failure, ...]:
        mapped = [replace(item, path=self._path + item.path[1:]) for item in failures]
        undecoded = self._batch.undecoded.get(position)
        if undecoded is None:
            return tuple(mapped)
        known = {item.path for item in undecoded}
        others = [item for item in mapped if item.path not in known]
        return tuple(sorted([*others, *undecoded], key=self._place))

    def _place(self, failure: Failure) -> tuple[int, int]:
        """Document order: the row, fields as declared, undeclared fields."""
        if failure.rule == "reference":
            return 2, 0
        if failure.path == self._path:
            return (2 if failure.rule == "sql" else 0), 0
        for step, number in self._order.items():
            if failure.path == step or failure.path.startswith((f"{step}.", f"{step}[")):
                return 1, number
        return 1, len(self._order)


def _leads(step: str, name: str) -> bool:
    own = child("", name)
    return step == own or step.startswith((f"{own}.", f"{own}["))


def _within(micros: int | None) -> int | None:
    """None for a time outside the years 0001 to 9999, which no reader could show."""
    if micros is None or not MIN_TIMESTAMP_US <= micros <= MAX_TIMESTAMP_US:
        return None
    return micros


def _without(stream: Stream, unjudged: frozenset[str]) -> Stream:
    """The stream with nothing asked of some columns, nor by rules that look at them."""
    if not unjudged:
        return stream
    return replace(
        stream,
        fields=tuple(
            replace(item, required=False, constraints=()) if item.name in unjudged else item
            for item in stream.fields
        ),
        constraints=(),
        rules=tuple(
            rule
            for rule in stream.rules
            if rule.place is not Place.GATE
            or rule.kind is not RuleKind.SQL
            or not _looks_at(replace(stream, rules=(rule,)), unjudged)
        ),
        references=tuple(
            item
            for item in stream.references
            if not any(_starts(column, name) for column in item.columns for name in unjudged)
        ),
    )


def _starts(column: str, name: str) -> bool:
    return column == name or column.startswith(f"{name}.")


def _looks_at(stream: Stream, columns: frozenset[str]) -> bool:
    return any(path[0] in columns for rule in row_rules(stream) for path in rule.rule.columns)
