"""Writing data files: rows split by partition, one Parquet file each, with Iceberg's metrics.

PyIceberg's own append filters the whole batch once per partition and holds every file's rows twice;
this sorts once, slices, and streams (measured in docs/decisions/0002-lake.md).
"""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Iterable, Iterator
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from lakegate.lake.conform import arrow_fields

if TYPE_CHECKING:
    from pyiceberg.manifest import DataFile
    from pyiceberg.table import Table
    from pyiceberg.typedef import Record

__all__ = ["FileWriter", "content_digest", "discard", "split", "write_rows"]

_ROW_GROUP_ROWS = 1 << 18


def write_rows(table: Table, rows: pa.Table) -> list[DataFile]:
    """Write rows (already in the table's schema) as data files of its current partition spec.

    Files belong to no snapshot until committed. When writing fails, those written are deleted.
    """
    writer = FileWriter(table)
    written: list[DataFile] = []
    try:
        for partition, part in split(table, rows):
            written.append(writer.write(partition, part.to_batches()))
    except BaseException:
        discard(table, written)
        raise
    return written


def discard(table: Table, files: Iterable[DataFile]) -> None:
    """Delete data files that no snapshot refers to; what cannot be deleted is left to the sweep."""
    for file in files:
        with suppress(OSError):
            table.io.delete(file.file_path)


def split(table: Table, rows: pa.Table) -> Iterator[tuple[Record, pa.Table]]:
    """The rows of each partition, in input order within it; an unpartitioned table has one."""
    from pyiceberg.partitioning import partition_record_value
    from pyiceberg.typedef import Record

    spec, schema = table.spec(), table.schema()
    if rows.num_rows == 0:
        return
    if spec.is_unpartitioned():
        yield Record(), rows
        return
    values = []
    for item in spec.fields:
        column = _column(rows, str(schema.find_column_name(item.source_id)))
        transform = item.transform.pyarrow_transform(schema.find_type(item.source_id))
        values.append(_chunk(transform(column)).dictionary_encode(null_encoding="encode"))
    for position, part in _groups(values, rows):
        partition = [
            partition_record_value(item, value[position].as_py(), schema)
            for item, value in zip(spec.fields, values, strict=True)
        ]
        yield Record(*partition), part


def _groups(values: list[pa.DictionaryArray], rows: pa.Table) -> Iterator[tuple[int, pa.Table]]:
    """Each distinct combination of values: the position of its first row, and its rows."""
    codes = np.zeros(rows.num_rows, dtype=np.int64)
    for value in values:
        codes = codes * len(value.dictionary) + value.indices.to_numpy()
    changes = np.flatnonzero(np.diff(codes)) + 1
    if len(changes) + 1 > len(np.unique(codes)):
        order = np.argsort(codes, kind="stable")
        rows = rows.take(pa.array(order))
        changes = np.flatnonzero(np.diff(codes[order])) + 1
    else:
        order = np.arange(rows.num_rows)
    starts = [0, *changes.tolist()]
    for start, end in zip(starts, [*starts[1:], rows.num_rows], strict=True):
        yield int(order[start]), rows.slice(start, end - start)


def _column(rows: pa.Table, path: str) -> pa.ChunkedArray:
    import pyarrow.compute as pc

    if path in rows.column_names:
        return rows[path]
    first, *rest = path.split(".")
    return pc.struct_field(rows[first], rest)


def _chunk(array: Any) -> pa.Array:
    return array.combine_chunks() if isinstance(array, pa.ChunkedArray) else array


def content_digest(content: Any) -> str:
    """What the name of a data file ends with: 16 hex digits of the SHA-256 of its bytes.

    So that :func:`lakegate.lake.reading.verify` finds a single bit changed behind the lake's back,
    wherever it is; Parquet itself does not check its pages, headers and footer.
    """
    return hashlib.sha256(memoryview(content)).hexdigest()[:16]


class FileWriter:
    """Writes data files of a table's current schema and partition spec."""

    def __init__(self, table: Table) -> None:
        from pyiceberg.io.pyarrow import compute_statistics_plan, parquet_path_to_id_mapping

        self._table = table
        self._schema = arrow_fields(table.schema())
        self._statistics = compute_statistics_plan(table.schema(), table.properties)
        self._columns = parquet_path_to_id_mapping(table.schema())

    def write(self, partition: Record, batches: Iterable[pa.RecordBatch]) -> DataFile:
        """Write batches (of one partition, in the table's schema) as one new Parquet file.

        Its bytes are held in memory, compressed, until it is whole: its name carries their digest.
        """
        content, metadata = self._parquet(batches)
        name = f"{uuid.uuid4()}-{content_digest(content)}.parquet"
        spec = self._table.spec()
        if not spec.is_unpartitioned():
            name = f"{spec.partition_to_path(partition, self._table.schema())}/{name}"
        path = self._table.location_provider().new_data_location(name)
        try:
            with self._table.io.new_output(path).create() as stream:
                stream.write(content)
        except BaseException:
            with suppress(OSError):
                self._table.io.delete(path)
            raise
        return self._data_file(path, len(content), partition, metadata)

    def _parquet(self, batches: Iterable[pa.RecordBatch]) -> tuple[bytes, Any]:
        sink = pa.BufferOutputStream()
        with pq.ParquetWriter(sink, self._schema, compression="zstd", store_schema=False) as writer:
            for batch in batches:
                rows = pa.Table.from_batches([batch]).cast(self._schema)
                writer.write_table(rows, row_group_size=_ROW_GROUP_ROWS)
            writer.close()
            return sink.getvalue(), writer.writer.metadata

    def _data_file(self, path: str, size: int, partition: Record, metadata: Any) -> DataFile:
        from pyiceberg.io.pyarrow import data_file_statistics_from_parquet_metadata
        from pyiceberg.manifest import DataFile, DataFileContent, FileFormat

        statistics = data_file_statistics_from_parquet_metadata(
            parquet_metadata=metadata,
            stats_columns=self._statistics,
            parquet_column_mapping=self._columns,
        )
        file = DataFile.from_args(
            content=DataFileContent.DATA,
            file_path=path,
            file_format=FileFormat.PARQUET,
            partition=partition,
            file_size_in_bytes=size,
            sort_order_id=None,
            equality_ids=None,
            key_metadata=None,
            **statistics.to_serialized_dict(),
        )
        file.spec_id = self._table.metadata.default_spec_id
        return file
