"""Work on one stream that goes on by itself: what fails is told, and tried again after a while."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass

from lakegate.errors import LakegateError
from lakegate.pipeline.supervisor.heart import Heart

__all__ = ["Persistent"]

_log = logging.getLogger("lakegate.up")
_FIRST_S = 1.0
_LONGEST_S = 60.0


@dataclass(slots=True)
class Persistent:
    """Tries something again and again, for one stream, so that the other streams go on.

    What fails stands among the heart's troubles under ``name`` until it has succeeded once more.
    """

    name: str
    heart: Heart
    failures: int = 0
    due: float = 0.0

    def attempt(self, work: Callable[[], object]) -> bool:
        """Do it if it is time; whether it was done and went well."""
        if time.monotonic() < self.due:
            return False
        try:
            work()
        except LakegateError as error:
            self._failed(str(error))
            return False
        self.well()
        return True

    def well(self) -> None:
        """It goes on: forget what was."""
        if self.failures:
            self.failures = 0
            self.heart.troubles.pop(self.name, None)

    def _failed(self, message: str) -> None:
        delay = min(_FIRST_S * 2**self.failures, _LONGEST_S)
        self.failures += 1
        self.due = time.monotonic() + delay
        self.heart.troubles[self.name] = message.split("\n", maxsplit=1)[0][:300]
        _log.error("%s: %s; trying again in %.0f s", self.name, message, delay)
