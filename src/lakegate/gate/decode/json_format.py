"""JSON records (RFC 8259), bare or behind a header."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import Any

import msgspec

from lakegate.contract.stream import Stream
from lakegate.gate.decode.base import Decoder
from lakegate.gate.decode.frame import BARE, Frame, FramedDecoder
from lakegate.gate.decode.struct import StructDecoder
from lakegate.gate.json_text import Json, parse, parse_text
from lakegate.gate.rules import CODES

__all__ = ["JsonFormat"]

# The members of an object as text, at a fraction of the cost of reading them all.
_split: Callable[[bytes], dict[str, Any]] = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode


class JsonFormat:
    """See :class:`lakegate.gate.decode.format.Format`.

    ``frame`` is what stands before each body; a decoder of bare JSON judges framed records when it
    begins ``frame.size_bytes`` later and doubts what ``frame.holds`` denies.
    """

    def __init__(self, stream: Stream, frame: Frame = BARE) -> None:
        self.frame = frame
        self._stream = stream

    @property
    def codes(self) -> Mapping[str, str]:
        """See :class:`lakegate.gate.decode.format.Format`."""
        own = {code: meaning for code, meaning in CODES.items() if code.startswith("json.")}
        return {**own, **self.frame.codes}

    def parse(self, value: bytes) -> dict[str, Json]:
        """See :class:`lakegate.gate.decode.format.Format`."""
        return parse(self.frame.body(value) if self.frame.size_bytes else value)

    def parse_some(self, value: bytes, names: Collection[str]) -> Mapping[str, Json]:
        """See :class:`lakegate.gate.decode.format.Format`."""
        raw = _split(self.frame.body(value) if self.frame.size_bytes else value)
        return {name: _member(bytes(raw[name]).decode()) for name in names if name in raw}

    def decoder(self) -> Decoder:
        """See :class:`lakegate.gate.decode.format.Format`."""
        bodies = StructDecoder(self._stream)
        if not self.frame.size_bytes:
            return bodies
        return FramedDecoder(bodies, self.frame, self._stream.size_limit_bytes)


def _member(text: str) -> Json:
    """The value of a text that is known to be JSON."""
    if text[0] == '"' and "\\" not in text:
        return text[1:-1]
    return parse_text(text)
