"""The envelope of a Debezium event: what happened, to which row, where in the source's log.

Debezium documentation, "Data change events". An event is read strictly (RFC 8259 as
:mod:`lakegate.gate.json_text` reads it), but at the cost of a walk over its outline only: when the
lengths of an object's members add up to its own, it holds no key twice.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeAlias

import msgspec

from lakegate.gate.json_text import (
    MAX_DEPTH,
    Json,
    canonical,
    is_utf8,
    nesting,
    parse,
    parse_text,
)
from lakegate.gate.verdict import Failure

__all__ = [
    "Change",
    "Envelope",
    "Members",
    "NotAChange",
    "PassedOver",
    "failure_at",
    "open_event",
    "strict_members",
    "text_of",
    "unwrap_key",
]

Members: TypeAlias = Mapping[str, msgspec.Raw]  # the text of each member; bytes(…) gives it
OPERATIONS = frozenset("crudt")
_NULL = b"null"
_raw_members = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_text = msgspec.json.Decoder(str).decode

# Where a connector says how far it has read, by the first field that is there; the text of a
# position is compared for equality only: LSNs do not rise in the order of delivery.
_POSITIONS = (
    ("lsn",),  # PostgreSQL
    ("file", "pos", "row"),  # MySQL, MariaDB
    ("commit_lsn", "change_lsn", "event_serial_no"),  # SQL Server
    ("commit_scn", "scn", "rs_id", "ssn"),  # Oracle
    ("ord", "ts_ms"),  # MongoDB
)
_TIMES = (("ts_us", 1, 1), ("ts_ns", 1, 1_000), ("ts_ms", 1_000, 1))
_TRANSACTIONS = ("txId", "gtid", "transaction_id", "txnNumber")
_ABOUT = frozenset(
    [
        *("version", "connector", "name", "snapshot", "ts_ms", "ts_us", "ts_ns"),
        *("db", "schema", "table", "sequence", "xmin"),
    ]
)


class NotAChange(ValueError):
    """JSON, but no event that can be understood; carries the reason."""

    def __init__(self, failure: Failure) -> None:
        self.failure = failure
        super().__init__(failure.rule)


@dataclass(frozen=True, slots=True)
class PassedOver:
    """An event about no row: ``heartbeat``, ``schemaChange``, ``transaction`` or ``message``."""

    kind: str


@dataclass(frozen=True, slots=True)
class Envelope:
    """The members of an event and, if it is wrapped, its schema's text. ``path`` leads to them."""

    members: Members
    schema: bytes | None
    path: str


@dataclass(frozen=True, slots=True)
class Change:
    """What happened. ``position``, ``transaction`` and ``table`` are as the source says.

    ``op`` is c (create), r (read by a snapshot), u (update), d (delete) or t (truncate). ``before``
    and ``after`` are JSON text or None. ``source_ts`` is Unix time in microseconds.
    """

    op: str
    before: bytes | None
    after: bytes | None
    position: str
    transaction: str | None
    table: str
    source_ts: int | None
    schema: bytes | None
    path: str


def open_event(value: bytes) -> Change | PassedOver:
    """Read one event, of which nothing but JSON is left.

    Raises:
        Malformed: the bytes are no JSON object, or no strict one.
        NotAChange: it is one, and no event of Debezium.
    """
    envelope = _unwrap(value)
    members, path = envelope.members, envelope.path
    op = text_of(members, "op")
    if op == _NULL:
        return _without_row(members, path)
    if op == b'"m"':
        return PassedOver("message")
    kind = _member_text(op)
    if kind not in OPERATIONS:
        raise NotAChange(failure_at(f"{path}.op", "cdc.op", "one of c, r, u, d, t", op))
    source_text = text_of(members, "source")
    if source_text[:1] != b"{":
        raise NotAChange(failure_at(f"{path}.source", "cdc.envelope", "an object", source_text))
    source = strict_members(source_text)
    before, after = text_of(members, "before"), text_of(members, "after")
    if before != _NULL:
        strict_members(before)
    return Change(
        op=kind,
        before=None if before == _NULL else before,
        after=None if after == _NULL else after,
        position=_position(source),
        transaction=_transaction(source, members),
        table=_table(source),
        source_ts=_source_ts(source),
        schema=envelope.schema,
        path=path,
    )


def failure_at(path: str, rule: str, expected: str, observed: bytes | None) -> Failure:
    """A failure that shows at most 80 characters of JSON text; None is ``absent``."""
    shown = "absent" if observed is None else observed.decode("utf-8", "replace")
    return Failure(path, rule, expected, shown if len(shown) <= 80 else shown[:77] + "...")


