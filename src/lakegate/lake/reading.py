"""Reading one snapshot, exactly: as a DuckDB view, or as record batches.

Every read is of the table's current columns (an older row has null in a newer column), matched to
the files by field id, never by name.

Three ways to a view, the first that is right being taken:

1. DuckDB reads the Parquet files with a map of field ids: as fast as bare files. Right unless there
   are delete files or a *nested* field changed, which DuckDB matches by name.
2. Nested fields changed: one SELECT per generation of files, that maps old names to new.
3. Delete files (other engines write them), or files that are not on this machine: PyIceberg reads,
   and the rows go through a temporary table of the connection.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from lakegate.errors import LakeError
from lakegate.lake.conform import arrow_fields, conform
from lakegate.lake.datafile import content_digest
from lakegate.lake.failure import translated
from lakegate.lake.generation import BY_CONTENT, generations, nested_changed, type_name
from lakegate.lake.spelling import identifier, literal

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection
    from pyiceberg.manifest import DataFile
    from pyiceberg.schema import Schema
    from pyiceberg.table import FileScanTask, Table

__all__ = ["added", "files_of", "read_files", "read_tasks", "relation", "scan", "verify"]

_DIGEST = re.compile(r"-([0-9a-f]{16})\.parquet$")
_POSITION = ("_source_partition", "_offset")
_SOURCE = ("_topic", *_POSITION)
_BATCH_ROWS = 1 << 16
_FRUGAL_ROWS = 1 << 14


def relation(connection: DuckDBPyConnection, table: Table, *, snapshot_id: int, name: str) -> None:
    """Make ``name`` a temporary DuckDB view of exactly the rows of a snapshot.

    The view outlives expiry of the snapshot only as long as its files do: pin it meanwhile.

    Raises:
        LakeError: no such snapshot, or its files cannot be listed.
    """
    with translated(f"cannot read snapshot {snapshot_id} of {'.'.join(table.name())}"):
        _view(connection, table, _tasks(table, snapshot_id), name)


def added(
    connection: DuckDBPyConnection, table: Table, *, since: int | None, until: int, name: str
) -> None:
    """Make ``name`` a view of the rows of ``until`` that are not in ``since`` (None: all rows).

    Rows are known by their source coordinates, so that compaction between the two changes nothing.
    Only the files that differ are read.

    Raises:
        LakeError: no such snapshot, or its files cannot be listed.
    """
    if since is None:
        relation(connection, table, snapshot_id=until, name=name)
        return
    with translated(f"cannot compare snapshots {since} and {until} of {'.'.join(table.name())}"):
        old = {_identity(task): task for task in _tasks(table, since)}
        new = {_identity(task): task for task in _tasks(table, until)}
        fresh = [task for key, task in new.items() if key not in old]
        gone = [task for key, task in old.items() if key not in new]
        if not gone:
            _view(connection, table, fresh, name)
            return
        _view(connection, table, fresh, f"{name}__fresh")
        _view(connection, table, gone, f"{name}__gone")
        same = " AND ".join(f"fresh.{column} = gone.{column}" for column in _SOURCE)
        connection.execute(
            f"CREATE OR REPLACE TEMP VIEW {identifier(name)} AS "  # noqa: S608
            f"SELECT * FROM {identifier(name + '__fresh')} fresh WHERE NOT EXISTS "
            f"(SELECT 1 FROM {identifier(name + '__gone')} gone WHERE {same})"
        )


def _identity(task: FileScanTask) -> tuple[str, frozenset[str]]:
    return task.file.file_path, frozenset(file.file_path for file in task.delete_files)


def _tasks(table: Table, snapshot_id: int) -> list[FileScanTask]:
    if table.metadata.snapshot_by_id(snapshot_id) is None:
        raise LakeError(
            f"table {'.'.join(table.name())} has no snapshot {snapshot_id}: it has expired or "
            "never was; read the head of a branch, or pin what must stay"
        )
    return list(table.scan(snapshot_id=snapshot_id).plan_files())


def _view(
    connection: DuckDBPyConnection, table: Table, tasks: Sequence[FileScanTask], name: str
) -> None:
    files = [task.file for task in tasks]
    if any(task.delete_files for task in tasks) or not all(_local(file) for file in files):
        _copy(connection, table, tasks, name)
        return
    connection.execute(f"CREATE OR REPLACE TEMP VIEW {identifier(name)} AS {_select(table, files)}")


def _select(table: Table, files: Sequence[DataFile]) -> str:
    schema = table.schema()
    if not files:
        return _no_rows(schema)
    if nested_changed(table.schemas().values(), schema):
        return "\nUNION ALL\n".join(generations(table.io, [_path(file) for file in files], schema))
    columns = ", ".join(
        f"{item.field_id}: {{name: {literal(item.name)}, "
        f"type: {literal(type_name(item.field_type))}, default_value: NULL}}"
        for item in schema.fields
    )
    paths = ", ".join(literal(_path(file)) for file in files)
    return f"SELECT * FROM read_parquet([{paths}], {BY_CONTENT}, schema = MAP {{{columns}}})"  # noqa: S608


def _no_rows(schema: Schema) -> str:
    columns = ", ".join(
        f"CAST(NULL AS {type_name(item.field_type)}) AS {identifier(item.name)}"
        for item in schema.fields
    )
    return f"SELECT {columns} WHERE false"


def _copy(
    connection: DuckDBPyConnection, table: Table, tasks: Sequence[FileScanTask], name: str
) -> None:
    reader = pa.RecordBatchReader.from_batches(
        arrow_fields(table.schema()), _batches(table, tasks, table.schema())
    )
    rows = f"{name}__rows"
    connection.register(f"{rows}_reader", reader)
    try:
        connection.execute(
            f"CREATE OR REPLACE TEMP TABLE {identifier(rows)} AS "  # noqa: S608
            f"SELECT * FROM {identifier(rows + '_reader')}"
        )
    finally:
        connection.unregister(f"{rows}_reader")
    connection.execute(
        f"CREATE OR REPLACE TEMP VIEW {identifier(name)} AS SELECT * FROM {identifier(rows)}"  # noqa: S608
    )


def _local(file: DataFile) -> bool:
    return file.file_path.startswith(("file:", "/"))


def _path(file: DataFile) -> str:
    return file.file_path.removeprefix("file://")


def scan(
    table: Table,
    *,
    snapshot_id: int,
    columns: Sequence[str] | None = None,
    since: Mapping[int, int] | None = None,
) -> Iterator[pa.RecordBatch]:
    """The rows of a snapshot, file by file in the order they landed, in bounded memory.

    ``columns``: top-level columns wanted, None for all. ``since``: only rows with ``_offset >=
    since[_source_partition]`` (0 for a partition not named); files whose bounds say that they hold
    none are not read.

    Raises:
        LakeError: no such snapshot or column; a data file is missing or damaged (named).
    """
    doing = f"cannot read snapshot {snapshot_id} of {'.'.join(table.name())}"
    wanted = None if columns is None or not since else [*columns, *_POSITION]
    with translated(doing):
        full = table.schema()
        schema = full if columns is None else full.select(*(wanted or columns))
        tasks = _tasks(table, snapshot_id)
    for task in tasks:
        if since and _older(full, task.file, since):
            continue
        batches = _batches(table, [task], schema)
        while True:
            with translated(f"{doing}: data file {task.file.file_path}"):
                batch = next(batches, None)
            if batch is None:
                break
            if since:
                batch = batch.filter(_not_older(batch, since))
                if batch.num_rows == 0:
                    continue
            if wanted is not None and columns is not None:
                batch = batch.select([name for name in batch.schema.names if name in columns])
            yield batch


def _older(schema: Schema, file: DataFile, since: Mapping[int, int]) -> bool:
    """Whether the file's bounds say that all of its rows are below ``since``."""
    from pyiceberg.conversions import from_bytes

    def bound(bounds: Mapping[int, bytes] | None, name: str) -> int | None:
        item = schema.find_field(name)
        found = (bounds or {}).get(item.field_id)
        if found is None or not item.field_type.is_primitive:
            return None
        return int(from_bytes(item.field_type, found))  # type: ignore[arg-type]

    first, last = (bound(b, "_source_partition") for b in (file.lower_bounds, file.upper_bounds))
    offset = bound(file.upper_bounds, "_offset")
    if first is None or last is None or offset is None or last - first >= len(since):
        return False
    return all(offset < since.get(partition, 0) for partition in range(first, last + 1))


