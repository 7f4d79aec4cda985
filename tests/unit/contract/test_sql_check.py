"""SQL rules at check time: what only the audit judges says so, what never can work is an error."""

from __future__ import annotations

from pathlib import Path

import pytest

from lakegate.cli.contract import check, coverage
from lakegate.contract.coverage import coverage as statements_of
from lakegate.contract.loading import examine, load
from lakegate.pipeline.sql_check import sql_problems

_CONTRACT = """apiVersion: v3.2.0
kind: DataContract
id: {name}
version: 1.0.0
status: active
schema:
  - name: {name}
    properties:
      - {{name: x, logicalType: integer}}
      - {{name: z, logicalType: integer}}
      - {{name: s, logicalType: string}}
      - {{name: tags, logicalType: array, items: {{logicalType: string}}}}
    quality:
      - type: sql
        name: rule
        {operator}
        query: {query}
"""
_WHERE = "SELECT COUNT(*) FROM {object} WHERE x > 4"


def write(folder: Path, query: str, operator: str = "mustBe: 0", name: str = "orders") -> Path:
    path = folder / f"{name}.odcs.yaml"
    path.write_text(_CONTRACT.format(name=name, operator=operator, query=f'"{query}"'))
    return path


def found(path: Path) -> dict[str, str]:
    problems, streams = examine([path])
    problems += sql_problems(streams, problems)
    return {problem.code: problem.message for problem in problems}


@pytest.mark.parametrize(
    ("query", "operator", "reason"),
    [
        (_WHERE, "mustBeLessThan: 5", "a tolerance needs more than one record"),
        (_WHERE, "mustNotBe: 0", "a tolerance needs more than one record"),
        ("SELECT COUNT(*) FILTER (WHERE x > 4) FROM {object}", "mustBe: 0", "COUNT(*)"),
        ("SELECT SUM(CASE WHEN x > 4 THEN 1 ELSE 0 END) FROM {object}", "mustBe: 0", "COUNT(*)"),
        ("SELECT COUNT(x) FROM {object} WHERE z > 4", "mustBe: 0", "it counts x, not rows"),
        ("SELECT COUNT(DISTINCT x) FROM {object} WHERE z > 4", "mustBe: 0", "DISTINCT x"),
        ("SELECT COUNT(*) FROM {object} a JOIN {object} b USING (x)", "mustBe: 0", "a JOIN"),
        ("SELECT COUNT(*) FROM {object} TABLESAMPLE 10% WHERE x > 4", "mustBe: 0", "TABLESAMPLE"),
        ("SELECT COUNT(*) FROM {object} WHERE x > random()", "mustBe: 0", "does not judge `RANDOM"),
        ("SELECT COUNT(*) FROM {object} WHERE reverse(s) = s", "mustBe: 0", "version of Unicode"),
    ],
)
def test_what_only_the_audit_judges_says_so_in_the_words_of_coverage(
    query: str, operator: str, reason: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = write(tmp_path, query, operator)
    said = found(path)
    assert set(said) == {"LG507"}
    assert said["LG507"].startswith("judged at the audit only, because ")
    assert reason in said["LG507"]
    (rule,) = [one for one in statements_of(load(path)) if one.key == "rule"]
    assert (rule.where, rule.how) == ("audit", f"{said['LG507']} (error)")
    assert check(path) == 0
    assert "1 contract checked: 1 note" in capsys.readouterr().out


def test_a_rule_of_the_gate_says_nothing(tmp_path: Path) -> None:
    assert found(write(tmp_path, _WHERE)) == {}


@pytest.mark.parametrize(
    ("query", "code", "said"),
    [
        (f"{_WHERE}; DROP TABLE x", "LG506", "2 statements"),
        ("SELECT COUNT(*) FROM {object} WHERE x <=> z", "LG506", "IS NOT DISTINCT FROM"),
        ("SELECT COUNT(nope) FROM {object}", "LG515", "nope"),
        ("SELECT nofunction(x) FROM {object}", "LG515", "nofunction"),
        ("SELECT COUNT(*), 1 FROM {object}", "LG515", "2 columns"),
        ("SELECT MAX(s) FROM {object}", "LG515", "VARCHAR"),
        ("SELECT COUNT(*) FROM read_csv('/etc/passwd')", "LG515", "may not be read"),
        ("SELECT COUNT(*) FROM other WHERE x > 4", "LG516", "'other'"),
        ("SELECT COUNT(*) FROM {object} GROUP BY x", "LG517", "no row"),
        (f"{_WHERE} LIMIT 0", "LG517", "no row"),
        (f"{_WHERE} HAVING COUNT(*) > 10", "LG517", "no row"),
        (f"{_WHERE} UNION ALL SELECT 1", "LG517", "several rows"),
    ],
)
def test_what_cannot_work_at_the_audit_is_said_without_data(
    query: str, code: str, said: str, tmp_path: Path
) -> None:
    path = write(tmp_path, query)
    problems = found(path)
    assert set(problems) - {"LG507"} == {code}
    assert said in problems[code]
    assert check(path) == (1 if code in ("LG506", "LG515") else 0)


@pytest.mark.parametrize(
    "query",
    [
        "SELECT COALESCE(SUM(x), 0) FROM {object}",
        "SELECT SUM(x) FROM {object}",
        "SELECT AVG(x) > 4 FROM {object}",
        "SELECT COUNT(*) FROM {object}__increment WHERE _offset < 0",
        "SELECT COUNT(*) FROM (SELECT x FROM {object} GROUP BY x HAVING COUNT(*) > 1)",
        "WITH a AS (SELECT x FROM {object}) SELECT COUNT(*) FROM a, UNNEST([1])",
        "SELECT COUNT(*) FROM {object} WHERE _unknown_fields IS NOT NULL GROUP BY ALL",
    ],
)
def test_what_the_audit_can_run_is_no_problem(query: str, tmp_path: Path) -> None:
    assert set(found(write(tmp_path, query.replace("{object}__", "orders__")))) == {"LG507"}


def test_another_stream_of_the_project_is_known(tmp_path: Path) -> None:
    (tmp_path / "contracts").mkdir()
    (tmp_path / "lakegate.toml").write_text("")
    query = "SELECT COUNT(*) FROM {object} WHERE x NOT IN (SELECT x FROM customers)"
    orders = write(tmp_path / "contracts", query)
    write(tmp_path / "contracts", _WHERE, name="customers")
    assert set(found(orders)) == {"LG507", "LG516"}
    problems, streams = examine([tmp_path])
    assert sql_problems(streams, problems) == []
    assert check(orders, project=tmp_path) == 0


def test_where_a_contract_is_broken_no_table_is_called_unknown(tmp_path: Path) -> None:
    write(tmp_path, "SELECT COUNT(*) FROM customers")
    (tmp_path / "customers.odcs.yaml").write_text("apiVersion: v3.2.0\nkind: DataContract\n")
    problems, streams = examine([tmp_path])
    assert sql_problems(streams, problems) == []


def test_coverage_of_a_project_lists_all_its_contracts(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert coverage(project=tmp_path) == 2
    assert "no contract (*.odcs.yaml) in" in capsys.readouterr().err
    (tmp_path / "contracts").mkdir()
    (tmp_path / "lakegate.toml").write_text("")
    for name in ("customers", "orders"):
        write(tmp_path / "contracts", _WHERE, name=name)
    for paths in (False, True):
        assert coverage(project=tmp_path, paths=paths) == 0
        out = capsys.readouterr().out
        assert "customers" in out
        assert "orders" in out
