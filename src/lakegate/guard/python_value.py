"""Python values in a column as JSON text, each by itself.

Arrow gives a column one type: keys of one row's dict become null members of every other row's,
integers beside fractions become floats. A record has only what is its own.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import numpy as np
import pyarrow as pa

from lakegate.contract.type import ArrayType, MapType, ObjectType, Type
from lakegate.errors import GateError
from lakegate.gate.json_text import canonical
from lakegate.ingest.arrow_json import float_text, value_texts

__all__ = ["written"]

_SCALARS = (date, datetime, time, timedelta, np.generic, bytes, bytearray, memoryview)


def written(
    values: Iterable[Any], type_: Type | None, *, name: str, nan_is_missing: bool
) -> pa.ChunkedArray:
    """The JSON text of each value; ``type_`` is what the contract says of the column.

    Raises:
        GateError: a value has no JSON form; names the column, the row and what to do.
    """
    texts = []
    for row, value in enumerate(values):
        try:
            texts.append(_text(value, type_, nan_is_missing))
        except (pa.ArrowException, TypeError, ValueError, OverflowError, RecursionError) as error:
            raise GateError(
                f"the column {name!r} has in row {row} a {type(value).__name__} that has no JSON "
                f"form ({error}): make the column text, numbers, or dicts and lists of these first"
            ) from error
    return pa.chunked_array([pa.array(texts, pa.large_string())])


def _text(value: Any, type_: Type | None, nan_is_missing: bool) -> str:
    if value is None:
        return "null"
    if isinstance(value, bool | np.bool_):
        return "true" if value else "false"
    if isinstance(value, str):
        return _string(value)
    if isinstance(value, int):
        return int.__repr__(value)
    if isinstance(value, float):
        if nan_is_missing and value != value:
            return "null"
        return float_text(float(value), type_)
    if isinstance(value, Decimal):
        return _decimal(value, nan_is_missing)
    if isinstance(value, dict):
        return _object(value, type_, nan_is_missing)
    if isinstance(value, list | tuple | set | frozenset):
        item = _item(type_)
        return "[" + ",".join(_text(each, item, nan_is_missing) for each in value) + "]"
    if isinstance(value, np.ndarray):
        return _array(value, type_, nan_is_missing)
    if isinstance(value, UUID):
        return f'"{value}"'
    if type(value).__name__ in ("NAType", "NaTType"):
        return "null"
    if isinstance(value, time) and value.tzinfo is not None:
        return f'"{value.isoformat()}"'
    if isinstance(value, _SCALARS):
        return value_texts(_scalar(value, nan_is_missing), type_)[0]
    raise TypeError(f"{type(value).__module__}.{type(value).__qualname__}")


def _scalar(value: Any, nan_is_missing: bool) -> Any:
    """An array of it; Arrow drops the nanoseconds of pandas' times, which are Python's too."""
    if getattr(value, "nanosecond", 0):
        kind = pa.timestamp("ns", tz=None if value.tzinfo is None else "UTC")
        return pa.array([value.as_unit("ns").value], pa.int64()).cast(kind)
    if getattr(value, "nanoseconds", 0):
        return pa.array([value.as_unit("ns").value], pa.int64()).cast(pa.duration("ns"))
    return pa.array([value], from_pandas=nan_is_missing)


def _string(value: str) -> str:
    text = str.__str__(value)
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:  # half of a pair: escaped, it is the gate's to refuse
        return json.dumps(text)
    return canonical(text)


def _decimal(value: Decimal, nan_is_missing: bool) -> str:
    if value.is_finite():
        return format(value, "f")
    return "null" if nan_is_missing and value.is_nan() else f'"{value}"'


def _array(value: np.ndarray[Any, Any], type_: Type | None, nan_is_missing: bool) -> str:
    item = _item(type_)
    if value.ndim != 1 or value.dtype == object:
        return "[" + ",".join(_text(each, item, nan_is_missing) for each in value) + "]"
    return "[" + ",".join(value_texts(pa.array(value, from_pandas=nan_is_missing), item)) + "]"


def _item(type_: Type | None) -> Type | None:
    return type_.item.type if isinstance(type_, ArrayType) else None


def _object(value: dict[Any, Any], type_: Type | None, nan_is_missing: bool) -> str:
    types = {}
    every = type_.value.type if isinstance(type_, MapType) else None
    if isinstance(type_, ObjectType):
        types = {field.name: field.type for field in type_.fields}
    members = []
    for key, member in value.items():
        if isinstance(key, bool | np.bool_) or not isinstance(key, str | int | np.integer):
            raise TypeError(f"a key of the type {type(key).__name__}")
        name = key if isinstance(key, str) else str(int(key))
        members.append(f"{_string(name)}:{_text(member, types.get(name, every), nan_is_missing)}")
    return "{" + ",".join(members) + "}"
