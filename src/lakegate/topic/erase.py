"""Erasing records: the batch is rewritten with stubs, then the bytes it had are overwritten.

The index points to the new batch and remembers the old bytes in one transaction, so that a crash
leaves either the record or a duty to overwrite it, which the next erasure or retention fulfils.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from lakegate.errors import TopicError
from lakegate.fault import reach
from lakegate.topic.base import TopicPartition
from lakegate.topic.codec import payload
from lakegate.topic.commit import Commits
from lakegate.topic.edge import translated
from lakegate.topic.index import Index
from lakegate.topic.reading import Reading
from lakegate.topic.stub import erased

__all__ = ["Erasure", "scrub"]

_ZEROS = bytes(1 << 20)


class Erasure:
    """Erases records of one log."""

    def __init__(self, index: Index, segments: Path, commits: Commits, reading: Reading) -> None:
        self._index = index
        self._segments = segments
        self._commits = commits
        self._reading = reading

    def erase(self, source: TopicPartition, offsets: Sequence[int]) -> int:
        """Replace the records by stubs; return how many were not stubs before.

        Raises:
            TopicError: an offset is not kept (nothing was erased), or the rows have no headers.
        """
        partition = self._index.partition(source)
        wanted = sorted(set(offsets))
        if wanted and not (partition.start <= wanted[0] and wanted[-1] < partition.next):
            raise TopicError(
                f"{source} holds offsets {partition.start} to {partition.next - 1}, asked to erase "
                f"{wanted[0]} to {wanted[-1]}; nothing was erased; leave out what is not there"
            )
        count = 0
        while wanted:
            erased_here, done = self._batch(source, partition.id, wanted)
            count += erased_here
            wanted = wanted[done:]
        scrub(self._index, self._segments)
        return count

    def _batch(
        self, source: TopicPartition, partition: int, wanted: Sequence[int]
    ) -> tuple[int, int]:
        """Erase in the batch that holds the first wanted offset: how many, and how many it held."""
        found = self._index.batches(partition, wanted[0], limit=1)
        if not found or found[0].base > wanted[0]:
            raise TopicError(
                f"offset {wanted[0]} of {source} is no longer kept; earlier ones asked for are "
                "erased; leave out what is not there"
            )
        row = found[0]
        here = [offset - row.base for offset in wanted if offset < row.next]
        rows, count = erased(source, self._reading.load(source, row), here)
        if count == 0:
            return 0, len(here)
        reach("topic.erase.before")
        if not self._commits.replace(source, partition, row, payload(rows)):
            return 0, 0  # moved meanwhile: look again
        reach("topic.erase.committed")
        return count, len(here)


def scrub(index: Index, segments: Path) -> None:
    """Overwrite with zeros the bytes of every batch that was rewritten.

    Raises:
        LogFull, TopicError: the disk failed; what is left is done next time.
    """
    for segment, topic, name, position, size in index.all(
        "SELECT c.segment, t.name, s.name, c.position, c.size FROM scrub c "
        "JOIN segment s ON s.id = c.segment JOIN topic t ON t.id = s.topic"
    ):
        path = segments / topic / name
        with translated(path):
            _overwrite(path, position, size)
        reach("topic.erase.scrubbed")
        with index.immediate():
            index.execute("DELETE FROM scrub WHERE segment = ? AND position = ?", segment, position)


def _overwrite(path: Path, position: int, size: int) -> None:
    try:
        fd = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return
    try:
        end = min(position + size, os.fstat(fd).st_size)
        while position < end:
            position += os.pwrite(fd, _ZEROS[: end - position], position)
        os.fdatasync(fd)
    finally:
        os.close(fd)
