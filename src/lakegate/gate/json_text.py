"""Strict JSON (RFC 8259): bytes to values, with nothing guessed and nothing rounded.

The standard library's scanner does the walking; what it is lax about is closed here: duplicate
keys (compared after unescaping), lone surrogates, ``NaN`` and ``Infinity``, byte order marks,
depth, and numbers, which stay text until a type says what they are.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import TypeAlias

from lakegate.gate.decode.foreign import foreign

__all__ = [
    "MAX_DEPTH",
    "Float",
    "Integer",
    "Json",
    "Malformed",
    "canonical",
    "is_utf8",
    "nesting",
    "observe",
    "parse",
]

MAX_DEPTH = 64
_OBSERVED_CHARACTERS = 80
_BOM = b"\xef\xbb\xbf"


class Integer(str):
    """The text of a number token without fraction or exponent."""

    __slots__ = ()


class Float(str):
    """The text of a number token with a fraction or an exponent."""

    __slots__ = ()


Json: TypeAlias = "dict[str, Json] | list[Json] | str | Integer | Float | bool | None"


class Malformed(ValueError):
    """A record that is no JSON object as RFC 8259 and SEMANTICS want it.

    ``rule`` is one of the ``record.*`` and ``json.*`` codes.
    """

    def __init__(self, rule: str, expected: str, observed: str) -> None:
        self.rule = rule
        self.expected = expected
        self.observed = observed
        super().__init__(rule)


def _unique_keys(members: list[tuple[str, Json]]) -> dict[str, Json]:
    known = dict(members)
    if len(known) == len(members):
        return known
    seen: set[str] = set()
    for key, _ in members:
        if key in seen:
            raise Malformed("json.duplicateKey", "each key once in an object", observe(key))
        seen.add(key)
    raise AssertionError("a dict is shorter than its pairs without a repeated key")


def _no_constant(token: str) -> Json:
    raise Malformed("json.number", "a number as JSON writes it", token)


_scan: Callable[[str, int], tuple[Json, int]] = json.JSONDecoder(  # type: ignore[attr-defined]
    object_pairs_hook=_unique_keys,
    parse_int=Integer,
    parse_float=Float,
    parse_constant=_no_constant,
).scan_once
_WHITESPACE = re.compile(r"[ \t\n\r]*")
_BRACKETS = re.compile(r'"[^"\\]*(?:\\.[^"\\]*)*"?|[\[\]{}]', re.DOTALL)
_SURROGATE = re.compile(r"\\u[dD][89a-fA-F]")
_CUT_OFF = re.compile(r"(?:[ \t\n\r]*|t|tr|tru|f|fa|fal|fals|n|nu|nul)\Z")
_CUT_ESCAPE = re.compile(r"\\u[0-9a-fA-F]{0,3}\Z")
_CUT_NUMBER = re.compile(r"-?(?:(?:0|[1-9][0-9]*)(?:\.|(?:\.[0-9]+)?(?:[eE][+-]?)?))?\Z")
_ESCAPE = re.compile(r"\\(?:u([0-9a-fA-F]{4})|.)")


def parse(value: bytes) -> dict[str, Json]:
    """The object that ``value`` holds; numbers are :class:`Integer` or :class:`Float` text.

    Raises:
        Malformed: on the first thing that is wrong, in this order: byte order mark, UTF-8,
            depth, then as read (syntax, ``NaN``, duplicate keys), then trailing text, lone
            surrogates, and not an object. ``json.magic`` tells what is no JSON from its first byte
            on and begins as another format does.
    """
    if value.startswith(_BOM):
        raise Malformed("json.bom", "JSON without a byte order mark", "EF BB BF")
    try:
        document = parse_text(_decode(value))
    except Malformed as error:
        other = foreign(value)
        if other is None:
            raise
        raise Malformed("json.magic", "JSON (RFC 8259)", other) from error
    if type(document) is not dict:
        raise Malformed("json.notObject", "an object", observe(document))
    return document


def parse_text(text: str) -> Json:
    """Any JSON value; see :func:`parse`, which also checks what only bytes can have.

    Raises:
        Malformed: as :func:`parse`.
    """
    if text.count("[") + text.count("{") > MAX_DEPTH:
        _check_depth(text)
    start = _WHITESPACE.match(text).end()  # type: ignore[union-attr]  # it matches everything
    try:
        document, end = _scan(text, start)
    except StopIteration as stop:
        raise _syntax(text, stop.value) from None
    except json.JSONDecodeError as error:
        raise _syntax(text, error.pos, error.msg) from None
    end = _WHITESPACE.match(text, end).end()  # type: ignore[union-attr]
    if end != len(text):
        raise Malformed("json.trailing", "nothing after the value", _excerpt(text, end))
    if _SURROGATE.search(text):
        _check_surrogates(text)
    return document


def _decode(value: bytes) -> str:
    try:
        return value.decode("utf-8")
    except UnicodeDecodeError as error:
        raise Malformed(
            "json.utf8", "UTF-8", f"byte 0x{value[error.start]:02X} at offset {error.start}"
        ) from None


def is_utf8(raw: bytes) -> bool:
    """Whether the bytes are UTF-8, which all of ASCII is."""
    if raw.isascii():
        return True
    try:
        raw.decode()
    except UnicodeDecodeError:
        return False
    return True


def _check_depth(text: str) -> None:
    if nesting(text) > MAX_DEPTH:
        raise Malformed("json.depth", f"at most {MAX_DEPTH} levels", f"{MAX_DEPTH + 1} levels")


def nesting(text: str) -> int:
    """How deep arrays and objects are nested, in text that need not be JSON; 65 for more."""
    depth = deepest = 0
    for token in _BRACKETS.finditer(text):
        character = token[0]
        if character in "[{":
            depth += 1
            if depth > MAX_DEPTH:
                return depth
            deepest = max(deepest, depth)
        elif character in "]}":
            depth -= 1
    return deepest


def _check_surrogates(text: str) -> None:
    high_end = -1  # where a high surrogate ended that waits for its low half
    for escape in _ESCAPE.finditer(text):
        unit = int(escape[1], 16) if escape[1] else 0
        is_low = 0xDC00 <= unit <= 0xDFFF
        if is_low != (high_end == escape.start()) or (high_end >= 0 and not is_low):
            raise _surrogate(escape[0] if is_low else text[high_end - 6 : high_end])
        high_end = escape.end() if 0xD800 <= unit <= 0xDBFF else -1
    if high_end >= 0:
        raise _surrogate(text[high_end - 6 : high_end])


def _surrogate(escape: str) -> Malformed:
    return Malformed("json.surrogate", "surrogates in pairs", escape)


def _syntax(text: str, position: int, said: str = "") -> Malformed:
    if _is_cut_off(text, position, said):
        expected = "the rest of the value"
        return Malformed("json.truncated", expected, _excerpt(text, len(text)))
    if text[position : position + 1] == ",":
        # Python 3.13 points at a trailing comma, older ones behind it: one text for all of them.
        rest = text[position + 1 :].lstrip(" \t\n\r")
        if rest[:1] in ("}", "]"):
            position = len(text) - len(rest)
    return Malformed("json.syntax", "JSON (RFC 8259)", _excerpt(text, position))


def _is_cut_off(text: str, position: int, said: str) -> bool:
    """Whether more text could have made JSON of it; ``said`` is the scanner's message."""
    if not text.strip(" \t\r\n"):
        return False
    if said.startswith("Unterminated string") or _CUT_OFF.match(text, position):
        return True
    if said.startswith("Invalid \\uXXXX") and position + 6 >= len(text):
        return _CUT_ESCAPE.search(text) is not None
    while position and text[position - 1] in "0123456789.eE+-":
        position -= 1
    return _CUT_NUMBER.match(text, position) is not None


