"""``minLength`` and ``maxLength``: Unicode code points of a string."""

from __future__ import annotations

import pyarrow.compute as pc

from lakegate.gate.rules.base import Rule

__all__ = ["RULES"]

RULES = (
    Rule(
        "minLength",
        "a string is shorter than the contract allows",
        check=lambda text, bound: len(text) >= bound,
        check_array=lambda array, bound: pc.greater_equal(pc.utf8_length(array), bound),
        expected=lambda bound: f"at least {bound} characters",
    ),
    Rule(
        "maxLength",
        "a string is longer than the contract allows",
        check=lambda text, bound: len(text) <= bound,
        check_array=lambda array, bound: pc.less_equal(pc.utf8_length(array), bound),
        expected=lambda bound: f"at most {bound} characters",
    ),
)
