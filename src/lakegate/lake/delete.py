"""Taking rows off ``staged``: the data files that hold them are written anew without them.

A quarantine writes its rows to the dead letter topic first and then takes them off the table. Which
dead letters are off already, the newest snapshot says (``lakegate.quarantined``), exactly as
``lakegate.offsets`` says what has landed; nothing else has to be remembered.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from lakegate.errors import CommitConflict
from lakegate.fault import reach
from lakegate.lake.catalog import refresh, staged_id
from lakegate.lake.commit import Change, commit_change, lineage
from lakegate.lake.datafile import FileWriter, discard, write_rows
from lakegate.lake.failure import translated
from lakegate.lake.reading import files_of, read_tasks
from lakegate.lake.snapshot import (
    CONTRACT_DIGEST,
    CONTRACT_ID,
    CONTRACT_VERSION,
    KIND,
    OFFSETS,
    QUARANTINE,
    QUARANTINED,
    Kind,
    format_offsets,
    parse_offsets,
)
from lakegate.topic.base import TopicPartition

if TYPE_CHECKING:
    from pyiceberg.manifest import DataFile
    from pyiceberg.table import FileScanTask, Table

__all__ = ["FAULT_POINTS", "Coordinates", "Taken", "quarantined", "take_off"]

FAULT_POINTS = ("lake.quarantine.written", "lake.quarantine.committed")

# Source coordinates of rows: the sorted offsets of each partition they came from.
Coordinates = Mapping[TopicPartition, npt.NDArray[np.int64]]

_ATTEMPTS = 5
_COLUMNS = ("_topic", "_source_partition", "_offset")


@dataclass(frozen=True, slots=True)
class Taken:
    """What :func:`take_off` did: rows taken off, and rows that stay because ``main`` has them."""

    rows: int
    published: int
    snapshot_id: int | None  # None: the table says that it was done before


def quarantined(table: Table, snapshot_id: int | None = None) -> dict[TopicPartition, int]:
    """Per dead letter partition: below which offset the quarantined ones are off the table.

    At the given snapshot, or the head of ``staged``.
    """
    head = staged_id(table) if snapshot_id is None else snapshot_id
    for snapshot in lineage(table.metadata, head):
        summary = snapshot.summary
        text = None if summary is None else summary.get(QUARANTINED)
        if text is not None:
            return parse_offsets(text)
        if summary is not None and summary.get(OFFSETS) is not None:
            break
    return {}


def take_off(
    table: Table,
    rows: Coordinates,
    *,
    upto: Mapping[TopicPartition, int],
    quarantines: Sequence[str],
    keep: int,
) -> Taken:
    """Delete rows from ``staged`` in one snapshot, which says ``upto`` where it was asked to.

    Rows that are on ``main`` stay: published rows are never taken off. The commit asserts that
    neither branch moved; when others land or publish meanwhile it is begun again from what is
    there then. When ``staged`` says that it went as far as ``upto`` before, nothing happens.

    Raises:
        CommitConflict: others kept committing; nothing happened: try again.
        LakeUnavailable: no room; nothing happened.
        LakeError: a data file cannot be read.
    """
    name = ".".join(table.name())
    refused: CommitConflict | None = None
    for _ in range(_ATTEMPTS):
        done = quarantined(table)
        if all(done.get(source, 0) >= offset for source, offset in upto.items()):
            return Taken(0, 0, None)
        properties = _properties(table, done | dict(upto), quarantines)
        try:
            with translated(f"cannot take rows off table {name}"):
                return _rewrite(table, rows, properties, keep)
        except CommitConflict as conflict:
            refused = conflict
            refresh(table)
    raise CommitConflict(
        f"rows could not be taken off table {name} in {_ATTEMPTS} attempts, others kept "
        "committing; nothing happened: try again"
    ) from refused


def _properties(
    table: Table, upto: Mapping[TopicPartition, int], quarantines: Sequence[str]
) -> dict[str, str]:
    head = table.metadata.snapshot_by_id(staged_id(table))
    summary = {} if head is None or head.summary is None else head.summary
    said = (OFFSETS, CONTRACT_ID, CONTRACT_VERSION, CONTRACT_DIGEST)
    carried = {name: str(summary[name]) for name in said if summary.get(name) is not None}
    return carried | {
        KIND: Kind.QUARANTINE.value,
        QUARANTINED: format_offsets(upto),
        QUARANTINE: ",".join(quarantines),
    }


def _rewrite(table: Table, rows: Coordinates, properties: Mapping[str, str], keep: int) -> Taken:
    from pyiceberg.exceptions import CommitFailedException

    fresh, gone = _differing(table)
    published = list(_coordinates(table, gone))
    wanted = {source: offsets for source, offsets in rows.items() if len(offsets)}
    off = {source: _less(offsets, source, published) for source, offsets in wanted.items()}
    removed: list[DataFile] = []
    written: list[DataFile] = []
    taken = 0
    try:
        for task in fresh:
            found = sum(_among(batch, off).sum() for batch in _coordinates(table, [task]))
            if found == 0:
                continue
            removed.append(task.file)
            taken += int(found)
            if found < task.file.record_count:
                written += _without(table, task, off)
        reach("lake.quarantine.written")
        change = Change(
            properties=properties, added=written, removed=removed, keep=keep, takes_rows_off=True
        )
        snapshot_id = commit_change(table, change)
    except (CommitConflict, CommitFailedException):
        discard(table, written)
        raise
    reach("lake.quarantine.committed")
    return Taken(taken, sum(map(len, wanted.values())) - taken, snapshot_id)


def _differing(table: Table) -> tuple[list[FileScanTask], list[FileScanTask]]:
    """Files of ``staged`` that are not on ``main``, and the other way round (after compaction)."""
    main = table.metadata.current_snapshot_id
    new = {task.file.file_path: task for task in files_of(table, staged_id(table))}
    old = {} if main is None else {t.file.file_path: t for t in files_of(table, main)}
    fresh = [task for path, task in new.items() if path not in old]
    return fresh, [task for path, task in old.items() if path not in new]


def _coordinates(table: Table, tasks: Iterable[FileScanTask]) -> Iterator[pa.RecordBatch]:
    for batch in read_tasks(table, tasks, _COLUMNS):
        yield batch.select(list(_COLUMNS))


def _among(batch: pa.RecordBatch, rows: Coordinates) -> npt.NDArray[np.bool_]:
    """Which rows of the batch have one of the coordinates."""
    partitions = np.asarray(batch.column("_source_partition"))
    offsets = np.asarray(batch.column("_offset"))
    found = np.zeros(batch.num_rows, dtype=bool)
    for source, wanted in rows.items():
        here = partitions == source.partition
        if not here.any():
            continue
        here &= np.asarray(pc.equal(batch.column("_topic"), source.topic))
        found |= here & np.isin(offsets, wanted)
    return found


def _less(
    offsets: npt.NDArray[np.int64], source: TopicPartition, published: Sequence[pa.RecordBatch]
) -> npt.NDArray[np.int64]:
    for batch in published:
        mine = _among(batch, {source: offsets})
        offsets = np.setdiff1d(offsets, np.asarray(batch.column("_offset"))[mine])
    return offsets


def _without(table: Table, task: FileScanTask, rows: Coordinates) -> list[DataFile]:
    """The other rows of a file as files of the table's current partition spec."""
    kept = (batch.filter(pa.array(~_among(batch, rows))) for batch in read_tasks(table, [task]))
    if task.file.spec_id == table.metadata.default_spec_id:
        return [FileWriter(table).write(task.file.partition, kept)]
    return write_rows(table, pa.Table.from_batches(list(kept)))
