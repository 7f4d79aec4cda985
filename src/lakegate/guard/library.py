"""The data frame libraries, as far as the gate needs them: to Arrow, and back."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from lakegate.contract.type import Type
from lakegate.errors import GateError
from lakegate.guard.plain import plain
from lakegate.guard.python_value import written
from lakegate.ingest.arrow_json import value_texts

__all__ = ["Columns", "Library", "library_of"]

Positions: TypeAlias = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Columns:
    """The columns of a frame; those ``written`` are JSON text, value by value, without nulls."""

    table: pa.Table
    written: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Library:
    """How frames of one library become columns, and rows frames again.

    ``settle`` makes the frame of what is only a plan of one; the others take what it gives.
    ``accepted`` makes a frame of a table whose rows stood at the positions. ``rejected`` takes the
    rows at the positions and sets a column of the name beside them.
    """

    settle: Callable[[Any], Any]
    columns: Callable[[Any, Mapping[str, Type]], Columns]
    accepted: Callable[[Any, pa.Table, Positions], Any]
    rejected: Callable[[Any, Columns, Positions, str, pa.Array], Any]


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
    raise _no_frame(frame)


def _no_frame(frame: Any) -> GateError:
    kind = type(frame)
    return GateError(
        f"{kind.__module__}.{kind.__qualname__} is no data frame: expected one of pandas, Polars, "
        "DuckDB or PyArrow, or an object with __arrow_c_stream__"
    )


def _table(frame: Any) -> pa.Table:
    if isinstance(frame, pa.Table):
        return frame
    try:
        return pa.table(frame)
    except (pa.ArrowException, TypeError, ValueError) as error:  # a stream, and not of rows
        raise _no_frame(frame) from error


def _table_columns(table: pa.Table, types: Mapping[str, Type]) -> Columns:
    texts = frozenset(
        field.name for field in table.schema if pa.types.is_union(field.type)
    )  # a union has a type per value
    columns = [
        _union(column, types.get(name), name) if name in texts else plain(column, name)
        for name, column in zip(table.column_names, table.columns, strict=True)
    ]
    return Columns(pa.table(columns, names=table.column_names), texts)


def _union(column: pa.ChunkedArray, type_: Type | None, name: str) -> pa.ChunkedArray:
    """The JSON text of each value of a union; bytes that are no UTF-8 as escapes the gate refuses.

    Raises:
        GateError: one of its types has no one form as JSON.
    """
    texts = []
    for chunk in column.chunks:
        for at in range(chunk.type.num_fields):
            plain(chunk.field(at), name)  # refuses what has no form
        texts += [
            text.encode("utf-8", "backslashreplace").decode() for text in value_texts(chunk, type_)
        ]
    return pa.chunked_array([pa.array(texts, pa.large_string())])


def _table_rows(
    _frame: Any, columns: Columns, at: Positions, name: str, values: pa.Array
) -> pa.Table:
    return columns.table.take(pa.array(at)).append_column(name, values)


# Types of DuckDB that Arrow tables have as their bytes in memory, or rounded, or without a zone.
_INEXACT = re.compile(r"\b(?:BIT|BIGNUM|VARINT|UHUGEINT|TIME WITH TIME ZONE)\b")
# What pandas finds in a column of Python values, where Arrow holds every such column exactly.
_EXACT = frozenset(["string", "bytes", "floating", "integer", "decimal", "boolean", "empty"])


def _pandas_columns(frame: Any, types: Mapping[str, Type]) -> Columns:
    names = [str(name) for name in frame.columns]
    columns, texts = [], set()
    for at, name in enumerate(names):
        column = _exact(frame.iloc[:, at], name)
        if column is None:
            values = frame.iloc[:, at]
            column = written(values, types.get(name), name=name, nan_is_missing=True)
            texts.add(name)
        columns.append(column)
    return Columns(pa.table(columns, names=names), frozenset(texts))


def _exact(series: Any, name: str) -> pa.ChunkedArray | None:
    """The column as Arrow holds it; None where that would make other values of some."""
    if series.dtype == object and not _has_one_type(series):
        return None
    try:
        column = pa.array(series, from_pandas=True)
    except (pa.ArrowException, TypeError, ValueError, OverflowError):
        return None
    return plain(column, name)


def _has_one_type(series: Any) -> bool:
    from pandas.api.types import infer_dtype  # type: ignore[import-untyped,unused-ignore]

    if infer_dtype(series, skipna=True) in _EXACT:
        return True
    values = series[series.notna()]
    # Arrow takes the type and the zone of the first for all, and drops a time's.
    kinds = {(type(value), getattr(value, "tzinfo", None)) for value in values}
    if len(kinds) != 1:
        return False
    kind, zone = kinds.pop()
    return kind in (date, datetime, timedelta) or (kind is time and zone is None)


def _pandas_accepted(frame: Any, table: pa.Table, at: Positions) -> Any:
    accepted = table.to_pandas(timestamp_as_object=False, date_as_object=True)
    accepted.index = frame.index.take(at)
    return accepted


def _pandas_rejected(
    frame: Any, _columns: Columns, at: Positions, name: str, values: pa.Array
) -> Any:
    rejected = frame.iloc[at].copy()
    reasons = np.empty(len(values), dtype=object)
    for row, value in enumerate(values.to_pylist()):
        reasons[row] = value
    rejected[name] = reasons
    return rejected


def _polars_columns(frame: Any, types: Mapping[str, Type]) -> Columns:
    import polars

    columns, texts = [], set()
    for series in frame.get_columns():
        name = series.name
        if series.dtype in (polars.Object, polars.Int128, polars.UInt128):  # none in Arrow
            values = series.to_list()
            column = written(values, types.get(name), name=name, nan_is_missing=False)
            texts.add(name)
        else:
            column = plain(_polars_column(series), name)
        columns.append(column)
    return Columns(pa.table(columns, names=frame.columns), frozenset(texts))


def _polars_column(series: Any) -> Any:
    import polars

    try:
        return series.to_arrow(compat_level=polars.CompatLevel.oldest())
    except (pa.ArrowException, polars.exceptions.PolarsError, TypeError, ValueError) as error:
        raise GateError(
            f"the column {series.name!r} is of the type {series.dtype}, which Arrow has not: cast "
            "it to a type that Arrow has first"
        ) from error


def _polars_rejected(
    frame: Any, _columns: Columns, at: Positions, name: str, values: pa.Array
) -> Any:
    import polars

    return frame[at].with_columns(polars.Series(name, polars.from_arrow(values)))


def _to_polars(_frame: Any, table: pa.Table, _at: Positions) -> Any:
    import polars

    return polars.from_arrow(table)


def _to_duckdb(table: pa.Table) -> Any:
    import duckdb

    return duckdb.from_arrow(table)


def _duckdb_table(relation: Any) -> pa.Table:
    for name, kind in zip(relation.columns, map(str, relation.types), strict=True):
        odd = _INEXACT.search(kind)
        if odd is not None:
            raise GateError(
                f"the column {name!r} is of DuckDB's type {kind}, and {odd[0]} has no like in "
                "Arrow: cast it to VARCHAR or DECIMAL first"
            )
    return relation.to_arrow_table()


def _same(frame: Any) -> Any:
    return frame


_ARROW = Library(_table, _table_columns, lambda _frame, table, _at: table, _table_rows)
_LIBRARIES = {
    "pandas.DataFrame": Library(_same, _pandas_columns, _pandas_accepted, _pandas_rejected),
    "polars.DataFrame": Library(_same, _polars_columns, _to_polars, _polars_rejected),
    "polars.LazyFrame": Library(
        lambda frame: frame.collect(), _polars_columns, _to_polars, _polars_rejected
    ),
    "duckdb.DuckDBPyRelation": Library(
        _duckdb_table,
        _table_columns,
        lambda _frame, table, _at: _to_duckdb(table),
        lambda *rows: _to_duckdb(_table_rows(*rows)),
    ),
    "pyarrow.Table": _ARROW,
    "pyarrow.RecordBatch": Library(
        lambda batch: pa.Table.from_batches([batch]),
        _table_columns,
        _ARROW.accepted,
        _ARROW.rejected,
    ),
}
