"""Records of NDJSON and JSON files, byte for byte."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain
from typing import BinaryIO

import msgspec

from lakegate.ingest.file import CHUNK_BYTES, DamagedFile
from lakegate.ingest.json_split import NotJson, array_elements, documents

__all__ = ["json_records", "ndjson_records"]

_VALUE_BYTES = 64 << 20  # a line or value longer than this is no record of any stream


def ndjson_records(file: BinaryIO) -> Iterator[tuple[int, bytes]]:
    """Each line without its end, and its number; blank lines are none. One that is no JSON is a
    record too.

    Raises:
        DamagedFile: a line is longer than 64 MiB.
    """
    return _lines(file, 0)


def json_records(file: BinaryIO) -> Iterator[tuple[int, bytes]]:
    """The elements of an array, or the values one after another, each with its position from 1;
    NDJSON if the first line is a value.

    Raises:
        DamagedFile: the text cannot be cut into values; names the first that is wrong.
    """
    number, line = _first_line(file)
    if line.startswith(b"{") and _is_value(line):
        yield number, line.rstrip(b"\r\n")
        yield from _lines(file, number)
        return
    chunks = chain((line,), iter(lambda: file.read(CHUNK_BYTES), b""))
    cut = array_elements if line.startswith(b"[") else documents
    try:
        yield from enumerate(cut(chunks, limit_bytes=_VALUE_BYTES), 1)
    except NotJson as error:
        raise DamagedFile(str(error)) from error


def _lines(file: BinaryIO, number: int) -> Iterator[tuple[int, bytes]]:
    """The lines behind that with this number."""
    while line := file.readline(_VALUE_BYTES):
        number += 1
        if len(line) == _VALUE_BYTES and not line.endswith(b"\n"):
            raise DamagedFile(f"line {number} is longer than {_VALUE_BYTES:,} bytes")
        if line.strip(b" \t\r\n"):
            yield number, line.rstrip(b"\r\n")


def _first_line(file: BinaryIO) -> tuple[int, bytes]:
    """The first that is not blank, or as much of it as a chunk holds, with its number; it begins
    with what is no space. Empty at the end.
    """
    number = 0
    while line := file.readline(CHUNK_BYTES):
        number += 1
        begun = line.lstrip(b" \t\r\n")
        if begun:
            return number, begun
    return number, b""


def _is_value(line: bytes) -> bool:
    try:
        msgspec.json.decode(line, type=msgspec.Raw)
    except (msgspec.DecodeError, RecursionError):
        return False
    return True
