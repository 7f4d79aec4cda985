"""The fast decoder of the pure Python install: msgspec structs, turned into columns chunk by chunk.

msgspec is strict about everything but four things, which are closed here:

* a repeated key: msgspec keeps the last. The keys in the text of a chunk are counted and compared
  with the distinct keys found; the count of the text is never too low, so equality is proof;
* values kept as raw text (decimals, untyped and undeclared values) are checked by the strict parser
  of :mod:`lakegate.gate.json_text`, and the whole chunk is checked to be UTF-8;
* depth and the size limit;
* null and absent look alike in columns: absent fields hold NaN, which no JSON yields.

Undeclared fields are learned: once a name is seen it is decoded as raw text like any other, so a
producer that always sends an extra field costs no more than a contract with one field more. What is
learned changes the speed, never the verdict.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import compress
from typing import Any

import msgspec
import numpy as np
import pyarrow as pa

from lakegate.contract.stream import Stream, UnknownFields
from lakegate.gate.decode.base import Decoded, Undeclared
from lakegate.gate.decode.plan import Chunk, ObjectPlan, compile_plan, is_covered
from lakegate.gate.json_text import Malformed, parse

__all__ = ["StructDecoder"]

# Structs of a chunk stay in the processor's cache, where allocating them is cheapest.
_CHUNK_RECORDS = 512
_MAX_LEARNED = 64
_LEARNED_FROM = 4  # records looked at per chunk
_UNKNOWN_FIELD = "Object contains unknown field"
_KEY = re.compile(rb'"[ \t\r\n]*:')
_FAULTS = (msgspec.DecodeError, UnicodeDecodeError, RecursionError, TypeError)


class StructDecoder:
    """Decodes records of one stream; may be called from several threads."""

    def __init__(self, stream: Stream) -> None:
        self._size_limit_bytes = stream.size_limit_bytes
        self._learns = stream.unknown_fields is not UnknownFields.REJECT
        self._fields = stream.fields
        self._is_covered = is_covered(stream.fields)
        if self._is_covered:
            self._use(compile_plan(stream.fields, frozenset()))

    def _use(self, plan: ObjectPlan) -> None:
        # One assignment, so that a chunk in another thread sees a plan with its own decoder.
        self._in_use = (plan, msgspec.json.Decoder(plan.annotation))

    def decode(self, values: Sequence[bytes | None]) -> Decoded:
        """See :class:`lakegate.gate.decode.base.Decoder`."""
        if not self._is_covered or not values:
            return Decoded(np.array([], dtype=np.int64), [], {})
        chunks = [
            self._decode_chunk(values[start : start + _CHUNK_RECORDS], start)
            for start in range(0, len(values), _CHUNK_RECORDS)
        ]
        undeclared: dict[int, Sequence[Undeclared]] = {}
        for chunk in chunks:
            undeclared |= chunk.undeclared
        return Decoded(
            np.concatenate([chunk.index for chunk in chunks]),
            [
                pa.concat_arrays(column)
                for column in zip(*(chunk.columns for chunk in chunks), strict=True)
            ],
            undeclared,
        )

    def _decode_chunk(self, values: Sequence[bytes | None], start: int) -> Decoded:
        while True:
            plan, decoder = self._in_use
            positions, records, strangers = self._decode_records(decoder, values)
            if not strangers or not self._learn(plan, strangers):
                break
        chunk = Chunk()
        columns, keys = plan.build_columns(records, chunk.root)
        texts = [values[position] for position in positions]
        self._doubt_repeated_keys(plan, texts, records, keys, chunk)
        index = np.array(positions, dtype=np.int64) + start
        undeclared = {
            int(index[row]): fields
            for row, fields in chunk.undeclared.items()
            if row not in chunk.doubtful
        }
        if chunk.doubtful:
            good = np.ones(len(index), dtype=bool)
            good[list(chunk.doubtful)] = False
            index = index[good]
            columns = [column.filter(pa.array(good)) for column in columns]
        return Decoded(index, columns, undeclared)

    def _decode_records(
        self, decoder: msgspec.json.Decoder[Any], values: Sequence[bytes | None]
    ) -> tuple[list[int], list[Any], list[bytes]]:
        """Positions and structs of the records msgspec takes, and some with an unknown field."""
        decode = decoder.decode
        limit = self._size_limit_bytes
        records: list[Any] = []
        refused: set[int] = set()
        strangers: list[bytes] = []
        for position, value in enumerate(values):
            try:
                records.append(decode(value))  # type: ignore[arg-type]  # None is a TypeError
            except msgspec.ValidationError as error:
                refused.add(position)
                learns = self._learns and len(strangers) < _LEARNED_FROM
                if learns and value is not None and str(error).startswith(_UNKNOWN_FIELD):
                    strangers.append(value)
            except _FAULTS:
                refused.add(position)
        positions = [position for position in range(len(values)) if position not in refused]
        sizes = [len(values[position] or b"") for position in positions]
        if max(sizes, default=0) > limit:
            small = [size <= limit for size in sizes]
            positions, records = list(compress(positions, small)), list(compress(records, small))
        return positions, records, strangers

    def _learn(self, plan: ObjectPlan, strangers: list[bytes]) -> bool:
        known = plan.learned
        learned = set(known)
        for value in strangers:
            try:
                learned |= plan.strangers(parse(value))
            except Malformed:
                continue
        if len(learned) == len(known) or len(learned) > _MAX_LEARNED:
            return False
        self._use(compile_plan(self._fields, frozenset(learned)))
        return True

    def _doubt_repeated_keys(
        self, plan: ObjectPlan, texts: list[Any], records: list[Any], keys: int, chunk: Chunk
    ) -> None:
        text = b"\n".join(texts)
        if _is_utf8(text) and _count_keys(text) == keys:
            return
        for row, (value, record) in enumerate(zip(texts, records, strict=True)):
            counted = _count_keys(value)
            if counted is None:
                counted = len(_KEY.findall(value))
            if counted != plan.count(record) or not _is_utf8(value):
                chunk.doubtful.add(row)


def _is_utf8(text: bytes) -> bool:
    try:
        text.decode()
    except UnicodeDecodeError:
        return False
    return True


def _count_keys(text: bytes) -> int | None:
    """At least the number of keys: a string that starts with a colon adds one; None if unclear.

    It is unclear when whitespace stands before a colon, or an escape may hide where a key ends.
    """
    characters = np.frombuffer(text, dtype=np.uint8)
    before = characters[:-1]
    is_colon = characters[1:] == ord(":")
    if (is_colon & (before <= ord(" "))).any():
        return None
    count = int(np.count_nonzero(is_colon & (before == ord('"'))))
    if b"\\" not in text:
        return count
    return None if b'\\\\":' in text else count - text.count(b'\\":')
