"""``minItems``, ``maxItems`` and ``uniqueItems`` of arrays."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from lakegate.gate.rules.base import ArrayAnswer, Rule

__all__ = ["RULES"]


def _frozen(value: Any) -> Any:
    """A hashable stand-in: equal for equal JSON values, whatever the order of an object's keys."""
    if isinstance(value, dict):
        return frozenset((name, _frozen(member)) for name, member in value.items())
    if isinstance(value, list) and value and isinstance(value[0], tuple):  # entries of a map
        return frozenset((name, _frozen(member)) for name, member in value)
    if isinstance(value, list):
        return tuple(map(_frozen, value))
    return (type(value), value)


def _are_unique(items: list[Any], _bound: Any) -> bool:
    return len({_frozen(item) for item in items}) == len(items)


def _unique_arrays(array: pa.Array, _bound: Any) -> ArrayAnswer:
    longest = pc.max(pc.list_value_length(array)).as_py()
    if longest is not None and longest <= 1:
        return pc.less_equal(pc.list_value_length(array), 1)
    return pa.array(
        [None if items is None else _are_unique(items, True) for items in array.to_pylist()],
        pa.bool_(),
    )


RULES = (
    Rule(
        "minItems",
        "an array has fewer items than the contract allows",
        check=lambda items, bound: len(items) >= bound,
        check_array=lambda array, bound: pc.greater_equal(pc.list_value_length(array), bound),
        expected=lambda bound: f"at least {bound} items",
    ),
    Rule(
        "maxItems",
        "an array has more items than the contract allows",
        check=lambda items, bound: len(items) <= bound,
        check_array=lambda array, bound: pc.less_equal(pc.list_value_length(array), bound),
        expected=lambda bound: f"at most {bound} items",
    ),
    Rule(
        "uniqueItems",
        "an array holds an item twice",
        check=_are_unique,
        check_array=_unique_arrays,
        expected=lambda bound: "each item once",
    ),
)
