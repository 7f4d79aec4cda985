"""Writing data files: rows split by partition, one Parquet file each, with Iceberg's metrics.

PyIceberg's own append filters the whole batch once per partition and holds every file's rows twice;
this sorts once, slices, and streams (measured in docs/decisions/0002-lake.md).
"""

from __future__ import annotations

import hashlib
import tempfile
import uuid
from collections.abc import Iterable, Iterator
from contextlib import suppress
from typing import IO, TYPE_CHECKING, Any, Protocol

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from lakegate.lake.conform import arrow_fields
from lakegate.lake.encoding import repetitive

if TYPE_CHECKING:
    from pyiceberg.manifest import DataFile
    from pyiceberg.table import Table
    from pyiceberg.typedef import Record

__all__ = ["FileWriter", "Readable", "content_digest", "discard", "split", "write_rows"]

_ROW_GROUP_ROWS = 1 << 18
_ROW_GROUP_BYTES = 32 << 20  # in memory, before encoding; of batches that come one by one
_SPOOL_BYTES = 8 << 20
_CHUNK = 1 << 20


class Readable(Protocol):
    """Bytes that can be read on."""

    def read(self, size: int = ..., /) -> bytes:
        """At most so many; none at the end."""


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


def content_digest(file: Readable) -> tuple[str, int]:
    """What the name of a data file ends with, and its size; reads ``file`` on to its end.

    The digest is 16 hex digits of the SHA-256 of its bytes, so that
    :func:`lakegate.lake.reading.verify` finds a single bit changed behind the lake's back, wherever
    it is; Parquet itself does not check its pages, headers and footer.
    """
    digest, size = hashlib.sha256(), 0
    while chunk := file.read(_CHUNK):
        digest.update(chunk)
        size += len(chunk)
    return digest.hexdigest()[:16], size


def _gathered(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.Table]:
    """Row groups: one of the rows of many small files, and none bigger than memory should hold."""
    held: list[pa.RecordBatch] = []
    rows = size = 0
    for batch in batches:
        held.append(batch)
        rows += batch.num_rows
        size += batch.nbytes
        if rows >= _ROW_GROUP_ROWS or size >= _ROW_GROUP_BYTES:
            yield pa.Table.from_batches(held)
            held, rows, size = [], 0, 0
    if held:
        yield pa.Table.from_batches(held)


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

        Memory is that of a row group and some 8 MiB, however big the file: its name carries the
        digest of its bytes, so until it is whole it waits in an unnamed file, on the table's own
        disk if that is local.
        """
        location = self._table.location().removeprefix("file://")
        folder = location if location.startswith("/") else None
        with tempfile.SpooledTemporaryFile(_SPOOL_BYTES, dir=folder) as spool:
            metadata = self._parquet(spool, batches)
            spool.seek(0)
            digest, size = content_digest(spool)
            spool.seek(0)
            path = self._put(spool, partition, f"{uuid.uuid4()}-{digest}.parquet")
        return self._data_file(path, size, partition, metadata)

    def _put(self, content: IO[bytes], partition: Record, name: str) -> str:
        spec = self._table.spec()
        if not spec.is_unpartitioned():
            name = f"{spec.partition_to_path(partition, self._table.schema())}/{name}"
        path = self._table.location_provider().new_data_location(name)
        try:
            with self._table.io.new_output(path).create() as stream:
                while chunk := content.read(_CHUNK):
                    stream.write(chunk)
        except BaseException:
            with suppress(OSError):
                self._table.io.delete(path)
            raise
        return path

    def _parquet(self, sink: IO[bytes], batches: Iterable[pa.RecordBatch]) -> Any:
        groups = _gathered(batches)
        rows = next(groups, None)
        dictionary = True if rows is None else repetitive(rows)
        with pq.ParquetWriter(
            sink,
            self._schema,
            compression="zstd",
            store_schema=False,
            use_dictionary=dictionary,
        ) as writer:
            while rows is not None:
                writer.write_table(rows.cast(self._schema), row_group_size=_ROW_GROUP_ROWS)
                del rows  # before the next one is gathered
                rows = next(groups, None)
            writer.close()
            return writer.writer.metadata

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
