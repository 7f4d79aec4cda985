"""Arithmetic of row rules: integers and decimals exact, doubles as IEEE 754 has them.

Where DuckDB stops because a result is too wide, the answer here is the exact one.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable
from decimal import ROUND_CEILING, ROUND_DOWN, ROUND_FLOOR, ROUND_HALF_UP, Context, Decimal
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from lakegate.contract.sql.function import Function, Undefined
from lakegate.contract.sql.literal import MAX_PRECISION, Unsupported
from lakegate.contract.sql.rule import Expression, Kind, Literal, SqlType
from lakegate.contract.sql.vector import (
    Answer,
    Array,
    Mask,
    constant,
    length_of,
    lift,
    to_array,
    to_mask,
)

__all__ = ["EXACT", "FUNCTIONS", "fit", "unscaled"]

# A product of a thousand factors of 38 digits is still exact.
EXACT = Context(prec=40_000)


def unscaled(decimals: pa.Array) -> np.ndarray[Any, np.dtype[np.int64]]:
    """The unscaled values of decimals of at most 18 digits; of a null any number."""
    low = np.frombuffer(decimals.buffers()[1], dtype=np.int64)[0::2]
    return low[decimals.offset : decimals.offset + len(decimals)]


def fit(values: pa.Array, type_: SqlType) -> Answer:
    """Decimals in their declared type; those that are too wide for it are in doubt."""
    target = pa.decimal128(max(type_.precision, 1), type_.scale)
    try:
        return Answer(values.cast(target))
    except pa.ArrowInvalid:
        scale = values.type.scale
        limit = pa.scalar(Decimal(10) ** (target.precision - target.scale), pa.decimal256(76, 0))
        wide = values.cast(pa.decimal256(76, scale))
        doubt = to_mask(pc.greater_equal(pc.abs(wide), limit.cast(pa.decimal256(76, scale))))
        kept = pc.if_else(pa.array(doubt), pa.scalar(None, wide.type), wide)
        return Answer(kept.cast(target), doubt)


def _integers(
    checked: Callable[..., Array], wrapping: Callable[..., Array], estimate: Callable[..., Any]
) -> Callable[..., Array | Answer]:
    def kernel(*args: Array) -> Array | Answer:
        try:
            return checked(*args)
        except pa.ArrowInvalid:
            count = length_of(*args)
            floats = [to_array(arg, count).fill_null(0).to_numpy().astype(float) for arg in args]
            return Answer(wrapping(*args), np.abs(estimate(*floats)) >= 2.0**62)

    return kernel


def _decimals(kernel: Callable[..., Array], type_of: Callable[..., SqlType]) -> Any:
    def calculate(left: Array, right: Array) -> Answer:
        width = left.type.precision + right.type.precision + abs(left.type.scale - right.type.scale)
        if width >= MAX_PRECISION:
            left = left.cast(pa.decimal256(left.type.precision, left.type.scale))
            right = right.cast(pa.decimal256(right.type.precision, right.type.scale))
        return fit(kernel(left, right), type_of(left.type, right.type))

    return calculate


def _sum_type(left: Any, right: Any) -> SqlType:
    scale = max(left.scale, right.scale)
    whole = max(left.precision - left.scale, right.precision - right.scale)
    return SqlType(Kind.DECIMAL, min(whole + scale + 1, MAX_PRECISION), scale)


def _product_type(left: Any, right: Any) -> SqlType:
    scale = left.scale + right.scale
    if scale > MAX_PRECISION:
        raise Unsupported("a product of more than 38 digits after the point")
    return SqlType(Kind.DECIMAL, min(left.precision + right.precision, MAX_PRECISION), scale)


def _common_type(left: Any, right: Any) -> SqlType:
    scale = max(left.scale, right.scale)
    whole = max(left.precision - left.scale, right.precision - right.scale)
    return SqlType(Kind.DECIMAL, min(whole + scale, MAX_PRECISION), scale)


def _typed(type_of: Callable[..., SqlType]) -> Callable[[tuple[Expression, ...]], SqlType]:
    return lambda args: type_of(*(arg.type for arg in args))


def _first(args: tuple[Expression, ...]) -> SqlType:
    return args[0].type


def _quotient(left: int, right: int) -> int:
    _not_zero(right)
    value = abs(left) // abs(right)
    return value if (left < 0) == (right < 0) else -value


def _not_zero(divisor: Any) -> None:
    if divisor == 0:
        raise Undefined("division by zero")


def _modulo(left: int, right: int) -> int:
    return left - right * _quotient(left, right)


def _decimal_modulo(left: Decimal, right: Decimal) -> Decimal:
    _not_zero(right)
    return EXACT.remainder(left, right)


def _double_modulo(left: float, right: float) -> float:
    with np.errstate(all="ignore"):
        return float(np.fmod(left, right))


def _divide(left: float, right: float) -> float:
    if right != 0:
        return left / right
    if left == 0 or math.isnan(left):
        return math.nan
    return math.copysign(math.inf, math.copysign(1.0, left) * math.copysign(1.0, right))


def _by(kernel: Callable[..., Array]) -> Callable[..., Array | Answer]:
    """A kernel that divides: rows whose divisor is zero, or that overflow, are in doubt."""

    def divide(left: Array, right: Array) -> Array | Answer:
        if constant(right) not in (None, -1):
            return kernel(left, right)
        count = length_of(left, right)
        zero = to_mask(pc.equal(to_array(right, count), pa.scalar(0, pa.int64()).cast(right.type)))
        if pa.types.is_integer(left.type):  # the lowest integer by -1 is beyond 64 bits
            zero |= to_mask(pc.equal(to_array(left, count), -(2**63)))
        if not zero.any():
            return kernel(left, right)
        right = to_array(right, count)
        safe = pc.if_else(pa.array(zero), pa.scalar(None, right.type), right)
        return _doubting(kernel(left, safe), zero)

    return divide


def _doubting(answer: Array | Answer, doubt: Mask) -> Answer:
    if not isinstance(answer, Answer):
        return Answer(answer, doubt)
    return Answer(answer.array, doubt if answer.doubt is None else doubt | answer.doubt)


def _integer_modulo(left: Array, right: Array) -> Array:
    return pc.subtract(left, pc.multiply(right, pc.divide(left, right)))


def _unscaled_modulo(left: Array, right: Array) -> Answer:
    from lakegate.contract.sql.comparison import align

    type_ = _common_type(left.type, right.type)
    count = length_of(left, right)
    left, right = align(left, right)
    if type_.precision > 18:
        raise pa.ArrowNotImplementedError("a remainder of wide decimals")
    held = [to_array(side, count).cast(pa.decimal128(18, type_.scale)) for side in (left, right)]
    valid = to_mask(pc.and_(held[0].is_valid(), held[1].is_valid()))
    divisor = unscaled(held[1])
    with np.errstate(all="ignore"):
        rest = np.fmod(unscaled(held[0]), np.where(valid & (divisor != 0), divisor, 1))
    pair = np.zeros(2 * count, dtype=np.int64)
    pair[0::2], pair[1::2] = rest, rest >> 63
    raw = pa.Array.from_buffers(pa.decimal128(18, type_.scale), count, [None, pa.py_buffer(pair)])
    return fit(pc.if_else(pa.array(valid), raw, pa.scalar(None, raw.type)), type_)


def _scaled(digits: int, mode: str) -> Callable[[Decimal], Decimal]:
    step = Decimal(1).scaleb(-digits)
    return lambda value: value.quantize(step, mode, EXACT)


def _round_decimal(value: Decimal, digits: int = 0) -> Decimal:
    return _scaled(digits, ROUND_HALF_UP)(value)


def _rounded_type(args: tuple[Expression, ...]) -> SqlType:
    type_ = args[0].type
    digits = args[1].value if len(args) > 1 and isinstance(args[1], Literal) else 0
    return SqlType(Kind.DECIMAL, type_.precision, min(max(digits, 0), type_.scale))


def _decimal_rounding(kernel: Callable[..., Array]) -> Callable[..., Array]:
    def rounding(values: Array, digits: pa.Scalar | None = None) -> Array:
        places = 0 if digits is None else digits.as_py()
        precision, scale = values.type.precision, values.type.scale
        # Arrow rounds the widest decimals to nonsense.
        wide = pa.decimal128(37, scale) if precision < 37 else pa.decimal256(76, scale)
        rounded = kernel(values.cast(wide), min(places, scale))
        return rounded.cast(pa.decimal128(precision, min(max(places, 0), scale)))

    return rounding


def _away(values: Any) -> Any:
    """C's round: ties away from zero, for one double or an array."""
    whole = np.trunc(values)
    return np.where(np.abs(values - whole) >= 0.5, whole + np.copysign(1.0, values), whole)


