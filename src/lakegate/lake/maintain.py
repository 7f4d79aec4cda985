"""Keeping a table quick and small: compact, expire, sweep."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pyarrow as pa

from lakegate.errors import CommitConflict
from lakegate.fault import reach
from lakegate.lake import catalog
from lakegate.lake.append import landed
from lakegate.lake.catalog import refresh, staged_id
from lakegate.lake.commit import Change, commit_change, expiry, lineage, unmoved
from lakegate.lake.datafile import FileWriter, discard
from lakegate.lake.failure import translated
from lakegate.lake.overwrite import MODEL
from lakegate.lake.reading import read_files
from lakegate.lake.snapshot import (
    CONTRACT_DIGEST,
    CONTRACT_ID,
    CONTRACT_VERSION,
    KIND,
    MAIN,
    OFFSETS,
    Kind,
    format_offsets,
)
from lakegate.lake.sweep import GRACE, sweep
from lakegate.lake.tier import growing_group

if TYPE_CHECKING:
    from pyiceberg.manifest import DataFile, ManifestEntry
    from pyiceberg.table import Table

__all__ = ["MaintenanceReport", "compact", "expire", "maintain"]

_SMALL_FILES = 8
_ATTEMPTS = 3


@dataclass(frozen=True, slots=True)
class MaintenanceReport:
    """What one run of maintenance did. ``gave_up`` names what it left for the next one, and why."""

    compacted_files: int = 0  # small files replaced
    written_files: int = 0  # by so many
    expired_snapshots: int = 0
    deleted_files: int = 0  # that nothing referred to for the grace period
    waiting_files: int = 0  # unreferenced, but not for long enough yet
    gave_up: tuple[str, ...] = ()


def maintain(
    table: Table, *, keep: int, now: datetime | None = None, grace: timedelta = GRACE
) -> MaintenanceReport:
    """Compact, expire, sweep; safe beside a lander, a publisher, readers and another maintainer.

    ``now`` (aware) is the clock of the sweep. What a concurrent commit prevents is left for the
    next run and named in the report; so is all of a model's table that waits to be published, since
    its run publishes exactly the snapshot it has tested.

    Raises:
        LakeUnavailable: no room, or the catalog is locked; what was committed before stands.
        LakeError: files or manifests cannot be read.
    """
    if _awaits_its_run(table):
        return MaintenanceReport(gave_up=("all: what a model wrote last is not published yet",))
    gave_up: list[str] = []
    replaced = written = expired = 0
    try:
        replaced, written = compact(table)
    except CommitConflict as conflict:
        gave_up.append(f"compaction: {conflict}")
        refresh(table)
    try:
        expired = expire(table, keep=keep)
    except CommitConflict as conflict:
        gave_up.append(f"expiry: {conflict}")
    swept = sweep(table, now=now or datetime.now(UTC), grace=grace)
    return MaintenanceReport(
        compacted_files=replaced,
        written_files=written,
        expired_snapshots=expired,
        deleted_files=swept.deleted,
        waiting_files=swept.waiting,
        gave_up=tuple(gave_up),
    )


def _awaits_its_run(table: Table) -> bool:
    head = staged_id(table)
    if table.metadata.current_snapshot_id == head:
        return False
    for snapshot in lineage(table.metadata, head):
        kind = None if snapshot.summary is None else snapshot.summary.get(KIND)
        if kind != Kind.COMPACT:
            return kind == MODEL
    return False


def compact(table: Table) -> tuple[int, int]:
    """Merge the small files of each partition of ``staged``, in one snapshot of the same rows.

    The snapshot (operation ``replace``, ``lakegate.kind`` = ``compact``) carries offsets and
    contract forward. Returns how many files were replaced by how many.

    Raises:
        CommitConflict: others kept committing, or replaced the same files; nothing happened.
    """
    from pyiceberg.exceptions import CommitFailedException

    name = ".".join(table.name())
    with translated(f"cannot compact table {name}"):
        groups = list(_groups(table))
        if not groups:
            return 0, 0
        written: list[DataFile] = []
        try:
            writer = FileWriter(table)
            for group in groups:
                files = [entry.data_file for entry in group]
                written.append(writer.write(files[0].partition, read_files(table, files)))
            reach("lake.compact.written")
            removed = [entry.data_file for group in groups for entry in group]
            _replace(table, removed, written)
        except (CommitConflict, CommitFailedException):
            discard(table, written)
            raise
        finally:
            # Arrow's allocator keeps what it once had, and a lander maintains and lives on.
            pa.default_memory_pool().release_unused()
    reach("lake.compact.committed")
    return len(removed), len(written)


def _groups(table: Table) -> Iterator[list[ManifestEntry]]:
    from pyiceberg.manifest import ManifestContent

    snapshot = table.metadata.snapshot_by_id(staged_id(table))
    manifests = [] if snapshot is None else snapshot.manifests(table.io)
    if any(manifest.content != ManifestContent.DATA for manifest in manifests):
        return  # delete files (of another engine) refer to positions in the files as they are
    partitions: dict[object, list[ManifestEntry]] = defaultdict(list)
    for manifest in manifests:
        if manifest.partition_spec_id == table.metadata.default_spec_id:
            for entry in manifest.fetch_manifest_entry(table.io):
                partitions[entry.data_file.partition].append(entry)
    target = int(table.properties.get("write.target-file-size-bytes", str(128 << 20)))
    for entries in partitions.values():
        sizes = [entry.data_file.file_size_in_bytes for entry in entries]
        group = growing_group(sizes, count=_SMALL_FILES, limit=target)
        if group:
            chosen = [entries[position] for position in group]
            yield sorted(chosen, key=lambda e: (e.sequence_number or 0, e.data_file.file_path))


def _replace(table: Table, removed: list[DataFile], written: list[DataFile]) -> None:
    from pyiceberg.exceptions import CommitFailedException

    following = (table.metadata.current_schema_id, table.metadata.default_spec_id)
    for attempt in range(1, _ATTEMPTS + 1):
        head = table.metadata.snapshot_by_id(staged_id(table))
        summary = {} if head is None or head.summary is None else head.summary
        carried = {
            name: str(summary[name])
            for name in (CONTRACT_ID, CONTRACT_VERSION, CONTRACT_DIGEST)
            if name in summary
        }
        properties = {KIND: Kind.COMPACT.value, OFFSETS: format_offsets(landed(table))} | carried
        try:
            commit_change(table, Change(properties=properties, added=written, removed=removed))
            return
        except CommitFailedException:
            refresh(table)
            now = (table.metadata.current_schema_id, table.metadata.default_spec_id)
            if attempt == _ATTEMPTS or now != following:
                raise


def expire(table: Table, *, keep: int) -> int:
    """Forget the oldest snapshots; never a head, a tag or a pin. Returns how many.

    Raises:
        CommitConflict: another commit came between; nothing happened.
    """
    updates = expiry(table.metadata, staged_id(table), keep=keep)
    if not updates:
        return 0
    before = len(table.metadata.snapshots)
    with translated(f"cannot expire snapshots of {'.'.join(table.name())}"):
        catalog.commit(table, (unmoved(table, MAIN),), updates)
    return before - len(table.metadata.snapshots)
