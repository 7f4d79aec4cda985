"""``lakegate status --watch``: the whole flow in a terminal, as it moves."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from lakegate.cli.flow import History, flow
from lakegate.cli.output import Format, console, emit
from lakegate.cli.stopping import stop_on_signal

if TYPE_CHECKING:
    from rich.console import RenderableType

    from lakegate.pipeline.project import Project

__all__ = ["follow"]


def follow(project: Path, streams: Sequence[str], *, interval_s: float, format: Format) -> int:
    """Look at the project every ``interval_s`` seconds until q or Ctrl-C.

    On a terminal a live view; else, or as JSON, one snapshot per interval.
    """
    from lakegate.pipeline.numbers import Collector
    from lakegate.pipeline.project import open_project
    from lakegate.pipeline.supervisor.board import read_board

    with open_project(project) as opened, stop_on_signal() as stopped:
        chosen = {stream.name for stream in opened.selected(streams)}
        collector, history = Collector(opened), History()

        def look() -> RenderableType:
            numbers = collector.collect()
            history.looks.append(numbers)
            board = read_board(opened.state_folder)
            if format == "json":
                emit({"numbers": numbers, "up": board})
            return flow(_name(opened), history, board, opened.incidents(), only=chosen)

        if format == "text" and sys.stdout.isatty():
            _live(look, interval_s, stopped)
        else:
            while not stopped():
                view = look()
                if format == "text":
                    console().print(view)
                _wait(interval_s, stopped)
    return 0


def _name(project: Project) -> str:
    return project.config.project.name or project.root.name


def _live(
    look: Callable[[], RenderableType], interval_s: float, stopped: Callable[[], bool]
) -> None:
    from rich.live import Live

    with (
        _keys() as pressed,
        Live(look(), console=console(), screen=True, auto_refresh=False) as live,
    ):
        while not stopped():
            if _wait(interval_s, lambda: stopped() or pressed()):
                return
            live.update(look(), refresh=True)


def _wait(seconds: float, stopped: Callable[[], bool]) -> bool:
    """Whether it was stopped before the time was up."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if stopped():
            return True
        time.sleep(0.05)
    return False


@contextmanager
def _keys() -> Iterator[Callable[[], bool]]:
    """A function that tells whether q was pressed; keys are not echoed meanwhile."""
    import select
    import termios
    import tty

    if not sys.stdin.isatty():
        yield lambda: False
        return
    fd = sys.stdin.fileno()
    before = termios.tcgetattr(fd)
    tty.setcbreak(fd)

    def pressed() -> bool:
        ready, _, _ = select.select([fd], [], [], 0)
        return bool(ready) and os.read(fd, 16).lower().startswith((b"q", b"\x03", b"\x04"))

    try:
        yield pressed
    finally:
        termios.tcsetattr(fd, termios.TCSADRAIN, before)