def _excerpt(text: str, position: int) -> str:
    if position >= len(text):
        return f"end of text at character {position}"
    return f"{observe(text[position : position + 20])} at character {position}"


_quote = json.encoder.encode_basestring


def canonical(value: Json) -> str:
    """The value as compact JSON text: numbers as they were written, no whitespace, keys in order.

    Only what RFC 8259 says must be escaped is escaped, so equal values have equal text.
    """
    kind = type(value)
    if kind is str:
        return _quote(value)  # type: ignore[arg-type]
    if kind is Integer or kind is Float:
        return str(value)
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, dict):
        return "{" + ",".join(f"{_quote(k)}:{canonical(v)}" for k, v in value.items()) + "}"
    return "[" + ",".join(map(canonical, value)) + "]"


def observe(value: Json) -> str:
    """At most 80 characters of the value as JSON, for a failure's ``observed``."""
    if type(value) is str and len(value) > _OBSERVED_CHARACTERS:
        value = value[:_OBSERVED_CHARACTERS]  # an escape only lengthens it: the cut stays below
    text = canonical(value)
    if len(text) > _OBSERVED_CHARACTERS:
        text = text[: _OBSERVED_CHARACTERS - 3] + "..."
    # A lone surrogate can be in the text of a malformed record, and is not text for Arrow.
    return text.encode("utf-8", "backslashreplace").decode()[:_OBSERVED_CHARACTERS]
