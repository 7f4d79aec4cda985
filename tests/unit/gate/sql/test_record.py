"""Row rules on records: three-valued logic, exactness, the values as the gate decodes them."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal

import pytest

from lakegate.contract.sql.rule import RowRule, parse_row_rule
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
)
from lakegate.gate.sql.record import evaluate

NAMES = {
    "i": IntegerType(),
    "d": NumberType(),
    "e": DecimalType(38, 20),
    "s": StringType(),
    "b": BooleanType(),
    "day": DateType(),
    "t": TimeType(),
    "ts": TimestampType(),
    "o": ObjectType((Field("x", IntegerType(), "$.o.x"),)),
}
FIELDS = tuple(Field(name, kind, f"$.{name}") for name, kind in NAMES.items())
NOON = 43_200_000_000


def judge(predicate: str, **row: object) -> bool | None:
    rule = parse_row_rule(f"SELECT COUNT(*) FROM {{object}} WHERE {predicate}", FIELDS)
    assert isinstance(rule, RowRule), rule
    return evaluate(rule, row)


@pytest.mark.parametrize(
    ("predicate", "row", "expected"),
    [
        ("i > 0 AND d > 0", {"i": None, "d": -1.0}, False),
        ("i > 0 AND d > 0", {"i": None, "d": 1.0}, None),
        ("i > 0 OR d > 0", {"i": None, "d": 1.0}, True),
        ("NOT i > 0", {}, None),
        ("TRY_CAST(s AS DATE) > day", {"s": "inf"}, None),
        ("CAST(s AS DATE) > day", {"s": "-Infinity"}, None),
        ("day < TRY_CAST(s AS DATE)", {"s": " inf"}, None),
        ("TRY_CAST(s AS TIMESTAMP) > ts", {"s": "inf"}, None),
        ("TRY_CAST(s AS DATE) IS NULL", {"s": "inf"}, False),
        ("TRY_CAST(s AS DATE) IS NULL", {"s": "+inf"}, True),
        ("CAST(s AS DATE) > day", {"s": "infinit"}, True),
        ("TRY_CAST(s AS DATE) > day", {"s": "inf", "day": dt.date(2026, 1, 1)}, True),
        ("i IN (1, NULL)", {"i": 2}, None),
        ("i NOT IN (1, NULL)", {"i": 1}, False),
        ("i IS NOT DISTINCT FROM NULL", {}, True),
        ("o.x = 1", {"o": None}, None),
        ("o.x = 1", {"o": {"x": 1}}, True),
        ("o.x IS NULL", {"o": {}}, True),
        ("e + 0.00000000000000000001 > e", {"e": Decimal("1" * 18)}, True),
        ("i * i > 0", {"i": 2**62}, True),
        # a double is compared as a double, as DuckDB does
        ("i = d", {"i": 2**53 + 1, "d": 2.0**53}, True),
        ("d * 10 > 1e308", {"d": 1e308}, True),
        ("d * 10 - d * 10 > 1e308", {"d": 1e308}, True),  # NaN is above all
        ("i // 2 = -3 AND i % 4 = -3", {"i": -7}, True),
        ("i / 2 = -3.5", {"i": -7}, True),
        ("d / NULLIF(i, 0) > 0", {"i": 0, "d": 1.0}, None),
        ("day - DATE '2024-02-28' = 2", {"day": dt.date(2024, 3, 1)}, True),
        ("ts > day", {"ts": NOON, "day": dt.date(1970, 1, 1)}, True),
        ("hour(ts) = 23 AND year(ts) = 1969 AND CAST(ts AS DATE) < '1970-01-01'", {"ts": -1}, True),
        ("t >= '12:00:00' AND hour(t) = 12", {"t": NOON}, True),
        ("ts = TIMESTAMPTZ '1970-01-01 14:00:00+02:00'", {"ts": NOON}, True),
        ("s LIKE '_%b'", {"s": "\n\nb"}, True),
        ("s LIKE '10!%' ESCAPE '!'", {"s": "10%"}, True),
        ("length(s) = 5", {"s": "🤦🏼\u200d♂️"}, True),
        ("trim(s) = ''", {"s": " \u00a0\u3000"}, True),
        ("trim(s) = ''", {"s": "\t"}, False),
        ("s ILIKE 'k_x'", {"s": "\u212aÉX"}, True),
        ("substring(s, 2, 1) = '😀'", {"s": "a😀b"}, True),
        ("GREATEST(i, NULL, 3) = 3 AND LEAST(s, 'b') = 'a'", {"s": "a"}, True),
        ("CASE i WHEN 1 THEN 'x' WHEN 2 THEN s END IS NULL", {"i": 3}, True),
        ("IF(b, i, -i) = -1", {"i": 1}, True),
        ("b", {"b": None}, None),
        ("b IS NOT TRUE", {"b": None}, True),
    ],
)
def test_predicates(predicate: str, row: dict[str, object], expected: bool | None) -> None:
    assert judge(predicate, **row) is expected


def test_a_long_list_does_not_nest() -> None:
    options = ", ".join(str(number) for number in range(5000))
    assert judge(f"i IN ({options})", i=4999) is True
    assert judge(f"i IN ({options})", i=5000) is False
