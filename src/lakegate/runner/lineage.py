"""What a replayed record carries: where it comes from, which fixes made it, and who asked.

Two headers behind the producer's own: ``lakegate.source`` and ``lakegate.fixes``, both JSON. They
travel with the record into ``*.validated``, and into the events of ``*.triage``.
"""

from __future__ import annotations

import getpass
import os
from enum import StrEnum
from functools import lru_cache

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

__all__ = [
    "FIXES_HEADER",
    "SOURCE_HEADER",
    "AppliedFix",
    "Event",
    "Lineage",
    "Origin",
    "lineages",
    "who",
]

SOURCE_HEADER = "lakegate.source"
FIXES_HEADER = "lakegate.fixes"


class Event(StrEnum):
    """What can happen to a dead letter; the last event is its state, none is *open*."""

    REQUESTED = "requested"  # repaired, and on its way back to the gate
    REPLAYED = "replayed"  # passed the gate
    FAILED = "failed"  # did not: open again, with new reasons
    DISCARDED = "discarded"
    ERASED = "erased"


class Origin(msgspec.Struct, frozen=True):
    """Source coordinates of the record, and the offset of its dead letter (same partition)."""

    topic: str
    partition: int
    offset: int
    ingested_us: int  # when it was appended to its topic, in microseconds since 1970, UTC
    deadletter: int


class AppliedFix(msgspec.Struct, frozen=True):
    """A fix as it was applied; ``commit`` is None outside git, ``dirty`` if it differs from it."""

    name: str
    digest: str
    commit: str | None = None
    dirty: bool = False


class Lineage(msgspec.Struct, frozen=True):
    """The fixes of one replay, in the order they were applied; ``digest`` names all of them."""

    digest: str
    fixes: tuple[AppliedFix, ...]
    who: str | None = None
    why: str | None = None

    @property
    def fixes_json(self) -> str:
        """The fixes as the triage topic keeps them."""
        return msgspec.json.encode(self.fixes).decode()


_origin = msgspec.json.Decoder(Origin)


@lru_cache(maxsize=1024)
def _lineage(header: bytes) -> Lineage:
    return msgspec.json.decode(header, type=Lineage)


def lineages(headers: pa.Array) -> list[tuple[Origin, Lineage] | None]:
    """The lineage of each row of a headers column; None for a row that nobody replayed.

    Lakegate's headers are the last two of a row, whatever the producer's are called.
    """
    lengths = pc.fill_null(headers.value_lengths(), 0).to_numpy(zero_copy_only=False)
    ends = np.cumsum(lengths)
    enough = lengths >= 2
    last, held = ends[enough] - 1, headers.flatten()  # of the rows in this slice
    columns = [held.field(0).take(pa.array(last - 1)), held.field(1).take(pa.array(last - 1))]
    columns += [held.field(0).take(pa.array(last)), held.field(1).take(pa.array(last))]
    rows = iter(zip(*(column.to_pylist() for column in columns), strict=True))
    return [_read(*next(rows)) if there else None for there in enough.tolist()]


def _read(
    source_name: str, source: bytes | None, fixes_name: str, fixes: bytes | None
) -> tuple[Origin, Lineage] | None:
    if source_name != SOURCE_HEADER or fixes_name != FIXES_HEADER:
        return None
    if source is None or fixes is None:
        return None
    try:
        return _origin.decode(source), _lineage(fixes)
    except msgspec.DecodeError:
        return None


def who() -> str:
    """Who runs this process: the name, or ``uid 1000`` where it has none."""
    try:
        return getpass.getuser()
    except (OSError, KeyError, ImportError):
        return f"uid {os.getuid()}"
