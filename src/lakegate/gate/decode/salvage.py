"""Records that msgspec refuses for one value or two: all their other columns are as good as any.

The value at fault is decoded as raw text and stands as null in its column, which is then in doubt
for this record, so that the reference reads one value again and not a whole record.
"""

from __future__ import annotations

import re
from typing import Any

import msgspec

from lakegate.gate.decode.plan import ObjectPlan
from lakegate.gate.json_text import Malformed, parse_text

__all__ = ["Salvage"]

_MOST_COLUMNS = 2
_MOST_DECODERS = 64
_AT = re.compile(r" - at `\$\.(.+)`\Z", re.DOTALL)


class Salvage:
    """Reads records of one plan around the values that msgspec refuses."""

    def __init__(self, plan: ObjectPlan) -> None:
        self._plan = plan
        self._columns = {name: column for column, (name, _) in enumerate(plan.members)}
        self._decoders: dict[frozenset[int], msgspec.json.Decoder[Any]] = {}

    def read(self, value: bytes, error: msgspec.ValidationError) -> tuple[Any, list[int]] | None:
        """The record with nulls for the values at fault, and their columns; None if it is no use.

        ``error`` is what decoding ``value`` said. A value at fault that is an object or an array is
        no use, for its keys would have to be counted.
        """
        columns: list[int] = []
        while len(columns) < _MOST_COLUMNS:
            found = _AT.search(str(error))
            column = None if found is None else self._columns.get(found[1])
            if column is None or column in columns:
                return None
            columns.append(column)
            decoder = self._decoder(frozenset(columns))
            if decoder is None:
                return None
            try:
                values = list(msgspec.structs.astuple(decoder.decode(value)))
            except msgspec.ValidationError as another:
                error = another
                continue
            except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
                return None
            if not all(_is_scalar(values[column]) for column in columns):
                return None
            for column in columns:
                values[column] = None
            return self._plan.annotation(*values), columns
        return None

    def _decoder(self, columns: frozenset[int]) -> msgspec.json.Decoder[Any] | None:
        decoder = self._decoders.get(columns)
        if decoder is None and len(self._decoders) < _MOST_DECODERS:
            decoder = msgspec.json.Decoder(self._plan.annotation_without(columns))
            self._decoders[columns] = decoder
        return decoder


def _is_scalar(value: msgspec.Raw) -> bool:
    try:
        return not isinstance(parse_text(bytes(value).decode()), dict | list)
    except (UnicodeDecodeError, Malformed):
        return False
