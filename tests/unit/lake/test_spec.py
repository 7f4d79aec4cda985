"""What is written is what the Iceberg specification (v2) says, seen without a foreign engine.

Spec sections "Manifests" (metrics, sequence number inheritance), "Manifest lists" (partition
summaries) and "Snapshots" (summary). Read with PyIceberg's readers, the numbers computed anew.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from pyiceberg.conversions import from_bytes
from pyiceberg.manifest import DataFile, ManifestEntry, ManifestEntryStatus, ManifestFile
from pyiceberg.table.snapshots import Operation, Snapshot

from lakegate.contract.stream import Partition
from lakegate.contract.type import NumberType
from lakegate.lake import STAGED, Lake
from tests.unit.lake.sample import AT, ID, LINES, NAME, TOTAL, TP, a, orders, validated

RATIO = a("ratio", NumberType())
STREAM = orders((ID, AT, TOTAL, NAME, RATIO, LINES), partitions=(Partition("at", "month"),))
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)


def land(lake: Lake, first: int, after: int, **columns: Any) -> None:
    lake.land(STREAM, validated(STREAM, first, after, **columns), offsets={TP: (first, after)})


def snapshot(lake: Lake) -> Snapshot:
    found = lake.table(STREAM).metadata.snapshot_by_name(STAGED)
    assert found is not None
    return found


def manifests(lake: Lake) -> list[ManifestFile]:
    return snapshot(lake).manifests(lake.table(STREAM).io)


def entries(lake: Lake, manifest: ManifestFile) -> list[ManifestEntry]:
    return manifest.fetch_manifest_entry(lake.table(STREAM).io, discard_deleted=False)


def only_file(lake: Lake) -> DataFile:
    (task,) = lake.table(STREAM).scan(snapshot_id=snapshot(lake).snapshot_id).plan_files()
    return task.file


def bounds(lake: Lake, file: DataFile, column: str) -> tuple[Any, Any]:
    field = lake.table(STREAM).schema().find_field(column)
    return tuple(  # type: ignore[return-value]
        None if field.field_id not in found else from_bytes(field.field_type, found[field.field_id])
        for found in (file.lower_bounds, file.upper_bounds)
    )


@pytest.fixture
def opened(tmp_path: Path) -> Iterator[Lake]:
    lake = Lake(tmp_path / "lake")
    lake.ensure(STREAM)
    yield lake
    lake.close()


def test_bounds_and_counts_are_those_of_the_rows(opened: Lake) -> None:
    land(opened, 0, 4, name=["b", None, "a", None], ratio=[1.5, None, -2.0, 0.5])
    file = only_file(opened)
    field = opened.table(STREAM).schema().find_field
    assert file.record_count == 4
    assert bounds(opened, file, "id") == (0, 3)
    assert bounds(opened, file, "name") == ("a", "b")
    assert bounds(opened, file, "ratio") == (-2.0, 1.5)
    assert [str(value) for value in bounds(opened, file, "total")] == ["0.00", "0.03"]
    assert file.value_counts[field("name").field_id] == 4
    assert file.null_value_counts[field("name").field_id] == 2
    assert file.null_value_counts[field("id").field_id] == 0


@pytest.mark.parametrize("ratio", [0.0, -0.0])
def test_a_zero_bound_covers_both_zeros(opened: Lake, ratio: float) -> None:
    land(opened, 0, 2, ratio=[ratio, ratio])
    file = only_file(opened)
    number = opened.table(STREAM).schema().find_field("ratio").field_id
    assert file.lower_bounds[number] == struct.pack("<d", -0.0)
    assert file.upper_bounds[number] == struct.pack("<d", 0.0)


def test_nan_is_in_no_bound(opened: Lake) -> None:
    land(opened, 0, 3, ratio=[float("nan"), 1.0, 2.0])
    assert bounds(opened, only_file(opened), "ratio") == (1.0, 2.0)


def test_a_file_of_nothing_but_nan_or_null_has_no_bounds(opened: Lake) -> None:
    land(opened, 0, 2, ratio=[float("nan")] * 2, name=[None] * 2)
    file = only_file(opened)
    assert bounds(opened, file, "ratio") == (None, None)
    assert bounds(opened, file, "name") == (None, None)


@pytest.mark.parametrize(
    ("name", "lower", "upper"),  # upper: the last character that can be is counted up; else none
    [
        ("z" * 16, "z" * 16, "z" * 16),
        ("z" * 17, "z" * 16, "z" * 15 + "{"),
        ("\u65e5" * 20, "\u65e5" * 16, "\u65e5" * 15 + "\u65e6"),
        ("\U0010ffff" * 18, "\U0010ffff" * 16, None),
        ("a" + "\U0010ffff" * 18, "a" + "\U0010ffff" * 15, "b" + "\U0010ffff" * 15),
    ],
)
def test_a_truncated_bound_still_holds_the_value(
    opened: Lake, name: str, lower: str, upper: str | None
) -> None:
    land(opened, 0, 1, name=[name])
    assert bounds(opened, only_file(opened), "name") == (lower, upper)


def test_months_before_1970_are_counted_down(opened: Lake) -> None:
    times = ["1969-12-31T23:59:59", "1969-12-01T00:00:00", "1969-11-30T00:00:00", "1970-01-01"]
    micros = [(datetime.fromisoformat(t).replace(tzinfo=UTC) - EPOCH) // MICROSECOND for t in times]
    land(opened, 0, 5, at=[*micros, None])
    (manifest,) = manifests(opened)
    found = {entry.data_file.partition[0]: entry for entry in entries(opened, manifest)}
    assert set(found) == {-1, -2, 0, None}
    assert found[-1].data_file.record_count == 2
    assert manifest.partitions is not None
    (summary,) = manifest.partitions
    assert summary.contains_null
    assert summary.lower_bound == struct.pack("<i", -2)
    assert summary.upper_bound == struct.pack("<i", 0)


def test_split_offsets_are_where_row_groups_begin(
    opened: Lake, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lakegate.lake.datafile._ROW_GROUP_ROWS", 10)
    land(opened, 0, 35)
    file = only_file(opened)
    path = file.file_path.removeprefix("file://")
    metadata = pq.ParquetFile(path).metadata
    first = [metadata.row_group(n).column(0) for n in range(metadata.num_row_groups)]
    assert file.split_offsets == [c.dictionary_page_offset or c.data_page_offset for c in first]
    assert file.split_offsets == sorted(file.split_offsets)
    assert len(file.split_offsets) == 4
    assert file.file_size_in_bytes == Path(path).stat().st_size


def live(lake: Lake) -> dict[str, ManifestEntry]:
    return {
        entry.data_file.file_path: entry
        for manifest in manifests(lake)
        for entry in entries(lake, manifest)
        if entry.status != ManifestEntryStatus.DELETED
    }


def check_manifest_list(lake: Lake) -> None:
    """What the list says of each manifest is what the manifest holds."""
    for manifest in manifests(lake):
        held = entries(lake, manifest)
        for status, files, rows in (
            (ManifestEntryStatus.ADDED, manifest.added_files_count, manifest.added_rows_count),
            (
                ManifestEntryStatus.EXISTING,
                manifest.existing_files_count,
                manifest.existing_rows_count,
            ),
            (
                ManifestEntryStatus.DELETED,
                manifest.deleted_files_count,
                manifest.deleted_rows_count,
            ),
        ):
            records = [e.data_file.record_count for e in held if e.status == status]
            assert (files, rows) == (len(records), sum(records))
        kept = [e.sequence_number for e in held if e.status != ManifestEntryStatus.DELETED]
        assert manifest.min_sequence_number == min(kept, default=manifest.sequence_number)
        path = Path(manifest.manifest_path.removeprefix("file://"))
        assert manifest.manifest_length == path.stat().st_size


def check_totals(lake: Lake) -> None:
    files = [entry.data_file for entry in live(lake).values()]
    summary = snapshot(lake).summary
    assert summary is not None
    assert summary["total-data-files"] == str(len(files))
    assert summary["total-records"] == str(sum(file.record_count for file in files))
    assert summary["total-files-size"] == str(sum(file.file_size_in_bytes for file in files))
    assert summary["total-delete-files"] == "0"


def test_a_merged_entry_keeps_the_snapshot_and_sequence_number_it_came_with(opened: Lake) -> None:
    born: dict[str, tuple[int | None, int | None]] = {}
    for n in range(24):
        land(opened, n, n + 1)
        now = snapshot(opened)
        for path in live(opened).keys() - born.keys():
            born[path] = (now.snapshot_id, now.sequence_number)
        check_manifest_list(opened)
        check_totals(opened)
    assert len(manifests(opened)) < 24, "merged at least once"
    found = live(opened)
    assert {path: (e.snapshot_id, e.sequence_number) for path, e in found.items()} == born
    statuses = [entry.status for entry in found.values()]
    assert ManifestEntryStatus.EXISTING in statuses
    added = [e for e in found.values() if e.status == ManifestEntryStatus.ADDED]
    assert {m.added_snapshot_id for m in manifests(opened)} >= {e.snapshot_id for e in added}


def test_compaction_deletes_in_its_own_name_what_others_added(opened: Lake) -> None:
    for n in range(12):
        land(opened, n, n + 1)
    before = live(opened)
    opened.maintain(STREAM)
    now = snapshot(opened)
    assert now.summary is not None
    assert now.summary.operation == Operation.REPLACE
    assert (now.summary["deleted-data-files"], now.summary["added-data-files"]) == ("12", "1")
    assert now.summary["added-records"] == now.summary["deleted-records"] == "12"
    check_manifest_list(opened)
    check_totals(opened)
    gone = [
        entry
        for manifest in manifests(opened)
        for entry in entries(opened, manifest)
        if entry.status == ManifestEntryStatus.DELETED
    ]
    assert {entry.data_file.file_path for entry in gone} == before.keys()
    for entry in gone:
        assert entry.snapshot_id == now.snapshot_id
        assert entry.sequence_number == before[entry.data_file.file_path].sequence_number
    (new,) = live(opened).values()
    assert (new.snapshot_id, new.sequence_number) == (now.snapshot_id, now.sequence_number)
    land(opened, 12, 13)
    assert not any(manifest.deleted_files_count for manifest in manifests(opened))
    check_manifest_list(opened)
    check_totals(opened)
