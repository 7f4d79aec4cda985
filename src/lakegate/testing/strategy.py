"""Hypothesis strategies: streams, and batches of records, some damaged (needs ``hypothesis``).

Hypothesis draws one seed and plain Python does the rest: a contract with its records takes
thousands of choices, which one by one would cost more than what they test.
"""

from __future__ import annotations

import json
import random
from dataclasses import replace
from datetime import UTC, date, datetime, time
from decimal import Decimal
from functools import partial
from typing import Any

from hypothesis import strategies as st

from lakegate.contract.stream import ContractRef, Stream, UnknownFields
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
    Severity,
    StringType,
    TimestampType,
    TimeType,
    Type,
)
from lakegate.gate.json_text import Float, Integer, Json, canonical
from lakegate.testing.draw import shape

__all__ = ["batches", "damaged", "streams"]

_NAMES = ("a", "b", "id", "straße", "a b", "x.y", "it's", "\\", "c:d", "null")
_SEVERITIES = (*[Severity.ERROR] * 6, *Severity)
_HOSTILE_TOKENS = (
    b"NaN", b"-Infinity", b"1E400", b"-0", b"-0.0", b"01", b"1.", b"5.0", b"1e2", b"true", b"null",
    b'"5"', b'""', b'"\\ud800"', b'"\\ud83d\\ude00"', b"[]", b"{}", b'{"a":1,"a":1}', b"9" * 30,
    b'"2026-02-30"', b'"2026-01-01T00:00:00"', b'"2026-01-01 00:00:00Z"', b"\xff", b"\xef\xbb\xbf",
    b'"2016-12-31T23:59:60Z"', b'":"', b'"a\\":"', b'"\\\\"', b" :", b'"a" :', b"1.005", b"\x00",
)  # fmt: skip


def _constraints(type_: Type, source: random.Random) -> tuple[Constraint, ...]:
    options: list[tuple[str, list[Any]]] = []
    match type_:
        case StringType():
            options = [
                ("minLength", [0, 1, 2]),
                ("maxLength", [9, 200]),
                ("pattern", ["^[a-z ]+$", "[0-9]", "a|b"]),
                ("format", ["uuid", "email", "ipv4"]),
                ("invalidValues", [("a", "b c", None), ("x",)]),
                ("missingValues", [("", "n/a"), (None, "")]),
            ]
        case IntegerType():
            options = [
                ("minimum", [-1, 0]),
                ("exclusiveMaximum", [100]),
                ("multipleOf", [Decimal(1), Decimal(5)]),
                ("invalidValues", [("1", "2", "x")]),
            ]
        case NumberType() | DecimalType():
            options = [
                ("minimum", [Decimal("-0.5"), Decimal(0)]),
                ("maximum", [Decimal("99.9")]),
                ("multipleOf", [Decimal("0.5"), Decimal("0.01")]),
                ("nullValues", [0]),
            ]
        case DateType():
            options = [("minimum", [date(2000, 1, 1)]), ("maximum", [date(2040, 1, 1)])]
        case TimestampType():
            options = [("exclusiveMinimum", [datetime(2000, 1, 1, tzinfo=UTC)])]
        case TimeType():
            options = [("maximum", [time(12)])]
        case ArrayType():
            options = [("minItems", [1]), ("maxItems", [2]), ("uniqueItems", [True])]
        case ObjectType() | MapType():
            options = [
                ("minProperties", [1]),
                ("maxProperties", [1, 3]),
                ("requiredKeys", [("a",)]),
            ]
        case _:
            options = [("nullValues", [0])]
    chosen = source.sample(options, source.randint(0, min(2, len(options))))
    return tuple(
        Constraint(rule, source.choice(bounds), source.choice(_SEVERITIES))
        for rule, bounds in chosen
    )


_SCALARS: tuple[Type, ...] = (
    StringType(),
    StringType(),
    IntegerType(),
    IntegerType(32),
    IntegerType(8, signed=False),
    IntegerType(64, signed=False),
    NumberType(),
    DecimalType(6, 2),
    DecimalType(3, 3),
    DecimalType(38, 0),
    BooleanType(),
    DateType(),
    DateType("dd/MM/yyyy"),
    TimeType(),
    TimestampType(),
    TimestampType(zoned=False),
    TimestampType(zoned=False, default_timezone="Europe/Vienna"),
    AnyType(),
)


def _fields(source: random.Random, path: str, depth: int) -> tuple[Field, ...]:
    names = source.sample(_NAMES, source.randint(1, 4))
    return tuple(_field(source, name, f"{path}.{name}", depth) for name in names)


