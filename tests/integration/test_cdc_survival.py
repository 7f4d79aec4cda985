"""A merge that is killed at any point: the next one ends where an undisturbed one would."""

from __future__ import annotations

from pathlib import Path

import pytest

import lakegate as lg
from lakegate.lake.merge import FAULT_POINTS
from lakegate.testing.change import debezium_event
from tests.integration.survival import call, finish, start
from tests.integration.test_cdc import STOCK, folder_with, rows, send

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("point", [*FAULT_POINTS, "lake.publish.before"])
def test_killed_and_merged_again(tmp_path: Path, point: str) -> None:
    folder_with(tmp_path, STOCK.format(version="1.0.0", more=""))
    with lg.open(tmp_path) as project:
        for number in (1, 2):
            send(project, debezium_event("c", after={"number": number, "note": "a"}, lsn=number))
        project.run("orders", until="idle")
        project.audit("orders").publish()
        project.merge("orders")
        send(
            project,
            debezium_event("u", after={"number": 1, "note": "b"}, lsn=3),
            debezium_event("d", before={"number": 2}, lsn=4),
        )
        project.run("orders", until="idle")
        project.audit("orders").publish()
    died = finish(start(tmp_path, "merge", "orders", LAKEGATE_FAULT=point))
    assert died.code == -9, died
    assert call(tmp_path, "merge", "orders").code == 0
    with lg.open(tmp_path) as project:
        assert rows(project) == [(1, "b")]
        assert project.lake.head("orders_current") == project.lake.head("orders_current", "staged")
        assert project.status("orders").proven
