"""Law: a metric computed in SQL is what a plain loop over the rows computes."""

from __future__ import annotations

import math
import re
from collections import Counter
from decimal import Decimal
from fractions import Fraction

import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st

from lakegate.audit.base import Limits
from lakegate.audit.comparison import Comparison
from lakegate.audit.metric import measure
from lakegate.audit.session import open_session
from lakegate.contract.stream import ContractRef, Place, QualityRule, RuleKind, Stream
from lakegate.contract.type import DecimalType, Field, IntegerType, NumberType, Severity, StringType

FIELDS = (
    Field("text", StringType(), "$.text"),
    Field("whole", IntegerType(), "$.whole"),
    Field("exact", DecimalType(5, 2), "$.exact"),
    Field("real", NumberType(), "$.real"),
)
STREAM = Stream(ContractRef("c", "1", "0" * 64), "t", "t", FIELDS)
SCHEMA = pa.schema(
    [
        ("text", pa.string()),
        ("whole", pa.int64()),
        ("exact", pa.decimal128(5, 2)),
        ("real", pa.float64()),
        ("_topic", pa.string()),
        ("_source_partition", pa.int32()),
        ("_offset", pa.int64()),
        ("_ingested_at", pa.timestamp("us", tz="UTC")),
    ]
)
PATTERN = "^[ab]+$"
VALUES = {
    "text": ["", "a", "b", "ab", "N/A", "é", "a'b", "a\n"],
    "whole": [0, 1, -1, 2**62],
    "exact": [Decimal("0.00"), Decimal("1.50"), Decimal("-1.5")],
    "real": [0.0, -0.0, 0.1, 1.5, math.nan, math.inf],
}
LISTED = ["", "a", "N/A", "a'b", "0", "1.0", "1.5", "0.1", "-1", "x", "4611686018427387904"]
OPERATORS = {
    "mustBe": lambda x, low, high: x == low,
    "mustNotBe": lambda x, low, high: x != low,
    "mustBeGreaterThan": lambda x, low, high: x > low,
    "mustBeGreaterOrEqualTo": lambda x, low, high: x >= low,
    "mustBeLessThan": lambda x, low, high: x < low,
    "mustBeLessOrEqualTo": lambda x, low, high: x <= low,
    "mustBeBetween": lambda x, low, high: low <= x <= high,
    "mustNotBeBetween": lambda x, low, high: x < low or x > high,
}

rows = st.lists(
    st.fixed_dictionaries({n: st.none() | st.sampled_from(v) for n, v in VALUES.items()}),
    max_size=12,
)
listed = st.lists(st.sampled_from(LISTED), max_size=4).map(tuple)


def equal(value, text):
    """Whether the text, read as a value of the value's type, is that value."""
    if isinstance(value, str):
        return value == text
    try:
        return Fraction(Decimal(repr(value) if isinstance(value, float) else value)) == Fraction(
            Decimal(text)
        )
    except (ArithmeticError, ValueError, OverflowError):
        return False


def offending(found, rule):
    values = [tuple(row[name] for name in rule.properties) for row in found]
    match rule.metric:
        case "nullValues":
            return sum(value is None for (value,) in values)
        case "missingValues":
            texts = [text for text in rule.missing_values if text is not None]
            return sum(
                (value is None and None in rule.missing_values)
                or (value is not None and any(equal(value, text) for text in texts))
                for (value,) in values
            )
        case "invalidValues":
            return sum(value is not None and not valid(value, rule) for (value,) in values)
        case "duplicateValues":
            same = Counter(
                tuple("NaN" if part != part else part for part in value)
                for value in values
                if None not in value
            )
            return sum(count - 1 for count in same.values())
        case _:
            return len(found)


def valid(value, rule):
    listed = rule.valid_values is None or any(equal(value, text) for text in rule.valid_values)
    # Python's `$` also matches before a last newline, RE2's as ECMA's does not.
    return listed and (rule.pattern is None or re.search("^[ab]+\\Z", value) is not None)


@st.composite
def rules(draw):
    metric = draw(
        st.sampled_from(
            ["nullValues", "missingValues", "invalidValues", "duplicateValues", "rowCount"]
        )
    )
    names = st.sampled_from(sorted(VALUES))
    properties = draw(st.lists(names, min_size=1, max_size=3, unique=True))
    if metric != "duplicateValues":
        properties = properties[:1]
    operator = draw(st.sampled_from(sorted(OPERATORS)))
    number = st.decimals(0, 100, places=2) | st.integers(0, 12).map(Decimal)
    bounds = sorted(draw(st.lists(number, min_size=2, max_size=2)))
    patterned = metric == "invalidValues" and properties == ["text"] and draw(st.booleans())
    return QualityRule(
        name="r",
        kind=RuleKind.METRIC,
        place=Place.AUDIT,
        reason="",
        severity=Severity.ERROR,
        metric=metric,
        properties=tuple(properties),
        operator=operator,
        bounds=tuple(bounds if operator.endswith("Between") else bounds[:1]),
        unit="rows" if metric == "rowCount" else draw(st.sampled_from(["rows", "percent"])),
        valid_values=None if patterned and draw(st.booleans()) else draw(listed),
        missing_values=draw(st.lists(st.none() | st.sampled_from(LISTED), max_size=4).map(tuple)),
        pattern=PATTERN if patterned else None,
    )


@settings(max_examples=60, deadline=None)
@given(rows, st.lists(rules(), min_size=2, max_size=6))
def test_sql_counts_as_a_loop_counts(found, wanted):
    table = pa.Table.from_pylist(
        [
            {**row, "_topic": "t", "_source_partition": 0, "_offset": n, "_ingested_at": n}
            for n, row in enumerate(found)
        ],
        schema=SCHEMA,
    )
    with open_session(Limits()) as session:
        session.connection.register("t", table)
        session.lock()
        for rule in wanted:
            measured = measure(session, STREAM, rule, view="t")
            count = offending(found, rule)
            value = Fraction(count)
            if rule.unit == "percent":
                value = Fraction(100 * count, len(found)) if found else Fraction(0)
            assert measured.value == value
            assert measured.total == len(found)
            if rule.metric != "rowCount":
                assert measured.offending == count
                assert len(measured.samples) == min(count, 5)
            low, high = Fraction(rule.bounds[0]), Fraction(rule.bounds[-1])
            assert Comparison(rule.operator, rule.bounds).holds(measured.value) is (
                OPERATORS[rule.operator](value, low, high)
            )
