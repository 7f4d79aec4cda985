"""What a decoder is: a batch of bytes to columns, without guessing.

A decoder may give up on any record, never get one wrong. What it hands over of a record must be
what the reference path would read; constraints, nulls and rules are judged afterwards, over the
columns, by code that all decoders share (:mod:`lakegate.gate.certify`). ``tests/unit/gate/decode``
has the suite that holds every decoder to this.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
import numpy.typing as npt
import pyarrow as pa

__all__ = ["Decoded", "Decoder", "Undeclared"]


@dataclass(frozen=True, slots=True)
class Undeclared:
    """A field nobody declared: its path, the path with ``[*]`` for indices, its JSON text."""

    path: str
    pattern: str
    text: str


@dataclass(frozen=True, slots=True)
class Decoded:
    """The records a decoder is sure of.

    ``index`` (int64, ascending) are their positions in the batch; every other record is doubtful.
    ``columns`` has an array for each declared field, a row for each position (without positions it
    may be empty). A column has the type
    of :func:`lakegate.gate.schema.arrow_schema`; dates, times, timestamps, decimals and unsigned
    64-bit integers may instead be ``string`` with the text of the value (of the number token, and
    only that, for numbers), wherever they are nested. A position with a text that is no such value
    is found out later.

    ``undeclared`` has the undeclared fields of the records that have any, by position in the batch.

    ``unread`` has, by position in the batch, the columns of which a record's value could not be
    read and stands as null; all else about the record is sure.
    """

    index: npt.NDArray[np.int64]
    columns: Sequence[pa.Array]
    undeclared: Mapping[int, Sequence[Undeclared]]
    unread: Mapping[int, Sequence[int]] = field(default_factory=dict)


class Decoder(Protocol):
    """Turns records into columns."""

    def decode(self, values: Sequence[bytes | None]) -> Decoded:
        """Decode what can be decoded with certainty; None is never decoded. Never raises."""
        ...
