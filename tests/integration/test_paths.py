"""A record of which there is more to tell than may be: the loop goes on, on both sides of it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from lakegate.pipeline.project import open_project
from lakegate.topic.base import Record

_CONTRACT = """
apiVersion: v3.2.0
kind: DataContract
id: readings
name: readings
version: 1.0.0
status: active
schema:
  - name: readings
    properties:
      - {name: id, logicalType: integer, required: true, primaryKey: true}
      - name: values
        logicalType: map
        map:
          key: {logicalType: string}
          value:
            logicalType: object
            properties:
              - {name: list, logicalType: array, items: {logicalType: string}}
"""


@pytest.mark.parametrize("path", ["", "fast"])
def test_a_bomb_by_paths_is_one_dead_letter(
    path: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LAKEGATE_GATE", path)
    (tmp_path / "contracts").mkdir()
    (tmp_path / "contracts" / "readings.odcs.yaml").write_text(_CONTRACT)
    (tmp_path / "lakegate.toml").touch()
    bad = {"id": 1, "values": {"1" * 450_000: {"list": [1] * 9_000}}}
    odd = {"id": 2, "values": {"1" * 450_000: {f"u{n}": 0 for n in range(3_000)}}}
    good = [Record(b'{"id":%d}' % n, b"k") for n in range(10, 110)]
    bombs = [Record(json.dumps(one).encode(), b"k") for one in (bad, odd)]
    with open_project(tmp_path) as project:
        project.log.send("readings.raw", [*good, *bombs, *good])
        done = project.run(until="idle")["readings"]
        assert (done.accepted, done.rejected) == (200, 2)
        (cause,) = project.deadletters("readings").causes().causes
        assert (cause.path, cause.rule) == ("$", "record.paths")
