"""Rows of a Parquet file as JSON records, exactly, typed by the contract."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from lakegate.contract.stream import Stream
from lakegate.ingest.arrow_json import row_texts
from lakegate.ingest.file import DamagedFile

__all__ = ["parquet_records"]

_ROWS = 8_192


def parquet_records(
    path: Path, stream: Stream, *, on_rows: Callable[[float], None]
) -> Iterator[bytes]:
    """One JSON object per row, its members in the order of the columns; nulls are written.

    ``on_rows`` is told which fraction of the file has been read.

    Raises:
        DamagedFile: no Parquet, or a row group cannot be read; names it.
    """
    types = {field.name: field.type for field in stream.fields}
    try:
        file = pq.ParquetFile(path)
    except (pa.ArrowException, OSError) as error:
        raise DamagedFile(f"it is no Parquet file: {_first_line(error)}") from error
    with file:
        total = max(file.metadata.num_rows, 1)
        done = 0
        for group in range(file.num_row_groups):
            for batch in _batches(file, group):
                yield from row_texts(batch, types)
                done += batch.num_rows
                on_rows(done / total)


def _batches(file: Any, group: int) -> Iterator[Any]:
    try:
        yield from file.iter_batches(_ROWS, row_groups=[group], use_threads=False)
    except (pa.ArrowException, OSError) as error:
        raise DamagedFile(f"row group {group} cannot be read: {_first_line(error)}") from error


def _first_line(error: Exception) -> str:
    return str(error).partition("\n")[0]
