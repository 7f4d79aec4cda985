"""Rows of CSV to columns, many at a time.

Where no quote is in a chunk of rows, their delimiters say where every value begins: the values of
all columns are one Arrow array of which each column is every n-th. Rows with quotes are taken apart
one by one, and join that array.
"""

from __future__ import annotations

import csv
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from lakegate.contract.stream import Stream, UnknownFields
from lakegate.contract.type import (
    AnyType,
    ArrayType,
    BooleanType,
    Field,
    IntegerType,
    MapType,
    NumberType,
    ObjectType,
)
from lakegate.gate.decode.base import Decoded, Undeclared
from lakegate.gate.json_text import Malformed, canonical
from lakegate.gate.path import ROOT, child, most_path_bytes, utf8_size
from lakegate.gate.schema import arrow_field
from lakegate.gate.value import integer_range

if TYPE_CHECKING:
    from lakegate.gate.decode.csv_format import CsvFormat

__all__ = ["CsvDecoder"]

_Mask = npt.NDArray[np.bool_]
_Index = npt.NDArray[np.int64]
_CHUNK_RECORDS = 8_192
_BOM = b"\xef\xbb\xbf"
_INTEGER = "^-?(?:0|[1-9][0-9]{0,17})$"  # 18 digits are within 64 bits
# Any such number is within the range of a double; longer ones are left to the reference.
_NUMBER = r"^-?(?:0|[1-9][0-9]{0,30})(?:\.[0-9]{1,30})?(?:[eE][+-]?[0-9]{1,2})?$"
_TRUE, _FALSE = pa.array(["true", "True", "TRUE"]), pa.array(["false", "False", "FALSE"])
_NO_TEXT = pa.scalar(None, pa.string())


