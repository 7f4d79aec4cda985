"""``pattern`` and ``invalidPattern``: an ECMA-262 pattern that must match somewhere in a string."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import re2

from lakegate.contract.pattern import compile as compile_pattern
from lakegate.contract.type import Type
from lakegate.gate.rules.base import Rule

__all__ = ["RULES"]


@dataclass(frozen=True, slots=True)
class _Search:
    """A pattern that searches UTF-8: on ``str``, re2 works out offsets nobody asks for, slowly."""

    source: str
    re2: str
    compiled: Any


def _prepare(bound: Any, _type: Type) -> _Search:
    pattern = compile_pattern(bound)
    return _Search(bound, pattern.re2, re2.compile(pattern.re2))


def _check(text: str, search: _Search) -> bool:
    return search.compiled.search(text.encode()) is not None


def _check_array(array: pa.Array, search: _Search) -> pa.BooleanArray:
    return pc.match_substring_regex(array, search.re2)


RULES = (
    Rule(
        "pattern",
        "a string does not match the pattern",
        check=_check,
        check_array=_check_array,
        expected=lambda pattern: f"a string matching {pattern.source}",
        prepare=_prepare,
    ),
    Rule(
        "invalidPattern",
        "a string does not match the pattern of an `invalidValues` rule",
        check=_check,
        check_array=_check_array,
        expected=lambda pattern: f"a valid value, matching {pattern.source}",
        prepare=_prepare,
    ),
)
