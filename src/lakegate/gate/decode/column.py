"""Columns that grow chunk by chunk from decoded Python values, and become Arrow arrays at the end.

Taking each chunk's values at once, while they are in the processor's cache, is what makes this
fast: texts are joined, numbers packed, and nothing is kept of the Python objects. A text holds no
NUL (the decoder sees to it), so the joined texts can be told apart again.
"""

from __future__ import annotations

import struct
from itertools import chain
from typing import Any, NamedTuple, Protocol

import msgspec
import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from lakegate.gate.decode.place import Place
from lakegate.gate.json_text import MAX_DEPTH, Json, Malformed, canonical, nesting, parse_text

__all__ = [
    "ABSENT",
    "Added",
    "BooleanColumn",
    "Column",
    "DoubleColumn",
    "IntegerColumn",
    "ItemsColumn",
    "MapColumn",
    "Nulls",
    "TextColumn",
    "TokenColumn",
    "UntypedColumn",
    "keys_inside",
    "read_untyped",
]

ABSENT: Any = float("nan")  # no JSON decodes to it
_SEPARATOR = "\0"
_Index = npt.NDArray[np.int64]


class Added(NamedTuple):
    """Of the values just added: distinct keys of the objects inside, and how many are absent."""

    keys: int
    absent: int


class Column(Protocol):
    """The values of one declared place of all records so far; None is null, NaN is absent."""

    def add(self, values: list[Any], place: Place) -> Added:
        """Take the values of one more chunk."""
        ...

    def finish(self) -> pa.Array:
        """All values as one array."""
        ...


class Nulls:
    """Which values of a column are null, found one chunk after the other."""

    __slots__ = ("_found", "count")

    def __init__(self) -> None:
        self.count = 0  # of all values, null or not
        self._found: list[_Index] = []

    def fill(self, values: list[Any], type_: type, filler: Any) -> tuple[list[Any], int]:
        """Take values, of which all of another type are null.

        Returns them with ``filler`` for each null, and how many of those are absent.
        """
        null = [position for position, value in enumerate(values) if type(value) is not type_]
        if null:
            self._found.append(np.array(null, dtype=np.int64) + self.count)
        self.count += len(values)
        filled, absent = values.copy(), 0
        for position in null:
            absent += filled[position] is not None
            filled[position] = filler
        return filled, absent

    def mask(self) -> npt.NDArray[np.bool_] | None:
        """True for each null; None when there is none."""
        if not self._found:
            return None
        mask = np.zeros(self.count, dtype=bool)
        mask[np.concatenate(self._found)] = True
        return mask


class TextColumn:
    """Strings, and dates, times and timestamps, which are read later."""

    __slots__ = ("_chunks", "_nulls")

    def __init__(self) -> None:
        self._chunks: list[str] = []
        self._nulls = Nulls()

    def add(self, values: list[Any], place: Place) -> Added:
        """See :class:`Column`."""
        if not values:
            return Added(0, 0)
        absent = 0
        try:
            joined = _SEPARATOR.join(values)
        except TypeError:
            values, absent = self._nulls.fill(values, str, "")
            joined = _SEPARATOR.join(values)
        else:
            self._nulls.count += len(values)
        self._chunks.append(joined)
        return Added(0, absent)

    def finish(self) -> pa.Array:
        """See :class:`Column`."""
        count = self._nulls.count
        if not count:
            return pa.array([], pa.string())
        terminated = _SEPARATOR.join([*self._chunks, ""]).encode()
        offsets, texts = _take_apart(terminated, count)
        mask = self._nulls.mask()
        valid = None if mask is None else pa.py_buffer(np.packbits(~mask, bitorder="little"))
        return pa.StringArray.from_buffers(count, pa.py_buffer(offsets), pa.py_buffer(texts), valid)


def _take_apart(terminated: bytes, count: int) -> tuple[npt.NDArray[np.int32], bytes]:
    """The offsets and the bytes of so many texts, given with a NUL after each."""
    characters = np.frombuffer(terminated, dtype=np.uint8)
    width = terminated.find(b"\0")
    if len(terminated) == count * (width + 1):
        rows = characters.reshape(count, width + 1)
        if not rows[:, width].any():
            offsets = np.arange(count + 1, dtype=np.int32) * width
            return offsets, rows[:, :width].tobytes()
    ends = np.flatnonzero(characters == 0)
    assert len(ends) == count, "a text with a NUL in it"
    offsets = np.zeros(count + 1, dtype=np.int32)
    offsets[1:] = ends - np.arange(count)
    return offsets, terminated.replace(b"\0", b"")


