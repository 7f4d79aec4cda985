"""Segment files: payloads one after another, each file written by one process at a time.

A file holds nothing but payloads of one topic; where each begins, and whether it counts, only the
index knows. Whoever writes a file holds its exclusive ``flock``, so a file whose lock can be had
has no writer, and cannot get one while the lock is held. That is all there is to sealing: no flag
to keep true, and a dead owner is known at once. No byte is written twice, but by erasure.
"""

from __future__ import annotations

import fcntl
import os
import secrets
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from lakegate.fault import reach
from lakegate.lock import take
from lakegate.topic.codec import Payload

__all__ = ["SegmentReader", "SegmentWriter", "abandoned", "sync_directory"]

_OPEN_FILES = 8
_VECTORS = 512  # well under IOV_MAX


class SegmentWriter:
    """Appends payloads to one segment file, whose lock it holds until :meth:`close`.

    ``id`` is the segment's number in the index, None until a commit has put it there. ``waiting``
    counts appends that are durable and not yet committed or given up: as long as there are any the
    lock must stay, or retention would take the file for one that nobody needs.
    """

    def __init__(self, path: Path, fd: int, segment: int | None = None) -> None:
        self.path = path
        self.id = segment
        self.waiting = 0
        self.lost = False  # retention removed it: the file system has no locks
        self._fd = fd
        self.end = os.fstat(fd).st_size

    @classmethod
    def create(cls, directory: Path) -> SegmentWriter:
        """Begin a new file, its name unique over all processes.

        Raises:
            OSError: no room, or read-only.
        """
        directory.mkdir(parents=True, exist_ok=True)
        sync_directory(directory.parent)
        while True:
            path = directory / f"{secrets.token_hex(8)}.seg"
            fd = os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR | os.O_CLOEXEC, 0o644)
            try:
                fcntl.flock(fd, fcntl.LOCK_EX)
                # Retention may have found the file between its creation and the lock.
                if os.fstat(fd).st_nlink == 1:
                    sync_directory(directory)
                    return cls(path, fd)
            except BaseException:
                os.close(fd)
                raise
            os.close(fd)

    @classmethod
    def adopt(cls, path: Path, segment: int) -> SegmentWriter | None:
        """Go on with a file whose writer is gone, at its end; None if it is written, or missing.

        Without this a process that appends once would leave a file of its own. The caller must see
        that the index still has the segment: retention may have removed it before the lock was had.
        """
        try:
            fd = os.open(path, os.O_RDWR | os.O_CLOEXEC)
        except FileNotFoundError:
            return None
        if not take(fd):
            os.close(fd)
            return None
        return cls(path, fd, segment)

    def append(self, payloads: Sequence[Payload]) -> list[int]:
        """Write the payloads, make them durable, return the position of each.

        After an error the file must not be written again: what a failed sync left behind is
        unknown, and a later one may claim success.

        Raises:
            OSError: no room, read-only, or the disk failed.
        """
        positions = []
        position = self.end
        for payload in payloads:
            positions.append(position)
            position += len(payload.data)
        reach("topic.payload.write")
        try:
            self._write([payload.data for payload in payloads])
            reach("topic.payload.written")
            os.fdatasync(self._fd)
        except OSError:
            with suppress(OSError):
                os.ftruncate(self._fd, self.end)
            raise
        reach("topic.payload.synced")
        self.end = position
        return positions

    def _write(self, buffers: list[memoryview]) -> None:
        position = self.end
        while buffers:
            written = os.pwritev(self._fd, buffers[:_VECTORS], position)
            position += written
            while buffers and written >= len(buffers[0]):
                written -= len(buffers.pop(0))
            if written:
                buffers[0] = buffers[0][written:]

    def close(self) -> None:
        """Give up the lock: from now on retention may remove the file once nothing is in it."""
        os.close(self._fd)


class SegmentReader:
    """Reads payloads by position, with a few files kept open."""

    def __init__(self) -> None:
        self._fds: OrderedDict[Path, int] = OrderedDict()

    def read(self, path: Path, position: int, size: int) -> bytes:
        """Up to ``size`` bytes; fewer if the file ends before.

        Raises:
            OSError: the file is gone or cannot be read.
        """
        fd = self._fds.get(path)
        if fd is None:
            fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
            self._fds[path] = fd
            if len(self._fds) > _OPEN_FILES:
                os.close(self._fds.popitem(last=False)[1])
        else:
            self._fds.move_to_end(path)
        data = os.pread(fd, size, position)
        while len(data) < size and (more := os.pread(fd, size - len(data), position + len(data))):
            data += more
        return data

    def forget(self) -> None:
        """Close all files."""
        while self._fds:
            os.close(self._fds.popitem()[1])


@contextmanager
def abandoned(path: Path) -> Iterator[bool]:
    """Whether nobody writes the segment any more; while inside, it stays so.

    A file that is not there counts as abandoned.
    """
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        yield True
        return
    try:
        yield take(fd)
    finally:
        os.close(fd)


def sync_directory(directory: Path) -> None:
    """Make the directory's entries durable."""
    fd = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
