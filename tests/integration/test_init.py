"""``lakegate init`` makes a project whose every file is good and whose next commands work."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path

import pytest

from lakegate.errors import ProjectError
from lakegate.pipeline.scaffold import scaffold

from .survival import call, proven
from .up import running


def test_everything_it_makes_is_used_and_good(tmp_path: Path) -> None:
    folder = tmp_path / "My shop"
    scaffold(folder)
    assert tomllib.loads((folder / "lakegate.toml").read_text())["project"]["name"] == "My shop"
    said = call(folder, "contract", "check")
    assert said.code == 0, said
    assert call(folder, "topic", "send", "orders.raw", str(folder / "sample.ndjson")).code == 0
    assert call(folder, "run", "--until-idle").code == 0
    assert call(folder, "audit").code == 0
    assert call(folder, "publish").code == 0
    assert call(folder, "model", "run").code == 0
    said = call(folder, "query", "select sum(orders) as n from daily_revenue", "--format", "json")
    assert json.loads(said.out) == {"n": 15}
    assert call(folder, "consumer", "list").code == 0
    assert call(folder, "replay").code == 0
    assert call(folder, "run", "--until-idle").code == 0
    proven(folder, raw=20, rejected=5)


def test_nothing_is_overwritten(tmp_path: Path) -> None:
    (tmp_path / "contracts").mkdir()
    mine = tmp_path / "lakegate.toml"
    mine.write_text("mine")
    with pytest.raises(ProjectError, match=r"lakegate\.toml is there already"):
        scaffold(tmp_path)
    assert mine.read_text() == "mine"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["contracts", "lakegate.toml"]


def test_a_name_cannot_break_the_configuration(tmp_path: Path) -> None:
    folder = tmp_path / 'a"b{c}'
    scaffold(folder)
    assert tomllib.loads((folder / "lakegate.toml").read_text())["project"]["name"] == "a-b-c-"


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_the_next_commands_work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """``up``, records, a replay: the repaired records are published and in the model."""
    scaffold(tmp_path)
    monkeypatch.setenv("LAKEGATE_UP__PORT", "0")
    monkeypatch.setenv("LAKEGATE_GATEWAY__PORT", "0")
    monkeypatch.setenv("LAKEGATE_SCHEDULE__AUDIT", "1s")
    monkeypatch.setenv("LAKEGATE_UP__NUMBERS_S", "0.5")

    def orders() -> int:
        question = "select sum(orders)::int as n from daily_revenue"
        said = call(tmp_path, "query", question, "--format", "json")
        return json.loads(said.out)["n"] if said.code == 0 else 0

    with running(tmp_path) as up:
        said = call(tmp_path, "topic", "send", "orders.raw", str(tmp_path / "sample.ndjson"))
        assert said.code == 0
        up.until(lambda: orders() == 15, "in the model")
        assert call(tmp_path, "replay").code == 0
        up.until(lambda: orders() == 18, "repaired, and in the model")
        assert b'lakegate_deadletters_open{stream="orders"}' in up.get("/metrics")[1]
        assert up.stop() == 0
    proven(tmp_path, raw=20, rejected=5)