def _unwrap(value: bytes) -> Envelope:
    members, compact = _outline(value)
    if not compact or not is_utf8(value) or _may_be_surrogate(value):
        members = _strictly(value, members)
        compact = False
    if "payload" not in members or "schema" not in members:
        if compact and _deep(value, 0):
            parse(value)
        return Envelope(members, None, "$")
    payload = text_of(members, "payload")
    if compact and _deep(payload, 1):
        parse(value)
    if payload[:1] != b"{":
        raise NotAChange(failure_at("$.payload", "cdc.envelope", "an object", payload))
    return Envelope(strict_members(payload), text_of(members, "schema"), "$.payload")


def unwrap_key(key: bytes) -> Envelope | None:
    """The members of a record's key, if that is a JSON object; ``path`` begins with ``$key``.

    Raises:
        Malformed: it begins like an object and is none, or no strict one.
    """
    if key.lstrip()[:1] != b"{":
        return None
    envelope = _unwrap(key)
    return Envelope(envelope.members, envelope.schema, "$key" + envelope.path[1:])


def _strictly(value: bytes, members: Members) -> Members:
    """The members after all of RFC 8259 was checked."""
    document = parse(value)
    return members or _rewritten(document)


def _rewritten(document: Mapping[str, Json]) -> Members:
    return {name: msgspec.Raw(canonical(held).encode()) for name, held in document.items()}


def text_of(members: Members, name: str) -> bytes:
    """The JSON text of a member; ``null`` when it is absent."""
    raw = members.get(name)
    return _NULL if raw is None else bytes(raw)


def _outline(value: bytes) -> tuple[Members, bool]:
    """The members of an object, and whether their lengths say that none of them stands twice."""
    try:
        found = _raw_members(value)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return {}, False
    length = 1 + 4 * len(found) + sum(map(len, found)) + sum(map(len, found.values()))
    if length != len(value):
        length += sum(len(name.encode()) - len(name) for name in found)
    return found, length == len(value)


def strict_members(text: bytes) -> Members:
    """The members of an object within an event that is UTF-8, JSON and not too deep.

    Raises:
        Malformed: a key stands twice, in it or further down.
    """
    members, compact = _outline(text)
    if not compact or text.count(b"{") > 1:
        held: Json = parse_text(text.decode())
        if not members and isinstance(held, dict):
            return _rewritten(held)
    return members


def _may_be_surrogate(value: bytes) -> bool:
    return b"\\ud" in value or b"\\uD" in value


def _deep(text: bytes, above: int) -> bool:
    brackets = text.count(b"[") + text.count(b"{")
    return brackets + above > MAX_DEPTH and nesting(text.decode()) + above > MAX_DEPTH


def _without_row(members: Members, path: str) -> PassedOver:
    if members and members.keys() <= {"ts_ms", "ts_us", "ts_ns"}:
        return PassedOver("heartbeat")
    if "status" in members and "id" in members and "after" not in members:
        return PassedOver("transaction")
    if "tableChanges" in members or "ddl" in members:
        return PassedOver("schemaChange")
    expected = "an event of Debezium: op, source, before, after"
    raise NotAChange(failure_at(f"{path}.op", "cdc.envelope", expected, None))


def _member_text(raw: bytes) -> str | None:
    """The text of a string or number; None for null."""
    if raw == _NULL:
        return None
    return _text(raw) if raw[:1] == b'"' else raw.decode()


def _position(source: Members) -> str:
    for names in _POSITIONS:
        if text_of(source, names[0]) != _NULL:
            return ":".join(_member_text(text_of(source, name)) or "" for name in names)
    rest = {name: text_of(source, name) for name in sorted(source) if name not in _ABOUT}
    known = [f"{name}={raw.decode()}" for name, raw in rest.items() if raw != _NULL]
    return ",".join(known)


def _transaction(source: Members, members: Members) -> str | None:
    for name in _TRANSACTIONS:
        if name in source:
            found = _member_text(text_of(source, name))
            if found is not None:
                return found
    transaction = text_of(members, "transaction")
    if transaction[:1] != b"{":
        return None
    return _member_text(text_of(strict_members(transaction), "id"))


def _table(source: Members) -> str:
    table = text_of(source, "collection" if "collection" in source else "table")
    schema = text_of(source, "schema")
    if schema == _NULL:
        schema = text_of(source, "db")
    above, name = _member_text(schema), _member_text(table) or ""
    return f"{above}.{name}" if above else name


def _source_ts(source: Members) -> int | None:
    for name, numerator, denominator in _TIMES:
        raw = text_of(source, name)
        if len(raw) <= 20 and raw.removeprefix(b"-").isdigit():
            return int(raw) * numerator // denominator
    return None
