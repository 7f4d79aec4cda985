"""Ranges of contract versions, as a consumer declares them.

=====================  =============================================================================
``1``, ``1.2``         every version that begins so: 1.0.0, 1.4.2; 1.2.0, 1.2.9
``1.2.0``              that version and those that begin so
``>=1.2 <3``           every comparison holds; separated by spaces or commas
``*``                  any
=====================  =============================================================================

Versions compare number by number, and a missing number is 0. A version that is not numbers
separated by dots is only equal to itself.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

__all__ = ["VersionRange"]

_PART = re.compile(r"(>=|<=|>|<|=|)\s*v?([0-9A-Za-z][0-9A-Za-z.+_-]{0,63})\Z")
_JOINED = re.compile(r"(>=|<=|>|<|=)\s+")
_NUMBERS = re.compile(r"v?([0-9]{1,9}(?:\.[0-9]{1,9})*)\Z")


@dataclass(frozen=True, slots=True)
class VersionRange:
    """A parsed range; ``text`` is what was written."""

    text: str
    parts: tuple[tuple[str, str], ...]

    @classmethod
    def parse(cls, text: str) -> VersionRange | None:
        """The range, or None when the text is none."""
        words = _JOINED.sub(r"\1", text.replace(",", " ")).split()
        if not words:
            return None
        if words == ["*"]:
            return cls(text, ())
        parts = []
        for word in words:
            match = _PART.match(word)
            if match is None or (match[1] not in ("", "=") and _numbers(match[2]) is None):
                return None
            parts.append((match[1], match[2]))
        return cls(text, tuple(parts))

    def holds(self, version: str) -> bool:
        """Whether a version is in the range."""
        return all(_compare(operator, bound, version) for operator, bound in self.parts)


def _compare(operator: str, bound: str, version: str) -> bool:
    left, right = _numbers(version), _numbers(bound)
    if left is None or right is None:
        return operator in ("", "=") and version == bound
    if operator == "":
        return left[: len(right)] == right
    width = max(len(left), len(right))
    mine, other = (side + (0,) * (width - len(side)) for side in (left, right))
    return {
        "=": mine == other,
        ">=": mine >= other,
        "<=": mine <= other,
        ">": mine > other,
        "<": mine < other,
    }[operator]


def _numbers(text: str) -> tuple[int, ...] | None:
    match = _NUMBERS.match(text)
    return tuple(int(part) for part in match[1].split(".")) if match is not None else None
