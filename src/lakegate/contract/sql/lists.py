"""Functions of lists; positions count from 1, or from the end when they are negative."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from lakegate.contract.sql.comparison import order
from lakegate.contract.sql.function import Function
from lakegate.contract.sql.literal import Unsupported
from lakegate.contract.sql.rule import Expression, Kind, Literal, SqlType
from lakegate.contract.sql.vector import (
    Answer,
    Array,
    Mask,
    constant,
    length_of,
    one_by_one,
    to_array,
    to_mask,
)

__all__ = ["FUNCTIONS", "lengths", "parents"]

_ORDERED = frozenset(
    {Kind.INTEGER, Kind.DECIMAL, Kind.DOUBLE, Kind.STRING, Kind.DATE, Kind.TIME, Kind.TIMESTAMP}
)


def lengths(lists: pa.Array) -> np.ndarray[Any, np.dtype[np.int64]]:
    """The number of items of each list, 0 for a null."""
    return np.asarray(pc.list_value_length(lists).fill_null(0), dtype=np.int64)


def parents(lists: pa.Array) -> np.ndarray[Any, np.dtype[np.int64]]:
    """The row of each item of ``lists.flatten()``."""
    return np.repeat(np.arange(len(lists)), lengths(lists))


def _any_of(items: Mask, lists: pa.Array) -> pa.Array:
    """Whether any item of each list is marked; null for a null list."""
    found = np.bincount(parents(lists)[items], minlength=len(lists)) > 0
    return pa.array(found, mask=to_mask(lists.is_null()) if lists.null_count else None)


def _equal(left: Any, right: Any) -> bool:
    return left is not None and right is not None and order(left) == order(right)


def _contains(items: list[Any], value: Any) -> bool:
    return any(_equal(item, value) for item in items)


def _contains_array(lists: Array, value: Array) -> Array | Answer:
    if not isinstance(lists, pa.Array) or pa.types.is_floating(lists.type.value_type):
        return one_by_one(_contains, pa.bool_(), lists, value)
    items = lists.flatten()
    wanted = value if isinstance(value, pa.Scalar) else value.take(pa.array(parents(lists)))
    return _any_of(to_mask(pc.equal(items, wanted)), lists)


def _position(items: list[Any], value: Any) -> int | None:
    return next((at for at, item in enumerate(items, 1) if _equal(item, value)), None)


def _extract(items: list[Any], index: int) -> Any:
    at = index - 1 if index > 0 else len(items) + index
    return items[at] if index != 0 and 0 <= at < len(items) else None


def _extract_array(lists: Array, index: Array) -> Array:
    count = length_of(lists, index)
    lists, index = to_array(lists, count), to_array(index, count).fill_null(0).to_numpy()
    sizes = lengths(lists)
    at = np.where(index > 0, index - 1, sizes + index)
    inside = (index != 0) & (at >= 0) & (at < sizes)
    start = np.cumsum(sizes) - sizes
    return lists.flatten().take(pa.array(start + at, mask=~inside))


def _item_type(args: tuple[Expression, ...]) -> SqlType:
    item = args[0].type.item
    return item if item is not None else SqlType(Kind.NULL)


def _chosen(pick: Callable[..., Any]) -> Callable[[list[Any]], Any]:
    def record(items: list[Any]) -> Any:
        here = [item for item in items if item is not None]
        return pick(here, key=order) if here else None

    return record


def _chosen_array(reduce: Any, record: Callable[..., Any]) -> Callable[..., Any]:
    def array(lists: Array) -> Any:
        type_ = lists.type.value_type
        if not pa.types.is_integer(type_):
            return one_by_one(record, type_, lists)
        return _reduced(lists, reduce)

    return array


def _reduced(lists: pa.Array, reduce: Any) -> pa.Array:
    items = lists.flatten()
    valid = to_mask(items.is_valid())
    values = items.fill_null(0).to_numpy()[valid]
    rows = parents(lists)[valid]
    if not len(rows):
        return pa.nulls(len(lists), pa.int64())
    starts = np.flatnonzero(np.r_[True, rows[1:] != rows[:-1]])
    found = np.zeros(len(lists), dtype=np.int64)
    absent = np.ones(len(lists), dtype=bool)
    found[rows[starts]] = reduce.reduceat(values, starts)
    absent[rows[starts]] = False
    return pa.array(found, mask=absent)


def _sum(items: list[Any]) -> int | None:
    here = [item for item in items if item is not None]
    return sum(here) if here else None


def _sums(lists: Array) -> Any:
    items = lists.flatten()
    if len(items) and (pc.max(pc.abs(items)).as_py() or 0) > 2**62 // len(items):
        return one_by_one(_sum, pa.int64(), lists)
    return _reduced(lists, np.add)


def _unique(items: list[Any]) -> int:
    return len({order(item) for item in items if item is not None})


def _unique_array(lists: Array) -> Any:
    items = lists.flatten()
    if pa.types.is_floating(items.type) or pa.types.is_nested(items.type):
        return one_by_one(_unique, pa.int64(), lists)
    pairs = pa.table({"row": parents(lists), "item": items}).filter(pc.is_valid(items))
    rows = pairs.group_by(["row", "item"]).aggregate([])["row"].to_numpy()
    found = np.bincount(rows, minlength=len(lists))
    return pa.array(found, mask=to_mask(lists.is_null()) if lists.null_count else None)


def _has_any(items: list[Any], wanted: list[Any]) -> bool:
    return any(_contains(items, value) for value in wanted)


def _has_all(items: list[Any], wanted: list[Any]) -> bool:
    return all(_contains(items, value) for value in wanted if value is not None)


def _has_array(combine: Callable[..., Array], record: Any) -> Callable[..., Any]:
    def array(lists: Array, wanted: Array) -> Any:
        values = constant(wanted)
        if not values or not isinstance(lists, pa.Array):
            return one_by_one(record, pa.bool_(), lists, wanted)
        found: Any = None
        for value in values:
            if value is None:
                continue
            here = _contains_array(lists, pa.scalar(value, lists.type.value_type))
            here = here.array if isinstance(here, Answer) else here
            found = here if found is None else combine(found, here)
        return one_by_one(record, pa.bool_(), lists, wanted) if found is None else found

    return array


def _bools(of: Callable[..., bool]) -> Callable[[list[Any]], bool | None]:
    def record(items: list[Any]) -> bool | None:
        here = [item for item in items if item is not None]
        return of(here) if here else None

    return record


def _bools_array(reduce: Any) -> Callable[..., Array]:
    def array(lists: Array) -> Array:
        held = pa.ListArray.from_arrays(
            np.r_[0, np.cumsum(lengths(lists))].astype(np.int32),
            lists.flatten().cast(pa.int64()),
        )
        return _reduced(held, reduce).cast(pa.bool_())

    return array


def _of(kinds: frozenset[Kind]) -> Callable[[tuple[Expression, ...]], None]:
    def check(args: tuple[Expression, ...]) -> None:
        if _item_type(args).kind not in kinds:
            raise Unsupported(f"a list of {_item_type(args)} here")

    return check


def _first_dimension(args: tuple[Expression, ...]) -> None:
    if isinstance(args[1], Literal) and args[1].value != 1:
        raise Unsupported("a dimension other than 1")


def _length(items: list[Any], _dimension: int = 1) -> int:
    return len(items)


def _length_array(lists: Array, _dimension: Array | None = None) -> Array:
    return pc.list_value_length(lists).cast(pa.int64())


_INTEGERS = _of(frozenset({Kind.INTEGER}))
_BOOLEANS = _of(frozenset({Kind.BOOLEAN}))
_MIN, _MAX = _chosen(min), _chosen(max)
FUNCTIONS = (
    Function("length", "list -> integer", _length, _length_array,
             ("len", "array_length")),
    Function("array_length", "list, integer! -> integer", _length, _length_array,
             check=_first_dimension),
    Function("list_contains", "list, any -> boolean", _contains, _contains_array,
             ("array_contains", "list_has", "array_has", "contains"), check=_of(_ORDERED)),
    Function("list_position", "list, any -> integer", _position,
             lambda *args: one_by_one(_position, pa.int64(), *args),
             ("array_position", "list_indexof"), check=_of(_ORDERED)),
    Function("list_extract", "list, integer -> any", _extract, _extract_array,
             ("array_extract", "list_element"), result=_item_type),
    Function("list_min", "list -> any", _MIN, _chosen_array(np.minimum, _MIN),
             result=_item_type, check=_of(_ORDERED)),
    Function("list_max", "list -> any", _MAX, _chosen_array(np.maximum, _MAX),
             result=_item_type, check=_of(_ORDERED)),
    Function("list_sum", "list -> integer", _sum, _sums, check=_INTEGERS),
    Function("list_unique", "list -> integer", _unique, _unique_array, ("array_unique",),
             check=_of(_ORDERED)),
    Function("list_has_any", "list, list! -> boolean", _has_any,
             _has_array(pc.or_kleene, _has_any), ("array_has_any", "&&"), check=_of(_ORDERED)),
    Function("list_has_all", "list, list! -> boolean", _has_all,
             _has_array(pc.and_kleene, _has_all), ("array_has_all",), check=_of(_ORDERED)),
    Function("list_bool_or", "list -> boolean", _bools(any), _bools_array(np.maximum),
             check=_BOOLEANS),
    Function("list_bool_and", "list -> boolean", _bools(all), _bools_array(np.minimum),
             check=_BOOLEANS),
)  # fmt: skip
