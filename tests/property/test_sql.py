"""Row rules: the reference, the columns and DuckDB agree on every predicate and every row."""

from __future__ import annotations

import datetime as dt
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from hypothesis import event, given, settings
from hypothesis import strategies as st

from lakegate.contract.sql.function import Undefined, find
from lakegate.contract.sql.rule import Kind, NotPerRecord, RowRule, parse_row_rule
from lakegate.contract.sql.text import SPACES
from lakegate.gate.sql.columns import evaluate_columns
from lakegate.gate.sql.record import evaluate, evaluate_exactly
from tests.property.sql_rows import FIELDS, SCHEMA, expression_of, rows, to_arrow
from tests.property.test_sql_functions import ALL

NUMBERS = frozenset({Kind.INTEGER, Kind.DECIMAL, Kind.DOUBLE})


def calls_of(*kinds: Kind) -> st.SearchStrategy[str]:
    """Calls of every function that gives such a value, but those that stop at most texts."""
    found = []
    for sql in ALL:
        expression = expression_of(sql)
        assert not isinstance(expression, str), expression
        if expression.type.kind in kinds and " CAST(s" not in f" {sql}":
            found.append(f"({sql})")
    return st.sampled_from(found)


NUMBER_CALL = calls_of(*NUMBERS)
TEXT_CALL = calls_of(Kind.STRING)
MOMENT_CALL = calls_of(Kind.DATE, Kind.TIMESTAMP)
BOOLEAN_CALL = calls_of(Kind.BOOLEAN)


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
        return draw(st.one_of(columns, NUMBER_CALL, INTEGER_LITERAL, NUMBER_LITERAL))
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
        columns = st.sampled_from(["s", "u", "o.y"])
        return draw(columns | TEXT_CALL | SIMPLE_TEXT.map(lambda t: f"'{t}'"))
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
    base = draw(st.sampled_from(["day", "ts"]) | MOMENT_CALL | DATE_LITERAL | TIMESTAMP_LITERAL)
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
                draw(BOOLEAN_CALL),
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


@settings(max_examples=30, deadline=None)
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
    assert evaluate_columns(rule, table).to_pylist() == reference
    database.register("row", table)
    try:
        answers = database.execute(f"SELECT {predicate} FROM row").fetchall()
    except (duckdb.DataError, duckdb.InvalidInputException, duckdb.ConversionException):
        event("DuckDB stops at an overflow, where the gate knows the exact answer")
        return
    for (answer,), record in zip(answers, records, strict=True):
        try:
            assert evaluate_exactly(rule, record) is answer
        except Undefined:
            event("a text in a form that is not read")


@pytest.mark.slow
def test_case_and_spaces_are_those_of_duckdb(database: Any) -> None:
    points = [point for point in range(1, 0x110000) if not 0xD800 <= point <= 0xDFFF]
    table = pa.table({"c": pa.array([chr(point) for point in points])})
    database.register("points", table)
    query = "SELECT lower(c) AS l, upper(c) AS u, trim(c) AS t FROM points"
    answers = database.sql(query).to_arrow_table()
    texts = table["c"].combine_chunks()
    for column, name in (("l", "lower"), ("u", "upper")):
        (function,) = find(name)
        mapped = function.array(texts)
        assert mapped.to_pylist() == answers[column].to_pylist()
        odd = pc.not_equal(mapped, texts).to_pylist()
        for text, theirs, changed in zip(
            texts.to_pylist(), answers[column].to_pylist(), odd, strict=True
        ):
            if changed:
                assert (
                    function.record(f"a{text}b{text}")
                    == function.record("a") + theirs + function.record("b") + theirs
                )
    trimmed = [text for text in table["c"].to_pylist() if text.strip(SPACES) == ""]
    assert table["c"].filter(pc.equal(answers["t"], "")).to_pylist() == trimmed


def rule(predicate: str) -> RowRule:
    parsed = parse_row_rule(f"SELECT COUNT(*) FROM {{object}} WHERE {predicate}", FIELDS)
    assert isinstance(parsed, RowRule), parsed
    return parsed


def test_overflow_is_answered_exactly_and_for_its_row_only() -> None:
    parsed = rule("j * j > 0")
    records = [{**dict.fromkeys(SCHEMA.names), "j": value} for value in (2**62, 2, None)]
    assert [evaluate(parsed, record) for record in records] == [True, True, None]
    assert evaluate_columns(parsed, to_arrow(records)).to_pylist() == [True, True, None]
