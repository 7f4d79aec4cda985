"""What a format is: the bytes of one record to the values the rules see, without guessing.

A format is one module. Rules, their codes, paths and the order of failures know none of them: they
see the members of an object, as JSON has them. ``tests/conformance/gate`` holds every format to
what is promised here; docs/reference/gate.md says how to add one.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Protocol

from lakegate.gate.decode.base import Decoder
from lakegate.gate.json_text import Json

__all__ = ["Format"]


class Format(Protocol):
    """Reads records of one stream; holds nothing between calls, and is called from many threads."""

    @property
    def codes(self) -> Mapping[str, str]:
        """The codes of what cannot be read, each with its meaning."""
        ...

    def parse(self, value: bytes) -> dict[str, Json]:
        """The members of a record, by name; a name that is not there is absent.

        A number is the text of its token (:class:`~lakegate.gate.json_text.Integer`, ``Float``),
        so that nothing is rounded; dates, times and timestamps are strings as the contract's types
        read them. ``value`` is within the stream's size limit; memory stays within a small
        multiple of it, whatever lengths it claims and however deep it is.

        Raises:
            Malformed: on the first thing that is wrong, with one of :attr:`codes`. Nothing else.
        """
        ...

    def parse_some(self, value: bytes, names: Collection[str]) -> Mapping[str, Json]:
        """The members of these names, as :meth:`parse` has them, of a value that it reads."""
        ...

    def decoder(self) -> Decoder | None:
        """A decoder of batches that is faster; None if each record is read by :meth:`parse`."""
        ...
