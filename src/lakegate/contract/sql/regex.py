"""Patterns of row rules: LIKE and regular expressions, both by RE2 as in DuckDB."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import re2

from lakegate.contract.sql.function import Function, Undefined
from lakegate.contract.sql.literal import Unsupported
from lakegate.contract.sql.rule import Expression, Literal, SqlRuleError
from lakegate.contract.sql.vector import Answer, Array, constant, one_by_one

__all__ = ["FUNCTIONS", "like_to_re2", "plain_like"]

_BY_VERSION = re.compile(r"\\[pP]")
_OPTIONS = {"c": "", "i": "(?i)", "s": "(?s)", "is": "(?is)", "si": "(?is)", "": ""}


@lru_cache(maxsize=512)
def _compiled(source: str) -> Any:
    options = re2.Options()
    options.log_errors = False
    return re2.compile(source, options)


@lru_cache(maxsize=512)
def like_to_re2(source: str, escape: str = "") -> str:
    """The RE2 expression of a LIKE pattern, over the whole text.

    Raises:
        Undefined: the escape character stands last.
    """
    parts: list[str] = []
    characters = iter(source)
    for char in characters:
        if char == escape:
            literal = next(characters, None)
            if literal is None:
                raise Undefined("nothing is escaped")
            parts.append(re2.escape(literal))
        else:
            parts.append({"%": "(?s:.*)", "_": "(?s:.)"}.get(char) or re2.escape(char))
    return rf"\A{''.join(parts)}\z"


def plain_like(source: str) -> tuple[str, str] | None:
    """The function and its text that a simple LIKE pattern stands for."""
    inner = source.strip("%")
    if "%" in inner or "_" in inner or (source and not inner):
        return None
    names = {
        (False, False): "=", (False, True): "starts_with",
        (True, False): "ends_with", (True, True): "contains",
    }  # fmt: skip
    return names[source.startswith("%"), source.endswith("%")], inner


def _like(text: str, pattern: str, escape: str = "") -> bool:
    return _compiled(like_to_re2(pattern, escape)).search(text) is not None


def _like_array(text: Array, pattern: Array, escape: Array | None = None) -> Array | Answer:
    source, char = constant(pattern), "" if escape is None else constant(escape)
    if source is None:
        return one_by_one(_like, pa.bool_(), text, pattern, *([] if escape is None else [escape]))
    return pc.match_substring_regex(text, like_to_re2(source, char))


def _source(pattern: str, options: str) -> str:
    return _OPTIONS[options] + pattern


def _matches(text: str, pattern: str, options: str = "") -> bool:
    return _compiled(_source(pattern, options)).search(text) is not None


def _matches_array(text: Array, pattern: Array, options: Array | None = None) -> Array:
    source = _source(constant(pattern), "" if options is None else constant(options))
    return pc.match_substring_regex(text, source)


def _full(pattern: str) -> str:
    return rf"\A(?:{pattern})\z"


def _full_match(text: str, pattern: str, options: str = "") -> bool:
    return _matches(text, _full(pattern), options)


def _full_match_array(text: Array, pattern: Array, options: Array | None = None) -> Array:
    return _matches_array(text, pa.scalar(_full(constant(pattern))), options)


def _extract(text: str, pattern: str, group: int = 0) -> str:
    found = _compiled(pattern).search(text)
    return "" if found is None else found.group(group) or ""


def _extract_array(text: Array, pattern: Array, group: Array | None = None) -> Array | Answer:
    source, index = constant(pattern), 0 if group is None else constant(group)
    if index == 0 and _compiled(source).groups == 0:
        found = pc.extract_regex(text, f"(?P<found>{source})")
        return pc.struct_field(found, "found").fill_null("")
    return one_by_one(_extract, pa.string(), text, pattern, *([] if group is None else [group]))


def _replacement(text: str) -> str:
    if re.search(r"\\(?![0-9])", text):
        raise Unsupported("a backslash in a replacement that names no group")
    return text


def _replace_array(text: Array, pattern: Array, new: Array, options: Array | None = None) -> Array:
    every = options is not None and "g" in constant(options)
    return pc.replace_substring_regex(
        text, constant(pattern), constant(new), max_replacements=-1 if every else 1
    )


def _replace(text: str, pattern: str, new: str, options: str = "") -> str:
    scalars = [pa.scalar(value) for value in (pattern, new, options)]
    return _replace_array(pa.array([text]), *scalars)[0].as_py()  # type: ignore[no-any-return]


def _check(args: tuple[Expression, ...]) -> None:
    pattern = args[1].value if isinstance(args[1], Literal) else None
    options = args[2].value if len(args) > 2 and isinstance(args[2], Literal) else ""
    if pattern is None or options is None:
        raise Unsupported("a regular expression that is NULL")
    if _BY_VERSION.search(pattern):
        raise Unsupported(r"\p in a regular expression: it depends on the version of Unicode")
    if isinstance(options, str) and options not in _OPTIONS:
        raise Unsupported(f"the option '{options}' of a regular expression")
    if isinstance(options, str) and "i" in options and not pattern.isascii():
        raise Unsupported("a regular expression without case beyond ASCII")
    _check_source(pattern)


def _check_source(pattern: str) -> None:
    try:
        _compiled(pattern)
    except re2.error as cause:
        raise SqlRuleError(
            f"SQL rule: `{pattern[:60]}` is no regular expression of RE2; correct it"
        ) from cause


def _check_extract(args: tuple[Expression, ...]) -> None:
    _check(args[:2])
    group = args[2].value if len(args) > 2 and isinstance(args[2], Literal) else 0
    pattern = args[1].value if isinstance(args[1], Literal) else ""
    if group is None or not 0 <= group <= min(_compiled(pattern).groups, 9):
        raise Unsupported(f"the regular expression has no group {group}")


def _check_replace(args: tuple[Expression, ...]) -> None:
    _check(args[:2])
    new = args[2].value if isinstance(args[2], Literal) else None
    options = args[3].value if len(args) > 3 and isinstance(args[3], Literal) else ""
    if new is None or options not in ("", "g"):
        raise Unsupported(f"the option '{options}' of a regular expression")
    _replacement(new)
    pattern = args[1].value if isinstance(args[1], Literal) else ""
    groups = [int(found) for found in re.findall(r"\\([0-9])", new)]
    if max(groups, default=0) > _compiled(pattern).groups:
        raise Unsupported("a replacement that names a group which is not there")


FUNCTIONS = (
    Function("like", "string, string [, string!] -> boolean", _like, _like_array),
    Function("regexp_matches", "string, string! [, string!] -> boolean", _matches, _matches_array,
             check=_check),
    Function("regexp_full_match", "string, string! [, string!] -> boolean", _full_match,
             _full_match_array, ("similar to",), check=_check),
    Function("regexp_extract", "string, string! [, integer!] -> string", _extract, _extract_array,
             check=_check_extract),
    Function("regexp_replace", "string, string!, string! [, string!] -> string", _replace,
             _replace_array, check=_check_replace),
)  # fmt: skip
