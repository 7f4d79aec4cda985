"""Making a snapshot: manifests, manifest list, summary, and the one commit that makes it true.

Iceberg spec, "Snapshots" and "Manifests". PyIceberg can append and overwrite; written here because
one commit does more: it appends or replaces on a branch with its head asserted, merges manifests
tier by tier, and expires old snapshots, so that the cost of a commit does not grow.
"""

from __future__ import annotations

import itertools
import json
import time
import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from lakegate.errors import CommitConflict
from lakegate.lake import catalog
from lakegate.lake.snapshot import MAIN, OFFSETS, QUARANTINED, STAGED
from lakegate.lake.tier import growing_group
from lakegate.lake.update import assert_branch, forget_snapshots, set_branch

if TYPE_CHECKING:
    from pyiceberg.avro.codecs import AvroCompressionCodec
    from pyiceberg.manifest import DataFile, ManifestEntry, ManifestEntryStatus, ManifestFile
    from pyiceberg.table import Table
    from pyiceberg.table.metadata import TableMetadata
    from pyiceberg.table.snapshots import Snapshot, Summary
    from pyiceberg.table.update import TableRequirement, TableUpdate

__all__ = ["Change", "commit_change", "expiry", "lineage", "unmoved"]

# table property: {snapshot id: nearest ancestor still kept}, where expiry cut the chain of parents
LINEAGE = "lakegate.lineage"

_CODEC: AvroCompressionCodec = "deflate"
_MERGE_COUNT = 10
_MERGED_BYTES = 8 << 20


@dataclass(frozen=True, slots=True)
class Change:
    """What a new snapshot does to a branch: files in and out, properties, snapshots to keep.

    ``takes_rows_off``: not all rows of ``removed`` are in ``added`` again; then ``main`` must not
    move meanwhile, because what is published is never taken off.
    """

    properties: Mapping[str, str]
    added: Sequence[DataFile] = ()
    removed: Sequence[DataFile] = ()  # whose rows are in `added` again, unless said otherwise
    branch: str = STAGED
    keep: int | None = None  # snapshots of the branch to keep; None: expire none
    takes_rows_off: bool = False


@dataclass(slots=True)
class _Producer:
    table: Table
    snapshot_id: int
    written: list[str] = field(default_factory=list)
    commit_id: uuid.UUID = field(default_factory=uuid.uuid4)

    def manifest(self, spec_id: int, entries: Iterable[ManifestEntry]) -> ManifestFile:
        from pyiceberg.manifest import write_manifest

        metadata = self.table.metadata
        path = self.location(f"{self.commit_id}-m{len(self.written)}.avro")
        with write_manifest(
            format_version=metadata.format_version,
            spec=metadata.specs()[spec_id],
            schema=metadata.schema(),
            output_file=self.table.io.new_output(path),
            snapshot_id=self.snapshot_id,
            avro_compression=_CODEC,
        ) as writer:
            for entry in entries:
                writer.add_entry(entry)
        return writer.to_manifest_file()

    def manifest_list(self, parent: Snapshot | None, manifests: Iterable[ManifestFile]) -> str:
        from pyiceberg.manifest import write_manifest_list

        metadata = self.table.metadata
        path = self.location(f"snap-{self.snapshot_id}-0-{self.commit_id}.avro")
        with write_manifest_list(
            format_version=metadata.format_version,
            output_file=self.table.io.new_output(path),
            snapshot_id=self.snapshot_id,
            parent_snapshot_id=None if parent is None else parent.snapshot_id,
            sequence_number=metadata.next_sequence_number(),
            avro_compression=_CODEC,
        ) as writer:
            writer.add_manifests(list(manifests))
        return path

    def undo(self) -> None:
        """Delete what was written; what cannot be deleted is left to the sweep."""
        for path in self.written:
            with suppress(OSError):
                self.table.io.delete(path)

    def location(self, name: str) -> str:
        path = self.table.location_provider().new_metadata_location(name)
        self.written.append(path)
        return path


