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
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from itertools import islice
from typing import Any

from lakegate.contract.record_format import FormatName
from lakegate.contract.stream import Stream, UnknownFields
from lakegate.contract.temporal import (
    TemporalError,
    format_date,
    format_local_timestamp,
    format_time,
    format_timestamp,
)
from lakegate.contract.temporal_format import compile_format
from lakegate.contract.type import (
    AnyType,
    ArrayType,
    BooleanType,
    Constraint,
    DateType,
    DecimalType,
    Field,
    IntegerType,
    MapType,
    NumberType,
    ObjectType,
    StringType,
    TimestampType,
    TimeType,
)
from lakegate.errors import GateError
from lakegate.gate.json_text import Float, Integer, Json, canonical, parse, parse_text
from lakegate.gate.reference import Reference
from lakegate.gate.schema import UNKNOWN_FIELDS
from lakegate.gate.value import integer_range
from lakegate.testing.text import FORMAT_EXAMPLES, from_pattern

__all__ = ["check_plain", "sample", "samples", "shape", "to_json"]

_EPOCH = datetime(1970, 1, 1)  # noqa: DTZ001 - arithmetic in UTC
_STEP = re.compile(r"\.([^.\[]+)|\[(\d+)\]|\['((?:[^'\\]|\\.)*)'\]")
_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?")
_TRIES = 200


def sample(stream: Stream, n: int, *, seed: int) -> list[bytes]:
    """``n`` records that the stream's gate accepts without a failure; the same for the same seed.

    Raises:
        GateError: as :func:`samples`.
    """
    return list(islice(samples(stream, seed=seed), n))


def samples(stream: Stream, *, seed: int) -> Iterator[bytes]:
    """Such records without end, each made when it is asked for.

    Raises:
        GateError: the stream's records are no plain JSON objects; or no such record was found:
            rules that contradict each other, or a SQL rule that random values rarely satisfy. The
            message has the failures of the last try.
    """
    check_plain(stream)
    source = random.Random(seed)  # noqa: S311 - sample data, not a secret
    reference = Reference(stream)
    while True:
        failures: list[Any] = []
        for _ in range(_TRIES):
            record = canonical(shape(stream.fields, source)).encode()
            failures = reference.judge(record).failures
            if not failures:
                yield record
                break
        else:
            raise GateError(f"{stream.name}: no valid record in {_TRIES} tries: {failures[0]}")


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


def shape(fields: tuple[Field, ...], source: random.Random) -> dict[str, Json]:
    """A record of random values that nearly always keep the constraints of ``fields``."""
    members: dict[str, Json] = {}
    for field in fields:
        if field.required or field.constraints or source.random() < 0.9:
            members[field.name] = _value(field, source)
    return members


def _bounds(field: Field) -> dict[str, Any]:
    return {constraint.rule: constraint.bound for constraint in field.constraints}


def _value(field: Field, source: random.Random) -> Json:
    bounds = _bounds(field)
    valid = [text for text in bounds.get("invalidValues", ()) if text is not None]
    match field.type:
        case StringType():
            return source.choice(valid) if valid else _text(bounds, source)
        case IntegerType() | NumberType() | DecimalType():
            numbers = [text for text in valid if _NUMBER.fullmatch(text)]
            if numbers:
                chosen = source.choice(numbers)
                return Float(chosen) if "." in chosen else Integer(chosen)
            return _number(field.type, bounds, source)
        case BooleanType():
            return source.random() < 0.5
        case DateType() | TimeType() | TimestampType() as temporal:
            return source.choice(valid) if valid else _temporal(temporal, bounds, source)
        case ArrayType(item=item):
            least = bounds.get("minItems", 0)
            most = min(bounds.get("maxItems", least + 3), least + 3)
            return [_value(item, source) for _ in range(source.randint(least, most))]
        case ObjectType(fields=fields):
            return shape(fields, source)
        case MapType(key=key, value=value):
            names = [_text(_bounds(key), source) for _ in range(source.randint(0, 3))]
            allowed = [t for t in _bounds(key).get("invalidValues", ()) if t is not None]
            names = [source.choice(allowed) for _ in names] if allowed else names
            return {name: _value(value, source) for name in names}
        case AnyType():
            return {"note": _text({}, source)}


