"""Change events about no row are counted, by stream and by what they are."""

from __future__ import annotations

from pathlib import Path

import lakegate as lg
from lakegate.pipeline.metrics import exposition
from lakegate.pipeline.supervisor.board import Board
from lakegate.topic.base import Record

CONTRACT = """
apiVersion: v3.1.0
kind: DataContract
id: people
name: people
version: 1.0.0
status: active
schema:
  - name: people
    logicalType: object
    customProperties: [{property: lakegate.cdc, value: debezium}]
    properties:
      - {name: id, logicalType: integer, required: true, primaryKey: true}
"""


def test_heartbeats_reach_the_metrics(tmp_path: Path) -> None:
    (tmp_path / "lakegate.toml").write_text("")
    (tmp_path / "contracts").mkdir()
    (tmp_path / "contracts" / "people.odcs.yaml").write_text(CONTRACT)
    with lg.open(tmp_path) as project:
        project.log.send("people.cdc", [Record(b'{"ts_ms": 1}', b"k")] * 3)
        project.run(until="idle", land=False)
        found = project.passed_over
    assert found == {"people": {"heartbeat": 3}}
    board = Board(1, 0.0, False, ())
    page, _ = exposition(board, {"gate": {"passed_over": found}})
    line = 'lakegate_cdc_passed_over_events_total{outcome="heartbeat",stream="people"} 3.0'
    assert line in page.decode().splitlines()
