"""The decoder that asks the reference path: slow, and right by definition."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa

from lakegate.contract.stream import Stream
from lakegate.gate.decode.base import Decoded, Undeclared
from lakegate.gate.reference import Reference
from lakegate.gate.schema import arrow_field

__all__ = ["ReferenceDecoder"]


class ReferenceDecoder:
    """Sure of records without any failure and without undeclared fields; doubts all others."""

    def __init__(self, stream: Stream) -> None:
        self._reference = Reference(stream)
        self._fields = [arrow_field(field) for field in stream.fields]

    def decode(self, values: Sequence[bytes | None]) -> Decoded:
        """See :class:`lakegate.gate.decode.base.Decoder`."""
        index, rows = [], []
        for position, value in enumerate(values):
            if value is None:
                continue
            found = self._reference.judge(value)
            if not found.failures and not found.unknown:
                index.append(position)
                rows.append(found.row)
        columns = [
            pa.array([row[field.name] for row in rows], field.type) for field in self._fields
        ]
        nothing: dict[int, list[Undeclared]] = {}
        return Decoded(np.array(index, dtype=np.int64), columns, nothing)
