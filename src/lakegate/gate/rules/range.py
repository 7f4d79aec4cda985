"""``minimum``, ``maximum`` and their exclusive forms, of numbers, dates, times and timestamps.

A double is compared with the double nearest to the bound, so that ``maximum: 0.1`` admits ``0.1``.
Temporal bounds are compared as the integers their columns store.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from lakegate.contract.temporal import format_time, format_timestamp
from lakegate.contract.type import NumberType, Type
from lakegate.gate.rules.base import Rule

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


def _array_check(compare: str) -> Callable[[pa.Array, _Bound], pa.BooleanArray | None]:
    kernel = getattr(pc, compare)

    def check_array(array: pa.Array, bound: _Bound) -> pa.BooleanArray | None:
        value = bound.value
        type_ = array.type
        if pa.types.is_integer(type_) and value != int(value):
            return kernel(pc.cast(array, pa.float64()), pa.scalar(float(value)))
        if pa.types.is_integer(type_):
            clamped = min(max(int(value), -(1 << 63)), (1 << 63) - 1)
            if clamped != value:
                return None
            return kernel(pc.cast(array, pa.int64()), pa.scalar(clamped, pa.int64()))
        if pa.types.is_temporal(type_):
            return kernel(array, pa.scalar(value, type_))
        if pa.types.is_decimal(type_):
            # 256 bits, or aligning the scales could overflow.
            scale = max(type_.scale, -int(value.as_tuple().exponent))
            wide = pa.decimal256(min(76, type_.precision - type_.scale + scale), scale)
            try:
                return kernel(array.cast(wide), pa.scalar(value, wide))
            except pa.ArrowInvalid:
                return None
        return kernel(array, pa.scalar(value, type_))

    return check_array


def _rule(code: str, sign: str, compare: Callable[[Any, Any], bool], kernel: str) -> Rule:
    side = "less" if ">" in sign else "greater"
    return Rule(
        code,
        f"a value is {side} than the contract allows",
        check=lambda value, bound: compare(value, bound.value),
        check_array=_array_check(kernel),
        expected=lambda bound: f"a value {sign} {bound.text}",
        prepare=_prepare,
    )


RULES = (
    _rule("minimum", ">=", operator.ge, "greater_equal"),
    _rule("maximum", "<=", operator.le, "less_equal"),
    _rule("exclusiveMinimum", ">", operator.gt, "greater"),
    _rule("exclusiveMaximum", "<", operator.lt, "less"),
)
