"""What breaks is named, and nothing is half done."""

from __future__ import annotations

import errno
import fcntl
import os
import sqlite3
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from lakegate.errors import LakeError
from lakegate.lake import STAGED, Lake, append
from lakegate.lake.catalog import LAYOUT
from lakegate.lake.failure import LakeUnavailable
from tests.unit.lake.sample import AT, ID, NAME, TP, orders, validated

ORDERS = orders((ID, AT, NAME))


@pytest.fixture
def full(lake: Lake) -> Lake:
    lake.ensure(ORDERS)
    lake.land(ORDERS, validated(ORDERS, 0, 48), offsets={TP: (0, 48)})
    return lake


def head(lake: Lake) -> int:
    info = lake.head(ORDERS, STAGED)
    assert info is not None
    return info.snapshot_id


def data_files(lake: Lake) -> list[Path]:
    return sorted((lake.location / "warehouse").rglob("*.parquet"))


def no_room(*_: Any, **__: Any) -> None:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def test_no_room_for_a_data_file(full: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    before, files = head(full), data_files(full)
    real, calls = pq.ParquetWriter.write_table, []

    def second_time(self: Any, *args: Any, **more: Any) -> None:
        calls.append(1)
        if len(calls) == 2:
            no_room()
        real(self, *args, **more)

    with monkeypatch.context() as patch:
        patch.setattr(pq.ParquetWriter, "write_table", second_time)
        with pytest.raises(LakeUnavailable, match="make room") as caught:
            full.land(ORDERS, validated(ORDERS, 48, 144), offsets={TP: (48, 144)})
    assert caught.value.transient
    assert head(full) == before
    assert data_files(full) == files
    assert full.land(ORDERS, validated(ORDERS, 48, 144), offsets={TP: (48, 144)}) == 96


def test_no_room_for_the_commit(full: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    before = head(full)
    with monkeypatch.context() as patch:
        patch.setattr(append, "commit_change", no_room)
        with pytest.raises(LakeUnavailable):
            full.land(ORDERS, validated(ORDERS, 48, 96), offsets={TP: (48, 96)})
    assert head(full) == before
    assert full.land(ORDERS, validated(ORDERS, 48, 96), offsets={TP: (48, 96)}) == 48


def test_a_missing_data_file_is_named(full: Lake) -> None:
    gone = data_files(full)[0]
    gone.unlink()
    with pytest.raises(LakeError, match=gone.name):
        list(full.scan(ORDERS, snapshot_id=head(full)))
    (said,) = full.verify(ORDERS, snapshot_id=head(full))
    assert gone.name in said
    assert "missing" in said


def test_a_flipped_bit_anywhere_in_a_data_file_is_named(full: Lake) -> None:
    hurt = data_files(full)[1]
    content = hurt.read_bytes()
    for position in range(0, len(content), len(content) // 20):
        flipped = bytearray(content)
        flipped[position] ^= 1 << position % 8
        hurt.write_bytes(flipped)
        (said,) = full.verify(ORDERS, snapshot_id=head(full))
        assert hurt.name in said
    hurt.write_bytes(content)
    assert list(full.verify(ORDERS, snapshot_id=head(full))) == []


def test_a_data_file_cut_short_is_named(full: Lake) -> None:
    cut = data_files(full)[1]
    cut.write_bytes(cut.read_bytes()[:-100])
    with pytest.raises(LakeError, match=cut.name):
        list(full.scan(ORDERS, snapshot_id=head(full)))
    (said,) = full.verify(ORDERS, snapshot_id=head(full))
    assert "were committed" in said


def test_missing_metadata_is_named(full: Lake) -> None:
    for path in (full.location / "warehouse").rglob("*.metadata.json"):
        path.unlink()
    with pytest.raises(LakeError, match=r"orders.*metadata\.json"):
        full.head(ORDERS)


@pytest.mark.parametrize(
    "content", [b"not a database " * 100, b"SQLite format 3\x00" + b"\xff" * 4096]
)
def test_a_damaged_catalog_is_named(full: Lake, content: bytes) -> None:
    full.close()
    (full.location / "catalog.db").write_bytes(content)
    with pytest.raises(LakeError, match=r"catalog\.db") as caught:
        full.head(ORDERS)
    assert not caught.value.transient


def test_a_catalog_of_another_kind_is_named(full: Lake) -> None:
    full.close()
    (full.location / "catalog.db").unlink()
    with sqlite3.connect(full.location / "catalog.db") as database:
        database.execute("CREATE TABLE iceberg_tables (something TEXT)")
        database.execute("CREATE TABLE iceberg_namespace_properties (something TEXT)")
    database.close()
    with pytest.raises(LakeError, match="not one of this version"):
        full.head(ORDERS)


@pytest.mark.parametrize("name", ["a#b", "a?b", "a%20b"])
def test_a_directory_that_cannot_be_a_location_is_named(tmp_path: Path, name: str) -> None:
    with pytest.raises(LakeError, match="cannot be in"):
        Lake(tmp_path / name).ensure(ORDERS)


@pytest.mark.parametrize("name", ["with space", "ünï", "a[b]", "it's"])
def test_other_directories_are_fine(tmp_path: Path, name: str, sql: Any) -> None:
    lake = Lake(tmp_path / name)
    lake.ensure(ORDERS)
    lake.land(ORDERS, validated(ORDERS, 0, 3), offsets={TP: (0, 3)})
    lake.relation(sql, ORDERS, snapshot_id=head(lake), name="seen")
    assert sql.sql("SELECT count(*) FROM seen").fetchall() == [(3,)]
    lake.close()


def test_a_locked_catalog_is_worth_another_try(full: Lake) -> None:
    database = sqlite3.connect(full.location / "catalog.db", isolation_level=None)
    database.execute("BEGIN EXCLUSIVE")
    try:
        with pytest.raises(LakeUnavailable, match="locked"):
            full.head(ORDERS)
    finally:
        database.close()
    assert full.head(ORDERS) is not None


def test_a_table_of_a_newer_lakegate_is_left_alone(full: Lake) -> None:
    with full.table(ORDERS).transaction() as transaction:
        transaction.set_properties({LAYOUT: "2"})
    with pytest.raises(LakeError, match="upgrade Lakegate"):
        full.land(ORDERS, validated(ORDERS, 48, 49), offsets={TP: (48, 49)})


def test_a_catalog_that_somebody_holds_open_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever was stopped while it opened the catalog does not keep others waiting for ever."""
    monkeypatch.setattr("lakegate.lock._PATIENCE_S", 0.05)
    (tmp_path / "lake").mkdir()
    holder = os.open(tmp_path / "lake", os.O_RDONLY)
    fcntl.flock(holder, fcntl.LOCK_EX)
    lake = Lake(tmp_path / "lake")
    try:
        with pytest.raises(LakeUnavailable, match="is it stopped"):
            lake.tables()
    finally:
        os.close(holder)
    assert lake.tables() == []
    lake.close()
