"""A model written in part is what it would be written whole, wherever the runs are cut."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

import lakegate as lg
from lakegate.pipeline.project import Project
from lakegate.transform.result import Mode, Status

from .test_models import headed, make, order, publish, rows

SELECTS = {
    "plain": "SELECT number, customer, amount, placed FROM orders",
    "daily": "SELECT date_trunc('day', placed)::DATE AS day, count(*) AS n, sum(amount) AS amount "
    "FROM orders GROUP BY ALL",
    "last": "SELECT customer, max(placed) AS last, count(*) AS n FROM orders GROUP BY ALL",
    "newest": "SELECT customer, arg_max(number, (placed, number)) AS number, sum(amount) AS amount "
    "FROM orders GROUP BY ALL",
    "onward": "SELECT date_trunc('month', day) AS month, day, n FROM daily",
}
HEADERS = {
    "plain": "time: placed\nlookback: 6 h\npartition: day(placed)",
    "daily": "time: day\nlookback: 1 d",
    "last": "time: last\nlookback: 1 d\nkey: customer",
    "newest": "key: customer",
    "onward": "time: day\nlookback: 1 d",
}


def in_parts(folder: Path) -> Path:
    models = {
        name: headed(f"materialise: incremental\n{HEADERS[name]}", sql)
        for name, sql in SELECTS.items()
    }
    return make(folder, **models)


def run(project: Project) -> dict[str, Mode | None]:
    report = project.run_models()
    assert report.ok, report
    return {result.model: result.mode for result in report.results}


def equal_to_whole(project: Project) -> None:
    for name, sql in SELECTS.items():
        there = f"SELECT * FROM {name}"
        assert rows(project, f"({there}) EXCEPT ALL ({sql})") == [], name
        assert rows(project, f"({sql}) EXCEPT ALL ({there})") == [], name


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(2))
def test_runs_at_random_cuts_equal_one_full_run(tmp_path: Path, seed: int) -> None:
    chance = random.Random(seed)
    taken: set[Mode | None] = set()
    with lg.open(in_parts(tmp_path)) as project:
        number = 0
        for cut in range(3):
            batch = []
            for _ in range(chance.randint(1, 40)):
                late = chance.choice((0, 0, 0, 2, 5, 20)) + (80 if chance.random() < 0.02 else 0)
                hours = max(cut * 30 + chance.randint(0, 29) - late, 0)
                number += 1
                batch.append(order(number, hours=hours, customer=f"c{chance.randint(0, 8)}"))
            publish(project, batch)
            taken |= set(run(project).values())
            equal_to_whole(project)
    assert Mode.KEY in taken


def test_only_what_is_new_is_written_and_older_files_stay(tmp_path: Path) -> None:
    with lg.open(in_parts(tmp_path)) as project:
        publish(project, [order(i) for i in range(100)])
        assert set(run(project).values()) == {Mode.FULL}
        before = _files(project)
        publish(project, [order(i) for i in range(100, 110)])
        assert run(project) == {
            "plain": Mode.TIME,
            "daily": Mode.TIME,
            "last": Mode.TIME,
            "newest": Mode.KEY,
            "onward": Mode.TIME,
        }
        assert len(before & _files(project)) == 3  # of five days, two are in reach
        equal_to_whole(project)


def _files(project: Project) -> set[str]:
    from lakegate.lake.reading import files_of

    table = project.lake.table("plain")
    return {task.file.file_path for task in files_of(table, table.metadata.current_snapshot_id)}


@pytest.mark.parametrize(
    ("late", "reason"), [(2, "from 2026-01-03"), (40, "older than the lookback")]
)
def test_late_rows_within_the_lookback_are_taken_in_and_older_ones_make_it_whole(
    tmp_path: Path, late: int, reason: str
) -> None:
    with lg.open(in_parts(tmp_path)) as project:
        publish(project, [order(i) for i in range(60)])
        run(project)
        publish(project, [order(100, hours=60), order(101, hours=59 - late)])
        results = {result.model: result for result in project.run_models().results}
        assert reason in results["plain"].reason
        assert results["plain"].mode is (Mode.TIME if late == 2 else Mode.FULL)
        equal_to_whole(project)


def test_rows_taken_off_an_input_make_it_whole(tmp_path: Path) -> None:
    with lg.open(in_parts(tmp_path)) as project:
        publish(project, [order(i) for i in range(30)])
        run(project)
        make(tmp_path, daily=SELECTS["daily"] + " HAVING count(*) > 0")
        results = {result.model: result for result in project.run_models().results}
        assert results["onward"].reason == "daily was rewritten, not only added to"
        equal_to_whole(project)


def test_a_changed_dimension_without_a_time_makes_it_whole(tmp_path: Path) -> None:
    sql = "SELECT o.number, o.placed, n.label FROM orders o LEFT JOIN names n USING (customer)"
    make(
        tmp_path,
        names="SELECT customer, max(number) AS label FROM orders GROUP BY ALL",
        joined=headed("materialise: incremental\ntime: placed\nlookback: 1 h", sql),
    )
    with lg.open(tmp_path) as project:
        publish(project, [order(i) for i in range(10)])
        run(project)
        publish(project, [order(10)])
        assert run(project)["joined"] is Mode.FULL
        assert rows(project, f"SELECT * FROM joined EXCEPT ALL ({sql})") == []


def test_a_doubled_key_is_refused_and_main_stays(tmp_path: Path) -> None:
    make(tmp_path, keyed=headed("materialise: incremental\nkey: customer",
         "SELECT customer, number FROM orders"))  # fmt: skip
    with lg.open(tmp_path) as project:
        publish(project, [order(1)])
        run(project)
        publish(project, [order(4)])
        (result,) = project.run_models().results
        assert result.status is Status.FAILED
        assert "its key (customer) stands on several rows" in result.reason
        assert rows(project, "SELECT number FROM keyed") == [(1,)]
