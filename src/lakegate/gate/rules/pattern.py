"""``pattern`` and ``invalidPattern``: an ECMA-262 pattern that must match somewhere in a string."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import re2

from lakegate.contract.pattern import compile as compile_pattern
from lakegate.contract.type import Type
from lakegate.gate.rules.base import ArrayAnswer, Rule
from lakegate.gate.text_array import lengths_bytes, utf8

__all__ = ["RULES"]


@dataclass(frozen=True, slots=True)
class _Search:
    """A pattern that searches UTF-8: on ``str``, re2 works out offsets nobody asks for, slowly."""

    source: str
    re2: str
    compiled: Any
    repeated: _Repeated | None


@dataclass(frozen=True, slots=True)
class _Repeated:
    """The commonest pattern: some characters of one set, and nothing else.

    ``characters`` are the ASCII ones of the set; a text of ASCII matches exactly when it has only
    these, ``shortest`` to ``longest`` of them.
    """

    characters: bytes
    shortest: int
    longest: int


_REPEATED = re.compile(
    r"\^(\[(?:[^\[\]\\]|\\.)+\]|\\[dw])(?:\{([0-9]+)(?:(,)([0-9]*))?\}|([+*]))?\$",
    re.ASCII | re.DOTALL,
)
_UNBOUNDED = 1 << 40


def _prepare(bound: Any, _type: Type) -> _Search:
    pattern = compile_pattern(bound)
    return _Search(bound, pattern.re2, re2.compile(pattern.re2), _repeated(bound))


def _repeated(source: str) -> _Repeated | None:
    found = _REPEATED.fullmatch(source)
    if found is None:
        return None
    of_set, least, comma, most, sign = found.groups()
    member = compile_pattern(f"^{of_set}$")
    characters = bytes(code for code in range(128) if member.search(chr(code)))
    if sign is not None:
        return _Repeated(characters, 1 if sign == "+" else 0, _UNBOUNDED)
    shortest = 1 if least is None else int(least)
    longest = shortest if comma is None else int(most) if most else _UNBOUNDED
    return _Repeated(characters, shortest, longest)


def _check(text: str, search: _Search) -> bool:
    return search.compiled.search(text.encode()) is not None


def _check_array(array: pa.Array, search: _Search) -> ArrayAnswer:
    form = search.repeated
    if form is not None:
        lengths = lengths_bytes(array)
        outside = (lengths < form.shortest) | (lengths > form.longest)
        if array.null_count:
            outside &= array.is_valid().to_numpy(zero_copy_only=False)
        if not outside.any() and not utf8(array).translate(None, form.characters):
            return True
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
