"""Models on a real lake: built, tested, published or kept back, and queryable by name."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

import lakegate as lg
from lakegate.errors import ContractError, LakeError
from lakegate.lake.snapshot import MAIN, STAGED
from lakegate.pipeline.models import ModelsBusy
from lakegate.pipeline.project import Project
from lakegate.runner.lease import FileLease
from lakegate.transform.result import Mode, RunReport, Status, Verdict

from .survival import call

CONTRACT = """
apiVersion: v3.1.0
kind: DataContract
id: orders
name: orders
version: {version}
status: active
schema:
  - name: orders
    logicalType: object
    properties:
      - {{name: number, logicalType: integer, required: true}}
      - {{name: customer, logicalType: string}}
      - {{name: amount, logicalType: number, physicalType: "decimal(12,2)"}}
      - {{name: placed, logicalType: timestamp, required: true}}
{more}
customProperties:
  - {{property: lakegate.eventTime, value: placed}}
"""
START = datetime(2026, 1, 1, tzinfo=UTC)


def headed(header: str, sql: str) -> str:
    return f"/* lakegate\n{header}\n*/\n{sql}"


def make(folder: Path, *, version: str = "1.0.0", more: str = "", **models: str) -> Path:
    for name in ("contracts", "models"):
        (folder / name).mkdir(exist_ok=True, parents=True)
    text = CONTRACT.format(version=version, more=more)
    (folder / "contracts" / "orders.odcs.yaml").write_text(text)
    (folder / "lakegate.toml").touch()
    for name, sql in models.items():
        (folder / "models" / f"{name}.sql").write_text(sql)
    return folder


def order(number: int, *, hours: int | None = None, **fields: Any) -> dict[str, Any]:
    at = START + timedelta(hours=number if hours is None else hours)
    there = {"customer": f"c{number % 3}", "amount": number}
    return {"number": number, "placed": at.isoformat()} | there | fields


def publish(project: Project, orders: Iterable[dict[str, Any]]) -> None:
    with project.producer("orders") as producer:
        for one in orders:
            producer.send(key=str(one["number"]).encode(), value=json.dumps(one).encode())
    project.run(until="idle")
    project.audit("orders").publish()


def became(report: RunReport) -> dict[str, Status]:
    return {result.model: result.status for result in report.results}


def rows(project: Project, sql: str) -> list[tuple[Any, ...]]:
    return project.sql(sql).fetchall()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return make(
        tmp_path,
        clean=headed("layer: silver\npartition: month(placed)", "SELECT * FROM orders"),
        big=headed("materialise: view", "SELECT * FROM clean WHERE amount >= 5"),
        totals=headed(
            "layer: gold\ntests:\n  - not_null: customer\n  - unique: customer",
            "SELECT customer, sum(amount) AS amount, count(*) AS orders FROM big GROUP BY ALL",
        ),
    )


@pytest.fixture
def project(folder: Path) -> Iterator[Project]:
    with lg.open(folder) as opened:
        yield opened


def test_models_wait_for_data_are_built_and_are_then_up_to_date(project: Project) -> None:
    assert set(became(project.run_models()).values()) == {Status.WAITING}
    publish(project, [order(i) for i in range(10)])
    report = project.run_models()
    assert report.ok
    assert set(became(report).values()) == {Status.BUILT}
    assert rows(project, "SELECT customer, amount, orders FROM totals ORDER BY ALL") == [
        ("c0", Decimal(15), 2),
        ("c1", Decimal(7), 1),
        ("c2", Decimal(13), 2),
    ]
    assert rows(project, "SELECT count(*) FROM big") == [(5,)]
    before = {name: project.lake.head(name) for name in ("clean", "totals")}
    again = became(project.run_models())
    assert (again["clean"], again["totals"]) == (Status.UP_TO_DATE, Status.UP_TO_DATE)
    assert {name: project.lake.head(name) for name in before} == before


def test_full_builds_what_did_not_change(project: Project) -> None:
    publish(project, [order(1)])
    project.run_models()
    report = project.run_models("clean", full=True)
    assert [(r.model, r.status, r.reason) for r in report.results] == [
        ("clean", Status.BUILT, "asked for")
    ]


def test_a_named_model_brings_what_it_needs(project: Project, folder: Path) -> None:
    make(folder, other="SELECT number FROM orders")
    publish(project, [order(1)])
    assert list(became(project.run_models("TOTALS"))) == ["clean", "big", "totals"]
    with pytest.raises(ContractError, match="did you mean totals"):
        project.run_models("total")


def test_a_failed_test_keeps_main_and_stops_what_depends_on_it(
    project: Project, folder: Path
) -> None:
    make(folder, after="SELECT customer FROM totals")
    publish(project, [order(i) for i in range(10)])
    project.run_models()
    before = rows(project, "SELECT * FROM totals ORDER BY ALL")
    publish(project, [order(11, customer=None, hours=1)])
    report = project.run_models()
    assert became(report) == {
        "clean": Status.BUILT,
        "big": Status.BUILT,
        "totals": Status.FAILED,
        "after": Status.SKIPPED,
    }
    results = {result.model: result for result in report.results}
    assert results["totals"].reason == "test failed: not_null(customer)"
    assert results["after"].reason == "totals failed"
    (failed,) = [t for t in results["totals"].tests if t.verdict is Verdict.FAILED]
    assert (failed.offending, failed.samples) == (1, ("customer=None, amount=11.00, orders=1",))
    assert rows(project, "SELECT * FROM totals ORDER BY ALL") == before
    assert not project.run_models("totals").ok  # nothing new: judged again, not built again
    assert project.models().history("totals", limit=1)[0].mode is Mode.SAME
    sql = "SELECT customer, sum(amount) AS amount, count(*) AS orders FROM big GROUP BY ALL"
    make(folder, totals=headed("tests: [{not_null: customer, severity: warning}]", sql))
    assert project.run_models().ok
    assert (None, Decimal(11), 1) in rows(project, "SELECT * FROM totals")


def test_broken_sql_fails_its_model_alone(project: Project, folder: Path) -> None:
    make(folder, aside="SELECT CAST(customer AS INTEGER) AS n FROM orders")
    publish(project, [order(1)])
    report = project.run_models()
    assert became(report)["aside"] is Status.FAILED
    assert became(report)["totals"] is Status.BUILT
    (result,) = [result for result in report.results if result.model == "aside"]
    assert "c1" in result.reason


def test_columns_change_with_the_publication_and_not_before(project: Project, folder: Path) -> None:
    publish(project, [order(i) for i in range(4)])
    make(folder, shape="SELECT number, amount, customer AS who FROM orders")
    project.run_models("shape")
    changed = "SELECT number, amount > 1 AS amount, [number] AS list FROM orders"
    make(folder, shape=headed("tests: [{row_count: {at_least: 5}}]", changed))
    assert not project.run_models("shape").ok
    assert project.sql("SELECT * FROM shape").columns == ["number", "amount", "who"]
    assert rows(project, "SELECT max(amount), max(who) FROM shape") == [(Decimal(3), "c2")]
    publish(project, [order(4)])
    assert project.run_models("shape").ok
    assert rows(project, "SELECT * FROM shape ORDER BY ALL DESC LIMIT 1") == [(4, True, [4])]
    make(folder, shape="SELECT number, amount, customer AS who FROM orders")
    assert project.run_models("shape").ok
    assert rows(project, "SELECT * FROM shape WHERE number = 2") == [(2, Decimal(2), "c2")]


def test_a_partition_column_cannot_change_its_type(project: Project, folder: Path) -> None:
    publish(project, [order(1)])
    make(folder, parts=headed("partition: month(placed)", "SELECT placed FROM orders"))
    project.run_models("parts")
    make(folder, parts=headed("partition: placed", "SELECT 'x' AS placed FROM orders"))
    (result,) = project.run_models("parts").results
    assert result.status is Status.FAILED
    assert "give the model a new name" in result.reason
    assert len(rows(project, "SELECT * FROM parts")) == 1


def test_every_type_that_can_be_stored_comes_back(project: Project, folder: Path) -> None:
    make(
        folder,
        types="""SELECT 1::UTINYINT AS a, 2::UINTEGER AS b, 3::UBIGINT AS c, 4::HUGEINT AS d,
            1.25::DECIMAL(9, 3) AS e, 1.5::FLOAT AS f, DATE '2026-01-02' AS g, TIME '10:11:12' AS h,
            TIMESTAMP '2026-01-02 03:04:05' AS i, TIMESTAMPTZ '2026-01-02 03:04:05+00' AS j,
            [{'x': 1, 'y': ['z', NULL]}] AS k, 'a'::ENUM ('a') AS l, '\\x00'::BLOB AS m,
            [1, 2]::INTEGER[2] AS n, uuid::UUID AS o, NULL::BOOLEAN AS p, '{}'::JSON AS q,
            TIMESTAMP_NS '2026-01-02 03:04:05.123456' AS r
            FROM (SELECT '7c1ef2c4-0e0a-4b5e-9f5e-111111111111' AS uuid FROM orders)""",
    )
    publish(project, [order(1)])
    report = project.run_models("types")
    assert report.ok, report
    (row,) = rows(project, "SELECT * FROM types")
    assert row == (
        1, 2, Decimal(3), Decimal(4), Decimal("1.250"), 1.5, datetime(2026, 1, 2).date(),  # noqa: DTZ001
        datetime(2026, 1, 2, 10, 11, 12).time(), datetime(2026, 1, 2, 3, 4, 5),  # noqa: DTZ001
        datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC), [{"x": 1, "y": ["z", None]}], "a", b"\x00",
        [1, 2], "7c1ef2c4-0e0a-4b5e-9f5e-111111111111", None, "{}",
        datetime(2026, 1, 2, 3, 4, 5, 123456),  # noqa: DTZ001
    )  # fmt: skip


def test_a_query_may_not_read_what_no_model_names(project: Project, folder: Path) -> None:
    secret = folder / "secret.csv"
    secret.write_text("a\n1\n")
    publish(project, [order(1)])
    make(folder, leak=f"SELECT * FROM read_text('{secret}')")
    with pytest.raises(ContractError, match="LM103"):
        project.run_models()


def test_one_run_at_a_time(project: Project, folder: Path) -> None:
    publish(project, [order(1)])
    lease = FileLease(project.state_folder / "locks" / "models")
    assert lease.acquire(stopped=lambda: False, timeout_s=0)
    try:
        with pytest.raises(ModelsBusy, match="process"):
            project.models().run(wait_s=0)
    finally:
        lease.release()
    assert project.run_models().ok


@pytest.mark.slow
def test_maintenance_compacts_and_publishes(project: Project, folder: Path) -> None:
    make(folder, keyed=headed("materialise: incremental\nkey: number", "SELECT number FROM orders"))
    for number in range(9):
        publish(project, [order(number)])
        project.run_models("keyed")
    report = project.models().maintain()["keyed"]
    assert report.compacted_files >= 8
    assert rows(project, "SELECT count(*), count(DISTINCT number) FROM keyed") == [(9, 9)]
    assert became(project.run_models("keyed")) == {"keyed": Status.UP_TO_DATE}
    publish(project, [order(9)])
    (result,) = project.run_models("keyed").results
    assert (result.mode, result.rows) == (Mode.KEY, 10)


@pytest.mark.slow
def test_maintenance_waits_for_what_is_not_published(project: Project, folder: Path) -> None:
    keyed = "SELECT number FROM orders"
    make(folder, keyed=headed("materialise: incremental\nkey: number", keyed))
    for number in range(8):
        publish(project, [order(number)])
        project.run_models("keyed")
    tests = "tests:\n  - row_count: {at_most: 1}"
    make(folder, keyed=headed(f"materialise: incremental\nkey: number\n{tests}", keyed))
    assert became(project.run_models("keyed")) == {"keyed": Status.FAILED}
    heads = {branch: project.lake.head("keyed", branch) for branch in (MAIN, STAGED)}
    assert heads[MAIN] != heads[STAGED]
    report = project.lake.maintain("keyed")
    assert (report.compacted_files, report.expired_snapshots) == (0, 0)
    assert "not published" in report.gave_up[0]
    assert project.models().maintain() == {}
    assert heads == {branch: project.lake.head("keyed", branch) for branch in heads}


@pytest.mark.slow
def test_a_compaction_that_was_not_published_is_published_by_the_next(
    project: Project, folder: Path
) -> None:
    make(folder, keyed=headed("materialise: incremental\nkey: number", "SELECT number FROM orders"))
    for number in range(8):
        publish(project, [order(number)])
        project.run_models("keyed")
    assert project.lake.maintain("keyed").compacted_files == 8  # moves `staged` alone
    assert project.lake.maintain("keyed").gave_up
    staged = project.lake.head("keyed", STAGED)
    assert project.lake.head("keyed", MAIN) != staged
    assert set(project.models().maintain()) == {"keyed"}
    assert project.lake.head("keyed", MAIN) == staged


def test_commands_and_pages(project: Project, folder: Path) -> None:
    publish(project, [order(i) for i in range(10)])
    assert call(folder, "model", "check").code == 0
    assert "built" in call(folder, "model", "run").out
    listed = [
        json.loads(line)
        for line in call(folder, "model", "list", "--format", "json").out.splitlines()
    ]
    assert [(item["model"], item["needs"]) for item in listed] == [
        ("clean", ["orders"]), ("big", ["clean"]), ("totals", ["big"]),
    ]  # fmt: skip
    tested = call(folder, "model", "test", "totals", "--format", "json")
    assert [json.loads(line)["result"]["verdict"] for line in tested.out.splitlines()] == [
        "passed"
    ] * 2
    said = call(folder, "model", "lineage", "totals.amount", "--format", "json")
    assert json.loads(said.out) == {
        "column": "totals.amount", "of": ["big.amount"], "fields": ["orders.raw $.amount"],
    }  # fmt: skip
    assert "orders.raw $.customer" in call(folder, "model", "lineage").out
    assert "DECIMAL(38, 2)" in call(folder, "model", "show", "totals").out
    assert call(folder, "model", "docs").code == 0
    page = (folder / "docs" / "models" / "totals.md").read_text()
    assert "| `amount` | DECIMAL(38, 2) |  | `orders.raw $.amount` |" in page
    assert "✓ passed" in page
    (folder / "models" / "bad.sql").write_text("SELECT x FROM nowhere")
    checked = call(folder, "contract", "check", "--format", "json")
    assert (checked.code, json.loads(checked.out)["code"]) == (1, "LM201")
    assert call(folder, "model", "run").code == 2
    assert call(folder, "query", "SELECT * FROM totals").code == 0  # what is published stays so


def test_what_was_never_published_is_not_there(project: Project) -> None:
    with pytest.raises(LakeError, match="totals"):
        project.sql("SELECT * FROM totals")


def test_the_how_to_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    text = (Path(__file__).parents[2] / "docs" / "how-to" / "models.md").read_text()
    (sql,) = re.findall(r"```sql\n(.*?)```", text, re.DOTALL)
    (code,) = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    make(tmp_path, more="      - {name: total, logicalType: number}", customers=sql)
    with lg.open(tmp_path) as project:
        publish(project, [order(i, total=i) for i in range(4)])
    monkeypatch.chdir(tmp_path)
    exec(code, {})
    assert "c0" in capfd.readouterr().out
