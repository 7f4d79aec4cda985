"""Part ``gate``: judges the streams it was given, a thread for each."""

from __future__ import annotations

import logging
import threading
import time
from functools import partial
from typing import TYPE_CHECKING

from lakegate.errors import RunnerError
from lakegate.pipeline.supervisor.trouble import Persistent

if TYPE_CHECKING:
    from lakegate.pipeline.project import Project
    from lakegate.pipeline.supervisor.child import Part

__all__ = ["play"]

_log = logging.getLogger(__name__)


def play(part: Part) -> None:
    """Judge until asked to leave; the round in hand is committed first."""
    from lakegate.gate.native.choice import said

    _log.info("%s", said())
    part.heart.expect(*part.streams)
    with part.open_project() as project:
        threads = [
            threading.Thread(target=_judge, args=(part, project, name), name=name)
            for name in part.streams
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()


def _judge(part: Part, project: Project, name: str) -> None:
    persistent = Persistent(name, part.heart)
    while not part.leaving.is_set():
        persistent.attempt(partial(_run, part, project, persistent))
        part.heart.turn(name)
        part.leaving.wait(0.1)
    part.heart.rest(name)


def _run(part: Part, project: Project, persistent: Persistent) -> None:
    """Returns when asked to leave; any other end is an error."""
    name, began = persistent.name, time.monotonic()

    def stopped() -> bool:
        part.heart.turn(name)
        if time.monotonic() - began > 1:
            persistent.well()
        passed = list(project.passed_over.items())
        part.heart.facts["passed_over"] = {stream: dict(kinds) for stream, kinds in passed}
        return part.leaving.is_set()

    project.run(name, land=False, stopped=stopped)
    if not part.leaving.is_set():
        raise RunnerError(f"the worker of {name} ended unexpectedly; its traceback stands above")