def _field(source: random.Random, name: str, path: str, depth: int) -> Field:
    shape = source.randint(0, 9) if depth < 3 else 0
    type_: Type
    if shape == 8:
        type_ = ArrayType(_field(source, "element", f"{path}[*]", depth + 1))
    elif shape == 9:
        type_ = ObjectType(_fields(source, path, depth + 1))
    elif shape == 7:
        key = Field("key", StringType(), f"{path}[*]", True)
        key = replace(key, constraints=_constraints(key.type, source))
        type_ = MapType(key, _field(source, "value", f"{path}[*]", depth + 1))
    else:
        type_ = source.choice(_SCALARS)
    return Field(
        name,
        type_,
        path,
        required=source.random() < 0.4,
        required_severity=source.choice(_SEVERITIES),
        type_severity=source.choice(_SEVERITIES),
        constraints=_constraints(type_, source),
    )


def _stream(seed: int) -> Stream:
    source = random.Random(seed)  # noqa: S311 - test data
    return Stream(
        ContractRef("generated", "1.0.0", "0" * 64),
        "generated",
        "generated",
        _fields(source, "$", 0),
        unknown_fields=source.choice(list(UnknownFields)),
        size_limit_bytes=source.choice([1 << 20, 200]),
    )


_SEEDS = st.integers(0, (1 << 32) - 1)


def streams() -> st.SearchStrategy[Stream]:
    """Streams of up to four fields, nested up to three deep, with constraints of every family."""
    return _SEEDS.map(_stream)


_SCALAR_VALUES: tuple[Json, ...] = (
    None, True, False, Integer("0"), Integer("-0"), Integer("7"), Integer("255"), Integer("256"),
    Integer("-1"), Integer("9223372036854775808"), Integer("18446744073709551616"), Float("5.0"),
    Float("-0.0"), Float("1e2"), Float("0.005"), Float("1E400"), Float("99.99"), Float("1e-400"),
    "", "n/a", "x", "a", ":", '":', 'a":', "\\", "é", "😀", "\n", "2026-01-31", "2026-02-30",
    "2026-01-31T10:00:00.5Z", "2026-01-31T10:00:00+02:00", "2026-03-29T02:30:00", "10:00:00",
    "24:00:00", "31/01/2026", "2026-01-31T10:00:00", "0001-01-01T00:00:00+14:00",
)  # fmt: skip


def _json_value(source: random.Random, depth: int = 0) -> Json:
    shape = source.randint(0, 9) if depth < 3 else 0
    if shape == 8:
        return [_json_value(source, depth + 1) for _ in range(source.randint(0, 3))]
    if shape == 9:
        names = source.sample(_NAMES, source.randint(0, 3))
        return {name: _json_value(source, depth + 1) for name in names}
    return source.choice(_SCALAR_VALUES)


def _record(stream: Stream, source: random.Random) -> bytes:
    """A record of the right shape, or nearly: some values are replaced by any JSON value."""
    record = shape(stream.fields, source)
    for _ in range(source.choice((0, 0, 1, 2))):
        record[source.choice([*record, "extra", "b"])] = _json_value(source)
    text = canonical(record)
    style = source.randint(0, 9)
    if style == 0:
        text = text.replace('":', '" : ')
    elif style == 1:
        text = json.dumps(json.loads(text))
    return text.encode()


def _damage(record: bytes, source: random.Random) -> bytes:
    for _ in range(source.randint(1, 2)):
        start = source.randint(0, len(record))
        stop = source.randint(start, min(len(record), start + 12))
        put = source.choice(
            (source.choice(_HOSTILE_TOKENS), source.randbytes(2), record[start:stop] * 2, b"")
        )
        record = record[:start] + put + record[stop:]
    return record


def _batch(stream: Stream, max_size: int, seed: int) -> list[bytes | None]:
    source = random.Random(seed)  # noqa: S311 - test data
    values: list[bytes | None] = []
    for _ in range(source.randint(0, max_size)):
        record = _record(stream, source)
        kind = source.randint(0, 7)
        values.append(None if kind == 0 else _damage(record, source) if kind < 3 else record)
    return values


def batches(stream: Stream, *, max_size: int = 12) -> st.SearchStrategy[list[bytes | None]]:
    """Records of the stream, good and bad and not JSON at all, and nulls."""
    return _SEEDS.map(partial(_batch, stream, max_size))


def damaged(record: bytes) -> st.SearchStrategy[bytes]:
    """The record with a few bytes lost, repeated, changed or put in."""
    return _SEEDS.map(lambda seed: _damage(record, random.Random(seed)))  # noqa: S311
