"""A toy format that proves the seam: this module is all that it takes, and no rule knows of it.

A record is ``TV1`` and an object. A value is a letter and what belongs to it: ``n``, ``t``, ``f``;
``s`` a length (4 bytes) and UTF-8; ``i`` and ``d`` a length and the text of an integer or of
another number; ``a`` a count (4 bytes) and values; ``o`` a count and pairs of a name (its length in
2 bytes) and a value. Counts and lengths have the most significant byte first.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence

import numpy as np
import pyarrow as pa

from lakegate.contract.stream import Stream
from lakegate.contract.type import BooleanType, IntegerType, StringType
from lakegate.gate.decode.base import Decoded
from lakegate.gate.json_text import MAX_DEPTH, Float, Integer, Json, Malformed
from lakegate.gate.schema import arrow_field

__all__ = ["TaggedFormat", "write"]

_MAGIC = b"TV1"
_INTEGER = re.compile(r"-?(?:0|[1-9][0-9]*)")
_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?")
_DIRECT = {StringType: str, IntegerType: Integer, BooleanType: bool}


class TaggedFormat:
    codes: Mapping[str, str] = {
        "tagged.magic": "the value does not begin with TV1",
        "tagged.truncated": "the value ends too soon",
        "tagged.length": "a length that no record can have",
        "tagged.depth": "values are nested too deeply",
        "tagged.utf8": "a text is not UTF-8",
        "tagged.kind": "a letter that means nothing",
        "tagged.number": "a number is not written as one",
        "tagged.name": "an object has a name twice",
        "tagged.trailing": "something follows the object",
    }

    def __init__(self, stream: Stream) -> None:
        self._stream = stream

    def parse(self, value: bytes) -> dict[str, Json]:
        if not value.startswith(_MAGIC[: len(value)]):
            raise Malformed("tagged.magic", "TV1", value[:3].hex())
        reading = _Reading(value, self._stream.size_limit_bytes)
        reading.take(len(_MAGIC))
        if (kind := reading.take(1)) != b"o":
            raise Malformed("tagged.kind", "an object", kind.hex())
        record = reading.members(1)
        if reading.at != len(value):
            raise Malformed("tagged.trailing", "nothing", f"{len(value) - reading.at} bytes")
        return record

    def parse_some(self, value: bytes, names: Collection[str]) -> Mapping[str, Json]:
        return {name: held for name, held in self.parse(value).items() if name in names}

    def decoder(self) -> _TaggedDecoder:
        return _TaggedDecoder(self._stream, self)


class _Reading:
    def __init__(self, value: bytes, limit: int) -> None:
        self._value = value
        self._limit = limit
        self.at = 0

    def take(self, count: int) -> bytes:
        if count > self._limit:
            raise Malformed("tagged.length", f"at most {self._limit}", f"{count}")
        found = self._value[self.at : self.at + count]
        if len(found) < count:
            raise Malformed("tagged.truncated", f"{count} bytes", f"{len(found)} bytes")
        self.at += count
        return found

    def number(self, size: int) -> int:
        return int.from_bytes(self.take(size), "big")

    def count(self) -> int:
        count = self.number(4)
        if count > self._limit:
            raise Malformed("tagged.length", f"at most {self._limit}", f"{count}")
        return count

    def text(self, size: int) -> str:
        try:
            return self.take(self.number(size)).decode()
        except UnicodeDecodeError as error:
            raise Malformed("tagged.utf8", "UTF-8", f"offset {self.at}") from error

    def token(self, kind: type[str], pattern: re.Pattern[str]) -> Json:
        token = self.text(4)
        if not pattern.fullmatch(token):
            raise Malformed("tagged.number", "a number", repr(token)[:40])
        return kind(token)

    def members(self, depth: int) -> dict[str, Json]:
        if depth > MAX_DEPTH:
            raise Malformed("tagged.depth", f"at most {MAX_DEPTH}", f"{depth}")
        found: dict[str, Json] = {}
        for _ in range(self.count()):
            name = self.text(2)
            if name in found:
                raise Malformed("tagged.name", "each name once", repr(name)[:40])
            found[name] = self.value(depth)
        return found

    def value(self, depth: int) -> Json:
        match self.take(1):
            case b"n":
                return None
            case b"t":
                return True
            case b"f":
                return False
            case b"s":
                return self.text(4)
            case b"i":
                return self.token(Integer, _INTEGER)
            case b"d":
                return self.token(Float, _NUMBER)
            case b"o":
                return self.members(depth + 1)
            case b"a":
                if depth >= MAX_DEPTH:
                    raise Malformed("tagged.depth", f"at most {MAX_DEPTH}", f"{depth + 1}")
                return [self.value(depth + 1) for _ in range(self.count())]
            case kind:
                raise Malformed("tagged.kind", "one of ntfsidao", kind.hex())


class _TaggedDecoder:
    """Sure of records whose values are strings, integers and booleans; doubts all others."""

    def __init__(self, stream: Stream, form: TaggedFormat) -> None:
        self._form = form
        self._limit = stream.size_limit_bytes
        self._fields = stream.fields
        self._names = {field.name for field in stream.fields}

    def decode(self, values: Sequence[bytes | None]) -> Decoded:
        index, columns = [], [[] for _ in self._fields]
        for position, value in enumerate(values):
            if value is None or len(value) > self._limit:
                continue
            try:
                record = self._form.parse(value)
            except Malformed:
                continue
            row = self._row(record)
            if row is not None:
                index.append(position)
                for column, held in zip(columns, row, strict=True):
                    column.append(held)
        arrays = [
            pa.array(column, arrow_field(field).type)
            for column, field in zip(columns, self._fields, strict=True)
        ]
        return Decoded(np.array(index, dtype=np.int64), arrays, {})

    def _row(self, record: dict[str, Json]) -> list[object] | None:
        if not self._names.issuperset(record):
            return None
        row: list[object] = []
        for field in self._fields:
            held = record.get(field.name)
            if held is not None and type(held) is not _DIRECT.get(type(field.type)):
                return None
            if isinstance(held, Integer):
                if len(held) > 9 or field.type.bits < 32 or not field.type.signed:
                    return None
                row.append(int(held))
            else:
                row.append(held)
        return row


def write(value: Json) -> bytes:
    """A record of these members."""
    return _MAGIC + _write(value)


def _write(value: Json) -> bytes:
    if value is None:
        return b"n"
    if isinstance(value, bool):
        return b"t" if value else b"f"
    if isinstance(value, Integer | Float):
        return (b"i" if isinstance(value, Integer) else b"d") + _sized(str(value), 4)
    if isinstance(value, str):
        return b"s" + _sized(value, 4)
    if isinstance(value, list):
        return b"a" + len(value).to_bytes(4, "big") + b"".join(map(_write, value))
    members = b"".join(_sized(name, 2) + _write(held) for name, held in value.items())
    return b"o" + len(value).to_bytes(4, "big") + members


def _sized(text: str, size: int) -> bytes:
    return len(text.encode()).to_bytes(size, "big") + text.encode()
