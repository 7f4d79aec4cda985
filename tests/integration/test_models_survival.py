"""``kill -9`` at every commit point of a model run: old or new, never half."""

from __future__ import annotations

from pathlib import Path

import pytest

import lakegate as lg
from lakegate.lake.overwrite import FAULT_POINTS

from .survival import finish, start
from .test_models import headed, make, order, publish, rows

SQL = "SELECT customer, count(*) AS n FROM orders GROUP BY ALL"
SUM = "SELECT sum(n) FROM counts"
FIRST = ("lake.create.before", "lake.create.written")


def _prepared(folder: Path, *, runs: bool) -> Path:
    make(
        folder,
        counts=headed("materialise: incremental\nkey: customer", SQL),
        total="SELECT sum(n) AS n FROM counts",
    )
    with lg.open(folder) as project:
        publish(project, [order(i) for i in range(10)])
        if runs:
            assert project.run_models().ok
            publish(project, [order(10)])
            changed = f"SELECT *, 1 AS x FROM ({SQL})"  # so that the columns change too
            make(folder, counts=headed("materialise: incremental\nkey: customer", changed))
    return folder


@pytest.mark.slow
@pytest.mark.parametrize("point", FIRST)
def test_killed_the_first_time(tmp_path: Path, point: str) -> None:
    folder = _prepared(tmp_path, runs=False)
    assert finish(start(folder, "model", "run", LAKEGATE_FAULT=point)).code == -9
    with lg.open(folder) as project:
        assert project.run_models().ok
        assert rows(project, SUM) == [(10,)]


@pytest.mark.slow
@pytest.mark.parametrize("point", FAULT_POINTS)
def test_killed_at_a_commit_point(tmp_path: Path, point: str) -> None:
    folder = _prepared(tmp_path, runs=True)
    assert finish(start(folder, "model", "run", LAKEGATE_FAULT=point)).code == -9
    with lg.open(folder) as project:
        published = point == "lake.model.published"
        assert rows(project, SUM) == [(11 if published else 10,)]
        assert ("x" in project.sql("SELECT * FROM counts").columns) is published
        assert project.run_models().ok
        assert rows(project, SUM) == [(11,)]
        assert rows(project, "SELECT n FROM total") == [(11,)]
        assert rows(project, f"SELECT customer, n FROM counts EXCEPT ALL ({SQL})") == []
        assert rows(project, "SELECT count(*) FROM counts") == [(3,)]


def test_a_second_run_is_refused_while_one_goes_on(tmp_path: Path) -> None:
    from lakegate.runner.lease import FileLease

    folder = _prepared(tmp_path, runs=False)
    lease = FileLease(folder / ".lakegate" / "locks" / "models")
    assert lease.acquire(stopped=lambda: False, timeout_s=0)
    try:
        said = finish(start(folder, "model", "run", "--wait-s", "0.1"))
    finally:
        lease.release()
    assert said.code == 2
    assert "has been running this project's models" in said.err
