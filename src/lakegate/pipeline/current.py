"""Streams of changes, wired: their one source topic, their merged tables, and their audits."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from lakegate.errors import ProjectError
from lakegate.topic.base import TopicLog, TopicPartition

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

    from lakegate.audit.base import SnapshotReader
    from lakegate.contract.stream import Stream
    from lakegate.lake import Lake
    from lakegate.lake.merge import MergeReport
    from lakegate.lake.snapshot import SnapshotInfo
    from lakegate.pipeline.project import Project

__all__ = ["ChangeReader", "check_source", "merge_stream", "reader_of"]


def check_source(log: TopicLog, stream: Stream) -> None:
    """A stream takes plain records or changes, for life: its books are of one source topic.

    Raises:
        ProjectError: records of the other kind are in the log; says what to do.
    """
    other = f"{stream.topic_prefix}.{'raw' if stream.cdc is not None else 'cdc'}"
    count = log.topics().get(other, 0)
    if not any(log.end_offset(TopicPartition(other, n)) for n in range(count)):
        return
    wanted = "change events" if stream.cdc is not None else "plain records"
    raise ProjectError(
        f"stream {stream.name} takes {wanted} by contract {stream.contract.id} "
        f"{stream.contract.version}, and there are records in {other}: a stream is of one kind for "
        "life; give the object another name or physicalName, which makes a new stream, or take "
        "`lakegate.cdc` back"
    )


def merge_stream(project: Project, stream: Stream) -> MergeReport:
    """Bring the merged table of a stream of changes to what is published.

    Raises:
        LakeError: the stream takes plain records.
        CommitConflict: others kept merging; try again.
    """
    from lakegate.lake.merge import merge

    return merge(project.lake, stream)


def reader_of(project: Project, stream: Stream) -> SnapshotReader:
    """What an audit of the stream reads: of streams of changes the rows of now, as merged."""
    among = (stream, *(found.stream for found in project.found.values()))
    changes = any(item.cdc is not None for item in among)
    return ChangeReader(project.lake) if changes else project.lake


@dataclass(frozen=True, slots=True)
class ChangeReader:
    """The lake, but with tables of changes seen as their merged state.

    So a rule speaks of rows as the source has them: a key is unique although it changed often, and
    a deleted row does not count. An increment is what was created, read or updated since.
    """

    lake: Lake

    def head(self, stream: Stream, branch: str = "main") -> SnapshotInfo | None:
        """See :meth:`Lake.head`."""
        return self.lake.head(stream, branch)

    def history(self, stream: Stream, branch: str = "main") -> list[SnapshotInfo]:
        """See :meth:`Lake.history`."""
        return self.lake.history(stream, branch)

    def exists(self, stream: Stream) -> bool:
        """See :meth:`Lake.exists`."""
        return self.lake.exists(stream)

    def pin(self, stream: Stream, *, snapshot_id: int, name: str) -> None:
        """See :meth:`Lake.pin`."""
        self.lake.pin(stream, snapshot_id=snapshot_id, name=name)

    def unpin(self, stream: Stream, *, name: str) -> None:
        """See :meth:`Lake.unpin`."""
        self.lake.unpin(stream, name=name)

    def relation(
        self, connection: DuckDBPyConnection, stream: Stream, *, snapshot_id: int, name: str
    ) -> None:
        """A view of the rows of now, derived from all changes of the snapshot."""
        if stream.cdc is None:
            self.lake.relation(connection, stream, snapshot_id=snapshot_id, name=name)
            return
        from lakegate.lake.merge import current_view

        changes = f"{name}__changes"
        self.lake.relation(connection, stream, snapshot_id=snapshot_id, name=changes)
        current_view(connection, stream, changes, name=name)

    def added(
        self,
        connection: DuckDBPyConnection,
        stream: Stream,
        *,
        since: int | None,
        until: int,
        name: str,
    ) -> None:
        """A view of the rows that changes since then created, read or updated."""
        if stream.cdc is None:
            self.lake.added(connection, stream, since=since, until=until, name=name)
            return
        changes = f"{name}__changes"
        self.lake.added(connection, stream, since=since, until=until, name=changes)
        connection.execute(
            f'CREATE OR REPLACE TEMP VIEW "{name}" AS '  # noqa: S608 - names are ours
            f"SELECT * FROM \"{changes}\" WHERE _op IN ('c', 'r', 'u')"
        )