class CsvDecoder:
    """Decodes rows of one stream; may be called from several threads."""

    def __init__(self, stream: Stream, form: CsvFormat) -> None:
        self._form = form
        self._limit = stream.size_limit_bytes
        self._delimiter = form.dialect.delimiter.encode()
        self._quote = form.dialect.quote.encode()
        self._nulls = pa.array(sorted(form.dialect.nulls), pa.string())
        position = {name: at for at, name in enumerate(form.columns)}
        self._fields = [(field, position.get(field.name)) for field in stream.fields]
        declared = {field.name for field in stream.fields}
        self._others = [(at, name) for name, at in position.items() if name not in declared]
        self._refuses = bool(self._others) and stream.unknown_fields is UnknownFields.REJECT
        keeps = stream.unknown_fields is UnknownFields.KEEP
        if not keeps and not stream.constraints:
            self._others = []
        # The reference takes it that of what is certain no more than half is told of what may be.
        told = sum(utf8_size(child(ROOT, name)) for _, name in self._others)
        self._refuses |= keeps and told > most_path_bytes(0) // 2

    def decode(self, values: Sequence[bytes | None]) -> Decoded:
        """See :class:`lakegate.gate.decode.base.Decoder`."""
        parts = []
        for start in range(0, 0 if self._refuses else len(values), _CHUNK_RECORDS):
            taken = self._take(values[start : start + _CHUNK_RECORDS])
            if taken is not None:
                parts.append(self._columns(*taken, start))
        if not parts:
            return Decoded(np.array([], dtype=np.int64), [], {})
        undeclared: dict[int, Sequence[Undeclared]] = {}
        unread: dict[int, Sequence[int]] = {}
        for part in parts:
            undeclared |= part.undeclared
            unread |= part.unread
        columns = zip(*(part.columns for part in parts), strict=True)
        index = np.concatenate([part.index for part in parts])
        return Decoded(index, [pa.concat_arrays(column) for column in columns], undeclared, unread)

    def _take(self, values: Sequence[bytes | None]) -> tuple[_Index, pa.Array] | None:
        """The positions of rows that can be taken apart, and the texts of all their values."""
        plain: list[tuple[int, bytes]] = []
        quoted: list[tuple[int, list[str]]] = []
        quote, limit = self._quote, self._limit
        for position, value in enumerate(values):
            if value is None or len(value) > limit or value.startswith(_BOM):
                continue
            if quote and quote in value:
                texts = self._split(value)
                if texts is not None:
                    quoted.append((position, texts))
                continue
            row = value
            if row.endswith(b"\n"):
                row = row[:-2] if row.endswith(b"\r\n") else row[:-1]
            plain.append((position, row))
        index, fields = self._take_plain(plain)
        if quoted:
            texts = [text for _, row in quoted for text in row]
            fields = pa.concat_arrays([fields, pa.array(texts, pa.string())])
            index = np.concatenate([index, np.array([at for at, _ in quoted], dtype=np.int64)])
        return (index, fields) if len(index) else None

    def _split(self, value: bytes) -> list[str] | None:
        """The texts of a row with quotes; None if there is doubt.

        The standard library's reader is fast, and lax about a quote within a value and about line
        ends: a row that has either is taken apart strictly.
        """
        dialect = self._form.dialect
        if not value.isascii() or b"\n" in value or b"\r" in value:
            return self._split_strictly(value)
        quote = dialect.quote
        rows = csv.reader(
            (value.decode(),), delimiter=dialect.delimiter, quotechar=quote, strict=True
        )
        try:
            texts = next(rows)
        except csv.Error:
            return None
        if quote in "".join(texts):
            return self._split_strictly(value)
        return texts if len(texts) == len(self._form.columns) else None

    def _split_strictly(self, value: bytes) -> list[str] | None:
        try:
            return self._form.texts(value)
        except Malformed:
            return None

    def _take_plain(self, rows: list[tuple[int, bytes]]) -> tuple[_Index, pa.Array]:
        """Rows without quotes and line ends, if they have as many values as there are columns."""
        width = len(self._form.columns)
        while True:
            delimiter = self._delimiter
            text = delimiter.join([row for _, row in rows])
            if rows:
                text += delimiter
            ends = np.flatnonzero(np.frombuffer(text, dtype=np.uint8) == delimiter[0])
            lengths = np.fromiter((len(row) + 1 for _, row in rows), np.int64, len(rows))
            last = np.cumsum(lengths) - 1  # where the delimiter behind each row stands
            is_even = len(ends) == len(rows) * width and (ends[width - 1 :: width] == last).all()
            if is_even and _is_clean(text):
                break
            counts = np.diff(np.searchsorted(ends, last, side="right"), prepend=0)
            rows = [
                row
                for row, count in zip(rows, counts.tolist(), strict=True)
                if count == width and _is_clean(row[1])
            ]
        offsets = np.zeros(len(ends) + 1, dtype=np.int32)
        offsets[1:] = ends - np.arange(len(ends))
        texts = pa.StringArray.from_buffers(
            len(ends), pa.py_buffer(offsets), pa.py_buffer(text.replace(delimiter, b""))
        )
        return np.array([position for position, _ in rows], dtype=np.int64), texts

    def _columns(self, index: _Index, texts: pa.Array, start: int) -> Decoded:
        width = len(self._form.columns)
        order = np.argsort(index, kind="stable")
        index = index[order] + start
        doubt = np.zeros(len(index), dtype=bool)
        unread: dict[int, list[int]] = {}
        columns = []
        for number, (field, at) in enumerate(self._fields):
            if at is None:
                columns.append(pa.nulls(len(index), arrow_field(field).type))
                continue
            column, unsure = _read(field, self._texts(texts, order * width + at), doubt)
            columns.append(column)
            for position in index[unsure].tolist():
                unread.setdefault(position, []).append(number)
        undeclared = self._undeclared(texts, order * width, index)
        if not doubt.any():
            return Decoded(index, columns, undeclared, unread)
        kept = pa.array(~doubt)
        for position in index[doubt].tolist():
            undeclared.pop(position, None)
            unread.pop(position, None)
        kept_columns = [column.filter(kept) for column in columns]
        return Decoded(index[~doubt], kept_columns, undeclared, unread)

    def _texts(self, texts: pa.Array, at: _Index) -> pa.Array:
        """The values at these places, null where their text means that."""
        found = texts.take(pa.array(at))
        is_null = pc.is_in(found, value_set=self._nulls)
        return pc.if_else(is_null, _NO_TEXT, found) if is_null.true_count else found

    def _undeclared(
        self, texts: pa.Array, rows: _Index, index: _Index
    ) -> dict[int, Sequence[Undeclared]]:
        found: dict[int, list[Undeclared]] = {position: [] for position in index.tolist()}
        for at, name in self._others:
            path = child(ROOT, name)
            values = self._texts(texts, rows + at).to_pylist()
            for position, value in zip(index.tolist(), values, strict=True):
                found[position].append(Undeclared(path, path, canonical(value)))
        return dict(found) if self._others else {}


