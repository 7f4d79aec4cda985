"""``minimum``, ``maximum`` and their exclusive forms, of numbers, dates, times and timestamps.

A double is compared with the double nearest to the bound, so that ``maximum: 0.1`` admits ``0.1``.
Temporal bounds are compared as the integers their columns store.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from lakegate.contract.temporal import format_time, format_timestamp
from lakegate.contract.type import NumberType, Type
from lakegate.gate.rules.base import ArrayAnswer, Rule

__all__ = ["RULES"]

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class _Bound:
    """``value`` as a row holds it; ``text`` as the failure shows it."""

    value: Any
    text: str


def _prepare(bound: Any, type_: Type) -> _Bound:
    if isinstance(bound, datetime):
        micros = (bound - _EPOCH) // timedelta(microseconds=1)
        return _Bound(micros, format_timestamp(micros))
    if isinstance(bound, date):
        return _Bound(bound, bound.isoformat())
    if isinstance(bound, time):
        seconds = (bound.hour * 60 + bound.minute) * 60 + bound.second
        micros = seconds * 1_000_000 + bound.microsecond
        return _Bound(micros, format_time(micros))
    if isinstance(type_, NumberType):
        return _Bound(float(bound), str(bound))
    return _Bound(Decimal(bound), str(bound))


_Compare = Callable[[Any, Any], Any]


def _array_check(compare: _Compare, kernel: Callable[..., Any]) -> Callable[..., ArrayAnswer]:
    def check_array(array: pa.Array, bound: _Bound) -> ArrayAnswer:
        value, type_ = bound.value, array.type
        if pa.types.is_integer(type_) or pa.types.is_floating(type_):
            return _compare_numbers(array, value, compare)
        if pa.types.is_temporal(type_):
            return kernel(array, pa.scalar(value, type_))
        # 256 bits, or aligning the scales could overflow.
        scale = max(type_.scale, -int(value.as_tuple().exponent))
        wide = pa.decimal256(min(76, type_.precision - type_.scale + scale), scale)
        try:
            return kernel(array.cast(wide), pa.scalar(value, wide))
        except pa.ArrowInvalid:
            return None

    return check_array


def _compare_numbers(array: pa.Array, value: Any, compare: _Compare) -> ArrayAnswer:
    nulls = array.is_null().to_numpy(zero_copy_only=False) if array.null_count else None
    numbers = (array if nulls is None else array.fill_null(0)).to_numpy()
    if isinstance(value, Decimal):
        # Of whole numbers, those at least 2.5 are those at least 3.
        rounding = ROUND_CEILING if compare in (operator.ge, operator.lt) else ROUND_FLOOR
        whole = int(value.to_integral_value(rounding))
        if not -(1 << 63) <= whole < (1 << 63):
            return None
        value = np.int64(whole)
    passes = compare(numbers, value)
    return True if nulls is None and passes.all() else pa.array(passes, mask=nulls)


def _rule(code: str, sign: str, compare: _Compare, kernel: Callable[..., Any]) -> Rule:
    side = "less" if ">" in sign else "greater"
    return Rule(
        code,
        f"a value is {side} than the contract allows",
        check=lambda value, bound: compare(value, bound.value),
        check_array=_array_check(compare, kernel),
        expected=lambda bound: f"a value {sign} {bound.text}",
        prepare=_prepare,
    )


RULES = (
    _rule("minimum", ">=", operator.ge, pc.greater_equal),
    _rule("maximum", "<=", operator.le, pc.less_equal),
    _rule("exclusiveMinimum", ">", operator.gt, pc.greater),
    _rule("exclusiveMaximum", "<", operator.lt, pc.less),
)
