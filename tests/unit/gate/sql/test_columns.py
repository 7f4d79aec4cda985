"""Row rules over columns: nulls, slices, and what is handed to the reference."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest

from lakegate.contract.sql.rule import RowRule, parse_row_rule
from lakegate.contract.type import (
    ArrayType,
    BooleanType,
    DateType,
    DecimalType,
    Field,
    IntegerType,
    NumberType,
    StringType,
    TimestampType,
)
from lakegate.gate.sql import columns
from lakegate.gate.sql.columns import NotVectorised, evaluate_columns
from lakegate.gate.sql.record import evaluate

FIELDS = (
    Field("i", IntegerType(), "$.i"),
    Field("d", NumberType(), "$.d"),
    Field("e", DecimalType(10, 2), "$.e"),
    Field("b", BooleanType(), "$.b"),
)
SCHEMA = pa.schema(
    [("i", pa.int64()), ("d", pa.float64()), ("e", pa.decimal128(10, 2)), ("b", pa.bool_())]
)


def rule(predicate: str) -> RowRule:
    parsed = parse_row_rule(f"SELECT COUNT(*) FROM {{object}} WHERE {predicate}", FIELDS)
    assert isinstance(parsed, RowRule), parsed
    return parsed


@pytest.mark.parametrize(
    "predicate",
    [
        "CASE WHEN b THEN 1 ELSE 2 END = 2",
        "GREATEST(i, e) = 1",
        "LEAST(i, e) = 1",
        "i IS DISTINCT FROM e",
        "e / 4 = d",
        "i % 3 = -1",
        "b AND i > 0",
        "TRUE",
        "NULL",
    ],
)
def test_agrees_with_the_reference_on_slices_with_nulls(predicate: str) -> None:
    table = pa.table(
        {
            "i": pa.array([9, None, 1, -7, None]),
            "d": pa.array([0.0, 0.25, None, -0.5, 1.0]),
            "e": pa.array([9, 1, 1, -2, None]).cast(pa.decimal128(21, 2)).cast(SCHEMA[2].type),
            "b": pa.array([True, None, False, True, None]),
        }
    ).slice(1)
    expected = [evaluate(rule(predicate), row) for row in table.to_pylist()]
    assert evaluate_columns(rule(predicate), table).to_pylist() == expected


@pytest.mark.parametrize(
    ("predicate", "expected"),
    [("i * i > 0", [True, True]), ("d*10-d*10 > 0", [True, False]), ("i + 1 > i", [True, True])],
)
def test_only_rows_in_doubt_are_asked_of_the_reference(
    predicate: str, expected: list[bool], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[int] = []

    def counted(rule: RowRule, row: dict[str, Any]) -> bool | None:
        asked.append(row.get("i", 0))
        return evaluate(rule, row)

    monkeypatch.setattr(columns, "evaluate", counted)
    rows = [{"i": 2**63 - 1, "d": 1e308}, {"i": 1, "d": 0.5}]
    table = pa.Table.from_pylist(rows, schema=SCHEMA)
    assert evaluate_columns(rule(predicate), table).to_pylist() == expected
    assert len(asked) == 1


def test_a_doubt_that_does_not_matter_is_dropped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(columns, "evaluate", None)
    table = pa.Table.from_pylist([{"i": 0, "b": False}, {"i": 5, "b": True}], schema=SCHEMA)
    for predicate in ("i <> 0 AND 10 % i = 0", "CASE WHEN i <> 0 THEN 10 % i = 0 ELSE FALSE END"):
        assert evaluate_columns(rule(predicate), table).to_pylist() == [False, True]


def test_where_duckdb_would_stop_the_record_is_rejected() -> None:
    fields = (Field("s", StringType(), "$.s"),)
    parsed = parse_row_rule("SELECT COUNT(*) FROM {object} WHERE CAST(s AS INTEGER) > 5", fields)
    assert isinstance(parsed, RowRule)
    table = pa.table({"s": ["7", "x", None, "1"]})
    assert evaluate_columns(parsed, table).to_pylist() == [True, True, None, False]
    assert [evaluate(parsed, row) for row in table.to_pylist()] == [True, True, None, False]


@pytest.mark.parametrize("type_", ["DATE", "TIMESTAMP", "TIMESTAMPTZ"])
def test_an_infinite_moment_beside_a_null_is_null(type_: str) -> None:
    kind = {"DATE": DateType(), "TIMESTAMP": TimestampType(zoned=False)}
    fields = (
        Field("s", StringType(), "$.s"),
        Field("d", kind.get(type_, TimestampType()), "$.d"),
    )
    parsed = parse_row_rule(
        f"SELECT COUNT(*) FROM {{object}} WHERE TRY_CAST(s AS {type_}) > d", fields
    )
    assert isinstance(parsed, RowRule)
    days = pa.array([None, None, 20_000], pa.int32()).cast(pa.date32())
    moments = pa.array(
        [None, None, 1 << 50], pa.timestamp("us", None if "TZ" not in type_ else "UTC")
    )
    table = pa.table({"s": ["inf", None, "inf"], "d": days if type_ == "DATE" else moments})
    assert evaluate_columns(parsed, table).to_pylist() == [None, None, True]


def test_integers_beyond_64_bits_and_lists_of_dates() -> None:
    item = Field("element", DateType(), "$.days[*]")
    numbers = Field("element", IntegerType(64, signed=False), "$.us[*]")
    fields = (
        Field("u", IntegerType(64, signed=False), "$.u"),
        Field("days", ArrayType(item), "$.days"),
        Field("us", ArrayType(numbers), "$.us"),
    )
    wide = pa.decimal128(20, 0)
    rows: list[dict[str, Any]] = [
        {"u": Decimal(2**64 - 1), "days": [date(2024, 2, 29)], "us": [Decimal(2**63)]},
        {"u": Decimal(5), "days": [None, date(1, 1, 1)], "us": [Decimal(1)]},
        {"u": None, "days": None, "us": None},
    ]
    schema = pa.schema([("u", wide), ("days", pa.list_(pa.date32())), ("us", pa.list_(wide))])
    table = pa.Table.from_pylist(rows, schema=schema)
    whole = [{**row, "u": row["u"] and int(row["u"])} for row in rows]
    for row in whole:
        row["us"] = row["us"] and [int(item) for item in row["us"]]
    for predicate, expected in (
        ("u > 9223372036854775807", [True, False, None]),
        ("list_contains(days, DATE '2024-02-29')", [True, False, None]),
        ("len(list_filter(days, lambda d: d < '2000-01-01' OR u > 7)) > 0", [True, True, None]),
        ("list_max(us) > 5", [True, False, None]),
    ):
        query = f"SELECT COUNT(*) FROM {{object}} WHERE {predicate}"
        parsed = parse_row_rule(query, fields)
        assert isinstance(parsed, RowRule), parsed
        assert [evaluate(parsed, row) for row in whole] == expected
        assert evaluate_columns(parsed, table).to_pylist() == expected


def test_a_missing_column_is_said() -> None:
    with pytest.raises(NotVectorised, match="no column i"):
        evaluate_columns(rule("i > 0"), pa.table({"d": [1.0]}))


def test_no_rows_give_no_answers() -> None:
    assert evaluate_columns(rule("i > 0"), SCHEMA.empty_table()).to_pylist() == []
