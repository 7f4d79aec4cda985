"""Row rules over columns: nulls, slices, and what is handed to the reference."""

from __future__ import annotations

import pyarrow as pa
import pytest

from lakegate.contract.predicate import RowRule, parse_row_rule
from lakegate.contract.type import BooleanType, DecimalType, Field, IntegerType, NumberType
from lakegate.gate.predicate import evaluate
from lakegate.gate.predicate_arrow import NotVectorised, evaluate_columns

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
    ("predicate", "i", "d"), [("i * i > 0", 2**62, 0.0), ("d*10-d*10 > 0", 1, 1e308)]
)
def test_what_is_not_certain_goes_to_the_reference(predicate: str, i: int, d: float) -> None:
    table = pa.Table.from_pylist([{"i": i, "d": d}], schema=SCHEMA)
    with pytest.raises(NotVectorised):
        evaluate_columns(rule(predicate), table)


def test_no_rows_give_no_answers() -> None:
    assert evaluate_columns(rule("i > 0"), SCHEMA.empty_table()).to_pylist() == []
