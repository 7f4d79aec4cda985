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
import numpy.typing as npt
import pyarrow as pa

from lakegate.contract.stream import Stream, UnknownFields
from lakegate.gate.decode.base import Decoded, Undeclared
from lakegate.gate.decode.place import Notes, Place
from lakegate.gate.decode.plan import ObjectPlan, compile_plan, is_covered
from lakegate.gate.decode.salvage import Salvage
from lakegate.gate.json_text import Malformed, is_utf8, parse

__all__ = ["StructDecoder"]

# Structs of a chunk stay in the processor's cache, where allocating them is cheapest; each chunk
# has a cost of its own for every column.
_CHUNK_BYTES = 192 << 10
_FEWEST, _MOST = 64, 1024  # records
_SAMPLE = 16
_MAX_LEARNED = 64
_LEARNED_FROM = 4  # records looked at per chunk
_UNKNOWN_FIELD = "Object contains unknown field"
_KEY = re.compile(rb'"[ \t\r\n]*:')
_WINDOW = 1 << 14  # pairs looked at together, so that masks stay there too
# A quote and a space differ in one bit.
_PAIR_MASK = np.frombuffer(b"\x02\x00", np.uint16)[0]
_PAIR = np.frombuffer(b'":', np.uint16)[0]
_NUL = rb"\u0000"  # what columns tell texts apart by
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
        self._in_use = (plan, msgspec.json.Decoder(plan.annotation), Salvage(plan))

    def decode(self, values: Sequence[bytes | None]) -> Decoded:
        """See :class:`lakegate.gate.decode.base.Decoder`."""
        if not self._is_covered or not values:
            return Decoded(np.array([], dtype=np.int64), [], {})
        runs: list[_Run] = []
        start = 0
        while start < len(values):
            end = start + _chunk_size(values[start : start + _SAMPLE])
            self._decode_chunk(values[start:end], start, runs)
            start = end
        parts = [run.finish() for run in runs]
        if len(parts) == 1:
            return parts[0]
        undeclared: dict[int, Sequence[Undeclared]] = {}
        unread: dict[int, Sequence[int]] = {}
        for part in parts:
            undeclared |= part.undeclared
            unread |= part.unread
        return Decoded(
            np.concatenate([part.index for part in parts]),
            [
                pa.concat_arrays(column)
                for column in zip(*(part.columns for part in parts), strict=True)
            ],
            undeclared,
            unread,
        )

    def _decode_chunk(self, values: Sequence[bytes | None], start: int, runs: list[_Run]) -> None:
        while True:
            plan, decoder, salvage = self._in_use
            unread: dict[int, Sequence[int]] = {}
            positions, records, strangers = self._decode_records(decoder, values, salvage, unread)
            if not strangers or not self._learn(plan, strangers):
                break
        if not runs or runs[-1].plan is not plan:
            runs.append(_Run(plan))
        texts: list[Any] = (
            list(values)
            if len(positions) == len(values)
            else [values[position] for position in positions]
        )
        text = b"".join(texts)
        fits = self._fits(texts, text)
        if fits is not None:
            positions, records = list(compress(positions, fits)), list(compress(records, fits))
            texts = list(compress(texts, fits))
            text = b"".join(texts)
        runs[-1].add(positions, records, texts, text=text, start=start)
        runs[-1].unread.update({start + position: unread[position] for position in unread})

    def _fits(self, texts: list[bytes], text: bytes) -> list[bool] | None:
        """Which records columns can take; None for all."""
        limit = self._size_limit_bytes
        has_nul = b"\\" in text and _NUL in text
        if not has_nul and (len(text) <= limit or max(map(len, texts)) <= limit):
            return None
        return [len(one) <= limit and not (has_nul and _NUL in one) for one in texts]

    def _decode_records(
        self,
        decoder: msgspec.json.Decoder[Any],
        values: Sequence[bytes | None],
        salvage: Salvage,
        unread: dict[int, Sequence[int]],
    ) -> tuple[Sequence[int], list[Any], list[bytes]]:
        """Positions and structs of the records msgspec takes, and some with an unknown field."""
        records: list[Any] = []
        refused: set[int] = set()
        strangers: list[bytes] = []
        rest = iter(values)
        while True:
            try:
                for record in map(decoder.decode, rest):  # type: ignore[arg-type]  # None too
                    records.append(record)  # noqa: PERF402 - keeps what came before a fault
                break
            except _FAULTS as error:
                position = len(records) + len(refused)
                value = values[position]
                if value is not None and isinstance(error, msgspec.ValidationError):
                    saved = salvage.read(value, error)
                    if saved is not None:
                        record, unread[position] = saved
                        records.append(record)
                        continue
                    learns = self._learns and len(strangers) < _LEARNED_FROM
                    if learns and str(error).startswith(_UNKNOWN_FIELD):
                        strangers.append(value)
                refused.add(position)
        if not refused:
            return range(len(values)), records, strangers
        positions = [position for position in range(len(values)) if position not in refused]
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


