"""Streams whose records are no bare JSON, from the file or producer to the published table."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import lakegate as lg
from tests.integration.survival import call, make_project, proven, refused

_FORMAT = """
    customProperties:
      - {{property: lakegate.format, value: {name}}}
"""


def project(tmp_path: Path, name: str) -> Path:
    return make_project(tmp_path / "project", more=_FORMAT.format(name=name))


@pytest.mark.slow
def test_rows_from_a_file_to_the_table(tmp_path: Path) -> None:
    folder = project(tmp_path, "csv")
    path = tmp_path / "orders.csv"
    path.write_text('number,note\n1,"a, b"\nx,c\n2\n3,d\n')
    assert call(folder, "load", "orders", str(path)).code == 0
    said = call(folder, "load", "orders", str(path))
    assert "--again" in said.out, said
    refused(call(folder, "load", "orders", "x.ndjson"), "x.ndjson")
    assert call(folder, "run", "--until-idle").code == 0
    proven(folder, raw=4, accepted=2, rejected=2)
    with lg.open(folder) as opened:
        opened.audit("orders").publish()
        rows = opened.sql("select number, note from orders order by number").fetchall()
    assert rows == [(1, "a, b"), (3, "d")]
    said = call(folder, "deadletter", "list", "--format", "json")
    assert {"csv.fields", "type"} == {json.loads(line)["rule"] for line in said.out.splitlines()}


@pytest.mark.slow
def test_records_behind_a_header_from_the_producer_to_the_table(tmp_path: Path) -> None:
    folder = project(tmp_path, "confluent-json")
    with lg.open(folder) as opened:
        with opened.producer("orders") as producer:
            producer.send(b'\0\0\0\0\x07{"number":1,"note":"a"}', key=b"1")
            producer.send(b'{"number":2,"note":"a"}', key=b"2")
        opened.run(until="idle")
    proven(folder, raw=2, accepted=1, rejected=1)
