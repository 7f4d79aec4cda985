"""The lake as the other rooms see it: one object, a table per stream, two branches per table."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa

from lakegate.contract.stream import Stream
from lakegate.errors import CommitConflict
from lakegate.lake.snapshot import MAIN, SnapshotInfo
from lakegate.topic.base import TopicPartition

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection
    from pyiceberg.catalog import Catalog
    from pyiceberg.table import Table

    from lakegate.lake.delete import Coordinates, Taken
    from lakegate.lake.maintain import MaintenanceReport

__all__ = ["Lake"]

_ATTEMPTS = 5
_KEEP = 50


class Lake:
    """Iceberg tables of validated rows: written on branch ``staged``, read on ``main``.

    ``location`` is a directory of this machine: the catalog is SQLite at ``catalog.db`` in it, the
    files are under ``warehouse``. ``catalog`` names any other PyIceberg catalog by its properties
    (``type``, ``uri``, ``warehouse``, ...). Nothing is opened or imported before the first use.
    ``keep`` is the number of snapshots of ``staged`` kept, besides heads, tags and pins.

    Wherever a stream is asked for, the name of its table does too, unless the contract is needed.
    Any number of processes may use one lake. Every method may raise
    :class:`~lakegate.lake.failure.LakeUnavailable` (locked or unreachable: try again) and
    :class:`~lakegate.errors.LakeError` (damaged; says what).
    """

    def __init__(
        self, location: Path | str, *, catalog: Mapping[str, str] | None = None, keep: int = _KEEP
    ) -> None:
        self.location = Path(location).absolute()
        self.keep = keep
        self._properties = catalog

    @cached_property
    def catalog(self) -> Catalog:
        """The PyIceberg catalog, opened on first use."""
        from lakegate.lake.catalog import open_catalog

        return open_catalog(self.location, self._properties)

    def table(self, stream: Stream | str) -> Table:
        """The PyIceberg table as it is now.

        Raises:
            LakeError: no such table yet, or written by a newer Lakegate.
        """
        from lakegate.lake.catalog import load

        return load(self.catalog, stream if isinstance(stream, str) else stream.table)

    def exists(self, stream: Stream | str) -> bool:
        """Whether the table has been created."""
        from lakegate.lake.catalog import look_up

        return (
            look_up(self.catalog, stream if isinstance(stream, str) else stream.table) is not None
        )

    def tables(self) -> list[str]:
        """Every table, as ``namespace.name``, in order."""
        from lakegate.lake.failure import translated

        with translated(f"cannot list the tables of {self.location}"):
            return sorted(
                ".".join(name)
                for namespace in self.catalog.list_namespaces()
                for name in self.catalog.list_tables(namespace)
            )

    def close(self) -> None:
        """Release the catalog's connections."""
        if "catalog" in self.__dict__:
            self.catalog.close()
            del self.__dict__["catalog"]

    def ensure(self, stream: Stream) -> None:
        """Create the stream's table from its contract, or make the table follow it; idempotent.

        A column that left the contract stays, optional. See docs/reference/lake.md for what a table
        can follow.

        Raises:
            LakeError: a change that no table can follow; nothing was changed; says what to do.
            CommitConflict: others kept committing; try again.
        """
        from lakegate.lake.table import ensure

        ensure(self.catalog, stream)

    def land(
        self,
        stream: Stream,
        rows: pa.Table,
        *,
        offsets: Mapping[TopicPartition, tuple[int, int]],
    ) -> int:
        """Append validated rows to ``staged`` in one snapshot; return how many.

        ``rows`` have a schema of :func:`lakegate.topic.schema.validated_schema` (key, headers and
        timestamp are not landed), of the stream's contract or an older one of this table, as their
        metadata says. ``offsets`` are the ranges ``[from, next)`` of the validated topic that they
        are. Exactly once: the newest staged snapshot carries the offsets landed so far.

        Raises:
            CommitConflict: the offsets do not continue what has landed; nothing happened.
            LakeUnavailable: no room; nothing happened.
            LakeError: the rows do not fit the table; nothing happened.
        """
        from lakegate.lake.append import append

        return append(self.table(stream), stream, rows, offsets=offsets, keep=self.keep)

    def landed(self, stream: Stream | str) -> dict[TopicPartition, int]:
        """The next offset to land of every partition of the validated topic that ever landed."""
        from lakegate.lake.append import landed

        return landed(self.table(stream))

    def take_off(
        self,
        stream: Stream | str,
        rows: Coordinates,
        *,
        upto: Mapping[TopicPartition, int],
        quarantines: Sequence[str],
    ) -> Taken:
        """Delete quarantined rows from ``staged``; see :func:`lakegate.lake.delete.take_off`.

        Raises:
            CommitConflict: others kept committing; nothing happened; try again.
        """
        from lakegate.lake.delete import take_off

        return take_off(
            self.table(stream), rows, upto=upto, quarantines=quarantines, keep=self.keep
        )

    def quarantined(
        self, stream: Stream | str, *, snapshot_id: int | None = None
    ) -> dict[TopicPartition, int]:
        """Per dead letter partition: below which offset the quarantined ones are off the table."""
        from lakegate.lake.delete import quarantined

        return quarantined(self.table(stream), snapshot_id)

    def head(self, stream: Stream | str, branch: str = MAIN) -> SnapshotInfo | None:
        """The newest snapshot of ``main`` or ``staged``, or None if there is no such branch."""
        from lakegate.lake.branch import head

        return head(self.table(stream), branch)

    def history(self, stream: Stream | str, branch: str = MAIN) -> list[SnapshotInfo]:
        """The snapshots of a branch that are still kept, newest first."""
        from lakegate.lake.branch import history

        return history(self.table(stream), branch)

    def publish(self, stream: Stream | str, *, snapshot_id: int, expected_main: int | None) -> None:
        """Move ``main`` to exactly that snapshot; asserted in the commit, and only ever forward.

        Publishing what is on ``main`` already does nothing.

        Raises:
            PublishRefused: ``main`` is not ``expected_main``, or not an ancestor of the snapshot.
            LakeError: no such snapshot.
            CommitConflict: others kept committing; try again.
        """
        from lakegate.lake.branch import publish

        for attempt in range(1, _ATTEMPTS + 1):
            try:
                publish(self.table(stream), snapshot_id=snapshot_id, expected_main=expected_main)
            except CommitConflict:
                if attempt == _ATTEMPTS:
                    raise
            else:
                return

    def pin(self, stream: Stream | str, *, snapshot_id: int, name: str) -> None:
        """Keep a snapshot and its files until :meth:`unpin`; the pin of that name moves.

        Raises:
            LakeError: no such snapshot.
            CommitConflict: another commit came between; try again.
        """
        from lakegate.lake.branch import pin

        pin(self.table(stream), snapshot_id=snapshot_id, name=name)

    def unpin(self, stream: Stream | str, *, name: str) -> None:
        """Let go of a pinned snapshot; nothing happens if there is no such pin."""
        from lakegate.lake.branch import unpin

        unpin(self.table(stream), name=name)

    def relation(
        self,
        connection: DuckDBPyConnection,
        stream: Stream | str,
        *,
        snapshot_id: int,
        name: str,
    ) -> None:
        """Make ``name`` a temporary DuckDB view over exactly the rows of a snapshot.

        Raises:
            LakeError: no such snapshot, or its files cannot be listed.
        """
        from lakegate.lake.reading import relation

        relation(connection, self.table(stream), snapshot_id=snapshot_id, name=name)

    def added(
        self,
        connection: DuckDBPyConnection,
        stream: Stream | str,
        *,
        since: int | None,
        until: int,
        name: str,
    ) -> None:
        """Make ``name`` a temporary DuckDB view over the rows of ``until`` that ``since`` lacks.

        Raises:
            LakeError: no such snapshot, or its files cannot be listed.
        """
        from lakegate.lake.reading import added

        added(connection, self.table(stream), since=since, until=until, name=name)

    def scan(
        self,
        stream: Stream | str,
        *,
        snapshot_id: int,
        columns: Sequence[str] | None = None,
        since: Mapping[int, int] | None = None,
    ) -> Iterator[pa.RecordBatch]:
        """The rows of a snapshot as record batches, in bounded memory.

        ``since``: only rows with ``_offset >= since[_source_partition]`` (0 for a partition not
        named); files that hold none are not read.

        Raises:
            LakeError: no such snapshot or column; a data file is missing or damaged (named).
        """
        from lakegate.lake.reading import scan

        return scan(self.table(stream), snapshot_id=snapshot_id, columns=columns, since=since)

    def verify(self, stream: Stream | str, *, snapshot_id: int) -> Iterator[str]:
        """Read every data file of a snapshot; one sentence per missing or damaged one.

        Raises:
            LakeError: no such snapshot, or its manifests cannot be read.
        """
        from lakegate.lake.reading import verify

        return verify(self.table(stream), snapshot_id=snapshot_id)

    def maintain(self, stream: Stream | str, *, now: datetime | None = None) -> MaintenanceReport:
        """Compact small files, expire old snapshots, delete what nothing refers to any more.

        Safe beside a running lander: what conflicts is given up, and the report says so.
        """
        from lakegate.lake.maintain import maintain

        return maintain(self.table(stream), now=now, keep=self.keep)
