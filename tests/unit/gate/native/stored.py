"""What a column stores of a value, as text: how the native kernels answer the tests."""

from __future__ import annotations

import struct
from datetime import date
from fractions import Fraction
from typing import Any

from lakegate.contract.type import (
    AnyType,
    DateType,
    DecimalType,
    NumberType,
    StringType,
    Type,
)

__all__ = ["kind_of", "stored"]

_EPOCH = date(1970, 1, 1)


def stored(value: Any, type_: Type) -> str | None:
    if value is None:
        return None
    match type_:
        case StringType() | AnyType():
            return str(value)
        case NumberType():
            return str(struct.unpack("<Q", struct.pack("<d", value))[0])
        case DecimalType(scale=scale):
            return str(int(Fraction(value) * 10**scale))
        case DateType():
            return str((value - _EPOCH).days)
        case _:
            return str(int(value))


def kind_of(type_: Type) -> str:
    return type(type_).__name__.removesuffix("Type").lower()
