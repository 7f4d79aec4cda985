"""Frames of every library in, frames of the same library out, and the gate's own verdict."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import duckdb
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import lakegate as lg
from lakegate.contract import loads
from lakegate.contract.stream import Stream
from lakegate.contract.type import AnyType, ArrayType, MapType, ObjectType, Type
from lakegate.errors import GateError
from lakegate.gate import compile as compile_stream
from lakegate.guard import frame as frame_module
from lakegate.guard import judge_frame
from lakegate.testing.sample import sample
from lakegate.testing.strategy import streams

CONTRACT = """
apiVersion: v3.1.0
kind: DataContract
id: trips
name: trips
version: 1.0.0
status: active
schema:
  - name: trips
    logicalType: object
    properties:
      - name: id
        logicalType: integer
        required: true
        logicalTypeOptions: {minimum: 1, format: i32}
      - {name: city, logicalType: string, logicalTypeOptions: {minLength: 2}}
      - {name: fare, logicalType: number, physicalType: "decimal(8,2)"}
      - {name: miles, logicalType: number, logicalTypeOptions: {maximum: 100}}
      - {name: at, logicalType: timestamp, required: true}
      - {name: day, logicalType: date, logicalTypeOptions: {format: dd/MM/yyyy}}
      - {name: paid, logicalType: boolean}