def _not_older(batch: pa.RecordBatch, since: Mapping[int, int]) -> pa.Array:
    partitions = np.asarray(batch.column("_source_partition"))
    first = np.zeros(len(partitions), dtype=np.int64)
    for partition, offset in since.items():
        first[partitions == partition] = offset
    return pa.array(np.asarray(batch.column("_offset")) >= first)


def _batches(
    table: Table, tasks: Iterable[FileScanTask], schema: Schema
) -> Iterator[pa.RecordBatch]:
    for task in tasks:
        if task.delete_files:
            yield from _undeleted(table, task, schema)
        else:
            yield from _read(table, task.file, schema)


def _undeleted(table: Table, task: FileScanTask, schema: Schema) -> Iterator[pa.RecordBatch]:
    from pyiceberg.expressions import AlwaysTrue
    from pyiceberg.io.pyarrow import ArrowScan

    reader = ArrowScan(table.metadata, table.io, schema, AlwaysTrue())
    for batch in reader.to_record_batches([task]):
        yield from pa.Table.from_batches([batch]).cast(arrow_fields(schema)).to_batches()


def _read(
    table: Table, file: DataFile, schema: Schema, *, frugal: bool = False
) -> Iterator[pa.RecordBatch]:
    """By field id. PyIceberg's own projection makes a null list of structs an empty one.

    ``frugal``: in small batches, by the calling thread alone. Each of Arrow's threads keeps memory
    of its own for as long as the process lives.
    """
    from pyiceberg.io.pyarrow import pyarrow_to_schema

    with table.io.new_input(file.file_path).open() as stream:
        parquet = pq.ParquetFile(stream)
        size = _FRUGAL_ROWS if frugal else _BATCH_ROWS
        found = parquet.schema_arrow
        if found.equals(arrow_fields(schema), check_metadata=True):
            yield from parquet.iter_batches(size, use_threads=not frugal)
            return
        source = pyarrow_to_schema(found)
        wanted = {item.field_id for item in schema.fields}
        names = [item.name for item in source.fields if item.field_id in wanted]
        columns = names or [source.fields[0].name]
        for batch in parquet.iter_batches(size, columns=columns, use_threads=not frugal):
            rows = pa.Table.from_batches([batch])
            yield from conform(rows, source, schema).to_batches()


