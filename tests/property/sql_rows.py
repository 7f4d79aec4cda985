"""Rows for the tests of SQL rules, as records and as Arrow, and the three ways to judge them."""

from __future__ import annotations

import datetime as dt
import math
from decimal import Context, Decimal
from typing import Any

import pyarrow as pa
from hypothesis import strategies as st

from lakegate.contract.sql.function import Undefined
from lakegate.contract.sql.rule import Call, Expression, NotPerRecord, parse_row_rule
from lakegate.contract.sql.vector import to_array
from lakegate.contract.type import (
    ArrayType,
    BooleanType,
    DateType,
    DecimalType,
    Field,
    IntegerType,
    NumberType,
    ObjectType,
    StringType,
    TimestampType,
    TimeType,
    Type,
)
from lakegate.gate.sql.columns import _Columns
from lakegate.gate.sql.record import compile_expression

EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
MICROSECOND = dt.timedelta(microseconds=1)


def field(name: str, kind: Type) -> Field:
    return Field(name, kind, f"$.{name}")


LINE = ObjectType((field("qty", IntegerType()), field("sku", StringType())))
FIELDS = (
    field("i", IntegerType(32)),
    field("j", IntegerType(64)),
    field("d", NumberType()),
    field("e", DecimalType(10, 2)),
    field("f", DecimalType(38, 10)),
    field("s", StringType()),
    field("u", StringType()),
    field("b", BooleanType()),
    field("day", DateType()),
    field("t", TimeType()),
    field("ts", TimestampType()),
    field("o", ObjectType((field("x", IntegerType(32)), field("y", StringType())))),
    field("tags", ArrayType(field("element", StringType()))),
    field("ns", ArrayType(field("element", IntegerType()))),
    field("lines", ArrayType(field("element", LINE))),
)
SCHEMA = pa.schema(
    [
        ("i", pa.int32()),
        ("j", pa.int64()),
        ("d", pa.float64()),
        ("e", pa.decimal128(10, 2)),
        ("f", pa.decimal128(38, 10)),
        ("s", pa.string()),
        ("u", pa.string()),
        ("b", pa.bool_()),
        ("day", pa.date32()),
        ("t", pa.time64("us")),
        ("ts", pa.timestamp("us", tz="UTC")),
        ("o", pa.struct([("x", pa.int32()), ("y", pa.string())])),
        ("tags", pa.list_(pa.string())),
        ("ns", pa.list_(pa.int64())),
        ("lines", pa.list_(pa.struct([("qty", pa.int64()), ("sku", pa.string())]))),
    ]
)

NUMBERLIKE = st.one_of(
    st.sampled_from(
        ["7", " 42 ", "1.5", "-2.5", "1e2", "1_0", "", "-", ".5", "5.", "0x1F", "abc", "007"]
    ),
    st.integers(-(10**20), 10**20).map(str),
    st.text("0159+-._eE ", max_size=6),
)
DATELIKE = st.one_of(
    st.dates().map(str),
    st.sampled_from(
        ["2024-2-9", "2024-02-30", "2024-02-29 12:30:00", "2024-02-29T12:30:00Z", "today", "x"]
    ),
)
TEXT = st.one_of(
    st.sampled_from(
        ["", "a", "ab", "AB", "Añb", " a ", "é", "50%", "a_b", "a\nb", "\u2003x\u00a0", "a,b,,c"]
    ),
    st.text(max_size=4),
    st.text("abAB,. é", max_size=8),
    NUMBERLIKE,
    DATELIKE,
    st.sampled_from(["true", "F", "yes", "0", "ſß", "İI\u0131", "\u0264x\ua7dc"]),
)
INT32 = st.one_of(st.integers(-3, 3), st.integers(-(2**31), 2**31 - 1))
INT64 = st.one_of(
    st.integers(-3, 3),
    st.integers(-(2**63), 2**63 - 1),
    st.sampled_from([2**53, 2**53 + 1, -(2**53) - 1]),
)
DOUBLE = st.one_of(
    st.sampled_from([0.0, -0.0, 0.1, 2.5, -2.5, 2.0**53, 1e308, 2.675, 0.49999999999999994]),
    st.floats(allow_nan=False, allow_infinity=False),
    st.integers(-2000, 2000).map(lambda number: number / 8),
)


def decimals(precision: int, scale: int) -> st.SearchStrategy[Decimal]:
    limit = 10**precision - 1
    near = st.integers(-300, 300)
    return st.one_of(near, st.integers(-limit, limit)).map(
        lambda unscaled: Decimal(unscaled).scaleb(-scale, Context(prec=60))
    )


