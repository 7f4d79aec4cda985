"""One worker per stream on one machine: an advisory lock that dies with its holder."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from lakegate.errors import RunnerError
from lakegate.lock import take

__all__ = ["FileLease"]

_POLL_S = 0.1


class FileLease:
    """An exclusive ``flock`` on a file: freed by :meth:`release`, by exit and by ``kill -9``.

    It keeps a second worker waiting rather than losing races; what makes doubling impossible is
    the consumer offset checked in every commit.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._fd: int | None = None

    def acquire(self, *, stopped: Callable[[], bool], timeout_s: float | None = None) -> bool:
        """Wait until held (True), ``stopped()`` is true or the time is up (False).

        Raises:
            RunnerError: the lock file cannot be made.
        """
        deadline = None if timeout_s is None else time.monotonic() + timeout_s
        fd = self._open()
        while not take(fd):
            if stopped() or (deadline is not None and time.monotonic() >= deadline):
                os.close(fd)
                return False
            time.sleep(_POLL_S)
        self._fd = fd
        with suppress(OSError):  # a full disk: then nobody can say who has it
            os.ftruncate(fd, 0)
            os.pwrite(fd, f"{os.getpid()}\n".encode(), 0)
        return True

    def holder(self) -> int | None:
        """The process id of whoever holds the lease now, or None; never takes it for long."""
        fd = self._open()
        try:
            if take(fd):
                return None
            text = os.pread(fd, 32, 0).strip()
            return int(text) if text.isdigit() else None  # somebody else is looking
        finally:
            os.close(fd)

    def release(self) -> None:
        """Let the next one in."""
        if self._fd is not None:
            with suppress(OSError):
                os.ftruncate(self._fd, 0)
            os.close(self._fd)
            self._fd = None

    def _open(self) -> int:
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            return os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        except OSError as error:
            message = (
                f"cannot lock {self._path}: {error.strerror}; is the state directory writable?"
            )
            raise RunnerError(message) from error
