"""JSON cut into records without touching their bytes, however long the text is.

The scanner of the standard library finds where a value ends; the value it builds is thrown away.
It is lax where the gate is strict (``NaN``, lone surrogates, broken UTF-8 inside strings), so a
record that can be told from its neighbours reaches the gate as it was written.
"""

from __future__ import annotations

import codecs
import json
import re
from collections.abc import Callable, Iterable, Iterator
from typing import Any

__all__ = ["NotJson", "array_elements", "documents"]

_WHITESPACE = re.compile(r"[ \t\n\r]*")
_NUMBER_PART = re.compile(r"[0-9.eE+-]*")
_scan: Callable[[str, int], tuple[Any, int]] = json.JSONDecoder(  # type: ignore[attr-defined]
    strict=False,
    parse_int=str,  # an integer of any length; its value is not wanted
    parse_float=str,
).scan_once


class NotJson(ValueError):
    """The text is not what was expected; the message says after how many values, and why."""


def array_elements(chunks: Iterable[bytes], *, limit_bytes: int) -> Iterator[bytes]:
    """The elements of one JSON array, in order; memory is bounded by the longest of them.

    Raises:
        NotJson: no array, an element longer than ``limit_bytes``, or the text ends early.
            What was yielded before was whole.
    """
    text = _Text(chunks, limit_bytes)
    if text.peek() != "[":
        raise NotJson("it does not begin with `[`")
    text.take()
    count = 0
    while text.peek() != "]":
        if count:
            if text.peek() != ",":
                raise NotJson(f"expected `,` or `]` after element {count}")
            text.take()
        count += 1
        yield text.value(f"element {count}")
    text.take()
    if text.peek():
        raise NotJson(f"there is more after the array of {count} elements")


def documents(chunks: Iterable[bytes], *, limit_bytes: int) -> Iterator[bytes]:
    """JSON values one after another, with whitespace or nothing in between.

    Raises:
        NotJson: as :func:`array_elements`.
    """
    text = _Text(chunks, limit_bytes)
    count = 0
    while text.peek():
        count += 1
        yield text.value(f"value {count}")


class _Text:
    """A text read piece by piece; bytes that are not UTF-8 survive the way there and back."""

    def __init__(self, chunks: Iterable[bytes], limit: int) -> None:
        self._chunks = iter(chunks)
        self._decode = codecs.getincrementaldecoder("utf-8")("surrogateescape").decode
        self._limit = limit
        self._text = ""
        self._at = 0

    def _more(self) -> bool:
        """At least double what is there, so that a long value is scanned a few times only."""
        parts = [self._text[self._at :]]
        wanted = max(1, len(parts[0]))
        ended = False
        while wanted > 0 and not ended:
            chunk = next(self._chunks, None)
            ended = chunk is None
            part = self._decode(chunk or b"", ended)
            parts.append(part)
            wanted -= len(part)
        grown = any(parts[1:])
        self._text, self._at = "".join(parts), 0
        return grown

    def peek(self) -> str:
        """The next character that is no whitespace; empty at the end."""
        while True:
            self._at = _WHITESPACE.match(self._text, self._at).end()  # type: ignore[union-attr]
            if self._at < len(self._text):
                return self._text[self._at]
            if not self._more():
                return ""

    def take(self) -> None:
        self._at += 1

    def value(self, what: str) -> bytes:
        """The next value as it was written."""
        self.peek()
        while True:
            try:
                _, end = _scan(self._text, self._at)
            except (StopIteration, json.JSONDecodeError) as error:
                if len(self._text) - self._at > self._limit:
                    message = f"{what} is malformed, or longer than {self._limit:,} bytes"
                    raise NotJson(message) from None
                if not self._more():
                    raise NotJson(f"{what} is malformed or cut off{_reason(error)}") from None
                continue
            except RecursionError:
                raise NotJson(f"{what} is nested too deeply") from None
            # A number may go on behind what is there; anything else has an end of its own.
            if self._text[end - 1] in '}]"' or not self._goes_on(end) or not self._more():
                value = self._text[self._at : end].encode("utf-8", "surrogateescape")
                self._at = end
                return value

    def _goes_on(self, end: int) -> bool:
        return _NUMBER_PART.match(self._text, end).end() == len(self._text)  # type: ignore[union-attr]


def _reason(error: Exception) -> str:
    return f": {error.msg}" if isinstance(error, json.JSONDecodeError) else ""
