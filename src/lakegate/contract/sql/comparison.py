"""Comparisons of two values of one kind, and NOT; :mod:`.literal` has made them alike."""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from lakegate.contract.sql.function import Function
from lakegate.contract.sql.vector import Answer, Array, length_of, to_array, to_mask

__all__ = ["FUNCTIONS", "align", "order"]


def order(value: Any) -> tuple[bool, Any]:
    """A key by which NaN is above all else and equal to itself, as DuckDB orders doubles."""
    return (True, 0.0) if value != value else (False, value)


def align(left: Array, right: Array) -> tuple[Array, Array]:
    """Decimals of one scale, wide enough for both; anything else as it is."""
    if not pa.types.is_decimal(left.type) or left.type.scale == right.type.scale:
        return left, right
    scale = max(left.type.scale, right.type.scale)
    whole = max(side.type.precision - side.type.scale for side in (left, right))
    width = whole + scale
    wide = pa.decimal128(width, scale) if width <= 38 else pa.decimal256(min(width, 76), scale)
    return left.cast(wide), right.cast(wide)


def _compared(kernel: Callable[..., Array]) -> Callable[[Array, Array], Array | Answer]:
    def compare(left: Array, right: Array) -> Array | Answer:
        left, right = align(left, right)
        answer = kernel(left, right)
        if not pa.types.is_floating(left.type):
            return answer
        # Arrow's NaN is unequal to itself: these rows are asked one by one.
        count = length_of(left, right)
        strange = np.zeros(count, dtype=bool)
        for side in (left, right):
            odd = to_array(pc.is_nan(side), count)
            if pc.any(odd).as_py():
                strange |= to_mask(odd)
        return Answer(answer, strange) if strange.any() else answer

    return compare


FUNCTIONS = (
    Function(
        "=",
        "any, any -> boolean",
        lambda left, right: order(left) == order(right),
        _compared(pc.equal),
    ),
    Function(
        "<",
        "any, any -> boolean",
        lambda left, right: order(left) < order(right),
        _compared(pc.less),
    ),
    Function(
        "<=",
        "any, any -> boolean",
        lambda left, right: order(left) <= order(right),
        _compared(pc.less_equal),
    ),
    Function("not", "boolean -> boolean", operator.not_, pc.invert),
)