def files_of(table: Table, snapshot_id: int) -> list[FileScanTask]:
    """The data files of a snapshot, each with the delete files that apply to it.

    Raises:
        LakeError: no such snapshot.
    """
    return _tasks(table, snapshot_id)


def read_tasks(
    table: Table, tasks: Iterable[FileScanTask], columns: Sequence[str] | None = None
) -> Iterator[pa.RecordBatch]:
    """The rows of those files that are not deleted, in the table's current columns, in order."""
    full = table.schema()
    return _batches(table, tasks, full if columns is None else full.select(*columns))


def read_files(table: Table, files: Iterable[DataFile]) -> Iterator[pa.RecordBatch]:
    """The rows of data files without delete files, in the table's current schema, in that order.

    For a process that stays: memory is bounded by a row group, and given back.
    """
    for file in files:
        yield from _read(table, file, table.schema(), frugal=True)


def verify(table: Table, *, snapshot_id: int) -> Iterator[str]:
    """Re-read every data file of a snapshot; one sentence per file that is not what was committed.

    A file that Lakegate wrote is compared with the digest in its name, so that one flipped bit is
    found; another engine's by its size, its rows, and that every page can be read.

    Raises:
        LakeError: no such snapshot, or its manifests cannot be read.
    """
    with translated(f"cannot list the files of snapshot {snapshot_id} of {'.'.join(table.name())}"):
        tasks = _tasks(table, snapshot_id)
    for task in tasks:
        said = _damage(table, task.file)
        if said is not None:
            yield f"data file {task.file.file_path} of table {'.'.join(table.name())} {said}"


def _damage(table: Table, file: DataFile) -> str | None:
    try:
        with table.io.new_input(file.file_path).open() as stream:
            found, size = content_digest(stream)
            if size != file.file_size_in_bytes:
                return f"has {size} bytes, {file.file_size_in_bytes} were committed"
            named = _DIGEST.search(file.file_path)
            if named is not None:
                same = found == named[1]
                return None if same else "is damaged: its bytes are not those that were committed"
            stream.seek(0)
            rows = sum(batch.num_rows for batch in pq.ParquetFile(stream).iter_batches())
    except FileNotFoundError:
        return "is missing"
    except (OSError, pa.ArrowException) as error:
        return f"cannot be read: {error}"
    if rows != file.record_count:
        return f"has {rows} rows, {file.record_count} were committed"
    return None
