"""What the events of a batch are, and where their rows go: the first half of judging changes."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, replace
from typing import TypeAlias

from lakegate.contract.cdc import CdcSchema
from lakegate.contract.stream import Stream
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
from lakegate.gate.decode.frame import Frame
from lakegate.gate.json_text import Malformed
from lakegate.gate.path import ROOT, child
from lakegate.gate.verdict import Failure, Rejected

__all__ = ["DELETE", "EventBatch", "Group", "Sorter"]

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

DELETE = frozenset(["\0delete"])  # no column has this name

Group: TypeAlias = tuple[frozenset[str], str]
"""The columns not to be judged (or :data:`DELETE`), and the path of the rows."""


@dataclass(slots=True)
class EventBatch:
    """What the events of one batch are, by position."""

    changes: dict[int, Change] = field(default_factory=dict)
    rows: dict[Group, tuple[list[int], list[bytes]]] = field(default_factory=dict)
    unavailable: dict[int, list[str]] = field(default_factory=dict)
    undecoded: dict[int, list[Failure]] = field(default_factory=dict)
    truncates: list[int] = field(default_factory=list)
    passed: list[int] = field(default_factory=list)
    passed_over: Counter[str] = field(default_factory=Counter)  # events about no row, by kind
    rejected: list[Rejected] = field(default_factory=list)

    def judge(self, position: int, group: Group, row: bytes) -> None:
        """Have a row judged with others of its group."""
        positions, rows = self.rows.setdefault(group, ([], []))
        positions.append(position)
        rows.append(row)


class Sorter:
    """Opens the events of one stream, one by one."""

    def __init__(self, stream: Stream, frame: Frame) -> None:
        assert stream.cdc is not None  # the gate has refused it
        self._stream = stream
        self._frame = frame
        self._cdc = stream.cdc
        self._fields = {item.name: item for item in stream.fields}
        self._layouts = Layouts(stream)

    def sort(
        self, batch: EventBatch, position: int, value: bytes | None, key: bytes | None
    ) -> None:
        """Find out what an event is and where its row goes, or why it is refused."""
        if value is None:
            failure = Failure(ROOT, "record.null", "a value, or a key (a tombstone)", "null")
            batch.rejected.append(Rejected(position, value, (failure,)))
            return
        limit = self._stream.size_limit_bytes
        try:
            if len(value) > limit:
                expected = f"at most {limit} bytes"
                raise Malformed("record.size", expected, f"{len(value)} bytes")
            body = self._frame.body(value)
            event = open_event(body)
            if isinstance(event, PassedOver):
                batch.passed.append(position)
                batch.passed_over[event.kind] += 1
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

    def _upserted(self, batch: EventBatch, position: int, event: Change, value: bytes) -> None:
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
        ) - frozenset(self._stream.primary_key)
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

    def _deleted(self, batch: EventBatch, position: int, event: Change, key: bytes | None) -> None:
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
        own = {name: members[name] for name in self._stream.primary_key if name in members}
        layout = self._layout(schema, event.path)
        row, _ = self._row(batch, position, own, layout, path, frozenset())
        batch.judge(position, (DELETE, path), row)

    def _layout(self, schema: bytes | None, path: str) -> Layout:
        if schema is None and self._cdc.schema is CdcSchema.EMBEDDED and self._layouts.needs_schema:
            expected = "an event with its schema, as the contract says"
            raise NotAChange(failure_at(path, "cdc.schema", expected, None))
        return self._layouts.of(schema)

    def _row(
        self,
        batch: EventBatch,
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


def _leads(step: str, name: str) -> bool:
    own = child("", name)
    return step == own or step.startswith((f"{own}.", f"{own}["))
