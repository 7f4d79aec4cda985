"""Files opened for a stream: the one way in, for loading them and for judging them beforehand.

What a file is, whether a stream takes it, and where it is cut into records is decided here, so
``lakegate validate`` and ``lakegate load`` cannot disagree about it.
"""

from __future__ import annotations

import gzip
import io
import json
import stat
import sys
import zlib
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import cast

from lakegate.contract.record_format import FormatName
from lakegate.contract.stream import Stream
from lakegate.gate.decode.format import Format
from lakegate.gate.decode.json_format import JsonFormat
from lakegate.ingest.csv_file import csv_records, headed, stream_rows
from lakegate.ingest.error import IngestError
from lakegate.ingest.file import DamagedFile, FileFormat
from lakegate.ingest.json_file import json_records, ndjson_records

__all__ = ["STDIN", "Content", "Reading", "check_taken", "contents", "format_of_file"]

STDIN = Path("-")
_GZIP = b"\x1f\x8b"


@dataclass(frozen=True, slots=True)
class Reading:
    """How files are read: their format (None: by name), and which CSV texts are null (None: those
    of the stream's dialect).
    """

    format: FileFormat | None = None
    nulls: frozenset[str] | None = None


@dataclass(frozen=True, slots=True)
class Content:
    """A file's records, each with where it is, from 1: its line, or its number in an array, among
    JSON values, or among the rows of a Parquet file.

    ``format`` is what they are written in; ``fraction`` says how far reading has come, 0 to 1.
    """

    format: Format
    records: Iterator[tuple[int, bytes]]
    fraction: Callable[[], float]


def format_of_file(path: Path, stream: Stream, known: FileFormat | None) -> FileFormat | None:
    """What a file is: ``known``, or what its name says.

    None: a pipe that nobody said anything of, such as standard input (:data:`STDIN`). It is taken
    to be what the stream's records are, rows with a header or JSON, which its first bytes tell.

    Raises:
        IngestError: the name says nothing.
    """
    if known is not None:
        return known
    if path == STDIN or (not path.suffix and _is_pipe(path)):
        return FileFormat.CSV if stream.format.name is FormatName.CSV else None
    return FileFormat.of(path)


def check_taken(path: Path, kind: FileFormat | None, stream: Stream) -> None:
    """Refuse a file whose format the stream does not take (docs/reference/formats.md).

    Raises:
        IngestError: so it is.
    """
    takes, name = stream.format.name, _name(path)
    if takes is FormatName.CONFLUENT_JSON:
        raise IngestError(
            f"{stream.name} takes records behind Confluent's header, and files have no ids of "
            f"schemas, so it takes none of {name}; send them with a producer that registers its "
            "schema"
        )
    if takes is FormatName.CSV and kind is not FileFormat.CSV:
        raise IngestError(
            f"{stream.name} takes rows of CSV, and {name} is {kind or 'JSON'}; take a CSV file, or "
            "leave `lakegate.format` out of the contract"
        )
    if stream.cdc is not None and kind is FileFormat.CSV:
        raise IngestError(f"{name} is CSV, and {stream.name} takes change events, as JSON")


@contextmanager
def contents(
    path: Path,
    kind: FileFormat | None,
    stream: Stream,
    *,
    nulls: frozenset[str] | None = None,
    as_json: bool,
) -> Iterator[Content]:
    """Open a file (or :data:`STDIN`) whose ``kind`` :func:`format_of_file` gave; inflates gzip.

    With ``as_json`` rows of CSV become JSON objects where the stream takes JSON, and a row that
    cannot be read is damage; else they stay rows, in a format of their own. Rows for a stream of
    CSV always stay as they are.

    Raises:
        IngestError: it cannot be read.
        DamagedFile: its structure is broken; also while records are taken. Those before are whole.
    """
    with ExitStack() as closing:
        with _translated(path):
            found = _content(closing, path, kind, stream, nulls, as_json)
        yield replace(found, records=_translating(path, found.records))


def _content(
    closing: ExitStack,
    path: Path,
    kind: FileFormat | None,
    stream: Stream,
    nulls: frozenset[str] | None,
    as_json: bool,
) -> Content:
    if kind is FileFormat.PARQUET:
        return _parquet(path, stream)
    file, fraction = _opened(closing, path)
    if kind is None:
        kind = _sniffed(file)
    form: Format = JsonFormat(stream)
    if kind is FileFormat.NDJSON:
        return Content(form, ndjson_records(file), fraction)
    if kind is FileFormat.JSON:
        return Content(form, json_records(file), fraction)
    if stream.format.name is FormatName.CSV:
        form, rows = stream_rows(file, stream)
    elif as_json:
        return Content(form, enumerate(csv_records(file, stream, nulls=nulls), 1), fraction)
    else:
        form, rows = headed(file, stream, nulls=nulls)
    return Content(form, ((row.first, row.value) for row in rows), fraction)


def _parquet(path: Path, stream: Stream) -> Content:
    if path == STDIN:
        raise IngestError("Parquet is read from its end, which a pipe does not have; name a file")
    from lakegate.ingest.parquet_file import parquet_records

    seen = [0.0]

    def see(fraction: float) -> None:
        seen[0] = fraction

    rows = enumerate(parquet_records(path, stream, on_rows=see), 1)
    return Content(JsonFormat(stream), rows, lambda: seen[0])


def _opened(closing: ExitStack, path: Path) -> tuple[io.BufferedReader, Callable[[], float]]:
    """The content, inflated if it is gzip, and how far into what is stored reading has come."""
    if path == STDIN:
        piped = sys.stdin.buffer
        is_buffered = isinstance(piped, io.BufferedReader)
        source = piped if is_buffered else io.BufferedReader(cast(io.RawIOBase, piped))
        file = cast(io.BufferedReader, source)
        size = 0
    else:
        file = closing.enter_context(path.open("rb"))
        size = path.stat().st_size

    def fraction() -> float:
        return min(file.tell() / size, 1.0) if size else 0.0

    if file.peek(len(_GZIP)).startswith(_GZIP):
        inflated = closing.enter_context(gzip.GzipFile(fileobj=file))
        return cast(io.BufferedReader, inflated), fraction
    return file, fraction


def _sniffed(file: io.BufferedReader) -> FileFormat:
    """Lines, of which the first may be broken; or JSON that goes over several of them."""
    text = file.peek(1).lstrip(b" \t\r\n")
    line, end, _ = text.partition(b"\n")
    if text.startswith(b"["):
        return FileFormat.JSON
    return FileFormat.JSON if end and _is_beginning(line.rstrip()) else FileFormat.NDJSON


def _is_beginning(line: bytes) -> bool:
    """Whether nothing is wrong with an object so far but that it ends early."""
    text = line.decode("utf-8", "replace")
    try:
        json.loads(text)
    except json.JSONDecodeError as error:
        return text.startswith("{") and error.pos >= len(text)
    except RecursionError:
        return False
    return False


def _is_pipe(path: Path) -> bool:
    try:
        mode = path.stat().st_mode
    except OSError:
        return False
    return stat.S_ISFIFO(mode) or stat.S_ISCHR(mode)


@contextmanager
def _translated(path: Path) -> Iterator[None]:
    try:
        yield
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise DamagedFile(f"the gzip stream is damaged: {error}") from error
    except OSError as error:
        raise IngestError(f"cannot read {_name(path)}: {error.strerror or error}") from error


def _translating(path: Path, records: Iterator[tuple[int, bytes]]) -> Iterator[tuple[int, bytes]]:
    with _translated(path):
        yield from records


def _name(path: Path) -> str:
    return "standard input" if path == STDIN else str(path)
