"""The data frame libraries, as far as the gate needs them: to Arrow, and back."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from lakegate.errors import GateError

__all__ = ["Library", "library_of"]


@dataclass(frozen=True, slots=True)
class Library:
    """How frames of one library become tables, and tables frames."""

    name: str
    to_arrow: Callable[[Any], pa.Table]
    from_arrow: Callable[[pa.Table], Any]


def library_of(frame: Any) -> Library:
    """The library that made a frame.

    Raises:
        GateError: none that is known.
    """
    kind = type(frame)
    made_by = f"{kind.__module__.partition('.')[0].lstrip('_')}.{kind.__name__}"
    library = _LIBRARIES.get(made_by)
    if library is not None:
        return library
    if hasattr(frame, "__arrow_c_stream__"):
        return _ARROW
    raise GateError(
        f"{kind.__module__}.{kind.__qualname__} is no data frame: expected one of pandas, Polars, "
        "DuckDB or PyArrow, or an object with __arrow_c_stream__"
    )


def _plain(table: pa.Table) -> pa.Table:
    """The same columns without types that only save space."""
    columns = [_plain_column(column) for column in table.columns]
    return pa.table(columns, names=table.column_names)


def _plain_column(column: pa.ChunkedArray) -> pa.ChunkedArray:
    kind = column.type
    if isinstance(kind, pa.BaseExtensionType):
        return _plain_column(
            pa.chunked_array([chunk.storage for chunk in column.chunks], kind.storage_type)
        )
    if kind in (pa.string_view(), pa.large_string()):
        return column.cast(pa.large_string())
    if kind == pa.binary_view():
        return column.cast(pa.large_binary())
    return column


def _from_pandas(frame: Any) -> pa.Table:
    try:
        return _plain(pa.Table.from_pandas(frame, preserve_index=False))
    except (pa.ArrowException, TypeError, ValueError) as error:
        reason = str(error).partition("\n")[0]
        raise GateError(
            f"a column of the frame mixes types that Arrow cannot hold: {reason}"
        ) from error


def _to_pandas(table: pa.Table) -> Any:
    return table.to_pandas(timestamp_as_object=False, date_as_object=True)


def _to_polars(table: pa.Table) -> Any:
    import polars

    return polars.from_arrow(table)


def _from_duckdb(relation: Any) -> pa.Table:
    return _plain(relation.to_arrow_table())


def _to_duckdb(table: pa.Table) -> Any:
    import duckdb

    return duckdb.from_arrow(table)


def _stream(frame: Any) -> pa.Table:
    return _plain(pa.table(frame))


def _lazy(frame: Any) -> pa.Table:
    return _stream(frame.collect())


_ARROW = Library("pyarrow", _stream, lambda table: table)
_POLARS = Library("polars", _stream, _to_polars)
_DUCKDB = Library("duckdb", _from_duckdb, _to_duckdb)
_LIBRARIES = {
    "pandas.DataFrame": Library("pandas", _from_pandas, _to_pandas),
    "polars.DataFrame": _POLARS,
    "polars.LazyFrame": Library("polars", _lazy, _to_polars),
    "duckdb.DuckDBPyRelation": _DUCKDB,
    "pyarrow.Table": _ARROW,
    "pyarrow.RecordBatch": Library(
        "pyarrow", lambda batch: _plain(pa.Table.from_batches([batch])), lambda table: table
    ),
}
