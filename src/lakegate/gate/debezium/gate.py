"""The gate of a stream of changes: Debezium events in, judged rows of the table out.

Per event (SEMANTICS "CDC"): ``after`` of a create, read or update is judged by the contract; of a
delete only the key, from ``before`` or else the record's key; a truncate has no row. What an update
did not send (unchanged TOAST) is neither null nor invalid: such a column is not judged, and
named in ``_unavailable``. The rows are judged by the very gate of plain records, and the paths of
failures lead into the envelope: ``$.after.total``, ``$.payload.after.total``, ``$.before.id``.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Self

import numpy as np
import pyarrow as pa

from lakegate.contract.record_format import RecordFormat
from lakegate.contract.stream import Place, RuleKind, Stream, UnknownFields
from lakegate.contract.temporal import MAX_TIMESTAMP_US, MIN_TIMESTAMP_US
from lakegate.errors import GateError
from lakegate.gate.batch import Values, refuse_count, sequence
from lakegate.gate.debezium.mapped import Mapped
from lakegate.gate.debezium.sort import DELETE, EventBatch, Sorter
from lakegate.gate.decode.base import Decoder
from lakegate.gate.decode.choice import format_of
from lakegate.gate.decode.format import Format
from lakegate.gate.decode.json_format import JsonFormat
from lakegate.gate.gate import Gate
from lakegate.gate.native.choice import Path
from lakegate.gate.path import ROOT, child
from lakegate.gate.references import ReferenceSet, judged_here
from lakegate.gate.sql.rule import row_rules
from lakegate.gate.verdict import Noted, Verdict

__all__ = ["ENVELOPE", "ChangeGate"]

ENVELOPE = "events are opened one by one in Python, and cost more than their rows do"
"""Why the envelope of a change event is on no faster path; its row is judged by the gate's path."""

_MOST_VARIANTS = 256


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
        self._sorter = Sorter(stream, written.frame)
        self.passed_over: Counter[str] = Counter()
        self._plain = replace(stream, cdc=None, format=RecordFormat())
        super().__init__(stream, None)
        self._path: Path | None = decoder if isinstance(decoder, str) else None
        self._fields = {item.name: item for item in stream.fields}
        self._order = {child(ROOT, item.name): n for n, item in enumerate(stream.fields)}
        self._gates: dict[frozenset[str], Gate] = {}
        self._left: Counter[str] = Counter()  # by gates that were not kept
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
        records = sequence(values, "values")
        known: Sequence[bytes | None] = [None] * len(records)
        if keys is not None:
            refuse_count(keys, len(records))
            known = sequence(keys, "keys")
        batch = EventBatch()
        for position, (value, key) in enumerate(zip(records, known, strict=True)):
            if value is None and key is not None:
                batch.passed.append(position)
            else:
                self._sorter.sort(batch, position, value, key)
        self.passed_over.update(batch.passed_over)
        return self._verdict(batch, records)

    def _gate(self, unjudged: frozenset[str]) -> Gate:
        """The gate of rows that lack some columns; few sets of columns ever occur."""
        gate = self._gates.get(unjudged)
        if gate is None:
            from lakegate.gate.gate import compile as compile_gate

            stream = self._of_key() if unjudged == DELETE else _without(self._plain, unjudged)
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

    def _verdict(self, batch: EventBatch, records: Sequence[bytes | None]) -> Verdict:
        noted: list[Noted] = []
        paths: set[str] = set()
        tables = [self._nothing_but(batch.truncates)]
        places = [np.array(batch.truncates, dtype=np.int64)]
        for (unjudged, path), (positions, rows) in batch.rows.items():
            gate = self._gate(unjudged)
            found = gate(rows)
            if unjudged not in self._gates:
                self._left.update(gate.fallbacks)
            mapped = Mapped(batch, path, np.array(positions, dtype=np.int64), self._order)
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

    def _with_change(self, rows: pa.Table, index: np.ndarray, batch: EventBatch) -> pa.Table:
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
