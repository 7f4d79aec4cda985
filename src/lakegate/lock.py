"""Locks of files and directories, which the system takes back from whoever dies."""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

__all__ = ["locked", "take"]

_PATIENCE_S = 20
_POLL_S = 0.02


@contextmanager
def locked(
    directory: Path,
    *,
    doing: str,
    refusal: Callable[[str], Exception],
) -> Iterator[int]:
    """Hold the exclusive ``flock`` of a directory, and give the block its file descriptor.

    The directory itself is the lock: it can be had on a read-only disk too, and leaves no file.

    Raises:
        what ``refusal`` makes of a message: another process has been ``doing`` it all the time.
        OSError: there is no such directory.
    """
    lock = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        deadline = time.monotonic() + _PATIENCE_S
        while not take(lock):
            if time.monotonic() >= deadline:
                raise refusal(
                    f"another process has been {doing} for {_PATIENCE_S:g} s: is it stopped? "
                    "let it go on or end it, then try again"
                )
            time.sleep(_POLL_S)
        yield lock
    finally:
        os.close(lock)


def take(lock: int) -> bool:
    """Take the exclusive ``flock`` of a file descriptor, if nobody has it; until it is closed."""
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