def rows() -> st.SearchStrategy[dict[str, Any]]:
    """A record as the reference gate decodes it."""
    line = st.fixed_dictionaries(
        {"qty": st.none() | st.integers(-2, 5), "sku": st.none() | st.sampled_from(["a", "b", ""])}
    )
    values: dict[str, st.SearchStrategy[Any]] = {
        "i": INT32,
        "j": INT64,
        "d": DOUBLE,
        "e": decimals(10, 2),
        "f": decimals(38, 10),
        "s": TEXT,
        "u": TEXT,
        "b": st.booleans(),
        "day": st.one_of(st.dates(), st.dates(dt.date(2024, 2, 28), dt.date(2024, 3, 2))),
        "t": st.integers(0, 86_400_000_000 - 1),
        "ts": st.one_of(
            st.integers(-(10**15), 2 * 10**15),
            st.datetimes().map(lambda at: (at.replace(tzinfo=dt.UTC) - EPOCH) // MICROSECOND),
        ),
        "o": st.fixed_dictionaries(
            {"x": st.one_of(st.none(), INT32), "y": st.one_of(st.none(), TEXT)}
        ),
        "tags": st.lists(st.none() | st.sampled_from(["a", "b", "é"]), max_size=4),
        "ns": st.lists(st.none() | st.integers(-3, 3), max_size=4),
        "lines": st.lists(st.none() | line, max_size=3),
    }
    return st.fixed_dictionaries({name: st.none() | value for name, value in values.items()})


_EDGES: dict[str, list[Any]] = {
    "i": [0, 1, -1, 2, 3, -7, 15, -15, None, 2**31 - 1, -(2**31), 99],
    "j": [0, 7, -7, None, 2**53 + 1, 2**63 - 1, -(2**63), 500, -1500, 3, 1],
    "d": [0.0, -0.0, 0.5, -0.5, 2.5, 2.675, 0.49999999999999994, 1e308, -1e308, None, 123.45,
          2.0**53, 1e-300],
    "e": [Decimal(text) for text in ("0", "0.05", "-0.05", "1.25", "99999999.99", "-2.50", "10")]
    + [None],
    "f": [Decimal(text) for text in ("0", "1.5", "-0.0000000001", "7", "9" * 28)]
    + [None, Decimal("-9999999999999999999999999999.9999999999")],
    "s": ["", "a", "AB", "Añb", " a ", "é", "50%", "a_b", "a\nb", "\u2003x\u00a0", "a,b,,c", None,
          "7", " 42 ", "-2.5", "1e2", "1_0", "-", ".5", "5.", "0x1F", "abc", "99999999999999999999",
          "2024-02-29", "2024-2-9", "2023-02-29", "2024-02-29 12:30:00", "true", "F", "ſß",
          "İI\u0131", "\u0264x\ua7dc", "a!x", "aXbab", "9" * 18, "1.005", "-0"],
    "u": ["a", "", ",", "%b", None, "é", "A%", "ab"],
    "b": [True, False, None],
    "day": [dt.date(1, 1, 1), dt.date(1969, 12, 31), dt.date(2024, 2, 29), dt.date(2023, 12, 31),
            None, dt.date(2021, 1, 3), dt.date(9999, 12, 31), dt.date(2024, 1, 31)],
    "t": [0, 43_200_000_000, None, 86_399_999_999, 1_234_567],
    "ts": [0, -1, 1_709_209_800_123_456, None, -62_135_596_800_000_000, 253_402_300_799_999_999,
           1_706_659_200_000_000],
    "o": [None, {"x": 1, "y": "a"}, {"x": None, "y": None}],
    "tags": [None, [], ["a"], ["a", None, "b"], [None], ["b", "b"]],
    "ns": [None, [], [1, 2, 3], [None, -1], [3, 3, 1], [None], [2**40]],
    "lines": [None, [], [{"qty": 0, "sku": "a"}], [None, {"qty": 2, "sku": None}],
              [{"qty": -1, "sku": "b"}, {"qty": None, "sku": ""}]],
}  # fmt: skip


def edge_rows(count: int) -> list[dict[str, Any]]:
    """Records in which every edge stands beside many others."""
    return [
        {
            name: values[(at * (place + 1) + at // len(values)) % len(values)]
            for place, (name, values) in enumerate(_EDGES.items())
        }
        for at in range(count)
    ]


def to_arrow(records: list[dict[str, Any]]) -> pa.Table:
    """The records as the gate's accepted table."""
    columns = []
    for entry in SCHEMA:
        held = [record[entry.name] for record in records]
        if entry.name in ("t", "ts"):
            columns.append(pa.array(held, pa.int64()).cast(entry.type))
        else:
            columns.append(pa.array(held, entry.type))
    return pa.table(columns, schema=SCHEMA)


def expression_of(sql: str) -> Expression | str:
    """The built expression of any value, or why there is none."""
    rule = parse_row_rule(f"SELECT COUNT(*) FROM {{object}} AS row WHERE ({sql}) IS NULL", FIELDS)
    if isinstance(rule, NotPerRecord):
        return rule.reason
    assert isinstance(rule.expression, Call)
    return rule.expression.args[0]


def by_record(expression: Expression, record: dict[str, Any]) -> Any:
    """The reference's value; the text ``undefined`` where it has none."""
    try:
        return compile_expression(expression)(record, ())
    except Undefined:
        return "undefined"


def by_column(expression: Expression, table: pa.Table) -> list[Any]:
    """The values of the vectorised form, ``doubt`` where the reference would be asked."""
    answer = _Columns(table).evaluate(expression)
    values = to_array(answer.array, table.num_rows).to_pylist()
    if answer.doubt is not None:
        values = ["doubt" if d else v for d, v in zip(answer.doubt, values, strict=True)]
    return values


def of_duckdb(value: Any) -> Any:
    """A value DuckDB gives, as rules hold it."""
    if isinstance(value, dt.datetime):
        at = value.replace(tzinfo=dt.UTC) if value.tzinfo is None else value
        return (at - EPOCH) // MICROSECOND
    if isinstance(value, dt.date):
        return (value - EPOCH.date()).days
    if isinstance(value, dt.timedelta):
        return value // MICROSECOND
    if isinstance(value, dt.time):
        seconds = (value.hour * 60 + value.minute) * 60 + value.second
        return seconds * 1_000_000 + value.microsecond
    return value


def same(left: Any, right: Any) -> bool:
    """Equal, NaN included; lists item by item."""
    if isinstance(left, float) and isinstance(right, float):
        return left == right or (math.isnan(left) and math.isnan(right))
    return bool(left == right) and (type(left) is type(right) or not isinstance(left, bool))
