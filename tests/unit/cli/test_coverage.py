"""``lakegate contract coverage`` in a pipe, and what is said of contracts by name."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from lakegate.cli.contract import check, coverage
from lakegate.cli.run import run
from lakegate.errors import ProjectError

_NAME = "a_name_that_no_terminal_of_eighty_columns_has_any_room_for_beside_the_rest"
_CONTRACT = f"""
apiVersion: v3.1.0
kind: DataContract
id: readings
version: 1.0.0
status: active
schema:
  - name: readings
    properties:
      - {{name: {_NAME}, logicalType: integer, required: true}}
"""


@pytest.mark.parametrize("paths", [False, True])
def test_in_a_pipe_a_name_stands_whole(
    paths: bool, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "readings.odcs.yaml"
    file.write_text(_CONTRACT)
    assert coverage(file, paths=paths) == 0
    assert _NAME in capsys.readouterr().out


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("      - {name: m, logicalType: map}", "maps begin with ODCS 3.2"),
        (
            '    quality: [{type: sql, query: "SELECT COUNT(*) FROM t WHERE a >", mustBe: 0}]',
            "missing for `GT`",
        ),
    ],
)
def test_what_is_wrong_is_said_in_words(
    line: str, said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "readings.odcs.yaml"
    file.write_text(f"{_CONTRACT}{line}\n")
    assert check(file) == 1
    assert said in capsys.readouterr().out


def test_fewer_workers_than_none_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ProjectError, match="--workers is -1"):
        run(workers=-1, project=tmp_path)


def test_the_envelope_of_change_events_is_listed_with_its_path(
    capsys: pytest.CaptureFixture[str],
) -> None:
    contract = Path(__file__).parents[2] / "contracts" / "debezium" / "t.odcs.yaml"
    assert coverage(contract, paths=True, output="json") == 0
    (envelope,) = [
        one
        for one in map(json.loads, capsys.readouterr().out.splitlines())
        if one["what"] == "the envelope of a change event"
    ]
    assert (envelope["path"], envelope["falls_back"]) == ("pure Python", True)
