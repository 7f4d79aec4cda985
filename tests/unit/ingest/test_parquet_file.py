"""Parquet rows as JSON, exactly."""

from __future__ import annotations

import datetime as dt
import json
from decimal import Decimal

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from lakegate.contract.stream import ContractRef, Stream
from lakegate.contract.type import Field, IntegerType, StringType, TimestampType
from lakegate.ingest.file import DamagedFile
from lakegate.ingest.parquet_file import parquet_records


def stream(**types):
    fields = tuple(Field(name, type_, f"$.{name}") for name, type_ in types.items())
    return Stream(ContractRef("o", "1.0.0", "0"), "o", "o", fields)


def rows(tmp_path, array, **types):
    path = tmp_path / "a.parquet"
    pq.write_table(pa.table({"x": array}), path)
    found = parquet_records(path, stream(**types), on_rows=lambda _fraction: None)
    return [row.decode()[5:-1] for row in found]


UTC = dt.UTC
MOMENT = dt.datetime(2026, 3, 1, 23, 30, 0, 123456, tzinfo=UTC)


@pytest.mark.parametrize(
    ("array", "expected"),
    [
        (pa.array([1, None, -(2**63)]), ["1", "null", str(-(2**63))]),
        (pa.array([2**64 - 1], pa.uint64()), [str(2**64 - 1)]),
        (pa.array([0.1, float("nan"), float("inf")]), ["0.1", '"nan"', '"inf"']),
        (pa.array([0.1], pa.float32()), ["0.1"]),
        (
            pa.array([Decimal("12345678901234567890.10"), Decimal("-0.01")], pa.decimal128(38, 2)),
            ["12345678901234567890.10", "-0.01"],
        ),
        (pa.array([True, False]), ["true", "false"]),
        (pa.array(['a"\n', "é"]), ['"a\\"\\n"', '"é"']),
        (pa.array([dt.date(2026, 3, 1)]), ['"2026-03-01"']),
        (pa.array([dt.time(1, 2, 3, 4)], pa.time64("us")), ['"01:02:03.000004"']),
        (pa.array([MOMENT], pa.timestamp("us", "UTC")), ['"2026-03-01T23:30:00.123456Z"']),
        (
            pa.array([MOMENT], pa.timestamp("us", "Europe/Berlin")),
            ['"2026-03-01T23:30:00.123456Z"'],
        ),
        (pa.array([1], pa.timestamp("ns", "UTC")), ['"1970-01-01T00:00:00.000000001Z"']),
        (pa.array([None], pa.timestamp("s", "UTC")), ["null"]),
        (pa.array([0], pa.timestamp("ms")), ['"1970-01-01T00:00:00.000"']),
        (pa.array([b"\x00\xff"]), ['"AP8="']),
        (pa.array(["a", "b", "a"]).dictionary_encode(), ['"a"', '"b"', '"a"']),
        (pa.array([[1, None], None, []]), ["[1,null]", "null", "[]"]),
        (
            pa.array([{"a": 1, "b%": [{"c": "x"}]}, None, {"a": None, "b%": None}]),
            ['{"a":1,"b%":[{"c":"x"}]}', "null", '{"a":null,"b%":null}'],
        ),
        (
            pa.array([[("k", 1)], None], pa.map_(pa.string(), pa.int64())),
            ['[{"key":"k","value":1}]', "null"],
        ),
        (pa.nulls(1), ["null"]),
    ],
)
def test_values(tmp_path, array, expected):
    found = rows(tmp_path, array)
    assert found == expected
    assert all(json.loads(text) is not ... for text in found)


def test_an_integer_of_the_contract_that_pandas_made_a_double(tmp_path):
    found = rows(tmp_path, pa.array([5.0, None, 5.5]), x=IntegerType())
    assert found == ["5", "null", "5.5"]


def test_text_without_annotation(tmp_path):
    assert rows(tmp_path, pa.array([b"abc", b"\xff"]), x=StringType()) == ['"abc"', '"/w=="']


def test_a_local_time_of_the_contract(tmp_path):
    local = TimestampType(zoned=False, default_timezone="Europe/Berlin")
    found = rows(tmp_path, pa.array([MOMENT], pa.timestamp("ms", "UTC")), x=local)
    assert found == ['"2026-03-02T00:30:00.123"']


def test_nested_in_a_slice(tmp_path):
    """Batches after the first are slices of their column: lists must not begin at its start."""
    path = tmp_path / "a.parquet"
    count = 20_000
    table = pa.table({"x": [[n] for n in range(count)], "s": [{"a": n} for n in range(count)]})
    pq.write_table(table, path)
    found = list(parquet_records(path, stream(), on_rows=lambda _fraction: None))
    assert found == [b'{"x":[%d],"s":{"a":%d}}' % (n, n) for n in range(count)]


def test_damage_names_the_row_group_and_keeps_what_was_before(tmp_path):
    path = tmp_path / "a.parquet"
    pq.write_table(
        pa.table({"x": [f"value {n}" for n in range(3000)]}),
        path,
        row_group_size=1000,
        compression="zstd",
        use_dictionary=False,
    )
    meta = pq.ParquetFile(path).metadata.row_group(1).column(0)
    data = bytearray(path.read_bytes())
    start = meta.data_page_offset
    data[start : start + meta.total_compressed_size] = b"\xff" * meta.total_compressed_size
    path.write_bytes(data)
    found = []
    with pytest.raises(DamagedFile, match="row group 1 "):
        found.extend(parquet_records(path, stream(), on_rows=lambda _fraction: None))
    path.write_bytes(b"PAR1 nothing")
    with pytest.raises(DamagedFile, match="no Parquet"):
        list(parquet_records(path, stream(), on_rows=lambda _fraction: None))
