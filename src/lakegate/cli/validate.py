"""``lakegate validate``: judge files by a contract, and say why what fails does."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from lakegate.cli.options import FileArgument
from lakegate.cli.output import Format, console, emit, errors
from lakegate.errors import LakegateError

if TYPE_CHECKING:
    from rich.console import RenderableType

    from lakegate.contract.stream import Stream
    from lakegate.gate import Gate
    from lakegate.gate.verdict import Failure, Rejected

__all__ = ["validate"]

_BATCH = 10_000
_INDEX = re.compile(r"\[\d+\]")


class UnreadableFile(LakegateError):
    """A file cannot be read, or not be cut into records."""


@dataclass(slots=True)
class _Cause:
    """Failures of one rule at one place; ``first`` is where the first of them is."""

    path: str
    rule: str
    expected: str
    observed: str
    first: str
    severity: str
    records: int = 0


@dataclass(slots=True)
class _Tally:
    """What was found in all files together."""

    accepted: int = 0
    rejected: int = 0
    noted: int = 0
    causes: dict[tuple[str, str, str], _Cause] = field(default_factory=dict)

    def count(self, failures: tuple[Failure, ...], where: str) -> None:
        """Add one record's failures; each cause counts once per record."""
        seen = set()
        for failure in failures:
            path = _INDEX.sub("[*]", failure.path)
            key = (path, failure.rule, failure.expected)
            if key in seen:
                continue
            seen.add(key)
            cause = self.causes.get(key)
            if cause is None:
                cause = _Cause(*key, failure.observed, where, failure.severity.value)
                self.causes[key] = cause
            cause.records += 1


def validate(
    contract: Path,
    *files: FileArgument,
    object: str | None = None,
    project: Path | None = None,
    format: Format = "text",
) -> int:
    """Judge every record of files by a contract: NDJSON, a JSON array, or CSV with a header.

    What a file is, its name says (.csv); standard input (``-``) is what the contract says its
    records are, JSON or CSV. Exits 0 when all are accepted, 1 when some are rejected, 2 when it
    could not judge.

    Parameters
    ----------
    contract:
        An ODCS file.
    files:
        Files of records; standard input if there is none.
    object:
        The schema object to judge by, when the contract has several.
    project:
        A project whose published tables have the keys that relationships of the gate are judged by.
    format:
        ``json`` prints one object per rejected record.
    """
    from lakegate.contract import load

    stream = load(contract).stream(object)
    tally = _Tally()
    with _keys(project, stream) as keyed:
        for file in files or (Path("-"),):
            with _opened(file) as content:
                gate, records = _records(file, content, stream)
                gate = keyed(gate)
                for places, values in _batches(records):
                    _judge(gate, file, places, values, tally, format)
    if format == "text":
        console().print(_render(tally))
    return 1 if tally.rejected else 0


@contextmanager
def _keys(project: Path | None, stream: Stream) -> Iterator[Callable[[Gate], Gate]]:
    """Gives a gate the keys of the project; says which relationships are not judged."""
    from lakegate.gate.references import judged_here

    left = judged_here(stream)
    if not left or project is None:
        for item in left:
            _note(f"relationship {item.name} is not judged: name the --project of its keys")
        yield lambda gate: gate
        return
    from lakegate.pipeline.project import open_project
    from lakegate.pipeline.referring import keys_in_force

    with open_project(project) as opened:
        said: set[str] = set()

        def keyed(gate: Gate) -> Gate:
            found, problems = keys_in_force(opened, gate)
            for name, why in problems.items():
                if name not in said:
                    _note(f"relationship {name} is not judged: {why}")
                    said.add(name)
            return found

        yield keyed


def _note(message: str) -> None:
    from rich.text import Text

    errors().print(Text.assemble(("note: ", "yellow"), message))


def _judge(
    gate: Gate, file: Path, places: list[int], values: list[bytes], tally: _Tally, format: Format
) -> None:
    verdict = gate(values)
    tally.accepted += verdict.accepted.num_rows
    tally.rejected += len(verdict.rejected)
    tally.noted += len(verdict.noted)
    name = "<stdin>" if str(file) == "-" else str(file)
    for record in verdict.rejected:
        where = f"{name}:{places[record.index]}"
        tally.count(record.failures, where)
        if format == "json":
            _emit(name, places[record.index], record)
    for noted in verdict.noted:
        tally.count(noted.failures, f"{name}:{places[noted.index]}")


