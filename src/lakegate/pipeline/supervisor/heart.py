"""A part's heartbeat: the oldest turn of its loops, once a second, on a pipe to the supervisor.

The supervisor compares that turn with its own clock, so a part is noticed whether its process is
stopped, its loop is stuck, or one of several loops is. The clock is ``CLOCK_MONOTONIC``, which all
processes of a machine share.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import resource
import signal
import sys
import threading
import time
from typing import Any

import msgspec

__all__ = ["Beat", "Heart", "die_with_parent", "rss_bytes"]

_PR_SET_PDEATHSIG = 1
_PAUSE_S = 0.5


class Beat(msgspec.Struct, frozen=True, omit_defaults=True):
    """One heartbeat. ``turn`` is monotonic seconds, None before the first turn of any loop.

    ``troubles`` says per stream what does not go on; ``facts`` is what a part counts.
    """

    turn: float | None = None
    rss: int | None = None
    troubles: dict[str, str] = {}
    facts: dict[str, Any] = {}


class Heart:
    """Beats from a thread of its own; if nobody listens any more, ends the process at once."""

    def __init__(self, fd: int) -> None:
        self._fd = fd
        self._turns: dict[object, float | None] = {}
        self._lock = threading.Lock()
        self.troubles: dict[str, str] = {}
        self.facts: dict[str, Any] = {}
        threading.Thread(target=self._beat_forever, name="heart", daemon=True).start()

    def expect(self, *loops: str) -> None:
        """Loops without which the part has not started."""
        with self._lock:
            self._turns.update(dict.fromkeys(loops))

    def turn(self, loop: str = "") -> None:
        """A loop has come round."""
        with self._lock:
            self._turns[loop] = time.monotonic()

    def rest(self, loop: str = "") -> None:
        """A loop has ended; it is not missed."""
        with self._lock:
            self._turns.pop(loop, None)

    def _oldest(self) -> float | None:
        with self._lock:
            turns = list(self._turns.values())
        if not turns or None in turns:
            return None
        return min(turn for turn in turns if turn is not None)

    def _beat_forever(self) -> None:
        encoder = msgspec.json.Encoder()
        while True:
            beat = Beat(self._oldest(), rss_bytes(), dict(self.troubles), dict(self.facts))
            try:
                data = encoder.encode(beat) + b"\n"
                while data:
                    data = data[os.write(self._fd, data) :]
            except OSError:
                os._exit(1)  # the supervisor is gone: so is its part
            time.sleep(_PAUSE_S)


def rss_bytes() -> int | None:
    """Resident memory of this process; where the system does not tell it, the most there was."""
    with contextlib.suppress(OSError, IndexError, ValueError), open("/proc/self/statm") as file:  # noqa: PTH123
        return int(file.read().split()[1]) * resource.getpagesize()
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most if sys.platform == "darwin" else most * 1024


def die_with_parent(parent: int) -> None:
    """Let the kernel end this process when its parent dies, however it dies (Linux).

    Elsewhere the heart notices within a second.
    """
    if sys.platform == "linux":
        with contextlib.suppress(OSError, AttributeError):
            ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:
        os._exit(1)
