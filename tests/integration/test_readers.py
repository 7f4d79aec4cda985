"""Independent readers see what Lakegate sees, whatever the names of partitions look like."""

from __future__ import annotations

import os
from pathlib import Path

import duckdb
import pytest

from lakegate.contract.stream import Partition
from lakegate.lake import STAGED, Lake
from tests.unit.lake.sample import AT, ID, NAME, TP, orders, validated

STREAM = orders((ID, AT, NAME), partitions=(Partition("name", "identity"),))
NAMES = ["a/b c=d", None, "", "null", "eu", "z" * 40]
FILTERS = ["name IS NULL", "name = 'a/b c=d'", "name > 'eu'", "id >= 3", "_offset < 2"]


@pytest.fixture
def landed(tmp_path: Path) -> Lake:
    lake = Lake(tmp_path / "lake")
    lake.ensure(STREAM)
    lake.land(STREAM, validated(STREAM, 0, 6, name=NAMES), offsets={TP: (0, 6)})
    return lake


@pytest.mark.parametrize("where", FILTERS)
def test_pyiceberg_and_duckdb_filter_alike(landed: Lake, where: str) -> None:
    head = landed.head(STREAM, STAGED)
    assert head is not None
    scan = landed.table(STREAM).scan(row_filter=where, snapshot_id=head.snapshot_id)
    with duckdb.connect() as sql:
        landed.relation(sql, STREAM, snapshot_id=head.snapshot_id, name="v")
        seen = sql.execute(f"SELECT _offset, name FROM v WHERE {where} ORDER BY 1").fetchall()
        assert sql.execute("SELECT name FROM v ORDER BY _offset").fetchall() == [
            (name,) for name in NAMES
        ]
    read = scan.to_arrow().select(["_offset", "name"]).sort_by("_offset").to_pylist()
    assert [(row["_offset"], row["name"]) for row in read] == seen


def test_only_files_that_may_hold_newer_rows_are_read(landed: Lake) -> None:
    head = landed.head(STREAM, STAGED)
    assert head is not None
    for task in landed.table(STREAM).scan(snapshot_id=head.snapshot_id).plan_files():
        if not task.file.file_path.rpartition("/")[0].endswith(("name=eu", "z" * 40)):
            Path(task.file.file_path.removeprefix("file://")).unlink()
    found = landed.scan(STREAM, snapshot_id=head.snapshot_id, columns=["name"], since={0: 4})
    assert sorted(batch.to_pylist()[0]["name"] for batch in found) == ["eu", "z" * 40]


def test_files_and_their_directories_are_on_disk_before_the_commit(
    landed: Lake, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: set[str] = set()
    really = os.fsync

    def fsync(descriptor: int) -> None:
        synced.add(str(Path(f"/proc/self/fd/{descriptor}").readlink()))
        really(descriptor)

    monkeypatch.setattr(os, "fsync", fsync)
    before = {str(path) for path in landed.location.rglob("*")}
    landed.land(STREAM, validated(STREAM, 6, 7, name=["new"]), offsets={TP: (6, 7)})
    made = {str(path) for path in landed.location.rglob("*")} - before
    assert made <= synced
    assert {str(Path(path).parent) for path in made} <= synced
    with landed.catalog.engine.connect() as connection:  # type: ignore[attr-defined]
        assert connection.exec_driver_sql("PRAGMA synchronous").scalar() == 3