"""
AT = datetime(2026, 3, 1, 9, 30, tzinfo=UTC)
ROWS = {
    "id": [1, 0, 3],
    "city": ["Oslo", "Lima", "X"],
    "fare": [Decimal("5.00"), Decimal("6.50"), None],
    "miles": [1.5, 2.0, 101.0],
    "at": [AT, AT, AT],
    "day": [date(2026, 3, 1), None, date(2026, 3, 2)],
    "paid": [True, None, False],
}


@pytest.fixture(scope="module")
def stream() -> Stream:
    return loads(CONTRACT).streams[0]


def _relation(table: pa.Table) -> Any:
    return duckdb.from_arrow(table)


FRAMES: dict[str, Any] = {
    "pandas": lambda table: table.to_pandas(),
    "polars": pl.from_arrow,
    "duckdb": _relation,
    "pyarrow": lambda table: table,
}


@pytest.mark.parametrize("library", FRAMES)
def test_the_parts_come_back_as_they_went_in(stream: Stream, library: str) -> None:
    frame = FRAMES[library](pa.table(ROWS))
    verdict = lg.judge_frame(stream, frame)
    assert not verdict.is_clean
    assert {
        row: [(failure.path, failure.rule) for failure in failures]
        for row, failures in verdict.failures.items()
    } == {1: [("$.id", "minimum")], 2: [("$.city", "minLength"), ("$.miles", "maximum")]}
    assert type(verdict.accepted) is type(frame)
    assert type(verdict.rejected) is type(frame)
    accepted = _rows(verdict.accepted)
    assert [(row["id"], row["fare"], row["day"]) for row in accepted] == [
        (1, Decimal("5.00"), date(2026, 3, 1))
    ]
    rejected = _rows(verdict.rejected)
    assert [row["city"] for row in rejected] == ["Lima", "X"]
    assert [len(row["_reasons"]) for row in rejected] == [1, 2]
    assert rejected[0]["_reasons"][0]["rule"] == "minimum"


def _rows(frame: Any) -> list[dict[str, Any]]:
    if isinstance(frame, pd.DataFrame):
        return frame.to_dict("records")
    if isinstance(frame, pl.DataFrame):
        return frame.to_dicts()
    table = frame if isinstance(frame, pa.Table) else frame.to_arrow_table()
    return table.to_pylist()


def test_pandas_nans_are_nulls_and_whole_floats_integers(stream: Stream) -> None:
    frame = pd.DataFrame(
        {"id": [1.0, np.nan], "at": pd.to_datetime([AT, AT]), "miles": [np.nan, 1]}
    )
    verdict = lg.judge_frame(stream, frame)
    assert verdict.accepted["id"].tolist() == [1]
    assert [failure.rule for failure in verdict.failures[1]] == ["required"]


def test_a_nan_that_is_a_value_is_refused(stream: Stream) -> None:
    frame = pl.DataFrame({"id": [1], "at": [AT], "miles": [float("nan")]})
    failures = lg.judge_frame(stream, frame).failures[0]
    assert [(failure.path, failure.rule) for failure in failures] == [("$.miles", "type")]


def test_a_moment_without_a_zone_is_refused(stream: Stream) -> None:
    frame = pl.DataFrame({"id": [1], "at": [AT.replace(tzinfo=None)]})
    assert [f.rule for f in lg.judge_frame(stream, frame).failures[0]] == ["timestamp.zone"]


def test_columns_nobody_declared_are_kept(stream: Stream) -> None:
    table = pa.table({"id": [1], "at": [AT], "note": ["hi"]})
    accepted = lg.judge_frame(stream, table).accepted
    assert accepted["_unknown_fields"].to_pylist() == ['{"$.note":"hi"}']


def test_an_empty_frame_is_clean(stream: Stream) -> None:
    verdict = lg.judge_frame(stream, pa.table({"id": pa.array([], pa.int64())}))
    assert verdict.is_clean
    assert verdict.accepted.num_rows == verdict.rejected.num_rows == 0


def test_what_is_no_frame_is_an_error(stream: Stream) -> None:
    with pytest.raises(GateError, match=r"builtins\.list is no data frame: expected one of pandas"):
        lg.judge_frame(stream, [1])
    with pytest.raises(GateError, match="more than one column 'a'"):
        lg.judge_frame(stream, pa.table([[1], [2]], names=["a", "a"]))


@given(data=st.data())
@settings(max_examples=15, deadline=None)
def test_accepted_rows_are_accepted_again_and_equal(data: st.DataObject) -> None:
    """For any contract: what the gate accepted is a frame that it accepts, row for row."""
    stream = data.draw(streams())
    gate = compile_stream(stream, decoder="reference")
    try:
        records = sample(stream, 5, seed=data.draw(st.integers(0, 1000)))
    except GateError:
        return
    first = gate(records).accepted
    plain = first.select([field.name for field in stream.fields])
    again = judge_frame(gate, plain)
    if all(_is_plain(field.type) for field in stream.fields):
        assert again.is_clean, again.failures
        assert again.accepted.select(plain.column_names).equals(plain)


def _is_plain(type_: Type) -> bool:
    """JSON text in a frame is a text; and a null member of a struct is not an absent one."""
    return not isinstance(type_, AnyType | ArrayType | MapType | ObjectType)


@given(data=st.data())
@settings(max_examples=30, deadline=None)
def test_typed_columns_are_judged_as_their_json(data: st.DataObject) -> None:
    """The way around JSON gives the verdict of the way through it."""
    stream = loads(CONTRACT).streams[0]
    count = data.draw(st.integers(1, 6))

    def column(values: st.SearchStrategy[Any], kind: pa.DataType) -> pa.Array:
        drawn = data.draw(st.lists(st.none() | values, min_size=count, max_size=count))
        return pa.array(drawn, kind)

    table = pa.table(
        {
            "id": column(st.integers(-2, 5), pa.int64()),
            "city": column(st.sampled_from(["", "X", "Oslo", "é"]), pa.string()),
            "fare": column(st.decimals(-9, 9, places=2), pa.decimal128(8, 2)),
            "miles": column(st.floats(width=64), pa.float64()),
            "at": column(
                st.integers(-62_135_596_800_000_001, 253_402_300_800_000_000),
                pa.int64(),
            ).cast(pa.timestamp("us", tz="UTC")),
            "paid": column(st.booleans(), pa.bool_()),
        }
    )
    gate = compile_stream(stream)
    one = judge_frame(gate, table)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(frame_module, "typed", lambda _batch, _stream: None)
        other = judge_frame(gate, table)
    assert one.failures == other.failures
    assert one.accepted.equals(other.accepted)
