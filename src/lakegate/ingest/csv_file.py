"""CSV files (RFC 4180, with a header): cut into rows, and the rows made records.

A row goes into a stream of rows as it is, and into a stream of JSON as an object with the values
that the format of rows reads in it (:mod:`lakegate.gate.decode.csv_format`): one meaning of CSV,
whether a file is loaded, validated, or was sent.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import BinaryIO

from lakegate.contract.record_format import CsvDialect
from lakegate.contract.stream import Stream
from lakegate.gate.decode.csv_format import Cell, CsvFormat, cell_of, json_cell
from lakegate.gate.decode.csv_row import split
from lakegate.gate.json_text import Malformed, canonical
from lakegate.ingest.file import DamagedFile

__all__ = ["Row", "csv_records", "headed", "stream_rows"]

_ROW_BYTES = 64 << 20
_quote = json.encoder.encode_basestring


@dataclass(frozen=True, slots=True)
class Row:
    """A row's bytes without its line end, and the lines (from 1) where it begins and ends."""

    value: bytes
    first: int
    last: int


def headed(
    file: BinaryIO, stream: Stream, *, nulls: frozenset[str] | None = None
) -> tuple[CsvFormat, Iterator[Row]]:
    """The format of a file's rows, whose columns its header names, and its rows.

    The dialect is the stream's, but for ``nulls``, where they are given. A row may be damaged:
    whoever reads it finds out.

    Raises:
        DamagedFile: no header, one that cannot be read, or a name twice in it. Later, while rows
            are taken: one is longer than 64 MiB.
    """
    dialect = stream.format.csv
    rows = _rows(file, dialect)
    header = next(rows, None)
    if header is None:
        raise DamagedFile("there is no header")
    try:
        names = split(header.value.decode("utf-8-sig"), dialect, None)
    except UnicodeDecodeError as error:
        raise DamagedFile(f"line {header.first}: the header is not UTF-8") from error
    except Malformed as error:
        raise _damaged(header, error) from error
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise DamagedFile(f"line {header.first}: the header names {', '.join(twice)} twice")
    own = replace(dialect, columns=tuple(names), nulls=dialect.nulls if nulls is None else nulls)
    return CsvFormat(stream, own), rows


def stream_rows(file: BinaryIO, stream: Stream) -> tuple[CsvFormat, Iterator[Row]]:
    """The rows of a file for a stream of rows, as they are, and the stream's format; the header
    has the columns of the stream.

    Raises:
        DamagedFile: as :func:`headed`, and when the header has other columns.
    """
    form, rows = headed(file, stream)
    wanted = CsvFormat(stream).columns
    if form.columns != wanted:
        raise DamagedFile(
            f"the header names {', '.join(form.columns)}, and the stream's rows are "
            f"{', '.join(wanted)}: write them so, or set `lakegate.csv.columns`"
        )
    return form, rows


def csv_records(file: BinaryIO, stream: Stream, *, nulls: frozenset[str] | None) -> Iterator[bytes]:
    """One JSON object per row, its members in the order of the header.

    A text in ``nulls`` (None: those of the stream's dialect) is null. Bytes that are not UTF-8
    stay as they are; the gate rejects them.

    Raises:
        DamagedFile: as :func:`headed`, and for a row of another length, or quotes that do not
            match; names the line.
    """
    form, rows = headed(file, stream, nulls=nulls)
    dialect, width = form.dialect, len(form.columns)
    types = {field.name: field.type for field in stream.fields}
    cells = [cell_of(types.get(name)) for name in form.columns]
    names = [_quote(name) + ":" for name in form.columns]
    for row in rows:
        try:
            texts = split(row.value.decode("utf-8", "surrogateescape"), dialect, width)
        except Malformed as error:
            raise _damaged(row, error) from error
        members = [
            name + ("null" if text in dialect.nulls else _token(cell, text))
            for name, cell, text in zip(names, cells, texts, strict=True)
        ]
        yield ("{" + ",".join(members) + "}").encode("utf-8", "surrogateescape")


def _token(cell: Cell, text: str) -> str:
    """The JSON text of a value; JSON stays as it is written."""
    if cell is not json_cell:
        return canonical(cell(text))
    try:
        return _quote(text) if json_cell(text) == text else text
    except Malformed:
        return text  # JSON that the gate refuses, with the reason


def _damaged(row: Row, error: Malformed) -> DamagedFile:
    if error.rule == "csv.fields":
        wanted = error.expected.removesuffix(" values")
        return DamagedFile(f"line {row.first} has {error.observed}, the header has {wanted}")
    where = f"line {row.first}" if row.first == row.last else f"line {row.first} to line {row.last}"
    return DamagedFile(f"{where}: expected {error.expected}, got {error.observed} [{error.rule}]")


def _rows(file: BinaryIO, dialect: CsvDialect) -> Iterator[Row]:
    """Rows from line end to line end, those within quotes aside; blank lines are none."""
    number = 0
    quote = dialect.quote.encode()
    while line := file.readline(_ROW_BYTES):
        number += 1
        first, parts, size = number, [line], len(line)
        opened = bool(quote) and quote in line and _is_open(line, dialect, within=False)
        while opened and (more := file.readline(_ROW_BYTES)):
            number += 1
            parts.append(more)
            size += len(more)
            if size > _ROW_BYTES:
                break
            opened = quote not in more or _is_open(more, dialect, within=True)
        if size > _ROW_BYTES or (size == _ROW_BYTES and not parts[-1].endswith(b"\n")):
            reason = "; its quotes do not match" if opened else ""
            message = f"the row in line {first} is longer than {_ROW_BYTES:,} bytes{reason}"
            raise DamagedFile(message)
        value = b"".join(parts)
        value = value[:-2] if value.endswith(b"\r\n") else value.removesuffix(b"\n")
        if value:
            yield Row(value, first, number)


def _is_open(line: bytes, dialect: CsvDialect, *, within: bool) -> bool:
    """Whether a quoted value goes on behind the line; ``within`` says whether one came into it."""
    quote, delimiter = dialect.quote.encode(), dialect.delimiter.encode()
    at = 0
    while True:
        if within or line.startswith(quote, at):
            at = at if within else at + 1
            within = False
            while True:
                at = line.find(quote, at)
                if at < 0:
                    return True
                if not line.startswith(quote, at + 1):
                    break
                at += 2
        at = line.find(delimiter, at)
        if at < 0:
            return False
        at += 1
