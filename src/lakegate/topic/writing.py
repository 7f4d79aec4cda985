"""Which segment a payload goes to: the files this process writes, one per topic."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from lakegate.errors import TopicError
from lakegate.fault import reach
from lakegate.topic.codec import Payload
from lakegate.topic.edge import translated
from lakegate.topic.index import Index
from lakegate.topic.segment import SegmentWriter

__all__ = ["WrittenSegments"]

_ADOPTABLE = 4  # the newest segments of a topic, tried in turn


class WrittenSegments:
    """The segments of one log that this process holds for writing.

    Two threads may append; a segment that is written no more keeps its lock until the last append
    in it was released.
    """

    def __init__(self, index: Index, root: Path, *, segment_bytes: int) -> None:
        self._index = index
        self._root = root
        self._segment_bytes = segment_bytes
        self._writers: dict[str, SegmentWriter] = {}
        self._full: set[SegmentWriter] = set()
        self._registered: list[tuple[SegmentWriter, int]] = []
        self._writing = threading.Lock()
        self._counting = threading.Lock()

    def append(
        self, topic: str, payloads: Sequence[Payload], *, count: int
    ) -> tuple[SegmentWriter, list[int]]:
        """Make payloads durable in a segment of the topic; nothing refers to them yet.

        The segment is kept until it was released ``count`` times.

        Raises:
            LogFull, TopicError: no room, read-only, or the disk failed.
        """
        directory = self._root / topic
        with self._writing, translated(directory):
            writer = self._open(directory, topic, sum(len(payload.data) for payload in payloads))
            try:
                positions = writer.append(payloads)
            except OSError:
                self._leave(topic)
                raise
            with self._counting:
                writer.waiting += count
            return writer, positions

    def release(self, writer: SegmentWriter) -> None:
        """An append in this segment is committed, or never will be."""
        with self._counting:
            writer.waiting -= 1
            if writer.waiting == 0 and writer in self._full:
                self._full.remove(writer)
                writer.close()

    def _leave(self, topic: str) -> None:
        """Write no more into the topic's segment; its lock goes with the last append in it."""
        writer = self._writers.pop(topic)
        with self._counting:
            if writer.waiting:
                self._full.add(writer)
            else:
                writer.close()

    def _open(self, directory: Path, topic: str, size: int) -> SegmentWriter:
        writer = self._writers.get(topic)
        if writer is not None and writer.lost:
            self._leave(topic)
            writer = None
        if writer is not None and writer.end and writer.end + size > self._segment_bytes:
            self._leave(topic)
            reach("topic.segment.rolled")
            writer = None
        if writer is None:
            writer = self._adopted(directory, topic, size) or SegmentWriter.create(directory)
            self._writers[topic] = writer
            reach("topic.segment.created")
        return writer

    def _adopted(self, directory: Path, topic: str, size: int) -> SegmentWriter | None:
        """A segment that a former process left with room for ``size`` bytes, if there is one."""
        for segment, name in self._index.all(
            "SELECT s.id, s.name FROM segment s JOIN topic t ON t.id = s.topic "
            "WHERE t.name = ? ORDER BY s.id DESC LIMIT ?",
            topic,
            _ADOPTABLE,
        ):
            writer = SegmentWriter.adopt(directory / name, segment)
            if writer is None:
                continue
            if writer.end + size <= self._segment_bytes and self._knows(segment):
                return writer
            writer.close()
        return None

    def _knows(self, segment: int) -> bool:
        return self._index.one("SELECT 1 FROM segment WHERE id = ?", segment) is not None

    def register(self, writer: SegmentWriter, topic: str) -> int:
        """The writer's number in the index, put there if this is its first commit.

        Call inside :meth:`committing`.

        Raises:
            TopicError: it was there and is gone.
        """
        if writer.id is None:
            row = self._index.one("SELECT id FROM segment WHERE name = ?", writer.path.name)
            segment = int(row[0]) if row is not None else self._insert(writer, topic)
            self._registered.append((writer, segment))
            return segment
        if not self._knows(writer.id):
            writer.lost = True
            raise TopicError(
                f"{writer.path} was removed while this process writes it; nothing was appended; "
                "does the file system support flock? then try again"
            )
        return writer.id

    def _insert(self, writer: SegmentWriter, topic: str) -> int:
        return self._index.insert(
            "INSERT INTO segment (topic, name) SELECT id, ? FROM topic WHERE name = ?",
            writer.path.name,
            topic,
        )

    @contextmanager
    def committing(self) -> Iterator[None]:
        """The transaction in which payloads come to count; see :meth:`Index.immediate`."""
        self._registered.clear()
        with self._index.immediate():
            yield
            reach("topic.commit.before")
        reach("topic.commit.after")
        for writer, segment in self._registered:
            writer.id = segment

    def close(self) -> None:
        """Give up the segments; retention may have them once nothing is in them."""
        while self._writers:
            self._writers.popitem()[1].close()
        while self._full:
            self._full.pop().close()
