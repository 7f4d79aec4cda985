"""Library metrics judged per record: ``nullValues``, ``missingValues``, ``invalidValues``.

The texts of the contract are read as the column's type reads them: for an integer column the valid
text ``"1"`` is the value 1. A text that no value of the type can have is left out.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from lakegate.contract.type import (
    BooleanType,
    DateType,
    DecimalType,
    IntegerType,
    NumberType,
    TimestampType,
    TimeType,
    Type,
)
from lakegate.gate.rules.base import Rule
from lakegate.gate.value import Mismatch, reader

__all__ = ["RULES"]

_LISTED = 5


@dataclass(frozen=True, slots=True)
class _Values:
    """A set of column values, whether null is among them, and the texts they came from."""

    values: frozenset[Any]
    has_null: bool
    texts: tuple[str | None, ...]
    _arrays: dict[pa.DataType, pa.Array | None] = field(
        default_factory=dict, compare=False, repr=False
    )

    def array(self, type_: pa.DataType) -> pa.Array | None:
        """The values in a column's type; None when one is no value a column can have."""
        if type_ not in self._arrays:
            try:
                self._arrays[type_] = pa.array(sorted(self.values), type_)
            except (pa.ArrowInvalid, OverflowError):
                self._arrays[type_] = None
        return self._arrays[type_]

    def __str__(self) -> str:
        shown = ", ".join("null" if text is None else text for text in self.texts[:_LISTED])
        more = len(self.texts) - _LISTED
        return f"{shown} and {more} more" if more > 0 else shown


def _prepare(bound: Any, type_: Type) -> _Values:
    values = frozenset(
        value for text in bound if text is not None and (value := _read(text, type_)) is not None
    )
    return _Values(values, None in bound, tuple(bound))


def _read(text: str, type_: Type) -> Any:
    try:
        match type_:
            case IntegerType():
                number = Decimal(text)
                return int(number) if number == number.to_integral_value() else None
            case NumberType():
                return float(text)
            case DecimalType():
                return Decimal(text)
            case BooleanType():
                return {"true": True, "false": False}.get(text.lower())
            case DateType() | TimeType() | TimestampType():
                return reader(type_)(text)
            case _:
                return text
    except (ValueError, InvalidOperation, OverflowError, Mismatch):
        return None


def _is_in(array: pa.Array, values: _Values) -> pa.BooleanArray | None:
    if pa.types.is_nested(array.type):
        return None
    listed = values.array(array.type)
    return None if listed is None else pc.is_in(array, value_set=listed)


def _is_not_missing(array: pa.Array, missing: _Values) -> pa.BooleanArray | None:
    found = _is_in(array, missing)
    if found is None:
        return None
    present = pc.invert(found)
    return pc.and_(present, pc.is_valid(array)) if missing.has_null else present


RULES = (
    Rule(
        "nullValues",
        "a value is null or absent where a `nullValues` rule allows none",
        check=lambda value, bound: value is not None,
        check_array=lambda array, bound: pc.is_valid(array) if array.null_count else True,
        expected=lambda bound: "a value, not null",
        judges_null=True,
    ),
    Rule(
        "missingValues",
        "a value counts as missing where a `missingValues` rule allows none",
        check=lambda value, missing: (
            not missing.has_null if value is None else value not in missing.values
        ),
        check_array=_is_not_missing,
        expected=lambda missing: f"a value other than {missing}",
        prepare=_prepare,
        judges_null=True,
    ),
    Rule(
        "invalidValues",
        "a value is not among the valid ones",
        check=lambda value, valid: value in valid.values,
        check_array=_is_in,
        expected=lambda valid: f"one of {valid}",
        prepare=_prepare,
    ),
)
