"""``format``: what a string claims to be (uuid, email, uri, ...)."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from lakegate.contract.string_format import FORMATS, StringFormat
from lakegate.contract.type import Type
from lakegate.gate.rules.base import ArrayAnswer, Rule

__all__ = ["RULES"]


def _prepare(bound: Any, _type: Type) -> StringFormat:
    return FORMATS[bound]


# What nearly all addresses look like, in one pass; 64 characters are within every limit.
_PLAIN_EMAIL = r"^[0-9A-Za-z_+-]+(?:\.[0-9A-Za-z_+-]+)*@(?:[0-9A-Za-z]+\.)+[0-9A-Za-z]+$"
_PLAIN_CHARACTERS = 64
_FEW = 500  # compiling the expressions costs as much as asking that often


def _check_array(array: pa.Array, form: StringFormat) -> ArrayAnswer:
    if not form.regexes:
        return True
    if form.name != "email":
        return _matches(array, form)
    short = pc.less_equal(pc.binary_length(array), _PLAIN_CHARACTERS)
    plain = pc.and_(short, pc.match_substring_regex(array, _PLAIN_EMAIL))
    others = np.flatnonzero(~plain.fill_null(True).to_numpy(zero_copy_only=False))
    if not len(others):
        return True
    found = plain.fill_null(True).to_numpy(zero_copy_only=False).copy()
    found[others] = _matches(array.take(pa.array(others)), form).to_numpy(zero_copy_only=False)
    return pa.array(found)


def _matches(array: pa.Array, form: StringFormat) -> pa.BooleanArray:
    if len(array) <= _FEW:
        return pa.array(
            [None if text is None else form.is_valid(text) for text in array.to_pylist()],
            pa.bool_(),
        )
    matches = (pc.match_substring_regex(array, expression) for expression in form.regexes)
    return functools.reduce(pc.and_, matches)


RULES = (
    Rule(
        "format",
        "a string is not in the format it is declared to be in",
        check=lambda text, form: form.is_valid(text),
        check_array=_check_array,
        expected=lambda form: f"a string in the format {form.name} ({form.rfc})",
        prepare=_prepare,
    ),
)
