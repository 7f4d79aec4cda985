"""What stands before the body of a message: nothing, or the header of Confluent's serializers.

"Wire format" in the documentation of Confluent's Schema Registry: a byte 0, then the id of the
schema as four bytes, most significant first, then the body.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from lakegate.gate.decode.base import Decoded, Decoder
from lakegate.gate.json_text import Malformed

__all__ = ["BARE", "CONFLUENT", "Frame", "FramedDecoder", "schema_id"]

_MEANINGS = {
    "confluent.magic": "the first byte is not that of Confluent's header",
    "confluent.truncated": "the value ends within Confluent's header",
}


@dataclass(frozen=True, slots=True)
class Frame:
    """A header of ``size_bytes``, of which the first are ``magic``; the body is all that follows.

    A value is framed exactly when it is at least so long and begins so.
    """

    size_bytes: int
    magic: bytes

    @property
    def codes(self) -> Mapping[str, str]:
        """The codes of what :meth:`body` refuses, each with its meaning."""
        return _MEANINGS if self.size_bytes else {}

    def holds(self, value: bytes) -> bool:
        """Whether there is a whole header."""
        return len(value) >= self.size_bytes and value.startswith(self.magic)

    def body(self, value: bytes) -> bytes:
        """What follows the header.

        Raises:
            Malformed: there is none, or a part of one.
        """
        if self.holds(value):
            return value[self.size_bytes :]
        if not value.startswith(self.magic[: len(value)]):
            expected = f"a header of Confluent, which begins with 0x{self.magic[0]:02X}"
            raise Malformed("confluent.magic", expected, f"byte 0x{value[0]:02X} at offset 0")
        expected = f"a header of {self.size_bytes} bytes"
        raise Malformed("confluent.truncated", expected, f"{len(value)} bytes")


BARE = Frame(0, b"")
CONFLUENT = Frame(5, b"\0")


def schema_id(value: bytes) -> int | None:
    """The id of the schema that a record behind Confluent's header names; None without a header."""
    return int.from_bytes(value[1:5], "big") if CONFLUENT.holds(value) else None


class FramedDecoder:
    """Decodes the bodies of framed records; the others are in doubt."""

    def __init__(self, bodies: Decoder, frame: Frame, size_limit_bytes: int) -> None:
        self._bodies = bodies
        self._frame = frame
        self._size_limit_bytes = size_limit_bytes

    def decode(self, values: Sequence[bytes | None]) -> Decoded:
        """See :class:`lakegate.gate.decode.base.Decoder`."""
        frame, limit = self._frame, self._size_limit_bytes
        bodies: list[bytes | None] = []
        for value in values:
            fits = value is not None and len(value) <= limit and frame.holds(value)
            bodies.append(value[frame.size_bytes :] if fits and value is not None else None)
        return self._bodies.decode(bodies)
