"""The index and commit log: one SQLite database that says which bytes of which segment count.

A batch exists when its row is committed. Everything that must be true together (batches, offsets of
consumers, the ledger, what producers have sent) is therefore rows of this one file, never of an
attached one: attached databases do not commit atomically together in WAL mode.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import apsw

from lakegate.errors import DamagedLog, NewerState, TopicError, UnknownTopic
from lakegate.lock import locked
from lakegate.topic.base import TopicPartition
from lakegate.topic.edge import translated
from lakegate.topic.segment import sync_directory

__all__ = ["BatchRow", "Index", "PartitionRow", "from_us", "to_us"]

_APPLICATION_ID = 0x6C676C67
_VERSION = 1
_BUSY_MS = 60_000
_SCHEMA = """
CREATE TABLE topic (
    id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, partitions INTEGER NOT NULL,
    retention_us INTEGER, retention_bytes INTEGER
) STRICT;
CREATE TABLE partition (
    id INTEGER PRIMARY KEY, topic INTEGER NOT NULL, number INTEGER NOT NULL,
    start_offset INTEGER NOT NULL DEFAULT 0, next_offset INTEGER NOT NULL DEFAULT 0,
    appended_us INTEGER NOT NULL DEFAULT 0, UNIQUE (topic, number)
) STRICT;
-- AUTOINCREMENT: the number of a removed segment never names another one.
CREATE TABLE segment (
    id INTEGER PRIMARY KEY AUTOINCREMENT, topic INTEGER NOT NULL, name TEXT NOT NULL UNIQUE
) STRICT;
CREATE TABLE batch (
    partition INTEGER NOT NULL, base INTEGER NOT NULL, count INTEGER NOT NULL,
    appended_us INTEGER NOT NULL, segment INTEGER NOT NULL, position INTEGER NOT NULL,
    size INTEGER NOT NULL, crc INTEGER NOT NULL, PRIMARY KEY (partition, base)
) STRICT, WITHOUT ROWID;
CREATE INDEX batch_segment ON batch (segment);
-- Bytes of erased records that must be overwritten, until they are.
CREATE TABLE scrub (
    segment INTEGER NOT NULL, position INTEGER NOT NULL, size INTEGER NOT NULL
) STRICT;
CREATE TABLE consumer (
    name TEXT NOT NULL, partition INTEGER NOT NULL, next_offset INTEGER NOT NULL,
    PRIMARY KEY (name, partition)
) STRICT, WITHOUT ROWID;
CREATE TABLE producer (
    id TEXT NOT NULL, scope INTEGER NOT NULL, epoch INTEGER NOT NULL, sequence INTEGER NOT NULL,
    PRIMARY KEY (id, scope)
) STRICT, WITHOUT ROWID;
CREATE TABLE produced (
    id TEXT NOT NULL, scope INTEGER NOT NULL, sequence INTEGER NOT NULL,
    partition INTEGER NOT NULL, base INTEGER NOT NULL, count INTEGER NOT NULL,
    PRIMARY KEY (id, scope, sequence, partition)
) STRICT, WITHOUT ROWID;
CREATE TABLE ledger (
    stream TEXT NOT NULL, topic TEXT NOT NULL, partition INTEGER NOT NULL,
    first_offset INTEGER NOT NULL, next_offset INTEGER NOT NULL, accepted INTEGER NOT NULL,
    rejected INTEGER NOT NULL, tombstones INTEGER NOT NULL, accepted_checksum INTEGER NOT NULL,
    rejected_checksum INTEGER NOT NULL, tombstone_checksum INTEGER NOT NULL,
    contract_id TEXT NOT NULL, contract_version TEXT NOT NULL, contract_digest TEXT NOT NULL,
    noted INTEGER NOT NULL, observed INTEGER NOT NULL, at_us INTEGER NOT NULL
) STRICT;
CREATE INDEX ledger_stream ON ledger (stream, topic, partition, first_offset);
"""
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


def to_us(moment: datetime) -> int:
    """Microseconds since 1970 of an aware moment, exactly."""
    return (moment - _EPOCH) // _MICROSECOND


def from_us(moment_us: int) -> datetime:
    """The moment, in UTC."""
    return _EPOCH + timedelta(microseconds=moment_us)


@dataclass(frozen=True, slots=True)
class PartitionRow:
    """A partition: its number in the index, and the offsets it holds, ``[start, next)``."""

    id: int
    start: int
    next: int
    appended_us: int


@dataclass(frozen=True, slots=True)
class BatchRow:
    """Where a batch is: ``count`` rows from offset ``base``, in ``size`` bytes of a segment."""

    base: int
    count: int
    appended_us: int
    segment: int
    position: int
    size: int
    crc: int
    file: str  # the segment's name

    @property
    def next(self) -> int:
        """The offset after the last row."""
        return self.base + self.count


class Index:
    """The database behind one log: one connection of one process.

    Its lock is held throughout a transaction, so that a second thread, which makes payloads
    durable, never reads rows that may yet be rolled back.
    """

    def __init__(self, root: Path) -> None:
        """Open ``root/index.db``, creating the directory and the database if there are none.

        Raises:
            NewerState: a newer Lakegate wrote it.
            DamagedLog: it is not the database of a log, is malformed, or is gone while its
                segments are there.
            LogFull, TopicError: no room, or read-only.
        """
        self.root = root
        self.path = root / "index.db"
        self._partitions: dict[TopicPartition, int] = {}
        self._process = os.getpid()
        self._lock = threading.RLock()
        with translated(self.path):
            root.mkdir(parents=True, exist_ok=True)
            # Two first comers would meet in the switch to WAL, which no busy timeout covers.
            with locked(root, doing=f"opening the log in {root}", refusal=TopicError):
                self._open()

    def _open(self) -> None:
        if not self.path.exists():
            self._must_be_new()
        self._connection = self._connect()
        try:
            with translated(self.path, self._connection):
                self._configure()
        except BaseException:
            with suppress(apsw.Error):
                self._connection.close()
            raise

    def _must_be_new(self) -> None:
        segments = self.root / "segments"
        if any(segments.glob("*/*.seg")):
            raise DamagedLog(
                f"{self.path} is missing or empty, but {segments} holds batches that only it can "
                "name; restore it from a backup, or move the whole directory aside"
            )

    def _connect(self) -> apsw.Connection:
        """On a read-only disk WAL has nowhere to put its shared memory, but nobody writes."""
        read_only = bool(os.statvfs(self.root).f_flag & os.ST_RDONLY)
        if read_only and self.path.exists() and not self.path.with_name("index.db-wal").exists():
            flags = apsw.SQLITE_OPEN_READONLY | apsw.SQLITE_OPEN_URI
            return apsw.Connection(f"{self.path.absolute().as_uri()}?immutable=1", flags=flags)
        return apsw.Connection(str(self.path))

    def _configure(self) -> None:
        self._connection.set_busy_timeout(_BUSY_MS)
        (version,) = self._one("PRAGMA user_version")
        (application,) = self._one("PRAGMA application_id")
        (tables,) = self._one("SELECT count(*) FROM sqlite_schema")
        if version > _VERSION and application == _APPLICATION_ID:
            raise NewerState(
                f"{self.path} has format {version}, written by a newer Lakegate; this one reads up "
                f"to {_VERSION}: install that version or a later one"
            )
        if not tables:
            self._must_be_new()
        if tables and application != _APPLICATION_ID:
            raise DamagedLog(
                f"{self.path} is a SQLite database, but not the index of a log; "
                "point to the log's own directory, or restore it from a backup"
            )
        if tables and self._connection.readonly("main"):
            return
        for pragma in ("journal_mode=WAL", "synchronous=FULL", "secure_delete=OFF"):
            self._connection.execute(f"PRAGMA {pragma}").fetchall()
        self._connection.execute("PRAGMA cache_size=-16000; PRAGMA journal_size_limit=67108864")
        if not tables:
            (self.root / "segments").mkdir(exist_ok=True)
            sync_directory(self.root)
            with suppress(PermissionError):  # a parent that may be entered, but not listed
                sync_directory(self.root.parent)
            with self.immediate():
                self._connection.execute(_SCHEMA)
                self._connection.execute(
                    f"PRAGMA application_id={_APPLICATION_ID}; PRAGMA user_version={_VERSION}"
                )

    @contextmanager
    def immediate(self) -> Iterator[None]:
        """A write transaction: commits when the block ends, rolls back when it raises.

        Raises:
            LogFull, DamagedLog, TopicError: as :func:`lakegate.topic.edge.translated` says.
        """
        if os.getpid() != self._process:
            raise TopicError(
                f"{self.root}: this log was opened by process {self._process}, and a fork must not "
                "use it; open it again in this process"
            )
        with self._lock, translated(self.path, self._connection):
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield
                self._connection.execute("COMMIT")
            except BaseException:
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")
                raise

    def execute(self, statement: str, *values: Any) -> None:
        """Run a statement that returns nothing, inside :meth:`immediate`."""
        self._connection.execute(statement, values)

    def insert(self, statement: str, *values: Any) -> int:
        """Run an INSERT and return the row's number."""
        self._connection.execute(statement, values)
        return self._connection.last_insert_rowid()

    def all(self, statement: str, *values: Any) -> list[Any]:
        """Every row, at once: a reader that lingers would keep the WAL from being checkpointed."""
        with self._lock, translated(self.path, self._connection):
            return self._connection.execute(statement, values).fetchall()

    def one(self, statement: str, *values: Any) -> Any:
        """The first row, or None."""
        rows = self.all(statement, *values)
        return rows[0] if rows else None

    def _one(self, statement: str) -> Any:
        return self._connection.execute(statement).fetchall()[0]

    def data_version(self) -> int:
        """A number that changes when another connection commits; costs microseconds."""
        return int(self.one("PRAGMA data_version")[0])

    def partition_id(self, source: TopicPartition) -> int:
        """The partition's number in the index; never changes.

        Raises:
            UnknownTopic: no such partition.
        """
        found = self._partitions.get(source)
        if found is None:
            row = self.one(
                "SELECT p.id FROM partition p JOIN topic t ON t.id = p.topic "
                "WHERE t.name = ? AND p.number = ?",
                source.topic,
                source.partition,
            )
            if row is None:
                raise UnknownTopic(
                    f"{self.root} has no {source}; create the topic first, with enough partitions"
                )
            found = self._partitions[source] = int(row[0])
        return found

    def partition(self, source: TopicPartition) -> PartitionRow:
        """The partition as it is now.

        Raises:
            UnknownTopic: no such partition.
        """
        row = self.one(
            "SELECT id, start_offset, next_offset, appended_us FROM partition WHERE id = ?",
            self.partition_id(source),
        )
        return PartitionRow(*row)

    def batches(self, partition: int, offset: int, *, limit: int) -> list[BatchRow]:
        """The batch that holds ``offset``, or the first after it, and those that follow."""
        return [
            BatchRow(*row)
            for row in self.all(
                "SELECT b.base, b.count, b.appended_us, b.segment, b.position, b.size, b.crc, "
                "coalesce(s.name, '(not in the index)') "
                "FROM batch b LEFT JOIN segment s ON s.id = b.segment "
                "WHERE b.partition = ?1 AND b.base >= coalesce((SELECT max(base) FROM batch "
                "WHERE partition = ?1 AND base <= ?2), 0) AND b.base + b.count > ?2 "
                "ORDER BY b.base LIMIT ?3",
                partition,
                offset,
                limit,
            )
        ]

    def close(self) -> None:
        """Close the connection."""
        with translated(self.path, self._connection):
            self._connection.close()