class DoubleColumn:
    """Doubles; -0 is 0."""

    __slots__ = ("_chunks",)

    def __init__(self) -> None:
        self._chunks: list[bytes] = []

    def add(self, values: list[Any], place: Place) -> Added:
        """See :class:`Column`."""
        try:
            packed = struct.pack(f"{len(values)}d", *values)
        except struct.error:
            packed = np.array(values, dtype=np.float64).tobytes()  # None becomes NaN
        self._chunks.append(packed)
        null = int(np.count_nonzero(np.isnan(np.frombuffer(packed))))
        return Added(0, null - values.count(None) if null else 0)

    def finish(self) -> pa.Array:
        """See :class:`Column`."""
        doubles = np.frombuffer(b"".join(self._chunks)) + 0.0
        is_null = np.isnan(doubles)
        return pa.array(doubles, mask=is_null if is_null.any() else None)


class IntegerColumn:
    """Integers that msgspec found to be in the range of their type."""

    __slots__ = ("_chunks", "_nulls", "_type")

    def __init__(self, type_: pa.DataType) -> None:
        self._type = type_
        self._chunks: list[bytes] = []
        self._nulls = Nulls()

    def add(self, values: list[Any], place: Place) -> Added:
        """See :class:`Column`."""
        layout, absent = f"{len(values)}q", 0
        try:
            packed = struct.pack(layout, *values)
        except struct.error:
            values, absent = self._nulls.fill(values, int, 0)
            packed = struct.pack(layout, *values)
        else:
            self._nulls.count += len(values)
        self._chunks.append(packed)
        return Added(0, absent)

    def finish(self) -> pa.Array:
        """See :class:`Column`."""
        integers = np.frombuffer(b"".join(self._chunks), dtype=np.int64)
        return pa.array(integers.astype(self._type.to_pandas_dtype()), mask=self._nulls.mask())


class BooleanColumn:
    """Booleans."""

    __slots__ = ("_chunks", "_nulls")

    def __init__(self) -> None:
        self._chunks: list[bytes] = []
        self._nulls = Nulls()

    def add(self, values: list[Any], place: Place) -> Added:
        """See :class:`Column`."""
        absent = 0
        try:
            packed = bytes(values)
        except TypeError:
            values, absent = self._nulls.fill(values, bool, False)
            packed = bytes(values)
        else:
            self._nulls.count += len(values)
        self._chunks.append(packed)
        return Added(0, absent)

    def finish(self) -> pa.Array:
        """See :class:`Column`."""
        booleans = np.frombuffer(b"".join(self._chunks), dtype=bool)
        return pa.array(booleans, mask=self._nulls.mask())


class TokenColumn:
    """Numbers kept as their text, so that nothing is rounded."""

    __slots__ = ("_chunks",)

    def __init__(self) -> None:
        self._chunks: list[pa.Array] = []

    def add(self, values: list[Any], place: Place) -> Added:
        """See :class:`Column`."""
        try:
            tokens: list[bytes | None] = list(map(bytes, values))
        except TypeError:
            tokens = [bytes(value) if type(value) is msgspec.Raw else None for value in values]
        try:
            array = pa.array(tokens, pa.binary()).cast(pa.string())
        except pa.ArrowInvalid:  # a string that is not UTF-8: no number, and found out later
            texts = [None if token is None else token.decode(errors="replace") for token in tokens]
            array = pa.array(texts, pa.string())
        absent = array.null_count
        is_null = pc.equal(array, "null")
        if is_null.true_count:
            array = pc.if_else(is_null, pa.scalar(None, pa.string()), array)
        self._chunks.append(array)
        return Added(0, absent)

    def finish(self) -> pa.Array:
        """See :class:`Column`."""
        return pa.concat_arrays(self._chunks) if self._chunks else pa.array([], pa.string())


