"""``multipleOf``, exactly: a double counts as the shortest decimal that reads back as itself."""

from __future__ import annotations

from decimal import Context, Decimal
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from lakegate.contract.type import Type
from lakegate.gate.rules.base import ArrayAnswer, Rule

__all__ = ["RULES"]

_EXACT = Context(prec=800)  # the longest exact quotient: 1.8e308 by 1e-308, and room
_EXACT_DIGITS = 10**15  # decimals of 15 digits and doubles are one to one


def _prepare(bound: Any, _type: Type) -> Decimal:
    return Decimal(bound)


def _check(value: Any, bound: Decimal) -> bool:
    exact = Decimal(repr(value)) if isinstance(value, float) else Decimal(value)
    return _EXACT.remainder(exact, bound) == 0


def _check_array(array: pa.Array, bound: Decimal) -> ArrayAnswer:
    _, digits, exponent = bound.as_tuple()
    step, power = int("".join(map(str, digits))), -int(exponent)
    if step >= _EXACT_DIGITS:
        return None
    if pa.types.is_floating(array.type) and 0 <= power <= 22:
        values = array.to_numpy(zero_copy_only=False)
        scale = 10.0**power
        with np.errstate(over="ignore", invalid="ignore"):
            units = np.rint(values * scale)
            certain = (np.abs(units) < _EXACT_DIGITS) & (units / scale == values)
            passes = certain & (np.fmod(units, step) == 0)
        return pc.if_else(pc.is_valid(array), pa.array(passes), pa.scalar(None, pa.bool_()))
    if pa.types.is_integer(array.type) and power == 0:
        values = array.fill_null(0).to_numpy()
        return pc.if_else(
            pc.is_valid(array), pa.array(values % step == 0), pa.scalar(None, pa.bool_())
        )
    return None


RULES = (
    Rule(
        "multipleOf",
        "a number is no whole multiple of the bound",
        check=_check,
        check_array=_check_array,
        expected=lambda bound: f"a multiple of {bound}",
        prepare=_prepare,
    ),
)
