"""Row rules: the reference, the columns and DuckDB agree on every predicate and every row."""

from __future__ import annotations

import datetime as dt
from decimal import Context, Decimal
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from hypothesis import event, given, settings
from hypothesis import strategies as st

from lakegate.contract.predicate import NotPerRecord, RowRule, parse_row_rule
from lakegate.contract.type import (
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
from lakegate.gate.predicate import SPACES, evaluate
from lakegate.gate.predicate_arrow import NotVectorised, evaluate_columns

EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
MICROSECOND = dt.timedelta(microseconds=1)


def field(name: str, kind: Type) -> Field:
    return Field(name, kind, f"$.{name}")


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
    ]
)

TEXT = st.one_of(
    st.sampled_from(
        ["", "a", "ab", "AB", "Añb", " a ", "é", "50%", "a_b", "a\nb", "\u2003x\u00a0"]
    ),
    st.text(max_size=4),
)
INT32 = st.one_of(st.integers(-3, 3), st.integers(-(2**31), 2**31 - 1))
INT64 = st.one_of(
    st.integers(-3, 3),
    st.integers(-(2**63), 2**63 - 1),
    st.sampled_from([2**53, 2**53 + 1, -(2**53) - 1]),
)
DOUBLE = st.one_of(
    st.sampled_from([0.0, -0.0, 0.1, 2.5, 2.0**53, 1e308]),
    st.floats(allow_nan=False, allow_infinity=False),
)


def decimals(precision: int, scale: int) -> st.SearchStrategy[Decimal]:
    limit = 10**precision - 1
    near = st.integers(-300, 300)
    return st.one_of(near, st.integers(-limit, limit)).map(
        lambda unscaled: Decimal(unscaled).scaleb(-scale, Context(prec=60))
    )


def rows() -> st.SearchStrategy[dict[str, Any]]:
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
    }
    return st.fixed_dictionaries({name: st.none() | value for name, value in values.items()})


def to_arrow(records: list[dict[str, Any]]) -> pa.Table:
    columns = []
    for entry in SCHEMA:
        held = [record[entry.name] for record in records]
        if entry.name in ("t", "ts"):
            columns.append(pa.array(held, pa.int64()).cast(entry.type))
        else:
            columns.append(pa.array(held, entry.type))
    return pa.table(columns, schema=SCHEMA)


def quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


SIMPLE_TEXT = st.sampled_from(["", "a", "ab", "AB", "é", "a b", "50%", "it''s", " "])
PATTERN = st.text("aAbé%_!", max_size=4)
INTEGER_LITERAL = st.one_of(st.integers(-5, 5), st.integers(-(2**31), 2**31)).map(str)
NUMBER_LITERAL = st.sampled_from(["0.5", "-2.25", "10.00", ".5", "1e2", "2.5e-1", "0", "1"])
DATE_LITERAL = st.dates(dt.date(1900, 1, 1), dt.date(2100, 1, 1)).map(lambda d: f"DATE '{d}'")
TIMESTAMP_LITERAL = st.datetimes(
    dt.datetime.fromisoformat("1900-01-01"), dt.datetime.fromisoformat("2100-01-01")
).map(lambda at: f"TIMESTAMP '{at.isoformat(sep=' ')}'")


def wrap(left: str, op: str, right: str, parentheses: bool) -> str:
    return f"({left} {op} {right})" if parentheses else f"{left} {op} {right}"


@st.composite
def numbers(draw: st.DrawFn, depth: int = 2) -> str:
    """SQL of a number."""
    if depth == 0:
        columns = st.sampled_from(["i", "j", "d", "e", "f", "o.x", "row.o.x", "J"])
        return draw(st.one_of(columns, columns, INTEGER_LITERAL, NUMBER_LITERAL))
    a, b = draw(numbers(depth - 1)), draw(numbers(depth - 1))
    shape = draw(st.integers(0, 11))
    parentheses = draw(st.booleans())
    if shape < 3:
        return wrap(a, "+-*"[shape], b, parentheses)
    return {
        3: f"({a}) / 4",
        4: f"({a}) / NULLIF({b}, 0)",
        5: f"abs({a})",
        6: f"-({a})",
        7: f"COALESCE({a}, {b})",
        8: f"CASE WHEN {draw(st.sampled_from(['b', 'i > 0', 's IS NULL']))} THEN {a} ELSE {b} END",
        9: f"{draw(st.sampled_from(['greatest', 'least']))}({a}, {b})",
        10: draw(
            st.sampled_from(
                [
                    "i // 3",
                    "j % -7",
                    "length(s)",
                    "year(ts)",
                    "month(day)",
                    "hour(ts)",
                    "minute(t)",
                    "second(t)",
                    "EXTRACT(day FROM ts)",
                    "day - DATE '2024-01-01'",
                    "j::double",
                ]
            )
        ),
        11: wrap(a, "*", "2", parentheses),
    }[shape]


@st.composite
def texts(draw: st.DrawFn, depth: int = 1) -> str:
    """SQL of a text."""
    if depth == 0:
        return draw(st.sampled_from(["s", "u", "o.y"]) | SIMPLE_TEXT.map(lambda t: f"'{t}'"))
    a = draw(texts(depth - 1))
    return draw(
        st.sampled_from(
            [
                a,
                f"trim({a})",
                f"substring({a}, 2, 1)",
                f"substring({a}, 1)",
                f"coalesce({a}, u)",
                f"nullif({a}, 'a')",
                f"least({a}, s)",
            ]
        )
    )