def commit_change(table: Table, change: Change) -> int:
    """Commit a change on top of the branch's head as ``table`` has it; return the new snapshot id.

    ``table`` is up to date afterwards. When the commit is refused, the manifests are deleted again;
    the data files are the caller's.

    Raises (untranslated):
        CommitFailedException: the branch has moved since ``table`` was loaded; nothing happened.
        CommitConflict: a file to be removed is not in the branch any more; nothing happened.
    """
    from pyiceberg.exceptions import CommitFailedException
    from pyiceberg.table.snapshots import Snapshot
    from pyiceberg.table.update import AddSnapshotUpdate

    metadata = table.metadata
    parent = metadata.snapshot_by_name(change.branch)
    producer = _Producer(table, metadata.new_snapshot_id())
    try:
        snapshot = Snapshot.model_validate(
            {
                "snapshot-id": producer.snapshot_id,
                "parent-snapshot-id": None if parent is None else parent.snapshot_id,
                "sequence-number": metadata.next_sequence_number(),
                "timestamp-ms": max(int(time.time() * 1000), metadata.last_updated_ms),
                "manifest-list": producer.manifest_list(
                    parent, _manifests(producer, parent, change)
                ),
                "summary": _summary(table, parent, change),
                "schema-id": metadata.current_schema_id,
            }
        )
    except BaseException:
        producer.undo()
        raise
    head = set_branch(change.branch, snapshot.snapshot_id)
    requirements = [unmoved(table, change.branch)]
    forget: tuple[TableUpdate, ...] = ()
    if change.keep is not None and parent is not None:
        forget = expiry(metadata, parent.snapshot_id, keep=change.keep, slack=change.keep // 2)
    if forget or change.takes_rows_off:
        requirements.append(unmoved(table, MAIN))
    try:
        catalog.commit(table, requirements, (AddSnapshotUpdate(snapshot=snapshot), head, *forget))
    except CommitFailedException:
        # Only this error says that nothing refers to them; after any other they may be in use.
        producer.undo()
        raise
    return snapshot.snapshot_id


def unmoved(table: Table, branch: str) -> TableRequirement:
    """The requirement that a branch is where ``table`` has it."""
    reference = table.metadata.refs.get(branch)
    return assert_branch(branch, None if reference is None else reference.snapshot_id)


def _manifests(producer: _Producer, parent: Snapshot | None, change: Change) -> list[ManifestFile]:
    from pyiceberg.manifest import ManifestEntryStatus

    before = [] if parent is None else parent.manifests(producer.table.io)
    live = [item for item in before if item.has_added_files() or item.has_existing_files()]
    made: list[ManifestFile] = []
    if change.added:
        entries = [
            _entry(ManifestEntryStatus.ADDED, producer.snapshot_id, None, file)
            for file in change.added
        ]
        made.append(producer.manifest(producer.table.metadata.default_spec_id, entries))
    if change.removed:
        live = _without(producer, live, frozenset(file.file_path for file in change.removed), made)
    return [*made, *_merged(producer, live)]


def _without(
    producer: _Producer,
    manifests: list[ManifestFile],
    removed: frozenset[str],
    made: list[ManifestFile],
) -> list[ManifestFile]:
    """Manifests that hold none of the removed files; the others are written anew into ``made``."""
    from pyiceberg.manifest import ManifestContent, ManifestEntryStatus

    untouched: list[ManifestFile] = []
    found = 0
    for manifest in manifests:
        if manifest.content != ManifestContent.DATA:
            untouched.append(manifest)
            continue
        entries = manifest.fetch_manifest_entry(producer.table.io)
        gone = sum(entry.data_file.file_path in removed for entry in entries)
        if gone == 0:
            untouched.append(manifest)
            continue
        found += gone
        rewritten = [
            _kept(entry)
            if entry.data_file.file_path not in removed
            else _entry(ManifestEntryStatus.DELETED, producer.snapshot_id, entry, entry.data_file)
            for entry in entries
        ]
        made.append(producer.manifest(manifest.partition_spec_id, rewritten))
    if found != len(removed):
        raise CommitConflict(
            f"{len(removed) - found} of {len(removed)} data files to replace are not in the table "
            f"{'.'.join(producer.table.name())}: nothing was committed; run maintenance again"
        )
    return untouched


def _merged(producer: _Producer, manifests: list[ManifestFile]) -> list[ManifestFile]:
    """The same files in fewer manifests, merged per partition spec, tier by tier."""
    from pyiceberg.manifest import ManifestContent

    result = list(manifests)
    for spec_id in {item.partition_spec_id for item in manifests}:
        same = [
            item
            for item in manifests
            if item.partition_spec_id == spec_id and item.content == ManifestContent.DATA
        ]
        group = growing_group(
            [item.manifest_length for item in same], count=_MERGE_COUNT, limit=_MERGED_BYTES
        )
        if not group:
            continue
        merging = [same[position] for position in group]
        entries = itertools.chain.from_iterable(
            item.fetch_manifest_entry(producer.table.io) for item in merging
        )
        merged = producer.manifest(spec_id, (_kept(entry) for entry in entries))
        result = [merged, *(item for item in result if item not in merging)]
    return result


def _kept(entry: ManifestEntry) -> ManifestEntry:
    from pyiceberg.manifest import ManifestEntryStatus

    return _entry(ManifestEntryStatus.EXISTING, entry.snapshot_id, entry, entry.data_file)


def _entry(
    status: ManifestEntryStatus, snapshot_id: int | None, old: ManifestEntry | None, file: DataFile
) -> ManifestEntry:
    from pyiceberg.manifest import ManifestEntry

    return ManifestEntry.from_args(
        status=status,
        snapshot_id=snapshot_id,
        sequence_number=None if old is None else old.sequence_number,
        file_sequence_number=None if old is None else old.file_sequence_number,
        data_file=file,
    )


def _summary(table: Table, parent: Snapshot | None, change: Change) -> Summary:
    from pyiceberg.table.snapshots import (
        Operation,
        SnapshotSummaryCollector,
        Summary,
        update_snapshot_summaries,
    )

    metadata = table.metadata
    collector = SnapshotSummaryCollector()
    for file in change.added:
        collector.add_file(file, metadata.schema(), metadata.spec())
    for file in change.removed:
        collector.remove_file(file, metadata.schema(), metadata.specs()[file.spec_id])
    counted = update_snapshot_summaries(
        Summary(Operation.OVERWRITE, **collector.build()),
        None if parent is None or parent.summary is None else parent.summary,
    )
    operation = Operation.REPLACE if change.removed else Operation.APPEND
    if change.takes_rows_off:
        operation = Operation.OVERWRITE if change.added else Operation.DELETE
    return Summary(
        operation,
        **counted.additional_properties,
        **(_carried(metadata, parent) | dict(change.properties)),
    )


def _carried(metadata: TableMetadata, parent: Snapshot | None) -> dict[str, str]:
    """How far quarantined dead letters are off the table, as the newest snapshot of ours says."""
    if parent is None:
        return {}
    for snapshot in lineage(metadata, parent.snapshot_id):
        said = None if snapshot.summary is None else snapshot.summary.get(QUARANTINED)
        if said is not None:
            return {QUARANTINED: said}
        if snapshot.summary is not None and snapshot.summary.get(OFFSETS) is not None:
            break
    return {}


def lineage(metadata: TableMetadata, snapshot_id: int) -> Iterator[Snapshot]:
    """A snapshot and its ancestors that are still kept, newest first, across what was expired."""
    bridges = json.loads(metadata.properties.get(LINEAGE, "{}"))
    snapshot = metadata.snapshot_by_id(snapshot_id)
    while snapshot is not None:
        yield snapshot
        parent = snapshot.parent_snapshot_id
        older = parent if parent is not None else bridges.get(str(snapshot.snapshot_id))
        snapshot = None if older is None else metadata.snapshot_by_id(int(older))


def expiry(
    metadata: TableMetadata, head_id: int | None, *, keep: int, slack: int = 0
) -> tuple[TableUpdate, ...]:
    """The updates that forget all but the newest ``keep`` snapshots below a head; no named one.

    Empty as long as no more than ``slack`` would go. Where expiry cuts the chain of parents, the
    table property ``lakegate.lineage`` bridges the gap, so that ``main`` is still known to be an
    ancestor of ``staged``, however late it is published. To be committed with ``main`` asserted.
    """
    from pyiceberg.table.update import SetPropertiesUpdate

    named = {reference.snapshot_id for reference in metadata.refs.values()}
    chain = [] if head_id is None else list(lineage(metadata, head_id))
    loose = [item.snapshot_id for item in chain[1:] if item.snapshot_id not in named]
    expired = set(loose[max(keep - 1, 1) :])
    if len(expired) <= slack:
        return ()
    kept = [item.snapshot_id for item in chain if item.snapshot_id not in expired]
    parents = {item.snapshot_id: item.parent_snapshot_id for item in chain}
    bridges = {
        str(newer): older
        for newer, older in itertools.pairwise(kept)
        if parents[newer] is None or parents[newer] in expired
    }
    return (
        forget_snapshots(expired),
        SetPropertiesUpdate(updates={LINEAGE: json.dumps(bridges)}),
    )