def _emit(file: str, place: int, record: Rejected) -> None:
    value = None if record.value is None else record.value.decode("utf-8", "backslashreplace")
    emit({"file": file, "record": place, "value": value, "failures": record.failures})


def _batches(
    records: Iterable[tuple[int, bytes]],
) -> Iterator[tuple[list[int], list[bytes]]]:
    """Records with where they are: the line, or the position (from 1) in a JSON array."""
    places: list[int] = []
    values: list[bytes] = []
    for place, value in records:
        places.append(place)
        values.append(value)
        if len(values) == _BATCH:
            yield places, values
            places, values = [], []
    if values:
        yield places, values


@contextmanager
def _opened(file: Path) -> Iterator[BinaryIO]:
    try:
        with sys.stdin.buffer if str(file) == "-" else file.open("rb") as content:
            yield content
    except OSError as error:
        raise UnreadableFile(f"cannot read {file}: {error.strerror or error}") from error


def _records(
    file: Path, content: BinaryIO, stream: Stream
) -> tuple[Gate, Iterator[tuple[int, bytes]]]:
    """The gate of what the file has, and its records with where they are."""
    from lakegate.contract.record_format import FormatName
    from lakegate.gate import compile as compile_gate
    from lakegate.gate.decode.json_format import JsonFormat

    is_csv = file.suffix.lower() == ".csv"
    if is_csv or (str(file) == "-" and stream.format.name is FormatName.CSV):
        return _csv(file, content, stream)
    return compile_gate(stream, format=JsonFormat(stream)), _json(file, content)


def _csv(file: Path, content: BinaryIO, stream: Stream) -> tuple[Gate, Iterator[tuple[int, bytes]]]:
    from lakegate.gate import compile as compile_gate
    from lakegate.ingest.csv_file import headed
    from lakegate.ingest.file import DamagedFile

    name = _name(file)
    if stream.cdc is not None:
        raise UnreadableFile(f"{name} is CSV, and {stream.name} takes change events, as JSON")

    def rows() -> Iterator[tuple[int, bytes]]:
        try:
            for row in found:
                yield row.first, row.value
        except DamagedFile as error:
            raise UnreadableFile(f"{name}: {error}") from error

    try:
        form, found = headed(content, stream)
    except DamagedFile as error:
        raise UnreadableFile(f"{name}: {error}") from error
    return compile_gate(stream, format=form), rows()


def _json(file: Path, content: BinaryIO) -> Iterator[tuple[int, bytes]]:
    for number, line in enumerate(content, 1):
        value = line.strip(b" \t\r\n")
        if number == 1 and value.startswith(b"["):
            yield from _array(file, line + content.read())
            return
        if value:
            yield number, value


def _name(file: Path) -> str:
    return "standard input" if str(file) == "-" else str(file)


def _array(file: Path, content: bytes) -> Iterator[tuple[int, bytes]]:
    """The elements of a JSON array, each as its own text."""
    import msgspec

    try:
        elements = msgspec.json.decode(content, type=list[msgspec.Raw])
    except msgspec.DecodeError as error:
        message = f"{_name(file)} begins like a JSON array but is none: {error}"
        raise UnreadableFile(message) from error
    for position, element in enumerate(elements, 1):
        yield position, bytes(element)


def _render(tally: _Tally) -> RenderableType:
    from rich.console import Group
    from rich.table import Table
    from rich.text import Text

    total = tally.accepted + tally.rejected
    head = Text.assemble(
        (f"{total:,}", "bold"),
        " records: ",
        (f"{tally.accepted:,} accepted", "green"),
        ", ",
        (f"{tally.rejected:,} rejected", "bold red" if tally.rejected else "dim"),
    )
    if tally.noted:
        head.append(f", {tally.noted:,} accepted with a warning", "yellow")
    if not tally.causes:
        return head
    table = Table(box=None, header_style="bold", pad_edge=False, padding=(0, 2, 0, 0))
    table.add_column("records", justify="right")
    for name in ("where", "rule", "expected", "for example", "first at"):
        table.add_column(name, overflow="fold")
    for cause in sorted(tally.causes.values(), key=lambda cause: -cause.records):
        style = "" if cause.severity in ("error", "critical") else "yellow"
        table.add_row(
            f"{cause.records:,}",
            cause.path,
            cause.rule,
            Text(cause.expected),
            Text(cause.observed),
            cause.first,
            style=style,
        )
    return Group(table, Text(), head)
