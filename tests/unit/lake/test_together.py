"""Two at work on one table: what the other has done meanwhile is never told as damage."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyiceberg.catalog.sql
import pytest

from lakegate.errors import CommitConflict
from lakegate.lake import STAGED, Lake, sweep
from lakegate.lake.engine import duckdb_session
from tests.unit.lake.sample import orders

ORDERS = orders()
NOW = datetime(2026, 6, 1, tzinfo=UTC)


@pytest.fixture
def other(lake: Lake) -> Iterator[Lake]:
    opened = Lake(lake.location)
    yield opened
    opened.close()


def test_two_sweeps_of_the_same_files(
    lake: Lake, other: Lake, monkeypatch: pytest.MonkeyPatch
) -> None:
    lake.ensure(ORDERS)
    data = Path(lake.table(ORDERS).location().removeprefix("file://")) / "data"
    data.mkdir(exist_ok=True)
    for number in range(3):
        (data / f"loose-{number}.parquet").write_bytes(b"x")
    lake.maintain(ORDERS, now=NOW)
    later = NOW + timedelta(hours=2)
    reports = []

    def reach(_point: str) -> None:
        monkeypatch.setattr(sweep, "reach", lambda _point: None)
        reports.append(other.maintain(ORDERS, now=later))

    monkeypatch.setattr(sweep, "reach", reach)
    reports.append(lake.maintain(ORDERS, now=later))
    assert [report.deleted_files for report in reports] == [3, 3]
    assert list(data.iterdir()) == []


@pytest.fixture
def hurry(lake: Lake, other: Lake, monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """Called: before the next metadata file is read, others commit so often that it is gone."""
    lake.ensure(ORDERS)
    head = lake.head(ORDERS, STAGED)
    assert head is not None
    read = pyiceberg.catalog.sql.FromInputFile.table_metadata
    armed: list[None] = []

    def late(file: Any) -> Any:
        if armed:
            armed.clear()
            for number in range(12):
                other.pin(ORDERS, snapshot_id=head.snapshot_id, name=f"x{number}")
        return read(file)

    monkeypatch.setattr(pyiceberg.catalog.sql.FromInputFile, "table_metadata", staticmethod(late))
    return lambda: armed.append(None)


def test_a_commit_whose_metadata_file_others_have_removed_is_a_conflict(
    lake: Lake, hurry: Callable[[], None]
) -> None:
    head = lake.head(ORDERS, STAGED)
    assert head is not None
    lake.publish(ORDERS, snapshot_id=head.snapshot_id, expected_main=head.snapshot_id)
    table = lake.table(ORDERS)
    hurry()
    from lakegate.lake.branch import pin

    with pytest.raises(CommitConflict, match="retry"):
        pin(table, snapshot_id=head.snapshot_id, name="mine")
    lake.pin(ORDERS, snapshot_id=head.snapshot_id, name="mine")


def test_a_table_whose_metadata_file_others_have_removed_is_looked_up_again(
    lake: Lake, hurry: Callable[[], None]
) -> None:
    hurry()
    lake.ensure(ORDERS)


def test_two_sessions_spill_into_directories_of_their_own(tmp_path: Path) -> None:
    def setting(connection: Any) -> str:
        (value,) = connection.execute("SELECT current_setting('temp_directory')").fetchone()
        return str(value)

    with (
        duckdb_session(memory="100MB", workspace=tmp_path) as one,
        duckdb_session(memory="100MB", workspace=tmp_path) as two,
    ):
        places = {setting(one), setting(two)}
        assert len(places) == 2
        assert {str(path) for path in tmp_path.iterdir()} == places
    assert list(tmp_path.iterdir()) == []


def test_what_a_killed_process_has_spilled_is_swept(tmp_path: Path) -> None:
    left = tmp_path / "lakegate-spill-left"
    left.mkdir()
    (left / "duckdb_temp_storage-0.tmp").write_bytes(b"x")
    theirs = tmp_path / "somebody's"
    theirs.mkdir()
    with duckdb_session(memory="100MB", workspace=tmp_path):
        assert not left.exists()
    assert list(tmp_path.iterdir()) == [theirs]
