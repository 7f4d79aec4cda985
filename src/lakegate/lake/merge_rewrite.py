"""Taking changed keys out of a merged table's files, and writing their new rows.

Copy on write, one file at a time: a file that holds none of the keys is left alone (its bounds may
say so without opening it), any other is written anew without them. Memory is bounded by a file's
keys and the rows taken out; the rest streams.
"""

# ruff: noqa: S608 - names go through identifier(), texts through literal()

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from lakegate.lake.conform import arrow_fields
from lakegate.lake.datafile import FileWriter, discard, write_rows
from lakegate.lake.merge_sql import ORDER, Position, position
from lakegate.lake.reading import read_tasks
from lakegate.lake.spelling import identifier

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection
    from pyiceberg.manifest import DataFile
    from pyiceberg.table import FileScanTask, Table

__all__ = ["Rewriting", "write_result"]

_FILE_ROWS = 250_000
_PLACE = ("_ingested_at", "_topic", "_source_partition", "_offset")


class Rewriting:
    """Files out, files in, and the rows taken out on the way."""

    def __init__(
        self, table: Table, key: Sequence[str], *, removed: Sequence[FileScanTask] = ()
    ) -> None:
        self._table = table
        self._key = tuple(key)
        self._base: list[pa.RecordBatch] = []
        self.removed: list[FileScanTask] = list(removed)
        self.written: list[DataFile] = []

    def take_out(
        self,
        connection: DuckDBPyConnection,
        files: Sequence[FileScanTask],
        emptied: Position | None,
    ) -> None:
        """Take the rows of table ``keys``, and all from before a truncate, out of the files."""
        bounds = _Bounds(connection, self._table, self._key[0])
        for task in files:
            if emptied is None and not bounds.may_hold(task.file):
                continue
            out = self._rows_out(connection, task, emptied)
            if not len(out):
                continue
            self.removed.append(task)
            if len(out) == task.file.record_count:
                self._base += read_tasks(self._table, [task])
                continue
            rest = self._without(task, out)
            self.written.append(FileWriter(self._table).write(task.file.partition, rest))

    def base(self) -> pa.Table:
        """The rows that were taken out."""
        return pa.Table.from_batches(self._base, schema=arrow_fields(self._table.schema()))

    def undo(self) -> None:
        """Delete the files written; nothing refers to them."""
        discard(self._table, self.written)

    def _rows_out(
        self, connection: DuckDBPyConnection, task: FileScanTask, emptied: Position | None
    ) -> npt.NDArray[np.int64]:
        """Positions, within the file, of the rows to take out; ascending."""
        columns = [*self._key, *(() if emptied is None else _PLACE)]
        part = pa.Table.from_batches(
            batch.select(columns) for batch in read_tasks(self._table, [task], columns)
        )
        part = part.append_column("_row", pa.array(np.arange(part.num_rows)))
        keys = ", ".join(identifier(name) for name in self._key)
        query = f"SELECT _row FROM part SEMI JOIN keys USING ({keys})"
        if emptied is not None:
            query += f" UNION SELECT _row FROM part WHERE {ORDER} <= {position(emptied)}"
        connection.register("part", part)
        try:
            found = connection.sql(f"SELECT _row FROM ({query}) ORDER BY _row")
            return np.asarray(found.to_arrow_table().column("_row").combine_chunks())
        finally:
            connection.unregister("part")

    def _without(self, task: FileScanTask, out: npt.NDArray[np.int64]) -> Iterator[pa.RecordBatch]:
        at = 0
        for batch in read_tasks(self._table, [task]):
            low, high = np.searchsorted(out, [at, at + batch.num_rows])
            mine = np.zeros(batch.num_rows, dtype=bool)
            mine[out[low:high] - at] = True
            at += batch.num_rows
            if high > low:
                self._base.append(batch.filter(pa.array(mine)))
                batch = batch.filter(pa.array(~mine))
            yield batch


class _Bounds:
    """The least and the greatest changed key, against those of a file (Iceberg's column bounds)."""

    def __init__(self, connection: DuckDBPyConnection, table: Table, column: str) -> None:
        self._field = table.schema().find_field(column)
        found = connection.execute(
            f"SELECT min({identifier(column)}), max({identifier(column)}) FROM keys"
        ).fetchall()
        self._least, self._greatest = found[0]

    def may_hold(self, file: DataFile) -> bool:
        """Whether one of the keys may be in the file."""
        if self._least is None:
            return False
        if not isinstance(self._least, int) or isinstance(self._least, bool):
            return True  # bounds of text are cut, and those of times are counts
        least, greatest = (self._bound(b) for b in (file.lower_bounds, file.upper_bounds))
        if least is None or greatest is None:
            return True
        return bool(self._least <= greatest and least <= self._greatest)

    def _bound(self, bounds: Any) -> Any:
        from pyiceberg.conversions import from_bytes

        found = (bounds or {}).get(self._field.field_id)
        kind = self._field.field_type
        return None if found is None else from_bytes(kind, found)  # type: ignore[arg-type]


def write_result(
    connection: DuckDBPyConnection, table: Table, query: str, key: Sequence[str]
) -> list[DataFile]:
    """Write the rows of a query in the order of their key, so that a file holds a range of keys."""
    order = ", ".join(identifier(name) for name in key)
    rows = connection.sql(f"SELECT * FROM ({query}) ORDER BY {order}")
    schema = arrow_fields(table.schema())
    written: list[DataFile] = []
    held: list[pa.RecordBatch] = []
    count = 0
    try:
        for batch in rows.to_arrow_reader(65_536):
            held.append(batch)
            count += batch.num_rows
            if count >= _FILE_ROWS:
                written += write_rows(table, pa.Table.from_batches(held).cast(schema))
                held, count = [], 0
        if count:
            written += write_rows(table, pa.Table.from_batches(held).cast(schema))
    except BaseException:
        discard(table, written)
        raise
    return written
