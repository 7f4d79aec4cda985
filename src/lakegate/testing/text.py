"""Texts that match a pattern or a string format, for sample records."""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Mapping
from re import _constants as op  # type: ignore[attr-defined]
from re import _parser  # type: ignore[attr-defined]
from types import MappingProxyType
from typing import Any
from uuid import UUID

__all__ = ["FORMAT_EXAMPLES", "from_pattern"]

_MOST_REPEATS = 8
_PRINTABLE = [chr(code) for code in range(32, 127)]
_CATEGORIES = {
    op.CATEGORY_DIGIT: re.compile(r"[0-9]"),
    op.CATEGORY_NOT_DIGIT: re.compile(r"[^0-9]"),
    op.CATEGORY_WORD: re.compile(r"[0-9A-Za-z_]"),
    op.CATEGORY_NOT_WORD: re.compile(r"[^0-9A-Za-z_]"),
    op.CATEGORY_SPACE: re.compile(r"[ \t]"),
    op.CATEGORY_NOT_SPACE: re.compile(r"[^\s]"),
}


def from_pattern(pattern: str, source: random.Random) -> str:
    """A printable ASCII text that the pattern is likely to find a match in."""
    return "".join(_write(step, source) for step in _parser.parse(pattern))


def _write(step: tuple[Any, Any], source: random.Random) -> str:
    code, argument = step
    if code is op.LITERAL:
        return chr(argument)
    if code in (op.NOT_LITERAL, op.ANY):
        return source.choice([c for c in _PRINTABLE if code is op.ANY or ord(c) != argument])
    if code is op.IN:
        return source.choice([c for c in _PRINTABLE if _is_in(c, argument)] or ["?"])
    if code in (op.MAX_REPEAT, op.MIN_REPEAT):
        least, most, body = argument
        times = source.randint(least, min(int(most), least + _MOST_REPEATS))
        return "".join(_write(inner, source) for _ in range(times) for inner in body)
    if code is op.SUBPATTERN:
        return "".join(_write(inner, source) for inner in argument[-1])
    if code is op.BRANCH:
        return "".join(_write(inner, source) for inner in source.choice(argument[1]))
    return ""


def _is_in(character: str, members: list[tuple[Any, Any]]) -> bool:
    negated = bool(members) and members[0][0] is op.NEGATE
    found = False
    for code, argument in members:
        if code is op.LITERAL:
            found |= ord(character) == argument
        elif code is op.RANGE:
            found |= argument[0] <= ord(character) <= argument[1]
        elif code is op.CATEGORY:
            found |= _CATEGORIES[argument].fullmatch(character) is not None
    return found != negated


def _octets(source: random.Random) -> str:
    return ".".join(str(source.randrange(256)) for _ in range(4))


FORMAT_EXAMPLES: Mapping[str, Callable[[random.Random], str]] = MappingProxyType(
    {
        "uuid": lambda source: str(UUID(int=source.getrandbits(128))),
        "email": lambda source: f"user{source.randrange(10**6)}@example.com",
        "uri": lambda source: f"https://example.com/{source.randrange(10**6)}?a=b",
        "hostname": lambda source: f"host-{source.randrange(1000)}.example.com",
        "ipv4": _octets,
        "ipv6": lambda source: f"2001:db8::{source.randrange(1, 65536):x}",
        "byte": lambda source: source.choice(["", "TGFrZQ==", "Z2F0ZQ==", "AAEC"]),
        "binary": lambda source: f"\\x{source.randrange(256):02x}",
    }
)
