"""What the records of a stream are written in: ``lakegate.format`` and ``lakegate.csv.…``.

The bytes are one thing, what a contract asks of the values another: a format says how the former
become the latter, and no rule knows which it was (docs/reference/formats.md).
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from lakegate.contract.problem import nearest
from lakegate.contract.type import Field, Location

if TYPE_CHECKING:
    from lakegate.contract.custom import Settings
    from lakegate.contract.document import Node
    from lakegate.contract.problem import Report

__all__ = [
    "JSON",
    "CsvDialect",
    "FormatName",
    "RecordFormat",
    "columns",
    "delimiter",
    "quote",
    "record_format_of",
]

_WORDS = {"comma": ",", "semicolon": ";", "tab": "\t", "pipe": "|", "space": " "}
_QUOTES = {"double": '"', "single": "'", "none": ""}
_TAKEN = frozenset('\r\n"')


class FormatName(StrEnum):
    """``lakegate.format``: what one record is."""

    JSON = "json"  # an object (RFC 8259)
    CONFLUENT_JSON = "confluent-json"  # the same, behind the five bytes of Confluent's serializers
    CSV = "csv"  # a row (RFC 4180)


@dataclass(frozen=True, slots=True)
class CsvDialect:
    """How rows are written.

    ``quote`` is empty where values are never quoted. A value whose text is in ``nulls`` is null,
    quoted or not, for RFC 4180 gives quotes no meaning. ``columns`` are the names of a row's
    values, in order; none means the contract's properties.
    """

    delimiter: str = ","
    quote: str = '"'
    nulls: frozenset[str] = frozenset({""})
    columns: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class RecordFormat:
    """What a stream's records are written in; ``csv`` is also how files of rows are."""

    name: FormatName = FormatName.JSON
    csv: CsvDialect = CsvDialect()


JSON = RecordFormat()


def delimiter(text: str) -> str | None:
    """The character that stands between values, from itself or its name; None for what is none."""
    found = _WORDS.get(text, text)
    is_one = len(found) == 1 and found not in _TAKEN and (" " <= found <= "~" or found == "\t")
    return found if is_one and not found.isalnum() else None


def quote(text: str) -> str | None:
    """The character around values, from itself or its name; None for what is none."""
    found = _QUOTES.get(text, text)
    return found if found in ('"', "'", "") and text else None


def columns(text: str) -> tuple[str, ...] | None:
    """Names with commas between them; None if one is empty."""
    names = tuple(name.strip() for name in text.split(","))
    return names if all(names) else None


def record_format_of(
    node: Node,
    root: Node,
    fields: tuple[Field, ...],
    *,
    own: Settings,
    contract: Settings,
    report: Report,
) -> RecordFormat:
    """What the settings of an object (``node``), or else of its contract, say of its records.

    Change events are JSON (LG807); a dialect can be read, and has a column for each property that
    must have a value (LG808). A Kafka server that says otherwise is pointed out (LG809).
    """
    holder = _Holder(own, contract, node.at)
    said = holder.get("format")
    name = said if isinstance(said, FormatName) else FormatName.JSON
    at = holder.at("format")
    if name is FormatName.CSV and holder.get("cdc") is not None:
        message = f"`{node.text('name')}` takes change events, which are not CSV"
        report.add("LG807", at, message, advice="leave `lakegate.format` out, or `lakegate.cdc`")
    _compare_servers(root, name, report)
    return RecordFormat(name, _dialect(fields, holder, report))


@dataclass(frozen=True, slots=True)
class _Holder:
    """The settings of an object, else of its contract."""

    own: Settings
    contract: Settings
    default: Location

    def get(self, name: str) -> object:
        value = self.own.get(name)
        return value if value is not None else self.contract.get(name)

    def at(self, name: str) -> Location:
        return self.own.at(name, self.contract.at(name, self.default))


def _dialect(fields: tuple[Field, ...], holder: _Holder, report: Report) -> CsvDialect:
    usual = CsvDialect()
    between, around = holder.get("csv.delimiter"), holder.get("csv.quote")
    null, names = holder.get("csv.null"), holder.get("csv.columns")
    dialect = CsvDialect(
        delimiter=between if isinstance(between, str) else usual.delimiter,
        quote=around if isinstance(around, str) else usual.quote,
        nulls=frozenset({null}) if isinstance(null, str) else usual.nulls,
        columns=names if isinstance(names, tuple) else usual.columns,
    )
    if dialect.delimiter == dialect.quote:
        message = f"the delimiter of CSV rows is their quote, `{dialect.quote}`"
        report.add("LG808", holder.at("csv.delimiter"), message, advice="choose two characters")
    if dialect.columns:
        _check_columns(fields, dialect.columns, holder.at("csv.columns"), report)
    return dialect


def _check_columns(
    fields: tuple[Field, ...], names: tuple[str, ...], at: Location, report: Report
) -> None:
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        message = f"CSV rows have the column `{twice[0]}` twice"
        report.add("LG808", at, message, advice="name each column once")
    for field in fields:
        if field.required and field.required_severity.rejects and field.name not in names:
            near = nearest(field.name, names)
            advice = f"is it `{near}`?" if near else f"add `{field.name}`"
            message = f"CSV rows have no column for `{field.name}`, which is required"
            report.add("LG808", at, message, advice=advice)


def _compare_servers(root: Node, name: FormatName, report: Report) -> None:
    """A server is one place of several, so what it says decides nothing; but it may be meant."""
    for server in root.items("servers"):
        said = server.text("format")
        if (server.text("type") or "").lower() != "kafka" or said is None:
            continue
        if said.lower() not in (name.value, name.value.rpartition("-")[2]):
            known = ", ".join(FormatName)
            message = f"the server says its messages are {said[:40]}, and they are read as {name}"
            advice = f"say what they are with `lakegate.format`: {known}"
            report.add("LG809", server.find(("format",)).at, message, advice=advice)
