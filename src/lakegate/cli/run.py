"""``lakegate run``, ``land`` and ``resume``."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import TYPE_CHECKING

from lakegate.cli.options import ProjectOption
from lakegate.cli.output import Format, console, emit
from lakegate.cli.stopping import stop_on_signal

if TYPE_CHECKING:
    from lakegate.runner.base import Progress

__all__ = ["land", "resume", "run"]


def run(
    *streams: str,
    until_idle: bool = False,
    land: bool = True,
    workers: int = 1,
    project: ProjectOption = Path(),
    format: Format = "text",
) -> int:
    """Judge raw records and land what passes, until stopped.

    SIGTERM finishes the batch in hand and leaves. Workers on the same stream share its partitions.

    Parameters
    ----------
    streams:
        Streams to work on; all of the project's if none is named.
    until_idle:
        Leave when nothing is left to do.
    land:
        Land validated rows too (``--no-land``: only judge).
    workers:
        Processes that share the partitions (0: one per core); a stream with one partition has use
        for one.
    format:
        ``json`` prints one object per commit.
    """
    from lakegate.errors import ProjectError
    from lakegate.pipeline.project import open_project

    if workers < 0:
        raise ProjectError(f"--workers is {workers}: expected 0 (one per core) or more")
    _log_to_stderr()

    def tell(stream: str, progress: Progress) -> None:
        if format == "json":
            emit({"stream": stream, **_numbers(progress)})

    with open_project(project) as opened, stop_on_signal() as stopped:
        done = opened.run(
            *streams,
            until="idle" if until_idle else None,
            land=land,
            workers=workers,
            stopped=stopped,
            on_progress=tell,
        )
    if format == "text":
        for stream, progress in done.items():
            console().print(
                f"[bold]{stream}[/]  {progress.records:,} judged: {progress.accepted:,} accepted, "
                f"{progress.rejected:,} rejected, {progress.tombstones:,} tombstones"
                + _again(progress)
            )
    return 0


def _again(progress: Progress) -> str:
    """What became of replayed dead letters, if there were any."""
    if not progress.replayed and not progress.failed:
        return ""
    return f"; of replayed dead letters {progress.replayed:,} passed, {progress.failed:,} did not"


def land(*streams: str, project: ProjectOption = Path(), format: Format = "text") -> int:
    """Land the validated rows that are waiting, on branch ``staged``, and leave.

    Parameters
    ----------
    streams:
        Streams to land; all of the project's if none is named.
    """
    from lakegate.pipeline.project import open_project

    _log_to_stderr()
    with open_project(project) as opened:
        for stream in opened.selected(streams):
            rows = opened.land(stream.name)
            if format == "json":
                emit({"stream": stream.name, "landed": rows})
            else:
                console().print(f"[bold]{stream.name}[/]  {rows:,} rows landed")
    return 0


def resume(
    stream: str, *, reason: str, project: ProjectOption = Path(), format: Format = "text"
) -> int:
    """Let a stream go on that a critical failure paused.

    Parameters
    ----------
    stream:
        The paused stream.
    reason:
        What was found and done; it is kept.
    """
    from lakegate.pipeline.project import open_project

    with open_project(project) as opened:
        was_paused = opened.resume(stream, reason=reason)
    if format == "json":
        emit({"stream": stream, "resumed": was_paused})
    else:
        console().print(f"{stream} goes on" if was_paused else f"{stream} was not paused")
    return 0 if was_paused else 1


def _numbers(progress: Progress) -> dict[str, int]:
    return {
        "accepted": progress.accepted,
        "rejected": progress.rejected,
        "tombstones": progress.tombstones,
        "noted": progress.noted,
    }


def _log_to_stderr() -> None:
    logging.basicConfig(format="%(asctime)s %(levelname)s %(message)s", level=logging.INFO)
    for noisy in ("pyiceberg", "sqlalchemy"):
        logging.getLogger(noisy).setLevel(logging.ERROR)
