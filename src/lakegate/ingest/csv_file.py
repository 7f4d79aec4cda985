"""Rows of a CSV file (RFC 4180, with a header) as JSON records, typed by the contract.

Text becomes what the contract says it is when it is written as JSON would write it, and stays a
string otherwise, so that the gate names the field and shows the text. Nothing is guessed.
"""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Callable, Iterator
from typing import BinaryIO

import msgspec

from lakegate.contract.stream import Stream
from lakegate.contract.type import (
    AnyType,
    ArrayType,
    BooleanType,
    DecimalType,
    IntegerType,
    NumberType,
    ObjectType,
    Type,
)
from lakegate.ingest.file import DamagedFile

__all__ = ["csv_records"]

_FIELD_CHARACTERS = 16 << 20
_INTEGER = re.compile(r"-?(?:0|[1-9][0-9]*)")
_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?")
_quote = json.encoder.encode_basestring

Text = Callable[[str], str]


def csv_records(file: BinaryIO, stream: Stream, *, nulls: frozenset[str]) -> Iterator[bytes]:
    """One JSON object per row, its members in the order of the header.

    A text in ``nulls`` is null. Bytes that are not UTF-8 stay as they are; the gate rejects them.

    Raises:
        DamagedFile: no header, a name twice in it, a row of another length, or quotes that do not
            match; names the line.
    """
    csv.field_size_limit(_FIELD_CHARACTERS)
    text = io.TextIOWrapper(file, encoding="utf-8", errors="surrogateescape", newline="")
    rows = csv.reader(text, strict=True)
    try:
        header = _header(rows)
        types = {field.name: field.type for field in stream.fields}
        columns = [_text_of(types.get(name)) for name in header]
        names = [_quote(name) + ":" for name in header]
        for row in rows:
            if not row:
                continue
            if len(row) != len(header):
                raise DamagedFile(
                    f"line {rows.line_num} has {len(row)} values, the header has {len(header)}"
                )
            members = [
                name + ("null" if value in nulls else column(value))
                for name, column, value in zip(names, columns, row, strict=True)
            ]
            yield ("{" + ",".join(members) + "}").encode("utf-8", "surrogateescape")
    except csv.Error as error:
        raise DamagedFile(f"line {rows.line_num}: {error}") from error
    finally:
        text.detach()


def _header(rows: Iterator[list[str]]) -> list[str]:
    header = next((row for row in rows if row), None)
    if header is None:
        raise DamagedFile("there is no header")
    header[0] = header[0].removeprefix("\ufeff")
    twice = {name for name in header if header.count(name) > 1}
    if twice:
        raise DamagedFile(f"line 1: the header names {', '.join(sorted(twice))} twice")
    return header


def _text_of(type_: Type | None) -> Text:
    match type_:
        case IntegerType():
            return lambda text: text if _INTEGER.fullmatch(text) else _quote(text)
        case NumberType() | DecimalType():
            return lambda text: text if _NUMBER.fullmatch(text) else _quote(text)
        case BooleanType():
            return _boolean
        case ArrayType() | ObjectType() | AnyType():
            return _json
        case _:
            return _quote


def _boolean(text: str) -> str:
    lower = text.lower()
    return lower if lower in ("true", "false") else _quote(text)


def _json(text: str) -> str:
    try:
        msgspec.json.decode(text.encode("utf-8", "surrogateescape"), type=msgspec.Raw)
    except (msgspec.DecodeError, RecursionError):
        return _quote(text)
    return text
