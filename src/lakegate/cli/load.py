"""``lakegate load``: files into a stream."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import Parameter

from lakegate.cli.options import ProjectOption
from lakegate.cli.output import Format, console, emit, errors
from lakegate.wording import counted

if TYPE_CHECKING:
    from lakegate.ingest.loader import Loaded, Step

__all__ = ["load"]


def load(
    stream: str,
    *files: Path,
    key: str | None = None,
    no_key: Annotated[bool, Parameter(negative="")] = False,
    format_of: Literal["ndjson", "json", "csv", "parquet"] | None = None,
    null: tuple[str, ...] = (),
    again: bool = False,
    project: ProjectOption = Path(),
    format: Format = "text",
) -> int:
    """Load files into a stream: NDJSON, JSON, CSV, Parquet, and .gz of the text ones.

    A file is loaded once, whatever it is called: what is in it already is passed over, so a load
    that was interrupted goes on when it is called again.

    Parameters
    ----------
    stream:
        Where to.
    files:
        What to load, one after the other.
    key:
        The field that is each record's key; the contract's primary key by default.
    no_key:
        Records have no key, and are spread over the partitions.
    format_of:
        What the files are, when their names do not say so.
    null:
        CSV: a text that means null (may be repeated; by default as the contract says, else the
        empty one).
    again:
        Load everything once more, even if it is there already.
    """
    from lakegate.errors import ProjectError
    from lakegate.pipeline.project import open_project

    if not files:
        raise ProjectError("name at least one file to load")
    with open_project(project) as opened:
        for file in files:
            with _progress(file) as on_step:
                (loaded,) = opened.load(
                    stream,
                    file,
                    key=key,
                    keyed=not no_key,
                    file_format=format_of,
                    nulls=null,
                    again=again,
                    on_step=on_step,
                )
            _tell(loaded, format)
    return 0


def _tell(loaded: Loaded, format: Format) -> None:
    if format == "json":
        emit(
            {
                "file": str(loaded.path),
                "records": loaded.records,
                "appended": loaded.appended,
                "already": loaded.already,
                "sha256": loaded.digest,
            }
        )
    elif loaded.already and loaded.records:
        message = f"{loaded.path}: all of its {loaded.records:,} records were loaded before"
        console().print(f"{message}; --again loads them once more", markup=False)
    else:
        rest = f" ({loaded.before:,} were there before)" if loaded.before else ""
        done = counted(loaded.appended, "record")
        console().print(f"{loaded.path}: {done} loaded{rest}", markup=False)


@contextmanager
def _progress(file: Path) -> Iterator[Callable[[Step], None]]:
    """A bar on standard error, if that is a terminal."""
    screen = errors()
    if not screen.is_terminal:
        yield lambda _step: None
        return
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    with Progress(
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        TextColumn("{task.fields[records]:,} records"),
        TimeRemainingColumn(),
        console=screen,
        transient=True,
    ) as bar:
        task = bar.add_task(file.name, total=1.0, records=0)

        def on_step(step: Step) -> None:
            bar.update(task, completed=step.fraction, records=step.records)

        yield on_step