class UntypedColumn:
    """Any JSON value, as canonical text; what the strict parser refuses makes the row doubtful."""

    __slots__ = ("_texts",)

    def __init__(self) -> None:
        self._texts: list[str | None] = []

    def add(self, values: list[Any], place: Place) -> Added:
        """See :class:`Column`."""
        keys = absent = 0
        for position, value in enumerate(values):
            if type(value) is not msgspec.Raw:
                absent += 1
                self._texts.append(None)
                continue
            text, inside = read_untyped(value, place, position)
            self._texts.append(None if text == "null" else text)
            keys += inside
        return Added(keys, absent)

    def finish(self) -> pa.Array:
        """See :class:`Column`."""
        return pa.array(self._texts, pa.string())


class ItemsColumn:
    """Arrays of one declared item."""

    __slots__ = ("_items", "_lengths", "_nulls")

    def __init__(self, items: Column) -> None:
        self._items = items
        self._lengths: list[npt.NDArray[np.int32]] = []
        self._nulls = Nulls()

    def add(self, values: list[Any], place: Place) -> Added:
        """See :class:`Column`."""
        absent = 0
        try:
            lengths = np.fromiter(map(len, values), np.int32, len(values))
        except TypeError:
            values, absent = self._nulls.fill(values, list, ())
            lengths = np.fromiter(map(len, values), np.int32, len(values))
        else:
            self._nulls.count += len(values)
        self._lengths.append(lengths)
        flat = list(chain.from_iterable(values))
        ends = np.cumsum(lengths)
        items = self._items.add(flat, Place(place.notes, place, ends=ends))  # type: ignore[arg-type]
        return Added(items.keys, absent)

    def finish(self) -> pa.Array:
        """See :class:`Column`."""
        offsets = np.zeros(self._nulls.count + 1, dtype=np.int32)
        if self._lengths:
            np.cumsum(np.concatenate(self._lengths), out=offsets[1:])
        mask = self._nulls.mask()
        return pa.ListArray.from_arrays(
            pa.array(offsets), self._items.finish(), mask=None if mask is None else pa.array(mask)
        )


class MapColumn:
    """Maps: a text for each key, and one declared value."""

    __slots__ = ("_items", "_keys", "_lengths", "_nulls")

    def __init__(self, items: Column) -> None:
        self._keys = TextColumn()
        self._items = items
        self._lengths: list[npt.NDArray[np.int32]] = []
        self._nulls = Nulls()

    def add(self, values: list[Any], place: Place) -> Added:
        """See :class:`Column`."""
        maps, absent = self._nulls.fill(values, dict, {})
        lengths = np.fromiter(map(len, maps), np.int32, len(maps))
        self._lengths.append(lengths)
        keys = list(chain.from_iterable(maps))
        flat = list(chain.from_iterable(one.values() for one in maps))
        ends = np.cumsum(lengths)
        inside = Place(place.notes, place, ends=ends, keys=keys)  # type: ignore[arg-type]
        self._keys.add(keys, inside)
        return Added(len(keys) + self._items.add(flat, inside).keys, absent)

    def finish(self) -> pa.Array:
        """See :class:`Column`."""
        offsets = np.zeros(self._nulls.count + 1, dtype=np.int32)
        if self._lengths:
            np.cumsum(np.concatenate(self._lengths), out=offsets[1:])
        mask = self._nulls.mask()
        return pa.MapArray.from_arrays(
            pa.array(offsets),
            self._keys.finish(),
            self._items.finish(),
            mask=None if mask is None else pa.array(mask),
        )


def read_untyped(value: msgspec.Raw, place: Place, position: int) -> tuple[str, int]:
    """The canonical text of any JSON value, and the number of keys inside.

    What the strict parser refuses makes the row at ``position`` of ``place`` doubtful.
    """
    try:
        text = bytes(value).decode()
        if text[0] not in '"[{':
            return text, 0
        if text[0] != '"' and place.depth + nesting(text) > MAX_DEPTH:
            raise Malformed("json.depth", "", "")
        document = parse_text(text)
    except (UnicodeDecodeError, Malformed):
        place.notes.doubtful.add(place.locate(position)[0])
        return "null", 0
    return canonical(document), keys_inside(document)


def keys_inside(document: Json) -> int:
    """The number of distinct keys of all objects in a JSON value."""
    if isinstance(document, dict):
        return len(document) + sum(map(keys_inside, document.values()))
    return sum(map(keys_inside, document)) if isinstance(document, list) else 0
