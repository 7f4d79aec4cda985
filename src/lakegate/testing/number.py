"""Numbers that a type and its bounds allow, drawn at random and exactly."""

from __future__ import annotations

import random
from collections.abc import Mapping
from fractions import Fraction
from math import ceil, floor, gcd, lcm
from typing import Any, TypeAlias

from lakegate.contract.type import DecimalType, IntegerType, NumberType
from lakegate.gate.json_text import Float, Integer, Json
from lakegate.gate.value import integer_range

__all__ = ["draw_number"]

Number: TypeAlias = IntegerType | NumberType | DecimalType
Bounds: TypeAlias = Mapping[str, Any]

# A bound beyond it says little of where values are, and next to it two doubles differ by much.
_LARGE = 10**15
_FINEST = 24


def draw_number(type_: Number, bounds: Bounds, source: random.Random) -> Json:
    """A number of the type within the bounds, if there is one; near zero, if they let it."""
    step = _step(type_, bounds)
    least, most = _units(type_, bounds, step)
    if "multipleOf" not in bounds and not isinstance(type_, IntegerType):
        finest = type_.scale if isinstance(type_, DecimalType) else _FINEST
        while least > most and _places(step) < finest:
            step /= 10
            least, most = _units(type_, bounds, step)
    text = _written(source.randint(least, max(least, most)) * step, _places(step))
    if isinstance(type_, IntegerType):
        return Integer(text)
    return Float(_shortened(text) if isinstance(type_, NumberType) else text)


def _step(type_: Number, bounds: Bounds) -> Fraction:
    """What lies between two values that may be drawn."""
    places = 0 if isinstance(type_, IntegerType) else 2
    if isinstance(type_, DecimalType):
        places = min(places, type_.scale)
    if "multipleOf" not in bounds:
        near = [int(bounds[rule]) for rule in ("minimum", "exclusiveMinimum") if rule in bounds]
        near += [-int(bounds[rule]) for rule in ("maximum", "exclusiveMaximum") if rule in bounds]
        if isinstance(type_, NumberType) and max(near, default=0) > _LARGE:
            return Fraction(10 ** (len(str(max(near))) - 12))
        return Fraction(1, 10**places)
    of = Fraction(bounds["multipleOf"])
    if isinstance(type_, NumberType):
        return of
    grid = Fraction(1, 10 ** (type_.scale if isinstance(type_, DecimalType) else 0))
    return Fraction(lcm(of.numerator, grid.numerator), gcd(of.denominator, grid.denominator))


def _units(type_: Number, bounds: Bounds, step: Fraction) -> tuple[int, int]:
    """The least and the greatest multiple of ``step`` that the type and the bounds allow."""
    low, high = Fraction(-1000), Fraction(1000)
    first, last = _limits(type_)
    lows = [Fraction(bounds["minimum"])] if "minimum" in bounds else []
    lows += [Fraction(bounds["exclusiveMinimum"]) + step] if "exclusiveMinimum" in bounds else []
    highs = [Fraction(bounds["maximum"])] if "maximum" in bounds else []
    highs += [Fraction(bounds["exclusiveMaximum"]) - step] if "exclusiveMaximum" in bounds else []
    if lows:
        low = max(lows) if max(lows) > -_LARGE else max(*lows, low)
        high = max(high, low + 1000 * step)
    if highs:
        high = min(highs) if min(highs) < _LARGE else min(*highs, high)
        low = low if lows or low <= high else high - 1000 * step
    if first is not None and last is not None:
        low, high = max(low, first), min(high, last)
    return ceil(low / step), floor(high / step)


def _limits(type_: Number) -> tuple[Fraction, Fraction] | tuple[None, None]:
    """The least and the greatest value of the type."""
    if isinstance(type_, IntegerType):
        least, greatest = integer_range(type_)
        return Fraction(least), Fraction(greatest)
    if isinstance(type_, DecimalType):
        most = Fraction(10**type_.precision - 1, 10**type_.scale)
        return -most, most
    return None, None


def _places(step: Fraction) -> int:
    """How many digits behind the point it has."""
    places = 0
    while step.denominator > 1:
        step, places = step * 10, places + 1
    return places


def _written(value: Fraction, places: int) -> str:
    digits = f"{abs(int(value * 10**places)):0{places + 1}}"
    text = f"{digits[:-places]}.{digits[-places:]}" if places else digits
    return f"-{text}" if value < 0 else text


def _shortened(text: str) -> str:
    """With an exponent, where it has digits by the dozen."""
    if "." in text or len(text) < 25:
        return text
    sign, digits = ("-", text[1:]) if text.startswith("-") else ("", text)
    return f"{sign}{digits[0]}.{digits[1:].rstrip('0') or '0'}e{len(digits) - 1}"
