"""Records of NDJSON and JSON files, byte for byte."""

from __future__ import annotations

from collections.abc import Iterator
from typing import BinaryIO

import msgspec

from lakegate.ingest.file import CHUNK_BYTES, DamagedFile
from lakegate.ingest.json_split import NotJson, array_elements, documents

__all__ = ["json_records", "ndjson_records"]

_VALUE_BYTES = 64 << 20  # a line or value longer than this is no record of any stream


def ndjson_records(file: BinaryIO) -> Iterator[bytes]:
    """Each line without its end; blank lines are none. A line that is no JSON is a record too.

    Raises:
        DamagedFile: a line is longer than 64 MiB.
    """
    number = 0
    while line := file.readline(_VALUE_BYTES):
        number += 1
        if len(line) == _VALUE_BYTES and not line.endswith(b"\n"):
            raise DamagedFile(f"line {number} is longer than {_VALUE_BYTES:,} bytes")
        if line.strip(b" \t\r\n"):
            yield line.rstrip(b"\r\n")


def json_records(file: BinaryIO) -> Iterator[bytes]:
    """The elements of an array, or the values one after another; NDJSON if the first line is one.

    Raises:
        DamagedFile: the text cannot be cut into values; names the first that is wrong.
    """
    head = file.read(CHUNK_BYTES)
    text = head.lstrip(b" \t\r\n")
    file.seek(0)
    if text.startswith(b"{") and _is_value(text.partition(b"\n")[0]):
        yield from ndjson_records(file)
        return
    chunks = iter(lambda: file.read(CHUNK_BYTES), b"")
    cut = array_elements if text.startswith(b"[") else documents
    try:
        yield from cut(chunks, limit_bytes=_VALUE_BYTES)
    except NotJson as error:
        raise DamagedFile(str(error)) from error


def _is_value(line: bytes) -> bool:
    try:
        msgspec.json.decode(line, type=msgspec.Raw)
    except (msgspec.DecodeError, RecursionError):
        return False
    return True