def _text(bounds: dict[str, Any], source: random.Random) -> str:
    pattern = bounds.get("pattern") or bounds.get("invalidPattern")
    if pattern is not None:
        return from_pattern(pattern, source)
    if "format" in bounds:
        return FORMAT_EXAMPLES[bounds["format"]](source)
    least = bounds.get("minLength", 1)
    most = min(bounds.get("maxLength", least + 8), least + 8)
    return "".join(source.choices("abcdefghij klmnop", k=source.randint(least, most)))


def _number(
    type_: IntegerType | NumberType | DecimalType, bounds: dict[str, Any], source: random.Random
) -> Json:
    places = 0 if isinstance(type_, IntegerType) else 2
    low, high = Decimal(-1000), Decimal(1000)
    if isinstance(type_, DecimalType):
        places = min(places, type_.scale)
        high = min(high, Decimal(10) ** (type_.precision - type_.scale) - 1)
        low = -high
    elif isinstance(type_, IntegerType):
        least, greatest = integer_range(type_)
        low, high = max(low, Decimal(least)), min(high, Decimal(greatest))
    step = Decimal(1).scaleb(-places)
    if "multipleOf" in bounds:
        step = Decimal(bounds["multipleOf"])
    for rule, least in (("minimum", 0), ("exclusiveMinimum", 1)):
        if rule in bounds:
            low = Decimal(bounds[rule]) + least * step
            high = max(high, low + 1000 * step)
    for rule, least in (("maximum", 0), ("exclusiveMaximum", 1)):
        if rule in bounds:
            high = Decimal(bounds[rule]) - least * step
            low = low if low <= high else high - 1000 * step
    units = source.randint(int(-(-low // step)), max(int(-(-low // step)), int(high // step)))
    text = f"{units * step:f}"
    return Integer(text) if isinstance(type_, IntegerType) else Float(text)


def _temporal(
    type_: DateType | TimeType | TimestampType, bounds: dict[str, Any], source: random.Random
) -> str:
    day = 86_400_000_000
    low, high = (0, day - 1) if isinstance(type_, TimeType) else (18_262 * day, 21_915 * day)
    for rule, bound in bounds.items():
        if rule in ("minimum", "exclusiveMinimum"):
            low = _micros(bound) + (0 if rule == "minimum" else day)
            high = max(high, low)
        elif rule in ("maximum", "exclusiveMaximum"):
            high = _micros(bound) - (0 if rule == "maximum" else day)
            low = min(low, high)
    micros = source.randint(low, high)
    if isinstance(type_, DateType):
        return _write_temporal((_EPOCH + timedelta(days=micros // day)).date(), type_)
    return _write_temporal(micros, type_)


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
            return _write_temporal(value if plain else _micros(value), temporal)
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


def _micros(value: Any) -> int:
    if isinstance(value, datetime):
        value = value.replace(tzinfo=None)
    elif isinstance(value, date):
        value = datetime(value.year, value.month, value.day)  # noqa: DTZ001
    elif isinstance(value, time):
        value = datetime.combine(_EPOCH, value)
    return (value - _EPOCH) // timedelta(microseconds=1)  # type: ignore[no-any-return]


def _write_temporal(value: date | int, type_: DateType | TimeType | TimestampType) -> str:
    zone = None
    kind = "date" if isinstance(type_, DateType) else "time"
    if isinstance(type_, TimestampType):
        kind = "timestamp"
        zone = None if type_.zoned else type_.default_timezone
    if type_.format is not None:
        return compile_format(type_.format, kind).write(value, zone)
    if isinstance(value, date):
        return format_date(value)
    if kind == "time":
        return format_time(value)
    try:
        return format_timestamp(value) if zone is None else format_local_timestamp(value, zone)
    except TemporalError as cause:
        raise GateError(f"{value} us has no local time in {zone}") from cause


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