def _round_double(values: Any, digits: int = 0) -> Any:
    if digits == 0:
        return _away(values)
    power = np.float64(10.0) ** abs(digits)
    if digits < 0:
        rounded = _away(values / power) * power
        return np.where(np.isfinite(rounded), rounded, 0.0)
    rounded = _away(values * power) / power
    return np.where(np.isfinite(rounded), rounded, values)


def _away_one(value: float) -> float:
    whole = float(math.trunc(value))
    return whole + math.copysign(1.0, value) if abs(value - whole) >= 0.5 else whole


def _round_one(value: float, digits: int = 0) -> float:
    """:func:`_round_double` of one double, the same operations in the same order."""
    power = 10.0 ** abs(digits)
    scaled = value * power if digits >= 0 else value / power
    if not math.isfinite(scaled):
        return value if digits >= 0 else 0.0
    whole = _away_one(scaled)
    rounded = whole / power if digits >= 0 else whole * power
    return rounded if math.isfinite(rounded) else (value if digits >= 0 else 0.0)


def _root(value: float) -> float:
    return math.nan if value < 0 else math.sqrt(value)


def _round_integer(value: int, digits: int = 0) -> int:
    if digits >= 0:
        return value
    power = 10**-digits
    half = power // 2 if value >= 0 else -(power // 2)
    whole: int = _quotient(value + half, power) * power
    return whole


