"""What Arrow has and JSON has no type for."""

from __future__ import annotations

import pyarrow as pa
import pytest

from lakegate.ingest.arrow_json import row_texts, value_texts


@pytest.mark.parametrize(
    ("unit", "value", "text"),
    [
        ("s", 5, "PT5S"),
        ("ms", -1500, "PT-1.5S"),
        ("us", 0, "PT0S"),
        ("ns", 86_400_000_000_001, "PT86400.000000001S"),
    ],
)
def test_durations(unit: str, value: int, text: str) -> None:
    array = pa.array([value, None], pa.duration(unit))
    assert value_texts(array, None) == [f'"{text}"', "null"]


def test_intervals_keep_their_parts_apart() -> None:
    array = pa.array([(14, -2, 0), (0, 0, -1_000_000_000), None], pa.month_day_nano_interval())
    assert value_texts(array, None) == ['"P14M-2D"', '"PT-1S"', "null"]


def test_columns_that_are_written_stay_as_they_are() -> None:
    batch = pa.record_batch({"a": ['{"x":1}'], "b": ["t"]})
    assert list(row_texts(batch, {}, {"a"})) == [b'{"a":{"x":1},"b":"t"}']
