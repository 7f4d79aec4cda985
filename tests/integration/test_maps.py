"""Maps through the whole loop: judged, landed, audited, published, proven, read with SQL."""

from __future__ import annotations

import json
from pathlib import Path

from lakegate.pipeline.project import open_project

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
        required: true
        map:
          key: {logicalType: string, logicalTypeOptions: {pattern: '^[a-z]+$'}}
          value:
            logicalType: object
            properties:
              - {name: mean, logicalType: number, required: true}
              - {name: by, logicalType: map, map: {key: {logicalType: string},
                 value: {logicalType: timestamp}}}
"""


def test_maps_pass_the_whole_loop_and_a_bad_entry_is_repaired_on_the_way(tmp_path: Path) -> None:
    (tmp_path / "contracts").mkdir()
    (tmp_path / "contracts" / "readings.odcs.yaml").write_text(_CONTRACT)
    (tmp_path / "lakegate.toml").touch()
    moment = "2026-11-23T10:00:00Z"
    with open_project(tmp_path) as project:
        with project.producer("readings") as producer:
            for number in range(100):
                values = {"a": {"mean": number / 2, "by": {"x y": moment}}, "b": {"mean": 1}}
                if number == 7:
                    values["b"] = {"mean": "1"}  # type: ignore[dict-item]
                producer.send(json.dumps({"id": number, "values": values}).encode())
        done = project.run(until="idle")["readings"]
        assert (done.accepted, done.rejected) == (99, 1)
        (cause,) = project.deadletters("readings").causes().causes
        assert (cause.path, cause.rule) == ("$.values.b.mean", "type")

        (tmp_path / "fixes").mkdir()
        (tmp_path / "fixes" / "number.yaml").write_text(
            f"stream: readings\nmatches: {{causes: [{cause.id}]}}\n"
            "steps:\n  - cast: {path: $.values.b.mean, to: number}\n"
        )
        project.replay("readings")
        project.run(until="idle")
        audited = project.audit("readings")
        assert audited.passed
        audited.publish()
        assert project.status(full=True).proven
        project.maintain("readings")
        query = "SELECT sum(values['a'].mean), count(values['a'].by['x y']) FROM readings"
        assert project.sql(query).fetchall() == [(2475.0, 100)]