def _round_integers(values: Array, digits: pa.Scalar | None = None) -> Array:
    places = 0 if digits is None else digits.as_py()
    if places >= 0:
        return values
    if places < -18:
        raise pa.ArrowNotImplementedError("more digits than an integer has")
    power = 10**-places
    half = pc.if_else(pc.greater_equal(values, 0), power // 2, -(power // 2))
    return pc.multiply_checked(pc.divide(pc.add_checked(values, half), power), power)


def _scalar(function: Callable[..., Any]) -> Callable[..., float]:
    """The record form of a function of numpy arrays that gives doubles."""

    def record(*args: Any) -> float:
        with np.errstate(all="ignore"):
            return float(function(np.float64(args[0]), *args[1:]))

    return record


def _sign(value: Any) -> int:
    return int(value > 0) - int(value < 0)


def _some_digits(args: tuple[Expression, ...]) -> None:
    digits = args[1].value if len(args) > 1 and isinstance(args[1], Literal) else 0
    if digits is None or abs(digits) > 30:
        raise Unsupported("more than 30 digits to round to")


_DOUBLE_OF = {
    "floor": (np.floor, pc.floor, ("floor",)),
    "ceil": (np.ceil, pc.ceil, ("ceil", "ceiling")),
    "trunc": (np.trunc, pc.trunc, ("trunc",)),
}
_MODES = {"floor": ROUND_FLOOR, "ceil": ROUND_CEILING, "trunc": ROUND_DOWN}


def _rounding(name: str) -> tuple[Function, ...]:
    on_numpy, on_arrow, (first, *others) = _DOUBLE_OF[name]
    return (
        Function(first, "double -> double", _scalar(on_numpy), on_arrow, tuple(others)),
        Function(
            first,
            "decimal -> decimal",
            _scaled(0, _MODES[name]),
            _decimal_rounding(lambda values, _digits: on_arrow(values)),
            tuple(others),
            result=_rounded_type,
        ),
    )


FUNCTIONS = (
    Function(
        "+",
        "integer, integer -> integer",
        operator.add,
        _integers(pc.add_checked, pc.add, np.add),
    ),
    Function(
        "-",
        "integer, integer -> integer",
        operator.sub,
        _integers(pc.subtract_checked, pc.subtract, np.subtract),
    ),
    Function(
        "*",
        "integer, integer -> integer",
        operator.mul,
        _integers(pc.multiply_checked, pc.multiply, np.multiply),
    ),
    Function("+", "decimal, decimal -> decimal", EXACT.add, _decimals(pc.add, _sum_type),
             result=_typed(_sum_type)),
    Function("-", "decimal, decimal -> decimal", EXACT.subtract, _decimals(pc.subtract, _sum_type),
             result=_typed(_sum_type)),
    Function("*", "decimal, decimal -> decimal", EXACT.multiply,
             _decimals(pc.multiply, _product_type), result=_typed(_product_type)),
    Function("+", "double, double -> double", operator.add, pc.add),
    Function("-", "double, double -> double", operator.sub, pc.subtract),
    Function("*", "double, double -> double", operator.mul, pc.multiply),
    Function("/", "double, double -> double", _divide, lift(np.divide)),
    Function("//", "integer, integer -> integer", _quotient, _by(pc.divide)),
    Function("%", "integer, integer -> integer", _modulo, _by(_integer_modulo), ("mod",)),
    Function("%", "decimal, decimal -> decimal", _decimal_modulo, _by(_unscaled_modulo), ("mod",),
             result=_typed(_common_type)),
    Function("%", "double, double -> double", _double_modulo, lift(np.fmod), ("mod",)),
    Function("negate", "integer -> integer", operator.neg,
             _integers(pc.negate_checked, pc.negate, np.negative)),
    Function("negate", "decimal -> decimal", Decimal.copy_negate, pc.negate, result=_first),
    Function("negate", "double -> double", operator.neg, pc.negate),
    Function("abs", "integer -> integer", abs, _integers(pc.abs_checked, pc.abs, np.abs)),
    Function("abs", "decimal -> decimal", Decimal.copy_abs, pc.abs, result=_first),
    Function("abs", "double -> double", abs, pc.abs),
    Function("sign", "integer -> integer", _sign, lambda x: pc.sign(x).cast(pa.int64())),
    Function("sign", "decimal -> integer", _sign, lambda x: pc.sign(x).cast(pa.int64())),
    Function("sign", "double -> integer", _sign, lambda x: pc.sign(x).cast(pa.int64())),
    Function("round", "integer [, integer!] -> integer", _round_integer, _round_integers,
             check=_some_digits),
    Function(
        "round",
        "decimal [, integer!] -> decimal",
        _round_decimal,
        _decimal_rounding(
            lambda values, digits: pc.round(values, digits, "half_towards_infinity")
        ),
        result=_rounded_type,
        check=_some_digits,
    ),
    Function("round", "double [, integer!] -> double", _round_one, lift(_round_double),
             check=_some_digits),
    *_rounding("floor"),
    *_rounding("ceil"),
    *_rounding("trunc"),
    Function("sqrt", "double -> double", _root, pc.sqrt),
    Function("&", "integer, integer -> integer", operator.and_, pc.bit_wise_and),
    Function("|", "integer, integer -> integer", operator.or_, pc.bit_wise_or),
    Function("xor", "integer, integer -> integer", operator.xor, pc.bit_wise_xor),
    Function("isnan", "double -> boolean", math.isnan, pc.is_nan),
    Function("isinf", "double -> boolean", math.isinf, pc.is_inf),
    Function("isfinite", "double -> boolean", math.isfinite, pc.is_finite),
)  # fmt: skip
