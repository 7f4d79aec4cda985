"""Every number that a column of dates, times or moments can hold has a text."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lakegate.contract.temporal import format_timestamp
from lakegate.contract.type import DateType, TimestampType, TimeType
from lakegate.ingest.arrow_json import value_texts

_INT32 = (-(1 << 31), (1 << 31) - 1)
_INT64 = (-(1 << 63), (1 << 63) - 1)


def _column(values: list[int | None], kind: pa.DataType) -> pa.Array:
    return pa.array(values, pa.int32() if kind.bit_width == 32 else pa.int64()).view(kind)


@pytest.mark.parametrize(
    ("kind", "value", "text"),
    [
        (pa.date32(), 2_932_896, "9999-12-31"),
        (pa.date32(), 2_932_897, "10000-01-01"),
        (pa.date32(), -719_163, "0000-12-31"),
        (pa.date32(), -719_529, "-0001-12-31"),
        (pa.date32(), _INT32[1], "5881580-07-11"),
        (pa.date32(), _INT32[0], "-5877641-06-23"),
        (pa.date64(), -1, "1969-12-31"),
        (pa.date64(), _INT64[1], "292278994-08-17"),
        (pa.time32("s"), -5, "-00:00:05"),
        (pa.time32("ms"), 86_400_000, "24:00:00.000"),
        (pa.time64("us"), _INT64[1], "2562047788:00:54.775807"),
        (pa.time64("ns"), 86_399_999_999_999, "23:59:59.999999999"),
        (pa.time64("ns"), _INT64[0], "-2562047:47:16.854775808"),
        (pa.timestamp("s", "UTC"), 1 << 62, "146138514283-06-19T07:45:04Z"),
        (pa.timestamp("s"), _INT64[0], "-292277022657-01-27T08:29:52"),
        (pa.timestamp("ms", "Asia/Tokyo"), _INT64[1], "292278994-08-17T07:12:55.807Z"),
        (pa.timestamp("us", "UTC"), _INT64[0], "-290308-12-21T19:59:05.224192Z"),
        (pa.timestamp("ns", "UTC"), _INT64[0], "1677-09-21T00:12:43.145224192Z"),
    ],
)
def test_a_value_at_the_edges_is_written(kind: pa.DataType, value: int, text: str) -> None:
    assert value_texts(_column([0, value, None], kind), None)[1:] == [f'"{text}"', "null"]


@given(st.integers(*_INT64))
def test_moments_are_written_as_they_are(micros: int) -> None:
    (text,) = value_texts(_column([micros], pa.timestamp("us", "UTC")), None)
    try:
        moment = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=micros)
    except OverflowError:
        assert not text[1:5].isdigit() or text[5] != "-"  # no year of four digits
        return
    full = moment.isoformat(timespec="microseconds").replace("+00:00", "Z")
    assert text == f'"{full}"'
    assert format_timestamp(micros)[:19] == text[1:20]


@pytest.mark.parametrize(
    ("kind", "type_", "value", "plain"),
    [
        (pa.date32(), DateType("dd/MM/yyyy"), _INT32[1], "5881580-07-11"),
        (pa.time64("ns"), TimeType("HH:mm:ss"), _INT64[1], "2562047:47:16.854775807"),
        (
            pa.timestamp("s"),
            TimestampType(zoned=False, format="yyyy-MM-dd HH:mm:ss"),
            18_446_744_073_710,  # its microseconds in 64 bits are those of 1970
            "586524-01-19T08:01:50",
        ),
    ],
)
def test_what_a_format_cannot_say_is_written_plainly(
    kind: pa.DataType, type_: Any, value: int, plain: str
) -> None:
    assert value_texts(_column([0, value], kind), type_)[1] == f'"{plain}"'
