"""``lakegate validate``: judge files by a contract, and say why what fails does."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from lakegate.cli.options import FileArgument
from lakegate.cli.output import Format, console, emit, errors, say_error
from lakegate.wording import counted

if TYPE_CHECKING:
    from rich.console import RenderableType

    from lakegate.contract.stream import Stream
    from lakegate.gate import Gate
    from lakegate.gate.verdict import Failure, Rejected
    from lakegate.ingest.error import IngestError

__all__ = ["validate"]

_BATCH = 10_000
_INDEX = re.compile(r"\[\d+\]")


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

    @property
    def records(self) -> int:
        """All that were judged."""
        return self.accepted + self.rejected

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
    format_of: Literal["ndjson", "json", "csv", "parquet"] | None = None,
    format: Format = "text",
) -> int:
    """Judge every record of files by a contract, as ``lakegate load`` would read them.

    What a file is, its name says (.ndjson, .json, .csv, .parquet; .gz of the text ones); standard
    input (``-``) is what the contract says its records are, JSON or CSV. Exits 0 when all are
    accepted, 1 when some are rejected, 2 when a file could not be read, after all others were.

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
    format_of:
        What the files are, when their names do not say so.
    format:
        ``json`` prints one object per rejected record.
    """
    from lakegate.contract import load
    from lakegate.ingest.error import IngestError

    stream = load(contract).stream(object)
    tally, unread = _Tally(), 0
    wanted = files or (Path("-"),)
    try:
        with _keys(project, stream) as keyed:
            for file in wanted:
                accepted, rejected = tally.accepted, tally.rejected
                try:
                    _judge_file(file, stream, keyed, format_of, tally, format)
                except IngestError as error:
                    unread += 1
                    say_error(_unread(file, error, tally.records - accepted - rejected))
                if format == "text" and len(wanted) > 1:
                    here = tally.accepted - accepted, tally.rejected - rejected
                    said = f"{_name(file)}: {here[0]:,} accepted, {here[1]:,} rejected"
                    console().print(said, markup=False, soft_wrap=True)
    except KeyboardInterrupt:
        say_error(f"stopped after {counted(tally.records, 'record')}")
        return 130
    if format == "text":
        console().print(_render(tally))
    if unread and len(wanted) > 1:
        say_error(f"{unread} of {len(wanted)} files could not be read to the end")
    if unread:
        return 2
    return 1 if tally.rejected else 0


def _judge_file(
    file: Path,
    stream: Stream,
    keyed: Callable[[Gate], Gate],
    format_of: str | None,
    tally: _Tally,
    format: Format,
) -> None:
    from lakegate.gate import compile as compile_gate
    from lakegate.ingest.file import FileFormat
    from lakegate.ingest.reader import check_taken, contents, format_of_file

    kind = format_of_file(file, stream, None if format_of is None else FileFormat(format_of))
    check_taken(file, kind, stream)
    with contents(file, kind, stream, as_json=False) as content:
        gate = keyed(compile_gate(stream, format=content.format))
        for places, values in _batches(content.records):
            _judge(gate, file, places, values, tally, format)


def _unread(file: Path, error: IngestError, judged: int) -> str:
    from lakegate.ingest.file import DamagedFile

    if not isinstance(error, DamagedFile):
        return str(error)
    said = f"; the {counted(judged, 'record')} before that are judged" if judged else ""
    return f"{_name(file)}: {error}{said}"


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
    """Records with where they are, in batches; damage comes after what was before it."""
    places: list[int] = []
    values: list[bytes] = []
    from lakegate.ingest.error import IngestError

    damage: IngestError | None = None
    try:
        for place, value in records:
            places.append(place)
            values.append(value)
            if len(values) == _BATCH:
                yield places, values
                places, values = [], []
    except IngestError as error:
        damage = error
    if values:
        yield places, values
    if damage is not None:
        raise damage


def _name(file: Path) -> str:
    return "standard input" if str(file) == "-" else str(file)


def _render(tally: _Tally) -> RenderableType:
    from rich.console import Group
    from rich.table import Table
    from rich.text import Text

    total = tally.accepted + tally.rejected
    head = Text.assemble(
        (f"{total:,}", "bold"),
        " record: " if total == 1 else " records: ",
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
