"""The formats held to the suite, each with a writer and what is hostile to it.

A new format joins with one entry of ``SUBJECTS``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from tests.conformance.gate import tagged

from lakegate.contract.record_format import CsvDialect, FormatName, RecordFormat
from lakegate.contract.stream import Stream
from lakegate.gate.decode.choice import format_of
from lakegate.gate.decode.format import Format
from lakegate.gate.json_text import Float, Integer, Json, canonical

__all__ = ["SUBJECTS", "Subject"]

_HEADER = b"\0\0\0\0\x2a"
_SEMICOLONS = CsvDialect(delimiter=";", quote="'", nulls=frozenset({"NULL", "-"}))


@dataclass(frozen=True)
class Subject:
    """``seen`` is what a written value reads as; ``cut`` the codes of a record cut off anywhere,
    or None where a part of a record may be one.
    """

    name: str
    record_format: RecordFormat
    write: Callable[[Stream, dict[str, Json]], bytes]
    bombs: tuple[tuple[bytes, str], ...]
    cut: frozenset[str] | None
    made: Callable[[Stream], Format] | None = None

    def stream(self, stream: Stream) -> Stream:
        """The stream with its records in this format."""
        return replace(stream, format=self.record_format)

    def form(self, stream: Stream) -> Format:
        """The format of the stream's records."""
        return format_of(stream) if self.made is None else self.made(stream)


def _json(_stream: Stream, members: dict[str, Json]) -> bytes:
    return canonical(members).encode()


def _confluent(_stream: Stream, members: dict[str, Json]) -> bytes:
    return _HEADER + canonical(members).encode()


def _csv(stream: Stream, members: dict[str, Json]) -> bytes:
    dialect = stream.format.csv
    names = dialect.columns or [field.name for field in stream.fields]
    texts = [_text(members.get(name), min(dialect.nulls)) for name in names]
    return dialect.delimiter.join([_quoted(text, dialect) for text in texts]).encode()


def _text(value: Json, null: str) -> str:
    if value is None:
        return null
    if isinstance(value, Integer | Float | str):
        return str(value)
    return canonical(value)


def _quoted(text: str, dialect: CsvDialect) -> str:
    special = (dialect.delimiter, dialect.quote, "\r", "\n", "\ufeff")
    if not any(mark in text for mark in special):
        return text
    return dialect.quote + text.replace(dialect.quote, dialect.quote * 2) + dialect.quote


_DEEP = b"[" * 100_000
_JSON_BOMBS = (
    (b'{"a":' * 100_000, "json.depth"),
    (b'{"a":' + _DEEP + b"]" * 100_000 + b"}", "json.depth"),
    (b'{"a":"' + b"x" * 90_000, "json.truncated"),
    (b'{"a":' + b"1" * 90_000, "json.truncated"),
)
_CSV_BOMBS = (
    (b"," * 90_000, "csv.fields"),
    (b'"' + b"x" * 90_000, "csv.unclosedQuote"),
    (b'"' + b'""' * 45_000, "csv.unclosedQuote"),
    (b"\n" * 90_000, "csv.lineBreak"),
)
_MANY = (0xFFFFFFFF).to_bytes(4, "big")
_TAGGED_BOMBS = (
    (b"TV1o" + _MANY, "tagged.length"),
    (b"TV1o\0\0\0\1\0\1as" + _MANY, "tagged.length"),
    (b"TV1o\0\0\0\1\0\1a" + b"a\0\0\0\1" * 100_000, "tagged.depth"),
    (b"TV1" + b"o\0\0\0\1\0\1a" * 100_000, "tagged.depth"),
)
_CUT_JSON = frozenset(["json.syntax", "json.truncated", "json.utf8"])
SUBJECTS = (
    Subject("json", RecordFormat(), _json, _JSON_BOMBS, _CUT_JSON),
    Subject(
        "confluent-json",
        RecordFormat(FormatName.CONFLUENT_JSON),
        _confluent,
        tuple((_HEADER + bomb, code) for bomb, code in _JSON_BOMBS),
        _CUT_JSON | {"confluent.truncated"},
    ),
    Subject("csv", RecordFormat(FormatName.CSV), _csv, _CSV_BOMBS, None),
    Subject(
        "csv, semicolons",
        RecordFormat(FormatName.CSV, _SEMICOLONS),
        _csv,
        ((b";" * 90_000, "csv.fields"), (b"'" + b"''" * 45_000, "csv.unclosedQuote")),
        None,
    ),
    Subject(
        "tagged (a toy)",
        RecordFormat(),
        lambda _stream, members: tagged.write(members),
        _TAGGED_BOMBS,
        frozenset(["tagged.magic", "tagged.truncated"]),
        tagged.TaggedFormat,
    ),
)
