"""Which columns of a data file get a dictionary."""

from __future__ import annotations

import io

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from lakegate.lake.encoding import repetitive

N = 5_000


@pytest.fixture
def rows() -> pa.Table:
    return pa.table(
        {
            "id": [f"{n:032x}" for n in range(N)],
            "kind": [("view", "click")[n % 2] for n in range(N)],
            "amount": [n / 7 for n in range(N)],
            "absent": pa.nulls(N, pa.string()),
            "address": [{"city": "Oslo", "zip": f"{n:05}"} for n in range(N)],
            "tags": [["a", "b"] for _ in range(N)],
            "lines": [[{"sku": f"sku-{n}", "unit": "kg"}] for n in range(N)],
            "empty": pa.array([[] for _ in range(N)], pa.list_(pa.string())),
        }
    )


def test_only_what_repeats_and_at_any_depth(rows: pa.Table) -> None:
    found = repetitive(rows)
    assert isinstance(found, list)
    assert set(found) == {
        "kind",
        "absent",
        "address.city",
        "tags.list.element",
        "lines.list.element.unit",
        "empty.list.element",
    }


def test_the_paths_are_those_of_the_file(rows: pa.Table) -> None:
    """A path that Parquet does not know would be passed over in silence."""
    sink = io.BytesIO()
    pq.write_table(rows, sink, use_dictionary=repetitive(rows))
    group = pq.ParquetFile(sink).metadata.row_group(0)
    columns = [group.column(number) for number in range(group.num_columns)]
    by_dictionary = {each.path_in_schema for each in columns if each.has_dictionary_page}
    assert by_dictionary == set(repetitive(rows))
    assert pq.read_table(sink).equals(rows)


def test_few_rows_are_not_looked_at(rows: pa.Table) -> None:
    assert repetitive(rows.slice(0, 100)) is True
    assert repetitive(rows.slice(0, 0)) is True


def test_rows_in_many_chunks(rows: pa.Table) -> None:
    pieces = pa.concat_tables([rows.slice(n, 10) for n in range(0, N, 10)])
    assert repetitive(pieces) == repetitive(rows)