def _is_clean(text: bytes) -> bool:
    if b"\n" in text or b"\r" in text:
        return False
    if text.isascii():
        return True
    try:
        text.decode()
    except UnicodeDecodeError:
        return False
    return True


def _read(field: Field, texts: pa.Array, doubt: _Mask) -> tuple[pa.Array, _Mask]:
    """A column, and where its value could not be read and is null; ``doubt`` is set for rows that
    may be unreadable as a whole.
    """
    target = arrow_field(field).type
    nothing = np.zeros(len(texts), dtype=bool)
    match field.type:
        case IntegerType(bits=64, signed=False):
            return texts, nothing
        case IntegerType():
            return _integers(field.type, texts, target)
        case NumberType():
            fits = pc.match_substring_regex(texts, _NUMBER)
            numbers, unsure = _only(texts, fits)
            doubles = numbers.cast(pa.float64())
            return pc.add(doubles, 0.0), unsure  # -0 is 0
        case BooleanType():
            is_true = pc.is_in(texts, value_set=_TRUE)
            fits = pc.or_(is_true, pc.is_in(texts, value_set=_FALSE))
            unsure = _mask(pc.and_(pc.invert(fits), texts.is_valid()))
            return pc.if_else(fits, is_true, pa.scalar(None, pa.bool_())), unsure
        case AnyType():
            return _any(texts, doubt), nothing
        case ArrayType() | ObjectType() | MapType():
            doubt |= _mask(texts.is_valid())
            return pa.nulls(len(texts), target), nothing
        case _:
            return texts, nothing


def _integers(type_: IntegerType, texts: pa.Array, target: pa.DataType) -> tuple[pa.Array, _Mask]:
    numbers, unsure = _only(texts, pc.match_substring_regex(texts, _INTEGER))
    wide = numbers.cast(pa.int64())
    low, high = integer_range(type_)
    if type_.bits < 64:
        fits = pc.and_(pc.greater_equal(wide, low), pc.less_equal(wide, high))
        beyond = _mask(pc.invert(fits).fill_null(False))
        if beyond.any():
            wide = pc.if_else(fits, wide, pa.scalar(None, pa.int64()))
            unsure |= beyond
    return wide.cast(target), unsure


def _only(texts: pa.Array, fits: pa.Array) -> tuple[pa.Array, _Mask]:
    """The texts that fit, null for the others, and where these others are."""
    unsure = _mask(pc.invert(fits).fill_null(False))
    return (pc.if_else(fits, texts, _NO_TEXT) if unsure.any() else texts), unsure


def _any(texts: pa.Array, doubt: _Mask) -> pa.Array:
    from lakegate.gate.decode.csv_format import json_cell

    found: list[str | None] = []
    for row, text in enumerate(texts.to_pylist()):
        try:
            value = None if text is None else json_cell(text)
        except Malformed:
            value = None
            doubt[row] = True
        found.append(None if value is None else canonical(value))
    return pa.array(found, pa.string())


def _mask(array: pa.Array) -> _Mask:
    return np.array(array.to_numpy(zero_copy_only=False), dtype=bool)
