"""Hypothesis strategies: streams, records of a stream, and damage (needs ``hypothesis``)."""

from __future__ import annotations

from datetime import UTC, date, datetime, time
from decimal import Decimal
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
    NumberType,
    ObjectType,
    Severity,
    StringType,
    TimestampType,
    TimeType,
    Type,
)
from lakegate.gate.json_text import Float, Integer, Json, canonical, parse
from lakegate.testing.sample import sample

__all__ = ["batches", "damaged", "json_values", "streams"]

_NAMES = ("a", "b", "id", "straße", "a b", "x.y", "it's", "\\", "c:d", "null")
_SEVERITIES = st.sampled_from([Severity.ERROR] * 6 + list(Severity))
_HOSTILE_TOKENS = (
    b"NaN", b"-Infinity", b"1E400", b"-0", b"-0.0", b"01", b"1.", b"5.0", b"1e2", b"true", b"null",
    b'"5"', b'""', b'"\\ud800"', b'"\\ud83d\\ude00"', b"[]", b"{}", b'{"a":1,"a":1}', b"9" * 30,
    b'"2026-02-30"', b'"2026-01-01T00:00:00"', b'"2026-01-01 00:00:00Z"', b"\xff", b"\xef\xbb\xbf",
    b'"2016-12-31T23:59:60Z"', b'":"', b'"a\\":"', b'"\\\\"', b" :", b'"a" :', b"1.005", b"\x00",
)  # fmt: skip


def _constraints(type_: Type) -> st.SearchStrategy[tuple[Constraint, ...]]:
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
        case ObjectType():
            options = [("minProperties", [1]), ("maxProperties", [1, 3]), ("requiredKeys", [("a",)])]
        case _:
            options = [("nullValues", [0])]
    one = st.one_of(
        *(
            st.builds(Constraint, st.just(rule), st.sampled_from(bounds), _SEVERITIES)
            for rule, bounds in options
        )
    )
    return st.lists(one, max_size=2, unique_by=lambda found: found.rule).map(tuple)


_SCALARS = st.sampled_from(
    [
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
    ]
)


@st.composite
def _fields(draw: st.DrawFn, path: str, depth: int) -> tuple[Field, ...]:
    names = draw(st.lists(st.sampled_from(_NAMES), min_size=1, max_size=4, unique=True))
    return tuple(draw(_field(name, f"{path}.{name}", depth)) for name in names)


@st.composite
def _field(draw: st.DrawFn, name: str, path: str, depth: int) -> Field:
    shape = draw(st.integers(0, 9)) if depth < 3 else 0
    type_: Type
    if shape == 8:
        type_ = ArrayType(draw(_field("element", f"{path}[*]", depth + 1)))
    elif shape == 9:
        type_ = ObjectType(draw(_fields(path, depth + 1)))
    else:
        type_ = draw(_SCALARS)
    return Field(
        name,
        type_,
        path,
        required=draw(st.booleans()),
        required_severity=draw(_SEVERITIES),
        type_severity=draw(_SEVERITIES),
        constraints=draw(_constraints(type_)),
    )


@st.composite
def streams(draw: st.DrawFn) -> Stream:
    """Streams of up to four fields, nested up to three deep, with constraints of every family."""
    return Stream(
        ContractRef("generated", "1.0.0", "0" * 64),
        "generated",
        "generated",
        draw(_fields("$", 0)),
        unknown_fields=draw(st.sampled_from(list(UnknownFields))),
        size_limit_bytes=draw(st.sampled_from([1 << 20, 200])),
    )


def json_values() -> st.SearchStrategy[Json]:
    """Any JSON value, of modest size."""
    scalars = st.one_of(
        st.none(),
        st.booleans(),
        st.integers().map(lambda number: Integer(str(number))),
        st.floats(allow_nan=False, allow_infinity=False).map(lambda number: Float(repr(number))),
        st.text(max_size=8),
        st.sampled_from(["", "n/a", ":", '":', "2026-01-31", "2026-01-31T10:00:00.5Z", "10:00:00"]),
    )
    return st.recursive(
        scalars,
        lambda inner: st.one_of(
            st.lists(inner, max_size=3),
            st.dictionaries(st.sampled_from(_NAMES), inner, max_size=3),
        ),
        max_leaves=6,
    )


@st.composite
def _records(draw: st.DrawFn, stream: Stream) -> bytes:
    """A record of the right shape, or nearly: some values are replaced by any JSON value."""
    if draw(st.integers(0, 9)) == 0:
        return canonical(draw(st.dictionaries(st.sampled_from(_NAMES), json_values()))).encode()
    bare = Stream(stream.contract, stream.name, stream.object_name, _lenient(stream.fields))
    record = parse(sample(bare, 1, seed=draw(st.integers(0, 1 << 16)))[0])
    for name in draw(st.lists(st.sampled_from([*record, "extra", "b"]), max_size=2)):
        record[name] = draw(json_values())
    text = canonical(record)
    if draw(st.integers(0, 4)) == 0:
        text = text.replace('":', '" : ')
    return text.encode()


def _lenient(fields: tuple[Field, ...]) -> tuple[Field, ...]:
    return tuple(Field(field.name, field.type, field.path) for field in fields)


@st.composite
def damaged(draw: st.DrawFn, record: bytes) -> bytes:
    """The record with a few bytes lost, repeated, changed or put in."""
    for _ in range(draw(st.integers(1, 2))):
        start = draw(st.integers(0, len(record)))
        stop = draw(st.integers(start, min(len(record), start + 12)))
        put = draw(
            st.one_of(
                st.sampled_from(_HOSTILE_TOKENS),
                st.binary(max_size=3),
                st.just(record[start:stop] * 2),
            )
        )
        record = record[:start] + put + record[stop:]
    return record


@st.composite
def batches(draw: st.DrawFn, stream: Stream, *, max_size: int = 12) -> list[bytes | None]:
    """Records of the stream, good and bad and not JSON at all, and nulls."""
    values: list[bytes | None] = []
    for _ in range(draw(st.integers(0, max_size))):
        record = draw(_records(stream))
        kind = draw(st.integers(0, 5))
        values.append(None if kind == 0 else draw(damaged(record)) if kind == 1 else record)
    return values
