"""The other end: ``python -m lakegate.pipeline.supervisor.child JSON`` is one part of ``up``.

Roles are functions of :class:`Part`; each imports what it needs and nothing else, which is what
keeps parts small. SIGTERM lets a role finish what it has in hand.
"""

from __future__ import annotations

import importlib
import logging
import os
import signal
import sys
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from lakegate.errors import LakegateError
from lakegate.pipeline.supervisor.heart import Heart, die_with_parent
from lakegate.pipeline.supervisor.log import configure_logging

if TYPE_CHECKING:
    from lakegate.pipeline.project import Project

__all__ = ["Part", "main"]

_ROLES = {
    "gateway": "lakegate.pipeline.supervisor.gateway",
    "gate": "lakegate.pipeline.supervisor.gating",
    "lander": "lakegate.pipeline.supervisor.landing",
    "jobs": "lakegate.pipeline.supervisor.jobs",
    "watch": "lakegate.pipeline.supervisor.watching",
}
_log = logging.getLogger("lakegate.up")


class _What(msgspec.Struct):
    role: str
    root: str
    state: str
    streams: tuple[str, ...]
    beat_fd: int
    socket_fd: int | None
    parent: int


@dataclass(frozen=True, slots=True)
class Part:
    """What a role gets: the project's folder, its streams, a heart, and whether to stop."""

    root: Path
    streams: tuple[str, ...]
    heart: Heart
    state_folder: Path
    socket_fd: int | None = None
    leaving: threading.Event = field(default_factory=threading.Event)

    def open_project(self) -> Project:
        """The project by the configuration of the start and the newest good contracts.

        Raises:
            LakegateError: it cannot be opened.
        """
        from lakegate.pipeline.in_force import InForce
        from lakegate.pipeline.project import Project

        in_force = InForce(self.root, self.state_folder)
        return Project(self.root, in_force.config(), in_force=in_force)

    def stopped(self) -> bool:
        """Whether to leave; asked by a loop at each turn, which is therefore a sign of life."""
        self.heart.turn()
        return self.leaving.is_set()

    def pause(self, seconds: float, loop: str = "") -> None:
        """Do nothing for so long, or until asked to leave, as a loop that is well."""
        deadline = time.monotonic() + seconds
        while (left := deadline - time.monotonic()) > 0 and not self.leaving.is_set():
            self.heart.turn(loop)
            self.leaving.wait(min(0.5, left))


def main(argument: str) -> int:
    """Play the role; return the exit code."""
    what = msgspec.json.decode(argument, type=_What)
    die_with_parent(what.parent)
    configure_logging()
    root, state = Path(what.root), Path(what.state)
    part = Part(root, what.streams, Heart(what.beat_fd), state, what.socket_fd)
    signal.signal(signal.SIGTERM, lambda _number, _frame: part.leaving.set())
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        importlib.import_module(_ROLES[what.role]).play(part)
    except LakegateError as error:
        _log.error("%s", error)
        return 2
    except Exception:
        _log.exception("unexpected end")
        return 3
    return 0


if __name__ == "__main__":
    code = main(sys.argv[1])
    logging.shutdown()
    os._exit(code)  # all is closed; a thread that hangs in a slow webhook must not keep us here