@st.composite
def moments(draw: st.DrawFn) -> str:
    """SQL of a date or timestamp."""
    unit = draw(st.sampled_from(["DAY", "HOURS", "MINUTE", "SECOND", "WEEK"]))
    amount = draw(st.integers(0, 100))
    base = draw(st.sampled_from(["day", "ts"]) | DATE_LITERAL | TIMESTAMP_LITERAL)
    return draw(
        st.sampled_from(
            [
                base,
                f"{base} + INTERVAL {amount} {unit}",
                f"{base} - INTERVAL '{amount} {unit}'",
                f"CAST({base} AS DATE)",
                f"CAST({base} AS DATE) + {amount}",
            ]
        )
    )


COMPARISON = st.sampled_from(["=", "<>", "!=", "<", "<=", ">", ">=", "IS DISTINCT FROM"])


@st.composite
def atoms(draw: st.DrawFn) -> str:
    """SQL of a comparison or test."""
    op = draw(COMPARISON)
    a, b = draw(numbers()), draw(numbers(1))
    text, other, pattern = draw(texts()), draw(texts(0)), draw(PATTERN)
    options = ", ".join(draw(st.lists(numbers(0) | st.just("NULL"), min_size=1, max_size=3)))
    negation = draw(st.sampled_from(["", "NOT "]))
    return draw(
        st.sampled_from(
            [
                f"{a} {op} {b}",
                f"{draw(moments())} {op} {draw(moments())}",
                f"{text} {op} {other}",
                f"{a} {negation}IN ({options})",
                f"{a} {negation}BETWEEN {draw(numbers(0))} AND {b}",
                f"{text} {negation}LIKE {quoted(pattern)}",
                f"{text} {negation}LIKE {quoted(pattern + 'x')} ESCAPE '!'",
                f"{text} {negation}ILIKE {quoted(pattern.replace('é', 'e'))}",
                f"starts_with({text}, {quoted(pattern)})",
                f"contains({text}, {quoted(pattern)})",
                f"ends_with({text}, {quoted(pattern)})",
                f"regexp_matches({text}, '^[a-z]+.?$')",
                f"{text} IS {negation}NULL",
                f"{a} IS {negation}NULL",
                "o IS NULL",
                "b",
                f"b IS {negation}TRUE",
                f"b {draw(st.sampled_from(['=', '<>', 'IS NOT DISTINCT FROM']))} NULL",
                f"t {op} '{draw(st.times().map(lambda t: t.isoformat()))}'",
                f"ts {op} '2024-02-29'",
                f"ts {op} '2024-02-29T12:00:00.5+02:00'",
            ]
        )
    )


@st.composite
def conditions(draw: st.DrawFn, depth: int = 2) -> str:
    """SQL of a predicate."""
    if depth == 0:
        return draw(atoms())
    shape = draw(st.integers(0, 3))
    left = draw(conditions(depth - 1))
    if shape == 0:
        return left
    if shape == 1:
        return f"NOT {left}" if draw(st.booleans()) else f"NOT ({left})"
    return wrap(left, ("AND", "OR")[shape - 2], draw(conditions(depth - 1)), draw(st.booleans()))


@pytest.fixture(scope="module")
def database() -> Any:
    with duckdb.connect() as connection:
        connection.execute("SET TimeZone='UTC'")
        yield connection


@settings(max_examples=60, deadline=None)
@given(predicate=conditions(), records=st.lists(rows(), min_size=1, max_size=6))
def test_reference_columns_and_duckdb_agree(
    database: Any, predicate: str, records: list[dict[str, Any]]
) -> None:
    rule = parse_row_rule(f"SELECT COUNT(*) FROM {{object}} AS row WHERE {predicate}", FIELDS)
    if isinstance(rule, NotPerRecord):
        event("left to the audit")
        return
    table = to_arrow(records)
    reference = [evaluate(rule, record) for record in records]
    try:
        columns = evaluate_columns(rule, table).to_pylist()
    except NotVectorised:
        event("not vectorised")
    else:
        assert columns == reference
    database.register("row", table)
    try:
        answers = database.execute(f"SELECT {predicate} FROM row").fetchall()
    except (duckdb.OutOfRangeException, duckdb.ConversionException):
        event("DuckDB stops at an overflow, where the gate knows the exact answer")
        return
    assert [answer for (answer,) in answers] == reference


def test_lower_case_and_spaces_are_those_of_duckdb(database: Any) -> None:
    points = [point for point in range(1, 0x110000) if not 0xD800 <= point <= 0xDFFF]
    table = pa.table({"c": pa.array([chr(point) for point in points])})
    database.register("points", table)
    answers = database.sql("SELECT lower(c) AS l, trim(c) AS t FROM points").to_arrow_table()
    # Letters of the newest Unicode may differ, but never in whether they are ASCII or in number.
    both = zip(answers["l"].to_pylist(), pc.utf8_lower(table["c"]).to_pylist(), strict=True)
    differing = [pair for pair in both if pair[0] != pair[1]]
    assert all(len(low) == 1 and not low.isascii() for pair in differing for low in pair)
    trimmed = [text for text in table["c"].to_pylist() if text.strip(SPACES) == ""]
    assert table["c"].filter(pc.equal(answers["t"], "")).to_pylist() == trimmed


def rule(predicate: str) -> RowRule:
    parsed = parse_row_rule(f"SELECT COUNT(*) FROM {{object}} WHERE {predicate}", FIELDS)
    assert isinstance(parsed, RowRule), parsed
    return parsed


def test_overflow_is_answered_exactly_by_the_reference() -> None:
    parsed = rule("j * j > 0")
    assert evaluate(parsed, {"j": 2**62}) is True
    with pytest.raises(NotVectorised):
        evaluate_columns(parsed, to_arrow([{**dict.fromkeys(SCHEMA.names), "j": 2**62}]))
