"""A worker's share of a stream's partitions: file locks, which the kernel frees with their holder.

::

    <folder>/<stream>.gate            held in common by every worker of the stream
    <folder>/<stream>.shares/seat-N   one per worker; as many seats as the stream has partitions
    <folder>/<stream>.shares/N        partition N, held by the worker that judges it

Who sits where is seen by everybody, and says which partitions are whose: no messages, no leader,
no clock. A worker without a seat stands by until one is free.
"""

from __future__ import annotations

import fcntl
import os
import time
from pathlib import Path

from lakegate.errors import RunnerError

__all__ = ["LOOK_S", "FileShare"]

LOOK_S = 0.2
"""How long a worker goes by what it last saw of the others, in seconds."""


class FileShare:
    """A :class:`~lakegate.runner.base.Share` among the workers of one machine.

    It rests on ``flock`` and nothing else: a worker that is killed, however, has left. One that
    hangs keeps what it holds until it is killed.
    """

    def __init__(self, folder: Path, stream: str) -> None:
        name = stream.replace("/", ".")
        self._common = folder / f"{name}.gate"
        self._folder = folder / f"{name}.shares"
        self._held: dict[int, int] = {}  # file descriptors
        self._member: int | None = None
        self._seat: tuple[int, int] | None = None  # number, file descriptor
        self._looked: float | None = None
        self._wanted: frozenset[int] = frozenset()

    def wanted(self, partitions: int) -> frozenset[int]:
        """The partitions that should be this worker's; see :meth:`Share.wanted`.

        Raises:
            RunnerError: a lock file cannot be made.
        """
        now = time.monotonic()
        if self._looked is None or now - self._looked >= LOOK_S:
            self._looked = now
            self._wanted = self._look(partitions)
        return self._wanted

    def _look(self, partitions: int) -> frozenset[int]:
        if not self._join(partitions) or self._seat is None:
            return frozenset()
        mine = self._seat[0]
        taken = [seat for seat in range(partitions) if seat == mine or self._is_taken(seat)]
        return frozenset(
            partition for partition in range(partitions) if taken[partition % len(taken)] == mine
        )

    def _join(self, partitions: int) -> bool:
        if self._member is None:
            self._member = _locked(self._common, fcntl.LOCK_SH)
            if self._member is None:
                return False
            os.truncate(self._member, 0)
            os.pwrite(self._member, f"{os.getpid()}\n".encode(), 0)
        if self._seat is None:
            for seat in range(partitions):
                fd = _locked(self._folder / f"seat-{seat}", fcntl.LOCK_EX)
                if fd is not None:
                    self._seat = (seat, fd)
                    break
        return self._seat is not None

    def _is_taken(self, seat: int) -> bool:
        fd = _locked(self._folder / f"seat-{seat}", fcntl.LOCK_SH)
        if fd is None:
            return True
        os.close(fd)
        return False

    def take(self, partition: int) -> bool:
        """Hold the partition; False while another worker does.

        Raises:
            RunnerError: the lock file cannot be made.
        """
        if partition not in self._held:
            fd = _locked(self._folder / str(partition), fcntl.LOCK_EX)
            if fd is None:
                return False
            self._held[partition] = fd
        return True

    def leave(self, partition: int) -> None:
        """Let another worker have it."""
        fd = self._held.pop(partition, None)
        if fd is not None:
            os.close(fd)

    def release(self) -> None:
        """Leave every partition, and the workers of the stream."""
        for partition in list(self._held):
            self.leave(partition)
        if self._seat is not None:
            os.close(self._seat[1])
            self._seat = None
        if self._member is not None:
            os.close(self._member)
            self._member = None
        self._looked = None


def _locked(path: Path, how: int) -> int | None:
    """A descriptor of the file with that lock on it, or None while another's stands against it."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    except OSError as error:
        message = f"cannot lock {path}: {error.strerror}; is the state directory writable?"
        raise RunnerError(message) from error
    try:
        fcntl.flock(fd, how | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(fd)
        return None
    return fd
