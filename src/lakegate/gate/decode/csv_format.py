"""CSV records: one row each (RFC 4180), typed by the contract.

RFC 4180 has texts only, so the contract says what they are. A text becomes the number, boolean or
JSON value of its column's type when it is written as JSON writes it, and stays a string otherwise,
so that the rule on types names the field and shows the text. Nothing is trimmed or guessed.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping
from typing import TypeAlias

from lakegate.contract.record_format import CsvDialect
from lakegate.contract.stream import Stream
from lakegate.contract.type import (
    AnyType,
    ArrayType,
    BooleanType,
    DecimalType,
    IntegerType,
    MapType,
    NumberType,
    ObjectType,
    Type,
)
from lakegate.gate.decode.base import Decoder
from lakegate.gate.decode.csv_row import CODES, split
from lakegate.gate.decode.foreign import foreign
from lakegate.gate.json_text import (
    MAX_DEPTH,
    Float,
    Integer,
    Json,
    Malformed,
    nesting,
    parse_text,
)

__all__ = ["Cell", "CsvFormat", "cell_of", "json_cell"]

Cell: TypeAlias = Callable[[str], Json]

_BOM = b"\xef\xbb\xbf"
_INTEGER = re.compile(r"-?(?:0|[1-9][0-9]*)")
_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?")
_BOOLEANS = {"true": True, "false": False}
_NO_JSON = frozenset(["json.syntax", "json.number", "json.trailing", "json.truncated"])
_IN_CELLS = {
    "json.depth": "a value is JSON nested more than 64 deep, the row included",
    "json.duplicateKey": "a value is JSON with a key twice in an object",
    "json.surrogate": "a value is JSON with half of a surrogate pair",
}


class CsvFormat:
    """See :class:`lakegate.gate.decode.format.Format`.

    ``dialect`` is the stream's, or that of a file; ``columns`` are the names of a row's values.
    """

    def __init__(self, stream: Stream, dialect: CsvDialect | None = None) -> None:
        self.dialect = stream.format.csv if dialect is None else dialect
        types = {field.name: field.type for field in stream.fields}
        self.columns = self.dialect.columns or tuple(types)
        self._stream = stream
        self._cells = [cell_of(types.get(name)) for name in self.columns]

    @property
    def codes(self) -> Mapping[str, str]:
        """See :class:`lakegate.gate.decode.format.Format`."""
        return {**{code.code: code.meaning for code in CODES}, **_IN_CELLS}

    def parse(self, value: bytes) -> dict[str, Json]:
        """See :class:`lakegate.gate.decode.format.Format`."""
        return self._read(value, None)

    def parse_some(self, value: bytes, names: Collection[str]) -> Mapping[str, Json]:
        """See :class:`lakegate.gate.decode.format.Format`."""
        return self._read(value, names)

    def decoder(self) -> Decoder | None:
        """See :class:`lakegate.gate.decode.format.Format`."""
        from lakegate.gate.decode.csv_decoder import CsvDecoder

        return CsvDecoder(self._stream, self) if self.columns else None

    def texts(self, value: bytes) -> list[str]:
        """The texts of a row's values, one for each column.

        Raises:
            Malformed: see :meth:`parse`.
        """
        try:
            if value.startswith(_BOM):
                raise Malformed("csv.bom", "a row without a byte order mark", "EF BB BF")
            return split(_decode(value), self.dialect, len(self.columns))
        except Malformed as error:
            other = foreign(value)
            if other is None:
                raise
            raise Malformed("csv.magic", "a row of CSV", other) from error

    def _read(self, value: bytes, names: Collection[str] | None) -> dict[str, Json]:
        nulls = self.dialect.nulls
        return {
            name: None if text in nulls else cell(text)
            for name, cell, text in zip(self.columns, self._cells, self.texts(value), strict=True)
            if names is None or name in names
        }


def cell_of(type_: Type | None) -> Cell:
    """What a text that is not null becomes in a column of this type; None: of no declared one.

    The cell of a JSON type raises :class:`Malformed` as :func:`json_cell` does.
    """
    match type_:
        case IntegerType():
            return _integer
        case NumberType() | DecimalType():
            return _number
        case BooleanType():
            return _boolean
        case ArrayType() | ObjectType() | MapType() | AnyType():
            return json_cell
        case _:
            return str


def json_cell(text: str) -> Json:
    """The JSON value a text holds, or the text as a string if it is no JSON.

    Raises:
        Malformed: it is JSON but for a repeated key, half a surrogate, or its depth.
    """
    if text.count("[") + text.count("{") >= MAX_DEPTH and nesting(text) >= MAX_DEPTH:
        raise Malformed("json.depth", f"at most {MAX_DEPTH} levels", f"{MAX_DEPTH + 1} levels")
    try:
        return parse_text(text)
    except Malformed as error:
        if error.rule in _NO_JSON:
            return text
        raise


def _decode(value: bytes) -> str:
    try:
        return value.decode("utf-8")
    except UnicodeDecodeError as error:
        observed = f"byte 0x{value[error.start]:02X} at offset {error.start}"
        raise Malformed("csv.utf8", "UTF-8", observed) from None


def _integer(text: str) -> Json:
    return Integer(text) if _INTEGER.fullmatch(text) else text


def _number(text: str) -> Json:
    if _INTEGER.fullmatch(text):
        return Integer(text)
    return Float(text) if _NUMBER.fullmatch(text) else text


def _boolean(text: str) -> Json:
    return _BOOLEANS.get(text.lower(), text)
