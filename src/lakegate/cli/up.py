"""``lakegate up``: the whole project in one supervised process tree."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from lakegate.cli.options import ProjectOption
from lakegate.cli.output import Format, errors

if TYPE_CHECKING:
    from lakegate.pipeline.supervisor.log import LogLine

__all__ = ["up"]

_STYLES = {"WARNING": "yellow", "ERROR": "red", "CRITICAL": "bold red", "INFO": "dim"}
_PARTS = ("cyan", "green", "magenta", "blue", "bright_black")


def up(*, log_format: Format = "text", project: ProjectOption = Path()) -> int:
    """Run gateway, gates, landing, audits, models, alerts and maintenance, until stopped.

    Every part is a process of its own; one that dies or hangs is started again. SIGTERM or Ctrl-C
    drains in order; a second one ends everything at once. The log of all parts goes to standard
    error, and health, readiness and metrics are served over HTTP (`[up]` in lakegate.toml).

    Parameters
    ----------
    log_format:
        ``json`` prints one object per line: at, level, part, message.
    """
    from lakegate.pipeline.config import find_root
    from lakegate.pipeline.up import up as run

    run(find_root(project.resolve()), say=_json() if log_format == "json" else _text())
    return 0


def _json() -> Callable[[LogLine], None]:
    def say(line: LogLine) -> None:
        sys.stderr.write(line.json() + "\n")
        sys.stderr.flush()

    return say


def _text() -> Callable[[LogLine], None]:
    from rich.text import Text

    console = errors()
    colours: dict[str, str] = {}

    def say(line: LogLine) -> None:
        colour = colours.setdefault(line.part, _PARTS[len(colours) % len(_PARTS)])
        first, *more = line.message.splitlines() or [""]
        at = line.at.astimezone()
        text = Text.assemble(
            (f"{at:%H:%M:%S} ", "dim"),
            (f"{line.part:<11}", colour),
            (f"{line.level:<9}", _STYLES.get(line.level, "")),
            first,
        )
        for extra in more:
            text.append(f"\n{'':<20}{extra}")
        console.print(text)

    return say
