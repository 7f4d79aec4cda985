"""Valid records from a contract, and accepted rows back into records.

::

    from lakegate.testing.sample import sample, to_json

    records = sample(stream, 100, seed=7)       # the same hundred records every time
    rows = compile(stream)(records).accepted.to_pylist()
    compile(stream)([to_json(row, stream) for row in rows])   # accepts equal rows
"""

from __future__ import annotations

import random
import re
from collections.abc import Iterator, Mapping
from datetime import date, datetime
from decimal import Decimal
from itertools import islice
from typing import Any

from lakegate.contract.record_format import FormatName
from lakegate.contract.stream import Stream, UnknownFields
from lakegate.contract.type import (
    AnyType,
    ArrayType,
    Constraint,
    DateType,
    DecimalType,
    Field,
    IntegerType,
    MapType,
    NumberType,
    ObjectType,
    TimestampType,
    TimeType,
)
from lakegate.errors import GateError
from lakegate.gate.json_text import Float, Integer, Json, canonical, parse, parse_text
from lakegate.gate.reference import Reference
from lakegate.gate.schema import UNKNOWN_FIELDS
from lakegate.testing.draw import least_bytes, shape, small
from lakegate.testing.moment import micros, write_temporal

__all__ = ["check_plain", "sample", "samples", "to_json"]

_STEP = re.compile(r"\.([^.\[]+)|\[(\d+)\]|\['((?:[^'\\]|\\.)*)'\]")
_FRESH = 50
_CHANGES = 400
_LARGEST = 4 << 20


def sample(stream: Stream, n: int, *, seed: int) -> list[bytes]:
    """``n`` records that the stream's gate accepts without a failure; the same for the same seed.

    Raises:
        GateError: as :func:`samples`.
    """
    return list(islice(samples(stream, seed=seed), n))


def samples(stream: Stream, *, seed: int) -> Iterator[bytes]:
    """Such records without end, each made when it is asked for.

    Raises:
        GateError: the stream's records are no plain JSON objects; the smallest of them are larger
            than the stream's limit, or 4 MiB; or no such record was found: rules that contradict
            each other, or a SQL rule that random values rarely satisfy.
    """
    check_plain(stream)
    limit = min(stream.size_limit_bytes, _LARGEST)
    fields = small(stream.fields, limit)
    least = sum(len(field.name) + 4 + least_bytes(field) for field in fields if field.required)
    if least > limit:
        raise GateError(
            f"{stream.name}: its smallest record is of {least:,} bytes, and records are made up of "
            f"at most {limit:,}"
        )
    source = random.Random(seed)  # noqa: S311 - sample data, not a secret
    reference = Reference(stream)
    while True:
        yield _valid(stream, fields, reference, source)


def _valid(
    stream: Stream, fields: tuple[Field, ...], reference: Reference, source: random.Random
) -> bytes:
    """A record without a failure, first at random, then by changing one field after another."""
    for _ in range(_FRESH):
        members = shape(fields, source)
        record = canonical(members).encode()
        failures = reference.judge(record).failures
        if not failures:
            return record
    for _ in range(_CHANGES if fields else 0):
        changed = source.choice(fields)
        both = {name: value for name, value in members.items() if name != changed.name}
        both |= shape((changed,), source)
        other = {field.name: both[field.name] for field in fields if field.name in both}
        record = canonical(other).encode()
        found = reference.judge(record).failures
        if not found:
            return record
        if len(found) <= len(failures):
            members, failures = other, found
    raise GateError(
        f"{stream.name}: no valid record in {_FRESH + _CHANGES} tries; what comes nearest still "
        f"breaks a rule: {failures[0]}"
    )


def check_plain(stream: Stream) -> None:
    """Refuse a stream whose records are no plain JSON objects.

    Raises:
        GateError: so it is; says what its records are.
    """
    takes = stream.format.name
    if stream.cdc is not None:
        raise GateError(
            f"{stream.name} takes change events, and records are made up for streams of plain JSON "
            "only; lakegate.testing.change.debezium_event makes an event of a row"
        )
    if takes is not FormatName.JSON:
        raise GateError(
            f"{stream.name} takes {takes}, and records are made up for streams of plain JSON only: "
            "leave `lakegate.format` out of a copy of the contract, and write its records so"
        )


def to_json(row: Mapping[str, Any], stream: Stream) -> bytes:
    """A row of ``accepted`` (as ``Table.to_pylist`` gives it) as a record with an equal row.

    Null members are left out, unless a rule wants their keys. Undeclared fields come back from
    ``_unknown_fields``.
    """
    record = _to_members(row, stream.fields)
    kept = row.get(UNKNOWN_FIELDS)
    if kept is not None:
        for path, value in parse(kept.encode()).items():
            _put(record, path, value)
    ignores = stream.unknown_fields is UnknownFields.IGNORE
    _complete(record, stream.fields, stream.constraints, pad=ignores)
    return canonical(record).encode()


def _to_members(row: Mapping[str, Any], fields: tuple[Field, ...]) -> dict[str, Json]:
    return {
        field.name: _to_value(row[field.name], field)
        for field in fields
        if row.get(field.name) is not None
    }


def _complete(
    members: Any, fields: tuple[Field, ...], constraints: tuple[Constraint, ...], *, pad: bool
) -> None:
    """Put in, as null, the keys that rules on keys ask for; ``pad``: undeclared ones too."""
    for constraint in constraints:
        bound = constraint.bound
        if constraint.rule == "requiredKeys" and isinstance(bound, tuple):
            for key in bound:
                members.setdefault(key, None)
        if constraint.rule == "minProperties" and isinstance(bound, int):
            for field in fields:
                if len(members) < bound:
                    members.setdefault(field.name, None)
            while pad and len(members) < bound:
                members[f"_{len(members)}"] = None
    for field in fields:
        _complete_value(members.get(field.name), field, pad=pad)


def _complete_value(value: Json, field: Field, *, pad: bool) -> None:
    if value is None:
        return
    if isinstance(field.type, ObjectType):
        _complete(value, field.type.fields, field.constraints, pad=pad)
    elif isinstance(field.type, ArrayType) and isinstance(value, list):
        for item in value:
            _complete_value(item, field.type.item, pad=pad)
    elif isinstance(field.type, MapType) and isinstance(value, dict):
        for item in value.values():
            _complete_value(item, field.type.value, pad=pad)


def _to_value(value: Any, field: Field) -> Json:
    if value is None:
        return None
    match field.type:
        case IntegerType() | DecimalType():
            return Integer(f"{value:f}" if isinstance(value, Decimal) else str(value))
        case NumberType():
            return Float(repr(value))
        case DateType() | TimeType() | TimestampType() as temporal:
            plain = isinstance(value, date) and not isinstance(value, datetime)
            return write_temporal(value if plain else micros(value), temporal)
        case ArrayType(item=item):
            return [_to_value(member, item) for member in value]
        case ObjectType(fields=fields):
            return _to_members(value, fields)
        case MapType(value=item):
            return {name: _to_value(member, item) for name, member in value}
        case AnyType():
            return parse_text(value)
        case _:
            return value  # type: ignore[no-any-return]


def _put(record: Json, path: str, value: Json) -> None:
    *steps, last = [
        int(index) if index else name or re.sub(r"\\(u[0-9a-f]{4}|.)", _unescape, quoted)
        for name, index, quoted in _STEP.findall(path)
    ]
    owner: Any = record
    for step in steps:
        owner = owner[step]
    owner[last] = value


def _unescape(escape: re.Match[str]) -> str:
    return chr(int(escape[1][1:], 16)) if len(escape[1]) == 5 else escape[1]
