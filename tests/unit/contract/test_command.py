"""``lakegate contract``: exit codes and both outputs."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from lakegate.cli.contract import check, coverage

_ORDERS = Path(__file__).parents[2] / "contracts" / "orders.odcs.yaml"
_BAD = "apiVersion: v3.2.0\nkind: DataContract\nid: a\nversion: 1.0.0\nnmae: x\n"


def test_a_good_contract_exits_with_0(capsys: pytest.CaptureFixture[str]) -> None:
    assert check(_ORDERS) == 0
    assert "1 contract checked: no problems" in capsys.readouterr().out


def test_a_problem_shows_its_line_with_a_caret(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "a.odcs.yaml"
    path.write_text(_BAD)
    assert check(path) == 1
    out = capsys.readouterr().out
    assert f"{path}:5:1 error LG103 unknown key `nmae`" in out
    assert "     5 │ nmae: x\n         ^^^^\n" in out
    assert "did you mean `name`?" in out


def test_json_is_one_object_per_problem(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "a.odcs.yaml"
    path.write_text(_BAD)
    assert check(path, output="json") == 1
    found = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    places = {(p["code"], p["line"], p["column"]) for p in found}
    assert places == {("LG206", 1, 1), ("LG103", 5, 1)}


def test_what_cannot_be_read_exits_with_2(tmp_path: Path) -> None:
    assert check(tmp_path / "none.odcs.yaml") == 2
    assert check(tmp_path) == 2
    assert check(project=tmp_path) == 2
    assert coverage(tmp_path / "none.odcs.yaml") == 2


def test_contracts_of_the_project_are_the_default(tmp_path: Path) -> None:
    (tmp_path / "contracts").mkdir()
    (tmp_path / "lakegate.toml").write_text("")
    (tmp_path / "contracts" / "o.odcs.yaml").write_text(_ORDERS.read_text())
    assert check(project=tmp_path / "contracts") == 0


def test_coverage_as_table_and_as_json(capsys: pytest.CaptureFixture[str]) -> None:
    assert coverage(_ORDERS) == 0
    assert "statements enforced" in capsys.readouterr().out
    assert coverage(_ORDERS, output="json") == 0
    found = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert {"subject", "key", "value", "where", "how", "file", "line"} == set(found[0])
