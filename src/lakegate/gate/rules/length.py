"""``minLength`` and ``maxLength``: Unicode code points of a string."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from lakegate.gate.rules.base import ArrayAnswer, Rule
from lakegate.gate.text_array import lengths_bytes, lengths_characters

__all__ = ["RULES"]

_LONGEST_BYTES = 4  # of one code point


def _at_least(array: pa.Array, bound: int) -> ArrayAnswer:
    if not array.null_count and (lengths_bytes(array) >= bound * _LONGEST_BYTES).all():
        return True
    passes = lengths_characters(array) >= bound
    if passes.all():
        return True
    return pa.array(passes, mask=_nulls(array))


def _at_most(array: pa.Array, bound: int) -> ArrayAnswer:
    if (lengths_bytes(array) <= bound).all():
        return True
    passes = lengths_characters(array) <= bound
    return pa.array(passes, mask=_nulls(array))


def _nulls(array: pa.Array) -> np.typing.NDArray[np.bool_] | None:
    if not array.null_count:
        return None
    return array.is_null().to_numpy(zero_copy_only=False)  # type: ignore[no-any-return]


RULES = (
    Rule(
        "minLength",
        "a string is shorter than the contract allows",
        check=lambda text, bound: len(text) >= bound,
        check_array=_at_least,
        expected=lambda bound: f"at least {bound} characters",
    ),
    Rule(
        "maxLength",
        "a string is longer than the contract allows",
        check=lambda text, bound: len(text) <= bound,
        check_array=_at_most,
        expected=lambda bound: f"at most {bound} characters",
    ),
)
