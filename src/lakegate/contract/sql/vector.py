"""What the column forms of SQL functions are built from: answers, doubts, arrays by numpy."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from lakegate.contract.sql.function import Undefined

__all__ = [
    "Answer",
    "Array",
    "Mask",
    "constant",
    "is_ascii",
    "length_of",
    "lift",
    "one_by_one",
    "to_array",
    "to_mask",
]

Array: TypeAlias = Any  # pa.Array or pa.Scalar
Mask: TypeAlias = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Answer:
    """An array and the rows it is not sure of: of those the record form is asked."""

    array: Array
    doubt: Mask | None = None


def constant(value: Array) -> Any:
    """The value of a scalar, None for an array."""
    return value.as_py() if isinstance(value, pa.Scalar) else None


def to_mask(array: Array) -> Mask:
    """A boolean array as numpy, False for null."""
    if array.null_count:
        array = array.fill_null(False)
    return array.to_numpy(zero_copy_only=False)  # type: ignore[no-any-return]


def length_of(*args: Array) -> int:
    """The number of rows."""
    return next(len(arg) for arg in args if isinstance(arg, pa.Array))


def to_array(value: Array, count: int) -> pa.Array:
    """A scalar repeated, an array as it is."""
    return value if isinstance(value, pa.Array) else pa.repeat(value, count)


def is_ascii(texts: pa.Array) -> bool:
    """Whether no text has a character beyond ASCII; looks at the whole buffer."""
    buffer = texts.buffers()[2]
    return buffer is None or not len(texts) or not (np.frombuffer(buffer, np.uint8) & 0x80).any()


def lift(function: Callable[..., Any], *, of: pa.DataType | None = None) -> Callable[..., Array]:
    """The column form of a function of numpy arrays (or of their scalars), for plain numbers."""

    def kernel(*args: Array) -> Array:
        valid: Mask | None = None
        values = []
        for arg in args:
            if isinstance(arg, pa.Scalar):
                values.append(arg.as_py())
                continue
            if arg.null_count:
                here = to_mask(arg.is_valid())
                valid = here if valid is None else valid & here
                arg = arg.fill_null(0)
            values.append(arg.to_numpy(zero_copy_only=False))
        with np.errstate(all="ignore"):
            result = function(*values)
        return pa.array(result, of, mask=None if valid is None else ~valid)

    return kernel


def one_by_one(
    record: Callable[..., Any], type_: pa.DataType, *args: Array, where: Mask | None = None
) -> Answer:
    """The record form asked for each row (of ``where``), for each distinct value but once."""
    count = length_of(*args)
    rows = None if where is None else np.flatnonzero(where)
    columns = [
        arg if isinstance(arg, pa.Scalar) else arg if rows is None else arg.take(pa.array(rows))
        for arg in args
    ]
    arrays = [column for column in columns if isinstance(column, pa.Array)]
    indices: Any = None
    if len(arrays) == 1 and not pa.types.is_nested(arrays[0].type):
        encoded = pc.dictionary_encode(arrays[0])
        indices = encoded.indices
        columns = [encoded.dictionary if column is arrays[0] else column for column in columns]
    size = length_of(*columns)
    lists = [
        [column.as_py()] * size if isinstance(column, pa.Scalar) else column.to_pylist()
        for column in columns
    ]
    failed = np.zeros(size, dtype=bool)
    found: list[Any] = [None] * size
    for at, values in enumerate(zip(*lists, strict=True)):
        if None in values:
            continue
        try:
            found[at] = record(*values)
        except Undefined:
            failed[at] = True
    result = _as_array(found, type_, failed)
    if indices is not None:
        result = result.take(indices)
        failed = failed[indices.fill_null(0).to_numpy(zero_copy_only=False)] if size else failed
        if indices.null_count and size:
            failed &= to_mask(indices.is_valid())
        if not size:
            failed = np.zeros(len(indices), dtype=bool)
    if rows is None:
        return Answer(result, failed if failed.any() else None)
    everywhere = np.full(count, -1, dtype=np.int64)
    everywhere[rows] = np.arange(len(rows))
    doubt = np.zeros(count, dtype=bool)
    doubt[rows] = failed
    full = result.take(pa.array(everywhere, mask=everywhere < 0))
    return Answer(full, doubt if failed.any() else None)


def _as_array(values: list[Any], type_: pa.DataType, failed: Mask) -> pa.Array:
    """The values, those that the type cannot hold marked as failed."""
    try:
        return pa.array(values, type_)
    except (OverflowError, pa.ArrowInvalid):
        for at, value in enumerate(values):
            try:
                pa.scalar(value, type_)
            except (OverflowError, pa.ArrowInvalid):
                values[at], failed[at] = None, True
        return pa.array(values, type_)
