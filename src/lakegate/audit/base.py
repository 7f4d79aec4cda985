"""What an audit needs from other rooms, and the clock it reads.

The lake gives rows of pinned snapshots, the ledger gives counts, the operational database keeps
results. Audit imports none of them: ``pipeline/`` hands in what fits these protocols.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Protocol

from lakegate.audit.result import AuditReport
from lakegate.contract.stream import Stream
from lakegate.errors import AuditError

if TYPE_CHECKING:
    import duckdb

__all__ = [
    "Clock",
    "Counts",
    "EventClock",
    "LedgerFacts",
    "Limits",
    "Published",
    "Publisher",
    "ResultStore",
    "Snapshot",
    "SnapshotReader",
    "Unjudgeable",
    "WallClock",
]


class Unjudgeable(AuditError):
    """One rule cannot be judged; the audit goes on and reports it with status ``error``."""


class Snapshot(Protocol):
    """The head of a branch."""

    @property
    def snapshot_id(self) -> int:
        """Iceberg's id of the snapshot."""
        ...

    @property
    def rows(self) -> int:
        """How many rows the table has at that snapshot."""
        ...


class SnapshotReader(Protocol):
    """Rows of pinned snapshots, as views on a DuckDB connection.

    Each view has the table's columns and the source columns ``_topic``, ``_source_partition``,
    ``_offset`` and ``_ingested_at``. It must stay readable after the connection is locked: either
    the files it reads are named by path in the view's own SQL, or it scans a registered object.
    """

    def exists(self, stream: Stream) -> bool:
        """Whether the stream has a table."""
        ...

    def head(self, stream: Stream, branch: str) -> Snapshot | None:
        """The head of ``staged`` or ``main``; None when the branch has no snapshot."""
        ...

    def relation(
        self, connection: duckdb.DuckDBPyConnection, stream: Stream, *, snapshot_id: int, name: str
    ) -> object:
        """Create the view ``name`` over exactly the rows of that snapshot."""
        ...

    def added(
        self,
        connection: duckdb.DuckDBPyConnection,
        stream: Stream,
        *,
        since: int | None,
        until: int,
        name: str,
    ) -> object:
        """Create the view ``name`` over the rows of ``until`` that are not in ``since``.

        ``since`` is None when nothing is published yet: then every row of ``until``.
        """
        ...

    def pin(self, stream: Stream, *, snapshot_id: int, name: str) -> object:
        """Keep that snapshot and its files, whatever maintenance does; the pin of a name moves.

        Raises:
            CommitConflict: another commit came between; try again.
        """
        ...


@dataclass(frozen=True, slots=True)
class Counts:
    """What the ledger knows of a stream since its beginning.

    ``landed`` counts rows that ever landed in the table up to the audited snapshot, less those
    taken out on purpose (quarantined, erased); None when the ledger does not know.
    """

    accepted: int
    rejected: int
    tombstones: int = 0
    landed: int | None = None


class LedgerFacts(Protocol):
    """The books."""

    def counts(self, stream: Stream, *, snapshot_id: int) -> Counts | None:
        """The counts up to that snapshot; None when there are no books for this stream."""
        ...


class Clock(Protocol):
    """What time an audit takes it to be."""

    @property
    def name(self) -> str:
        """``wall`` or ``event``."""
        ...

    def now(self) -> datetime | None:
        """An aware UTC time; None when an event clock has seen no event."""
        ...


@dataclass(frozen=True, slots=True)
class WallClock:
    """The machine's clock."""

    @property
    def name(self) -> str:
        """``wall``."""
        return "wall"

    def now(self) -> datetime:
        """The present, UTC."""
        return datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class EventClock:
    """The watermark is now: for replaying history (SEMANTICS "SLAs").

    Without a ``watermark`` the audit takes the newest event time in the audited snapshot.
    """

    watermark: datetime | None = None

    @property
    def name(self) -> str:
        """``event``."""
        return "event"

    def now(self) -> datetime | None:
        """The watermark given, if any."""
        return self.watermark


@dataclass(frozen=True, slots=True)
class Limits:
    """What one rule may use: seconds per query, memory (DuckDB's notation), threads."""

    timeout_s: float = 300.0
    memory: str = "4GB"
    threads: int | None = None


@dataclass(frozen=True, slots=True)
class Published:
    """``main`` of ``stream`` was moved from ``previous`` to ``snapshot_id`` on this audit.

    ``at`` is UTC wall time, ``by`` whoever asked. ``moved`` is False when ``main`` stood there
    already, as after a crash between moving and recording.
    """

    stream: str
    audit_id: str
    snapshot_id: int
    previous: int | None
    by: str
    at: datetime
    moved: bool = True


class Publisher(Protocol):
    """Moves ``main``."""

    def head(self, stream: Stream, branch: str) -> Snapshot | None:
        """The head of a branch; None when it has no snapshot."""
        ...

    def publish(self, stream: Stream, *, snapshot_id: int, expected_main: int | None) -> object:
        """Move ``main`` to the snapshot, asserting in the commit where it stands.

        Raises:
            PublishRefused: ``main`` stands elsewhere; nothing happened.
            CommitConflict: others kept committing to the table; nothing happened, try again.
        """
        ...


class ResultStore(Protocol):
    """Keeps audits and publications."""

    def record(self, report: AuditReport) -> None:
        """Keep the report with every result."""
        ...

    def latest(self, stream: str, *, snapshot_id: int | None = None) -> AuditReport | None:
        """The newest report of the stream, or of that snapshot of it."""
        ...

    def record_publication(self, published: Published) -> None:
        """Keep who published what, when; the same publication twice is kept once."""
        ...
