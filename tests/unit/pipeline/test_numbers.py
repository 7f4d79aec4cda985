"""The cheap numbers are those of the proof, and adding to them gives the same as starting over."""

from __future__ import annotations

from pathlib import Path

import lakegate as lg
from lakegate.pipeline.numbers import Collector

CONTRACT = """
apiVersion: v3.1.0
kind: DataContract
id: orders
name: orders
version: 1.0.0
status: active
schema:
  - name: orders
    logicalType: object
    properties:
      - {name: number, logicalType: integer, required: true, primaryKey: true}
"""


def send(project: lg.Project, *values: bytes) -> None:
    with project.producer("orders") as producer:
        for value in values:
            producer.send(value)


def test_they_agree_with_the_proof(tmp_path: Path) -> None:
    (tmp_path / "contracts").mkdir()
    (tmp_path / "contracts" / "orders.odcs.yaml").write_text(CONTRACT)
    (tmp_path / "lakegate.toml").write_text("[log]\npartitions = 2\n")
    with lg.open(tmp_path) as project:
        collector = Collector(project)
        (empty,) = collector.collect().streams
        assert (empty.raw, empty.rows_staged, empty.published_s) == (0, 0, None)
        send(project, *(b'{"number": %d}' % n for n in range(20)), b"{}", b"[]")
        (waiting,) = collector.collect().streams
        assert (waiting.raw, waiting.waiting_to_judge) == (22, 22)
        project.run(until="idle", land=False)
        (judged,) = collector.collect().streams
        assert (judged.accepted, judged.rejected, judged.waiting_to_land) == (20, 2, 20)
        project.land()
        project.audit("orders").publish()
        send(project, *(b'{"number": %d}' % n for n in range(20, 25)))
        project.run(until="idle")
        (added,) = collector.collect().streams
        (fresh,) = project.numbers().streams
        assert added == fresh
        (proof,) = project.status().proofs
        for ours, theirs in (
            (added.raw, "raw"), (added.accepted, "accepted"), (added.rejected, "rejected"),
            (added.rows_staged, "landed"), (added.rows_main, "published"),
        ):  # fmt: skip
            assert ours == proof.total(theirs)
        assert added.waiting_to_publish == 5
        assert added.open_deadletters == 2
        assert added.published_s is not None
        assert added.audit_passed >= 1
        assert added.audit_failed == ()
