"""Maintenance changes how a table is stored, never what it says, and never harms who is at work."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from lakegate.lake import STAGED, Lake, maintain
from lakegate.lake.maintain import compact
from tests.unit.lake.sample import AT, ID, NAME, TP, orders, validated

ORDERS = orders((ID, AT, NAME))
NOW = datetime(2026, 6, 1, tzinfo=UTC)
LATER = NOW + timedelta(hours=2)


def land(lake: Lake, first: int, after: int) -> None:
    lake.land(ORDERS, validated(ORDERS, first, after), offsets={TP: (first, after)})


def head(lake: Lake, branch: str = STAGED) -> Any:
    info = lake.head(ORDERS, branch)
    assert info is not None
    return info


def rows(lake: Lake, snapshot_id: int) -> list[dict[str, Any]]:
    batches = lake.scan(ORDERS, snapshot_id=snapshot_id)
    found = [row for batch in batches for row in batch.to_pylist()]
    return sorted(found, key=lambda row: int(row["_offset"]))


def files(lake: Lake) -> set[Path]:
    return {path for path in (lake.location / "warehouse").rglob("*") if path.is_file()}


@pytest.fixture
def grown(tmp_path: Path) -> Iterator[Lake]:
    """Twelve commits of four rows in one partition, the fourth of them published."""
    lake = Lake(tmp_path / "lake", keep=5)
    lake.ensure(ORDERS)
    empty = head(lake, "main").snapshot_id
    for n in range(0, 24, 2):
        land(lake, n, n + 2)
        if n == 6:
            lake.publish(ORDERS, snapshot_id=head(lake).snapshot_id, expected_main=empty)
    yield lake
    lake.close()


def test_compaction_keeps_rows_offsets_and_contract(grown: Lake) -> None:
    before, main = head(grown), head(grown, "main")
    told = rows(grown, before.snapshot_id)
    report = grown.maintain(ORDERS, now=NOW)
    after = head(grown)
    assert report.compacted_files == 12
    assert report.written_files == 1
    assert report.gave_up == ()
    assert rows(grown, after.snapshot_id) == told
    assert after.rows == before.rows == 24
    assert after.operation == "replace"
    assert after.properties["lakegate.kind"] == "compact"
    for name in ("lakegate.offsets", "lakegate.contract.digest"):
        assert after.properties[name] == before.properties[name]
    assert head(grown, "main") == main
    assert len(rows(grown, main.snapshot_id)) == 8


def test_landing_and_publishing_go_on_after_compaction(grown: Lake) -> None:
    grown.maintain(ORDERS, now=NOW)
    land(grown, 24, 26)
    main = head(grown, "main").snapshot_id
    grown.publish(ORDERS, snapshot_id=head(grown).snapshot_id, expected_main=main)
    assert [row["_offset"] for row in rows(grown, head(grown, "main").snapshot_id)] == list(
        range(26)
    )


def test_each_partition_is_compacted_by_itself(tmp_path: Path) -> None:
    lake = Lake(tmp_path / "lake")
    lake.ensure(ORDERS)
    for n in range(8):
        at = validated(ORDERS, 0, 48)["at"]
        table = validated(ORDERS, n * 48, n * 48 + 48, at=at.to_pylist())
        lake.land(ORDERS, table, offsets={TP: (n * 48, n * 48 + 48)})
    report = lake.maintain(ORDERS)
    assert (report.compacted_files, report.written_files) == (16, 2)
    paths = {task.file.file_path for task in lake.table(ORDERS).scan().use_ref(STAGED).plan_files()}
    assert sorted(path.split("/")[-2] for path in paths) == [
        "at_day=2026-01-01",
        "at_day=2026-01-02",
    ]
    lake.close()


def test_few_files_are_left_alone(tmp_path: Path) -> None:
    lake = Lake(tmp_path / "lake")
    lake.ensure(ORDERS)
    land(lake, 0, 2)
    before = head(lake)
    assert lake.maintain(ORDERS).compacted_files == 0
    assert head(lake) == before
    lake.close()


def test_rows_added_are_the_same_across_compaction(grown: Lake, sql: Any) -> None:
    main = head(grown, "main").snapshot_id
    grown.maintain(ORDERS, now=NOW)
    land(grown, 24, 26)
    grown.added(sql, ORDERS, since=main, until=head(grown).snapshot_id, name="fresh")
    assert sql.sql("SELECT _offset FROM fresh ORDER BY 1").fetchall() == [
        (n,) for n in range(8, 26)
    ]
    grown.added(sql, ORDERS, since=None, until=main, name="fresh")
    assert sql.sql("SELECT count(*) FROM fresh").fetchall() == [(8,)]
    grown.added(sql, ORDERS, since=main, until=main, name="fresh")
    assert sql.sql("SELECT count(*) FROM fresh").fetchall() == [(0,)]


def test_old_snapshots_expire_and_heads_stay(grown: Lake) -> None:
    main = head(grown, "main")
    grown.maintain(ORDERS, now=NOW)
    history = grown.history(ORDERS, STAGED)
    assert main.snapshot_id in {item.snapshot_id for item in history}
    assert len(history) == 6
    for item in history:
        assert len(rows(grown, item.snapshot_id)) == item.rows


def test_nothing_is_deleted_before_the_grace_period(grown: Lake) -> None:
    before = files(grown)
    assert grown.maintain(ORDERS, now=NOW).deleted_files == 0
    assert grown.maintain(ORDERS, now=NOW + timedelta(minutes=59)).deleted_files == 0
    parquet = {path for path in before if path.suffix == ".parquet"}
    assert parquet <= files(grown)


def test_what_nothing_refers_to_goes_after_the_grace_period(grown: Lake) -> None:
    orphan = grown.location / "warehouse/lakegate/orders/data/of-a-dead-writer.parquet"
    orphan.write_bytes(b"rows that never were committed")
    grown.maintain(ORDERS, now=NOW)
    waiting = grown.maintain(ORDERS, now=NOW).waiting_files
    report = grown.maintain(ORDERS, now=LATER)
    assert report.deleted_files == waiting > 1
    assert not orphan.exists()
    for branch in (STAGED, "main"):
        info = head(grown, branch)
        assert len(rows(grown, info.snapshot_id)) == info.rows
        assert list(grown.verify(ORDERS, snapshot_id=info.snapshot_id)) == []


def test_files_that_are_committed_in_time_are_kept(grown: Lake) -> None:
    """Written, seen by a sweep, and committed by the time the next one comes."""
    table = grown.table(ORDERS)
    from lakegate.lake.commit import Change, commit_change
    from lakegate.lake.conform import conform
    from lakegate.lake.datafile import write_rows

    in_flight = write_rows(
        table, conform(validated(ORDERS, 24, 26), table.schema(), table.schema())
    )
    grown.maintain(ORDERS, now=NOW)
    table.refresh()
    commit_change(table, Change(properties={}, added=in_flight))
    grown.maintain(ORDERS, now=LATER)
    assert len(rows(grown, head(grown).snapshot_id)) == 26
    assert grown.landed(ORDERS) == {TP: 24}


def test_a_clock_that_goes_back_only_delays(grown: Lake) -> None:
    grown.maintain(ORDERS, now=LATER)
    assert grown.maintain(ORDERS, now=NOW).deleted_files == 0
    assert grown.maintain(ORDERS, now=NOW + timedelta(minutes=61)).deleted_files > 0
    assert len(rows(grown, head(grown).snapshot_id)) == 24


def test_a_list_of_suspects_cut_short_only_delays(grown: Lake) -> None:
    grown.maintain(ORDERS, now=NOW)
    listed = grown.location / "warehouse/lakegate/orders/metadata/lakegate-sweep.json"
    listed.write_text(listed.read_text()[:40])
    assert grown.maintain(ORDERS, now=LATER).deleted_files == 0


def test_compaction_beside_a_lander_keeps_both(
    grown: Lake, monkeypatch: pytest.MonkeyPatch
) -> None:
    def reach(point: str) -> None:
        if point == "lake.compact.written":
            land(grown, 24, 26)

    monkeypatch.setattr(maintain, "reach", reach)
    report = grown.maintain(ORDERS, now=NOW)
    assert report.compacted_files == 12
    assert len(rows(grown, head(grown).snapshot_id)) == 26
    assert grown.landed(ORDERS) == {TP: 26}


def test_two_compactions_at_once_double_nothing(
    grown: Lake, monkeypatch: pytest.MonkeyPatch
) -> None:
    done: list[int] = []

    def reach(point: str) -> None:
        if point == "lake.compact.written" and not done:
            done.append(1)
            compact(grown.table(ORDERS))

    monkeypatch.setattr(maintain, "reach", reach)
    report = grown.maintain(ORDERS, now=NOW)
    assert report.gave_up
    assert len(rows(grown, head(grown).snapshot_id)) == 24