class _Run:
    """Consecutive chunks decoded by one plan."""

    def __init__(self, plan: ObjectPlan) -> None:
        self.plan = plan
        self._column = plan.column()
        self._notes = Notes()
        self._index: list[npt.NDArray[np.int64]] = []
        self._count = 0
        self.unread: dict[int, Sequence[int]] = {}

    def add(
        self,
        positions: Sequence[int],
        records: list[Any],
        texts: list[bytes],
        *,
        text: bytes,
        start: int,
    ) -> None:
        """Take the records of a chunk that begins at ``start``; ``text`` is all of their texts."""
        if not records:
            return
        place = Place(self._notes, first_row=self._count)
        keys = self._column.add(records, place).keys
        if not is_utf8(text) or _count_keys(text) != keys:
            self._doubt_repeated_keys(texts, records)
        self._index.append(np.array(positions, dtype=np.int64) + start)
        self._count += len(records)

    def _doubt_repeated_keys(self, texts: list[bytes], records: list[Any]) -> None:
        for row, (text, record) in enumerate(zip(texts, records, strict=True)):
            keys = self.plan.count(record)
            is_proven = keys in (_count_keys(text), len(_KEY.findall(text)))
            if not is_proven or not is_utf8(text):
                self._notes.doubtful.add(self._count + row)

    def finish(self) -> Decoded:
        """All records of the run that are not in doubt."""
        if not self._count:
            return Decoded(np.array([], dtype=np.int64), self._column.finish_members(), {})
        index = np.concatenate(self._index)
        columns, doubtful = self._column.finish_members(), self._notes.doubtful
        undeclared = {
            int(index[row]): fields
            for row, fields in self._notes.undeclared.items()
            if row not in doubtful
        }
        if doubtful:
            good = np.ones(len(index), dtype=bool)
            good[list(doubtful)] = False
            index = index[good]
            columns = [column.filter(pa.array(good)) for column in columns]
        unread = self.unread
        if unread:
            sure = set(index.tolist())
            unread = {position: found for position, found in unread.items() if position in sure}
        return Decoded(index, columns, undeclared, unread)


def _chunk_size(sample: Sequence[bytes | None]) -> int:
    """How many records like these to decode together."""
    mean = sum(len(value) for value in sample if value is not None) // len(sample)
    return min(max(_FEWEST, _CHUNK_BYTES // (mean + 1)), _MOST)


def _count_keys(text: bytes) -> int:
    """At least the number of keys: a string that starts with a colon adds one, so does `` :``."""
    characters = np.frombuffer(text, dtype=np.uint8)
    if len(characters) and characters.min() >= ord(" "):
        count = _count_pairs(text)
    else:
        before, is_colon = characters[:-1], characters[1:] == ord(":")
        count = int(np.count_nonzero(is_colon & ((before <= ord(" ")) | (before == ord('"')))))
    if b"\\" in text and b'\\\\":' not in text:
        count -= text.count(b'\\":')
    return count


def _count_pairs(text: bytes) -> int:
    """How often a colon follows a quote or a space."""
    count = 0
    for start in (0, 1):
        pairs = np.frombuffer(text, np.uint16, (len(text) - start) // 2, start)
        for window in np.split(pairs, range(_WINDOW, len(pairs), _WINDOW)):
            count += int(np.count_nonzero((window | _PAIR_MASK) == _PAIR))
    return count
