"""The proof says nothing false because others were at work while it read."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

import lakegate as lg
from lakegate.ledger import findings
from lakegate.topic.base import Record

from .survival import make_project, order

EXTRA = "      - {name: extra, logicalType: string}"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return make_project(tmp_path)


@pytest.fixture
def project(folder: Path) -> Iterator[lg.Project]:
    with lg.open(folder) as project:
        yield project


def flow(project: lg.Project, *records: bytes, land: bool = True) -> None:
    project.log.send("orders.raw", [Record(record, b"k") for record in records])
    project.run("orders", until="idle", land=land)


def before_staged_is_read(monkeypatch: pytest.MonkeyPatch, others: Callable[[], None]) -> list[str]:
    """Let others work once, between the pins and the reading of ``staged``; what was read."""
    read: list[str] = []
    really = findings._read_table

    def slowly(tables: Any, stream: Any, pin: Any, *rest: Any) -> Any:
        read.append(pin.branch)
        if read == ["main", "staged"]:
            others()
        return really(tables, stream, pin, *rest)

    monkeypatch.setattr(findings, "_read_table", slowly)
    return read


@pytest.mark.parametrize("swept", [False, True])
def test_a_snapshot_that_expires_while_another_is_read_is_no_gap(
    folder: Path, project: lg.Project, monkeypatch: pytest.MonkeyPatch, swept: bool
) -> None:
    flow(project, order(1))
    project.audit("orders").publish()
    project.lake.unpin("orders", name="audited")
    flow(project, order(2))
    pinned = project.lake.head("orders", "staged")
    assert pinned is not None

    def others() -> None:
        with lg.open(folder) as other:
            other.lake.keep = 2
            for number in range(3, 8):
                flow(other, order(number))
            assert other.lake.table("orders").metadata.snapshot_by_id(pinned.snapshot_id) is None
            for hours in (0, 2) if swept else ():
                other.lake.maintain("orders", now=datetime.now(UTC) + timedelta(hours=hours))

    read = before_staged_is_read(monkeypatch, others)
    (proof,) = project.status("orders").proofs
    assert proof.gaps == ()
    assert read == ["main", "staged"] * (2 if swept else 1), "files stay until they are swept"
    assert proof.total("landed") == (7 if swept else 2)


def proven(project: lg.Project, **totals: int) -> None:
    (proof,) = project.status("orders").proofs
    assert proof.gaps == ()
    assert {name: proof.total(name) for name in totals} == totals


def test_a_contract_that_changed_before_the_first_landing_is_no_obstacle(folder: Path) -> None:
    with lg.open(folder) as project:
        flow(project, order(1), land=False)
    make_project(folder, version="1.1.0", more=EXTRA)
    with lg.open(folder) as project:
        proven(project, accepted=1, landed=0)
        project.run("orders", until="idle")
        proven(project, accepted=1, landed=1)


@pytest.mark.parametrize("change", ["a column more", "a required column less"])
def test_rows_of_a_contract_the_table_does_not_know_yet_wait(folder: Path, change: str) -> None:
    with lg.open(folder) as project:
        flow(project, order(1))
        make_project(folder, version="2.0.0", more=EXTRA if change == "a column more" else "")
        file = folder / "contracts" / "orders.odcs.yaml"
        record = b'{"number": 2, "note": "x", "extra": "e"}'
        if change == "a required column less":
            (dropped,) = [line for line in file.read_text().splitlines() if "name: note" in line]
            file.write_text(file.read_text().replace(dropped + "\n", ""))
            record = b'{"number": 2}'
        with lg.open(folder) as other:
            flow(other, record, land=False)
        proven(project, accepted=2, landed=1)
    with lg.open(folder) as project:
        proven(project, accepted=2, landed=1)
        project.run("orders", until="idle")
        proven(project, accepted=2, landed=2)


def test_a_column_that_is_renamed_while_the_table_is_read_is_no_gap(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = "      - {id: extra, name: extra, logicalType: string}"
    make_project(folder, more=before)
    with lg.open(folder) as project:
        flow(project, b'{"number": 1, "note": "x", "extra": "said"}')
    make_project(folder, version="1.1.0", more=before.replace("name: extra", "name: more"))
    with lg.open(folder) as project:
        stream = project.stream("orders")
        read = before_staged_is_read(monkeypatch, lambda: project.lake.ensure(stream))
        status = project.status("orders")
        assert status.proven, status.proofs[0].gaps
        assert read == ["main", "staged"]
        assert project.lake.table("orders").schema().find_field("more")
        assert project.status("orders").proven
