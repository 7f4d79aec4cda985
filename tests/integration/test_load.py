"""``lakegate load``: what it says, and that a killed load goes on where it was."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import lakegate as lg
from tests.integration.survival import call, finish, make_project, order, proven, refused, start
from tests.integration.test_gateway_survival import numbers

COUNT = 30_000


def files(folder: Path) -> dict[str, Path]:
    """The same records in every format."""
    rows = [{"number": n, "note": f"note {n}"} for n in range(COUNT)]
    made = {kind: folder / f"orders.{kind}" for kind in ("ndjson", "json", "csv", "parquet")}
    made["ndjson"].write_bytes(b"\n".join(order(n) for n in range(COUNT)))
    made["json"].write_text(json.dumps(rows, indent=1))
    made["csv"].write_text("number,note\n" + "".join(f"{r['number']},{r['note']}\n" for r in rows))
    pq.write_table(pa.Table.from_pylist(rows), made["parquet"], row_group_size=7_000)
    return made


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["ndjson", "json", "csv", "parquet"])
def test_killed_in_the_middle_it_goes_on_and_ends_exact(tmp_path: Path, kind: str):
    folder = make_project(tmp_path / "project", toml="[log]\npartitions = 2\n")
    path = files(tmp_path)[kind]
    killed = finish(
        start(folder, "load", "orders", str(path), LAKEGATE_FAULT="topic.commit.after:2")
    )
    assert killed.code == -9
    before = len(numbers(folder))
    assert before == 20_000
    said = call(folder, "load", "orders", str(path))
    assert said.code == 0, said
    assert "10,000 records loaded (20,000 were there before)" in " ".join(said.out.split())
    assert numbers(folder) == list(range(COUNT))
    again = call(folder, "load", "orders", str(path))
    assert (again.code, "loaded before" in " ".join(again.out.split())) == (0, True)
    assert call(folder, "run", "--until-idle").code == 0
    proven(folder, raw=COUNT, accepted=COUNT)


def test_for_machines_and_once_more(tmp_path: Path):
    folder = make_project(tmp_path / "project")
    path = tmp_path / "a.csv"
    path.write_text("number,note\n1,a\n,b\n")
    first = json.loads(call(folder, "load", "orders", str(path), "--format", "json").out)
    assert (first["records"], first["appended"], first["already"]) == (2, 2, False)
    second = json.loads(call(folder, "load", "orders", str(path), "--format", "json").out)
    assert (second["appended"], second["already"]) == (0, True)
    third = json.loads(call(folder, "load", "orders", str(path), "--again", "--format", "json").out)
    assert third["appended"] == 2
    assert call(folder, "run", "--until-idle").code == 0
    proven(folder, raw=4, accepted=2, rejected=2)


def test_what_cannot_be_loaded(tmp_path: Path):
    folder = make_project(tmp_path / "project")
    broken = tmp_path / "broken.csv"
    broken.write_text("number,note\n1,a\n2\n")
    refused(call(folder, "load", "orders", str(broken)), "line 3", "the 1 record before")
    refused(call(folder, "load", "orders", str(tmp_path / "none.csv")), "none.csv")
    refused(call(folder, "load", "nope", str(broken)), "nope", "orders")
    refused(call(folder, "load", "orders"), "at least one file")
    assert numbers(folder) == [1]


def test_the_key_is_the_primary_key_another_or_none(tmp_path: Path):
    folder = make_project(tmp_path / "project")
    path = tmp_path / "a.ndjson"
    path.write_bytes(order(7, "seven"))
    for options in ([], ["--key", "note", "--again"], ["--no-key", "--again"]):
        assert call(folder, "load", "orders", str(path), *options).code == 0
    out = call(folder, "topic", "tail", "orders.raw").out
    assert [json.loads(line)["key"] for line in out.splitlines()] == ["7", "seven", None]


def test_from_python(tmp_path: Path):
    folder = make_project(tmp_path / "project")
    made = files(tmp_path)
    steps = []
    with lg.open(folder) as project:
        csv, parquet = project.load("orders", made["csv"], made["parquet"], on_step=steps.append)
    assert (csv.appended, parquet.appended) == (COUNT, COUNT)
    assert steps
    assert numbers(folder) == sorted([*range(COUNT)] * 2)
