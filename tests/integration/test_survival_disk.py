"""The disk is full, or read-only: what each command says, and that it goes on afterwards."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

import lakegate as lg

from .survival import (
    Disk,
    call,
    finish,
    make_project,
    mounted,
    order,
    proven,
    refused,
    start,
    wait_until,
)

pytestmark = pytest.mark.slow

ROOMS = (0, 4, 8, 12, 16, 24, 32, 48, 64, 96, 128, 192, 256, 512, 1024)  # KiB left
NOTE = "n" * 300
COUNT = 400

READING = (
    ("status",),
    ("status", "--full"),
    ("query", "select count(*) from orders"),
    ("topic", "list"),
    ("topic", "tail", "orders.deadletter"),
    ("lake", "list"),
)
WRITING = (
    ("run", "--until-idle"),
    ("land",),
    ("audit",),
    ("lake", "maintain"),
)


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Disk]:
    with mounted(tmp_path / "disk", size="48m") as disk:
        yield disk


@pytest.fixture
def folder(disk: Disk) -> Path:
    return make_project(disk.path / "project", toml="[log]\npartitions = 2\n")


@pytest.fixture
def records(tmp_path: Path) -> Path:
    """Lines of which every tenth is wrong; not on the small disk."""
    path = tmp_path / "orders.ndjson"
    lines = [b'{"number": "none"}' if n % 10 == 0 else order(n, NOTE) for n in range(COUNT)]
    path.write_bytes(b"\n".join(lines) + b"\n")
    return path


def squeeze(disk: Disk, folder: Path, *command: str) -> int:
    """Give the command more and more room until it is done; count how often it had too little."""
    failed = 0
    for room in ROOMS:
        disk.fill(free_bytes=room * 1024)
        said = call(folder, *command)
        if said.code == 0:
            break
        refused(said, "room")
        failed += 1
    else:
        pytest.fail(f"{command} never ended")
    disk.free()
    return failed


def test_the_disk_runs_full_under_each_command(disk: Disk, folder: Path, records: Path) -> None:
    call(folder, "topic", "list")
    assert squeeze(disk, folder, "topic", "send", "orders.raw", str(records))
    proven(folder, raw=COUNT, judged=0)
    assert squeeze(disk, folder, "run", "--until-idle", "--no-land")
    proven(folder, raw=COUNT, accepted=COUNT * 9 // 10, rejected=COUNT // 10, landed=0)
    assert squeeze(disk, folder, "land")
    proven(folder, landed=COUNT * 9 // 10, published=0)
    assert squeeze(disk, folder, "audit")
    assert squeeze(disk, folder, "publish")
    for command in (*READING, ("lake", "maintain")):
        squeeze(disk, folder, *command)
    proven(folder, landed=COUNT * 9 // 10, published=COUNT * 9 // 10)


def test_the_first_command_of_a_project_on_a_full_disk(disk: Disk, folder: Path) -> None:
    assert squeeze(disk, folder, "topic", "list")
    proven(folder, raw=0)


def flow(folder: Path, records: Path) -> None:
    for command in (
        ("topic", "list"),
        ("topic", "send", "orders.raw", str(records)),
        ("run", "--until-idle"),
        ("audit",),
        ("publish",),
    ):
        said = call(folder, *command)
        assert said.code == 0, said


def test_on_a_read_only_disk_what_writes_says_so(disk: Disk, folder: Path, records: Path) -> None:
    flow(folder, records)
    call(folder, "topic", "send", "orders.raw", str(records))
    call(folder, "run", "--until-idle", "--no-land")
    disk.remount("ro")
    try:
        for command in (("topic", "send", "orders.raw", str(records)), *WRITING):
            said = call(folder, *command)
            text = refused(said)
            assert "read-only" in text.lower() or "writ" in text, text
    finally:
        disk.remount("rw")
    assert call(folder, "run", "--until-idle").code == 0
    proven(folder, raw=2 * COUNT, landed=2 * COUNT * 9 // 10)


def test_on_a_read_only_disk_what_reads_works(disk: Disk, folder: Path, records: Path) -> None:
    flow(folder, records)
    disk.remount("ro")
    try:
        for command in READING:
            said = call(folder, *command)
            assert said.code == 0, (command, said)
        said = call(folder, "query", "select count(*) n from orders", "--format", "json")
        assert json.loads(said.out) == {"n": COUNT * 9 // 10}
    finally:
        disk.remount("rw")


def _landed(project: lg.Project) -> bool:
    """Whether anything has; a table in the making has no branch yet."""
    lake = project.lake
    return (
        lake.exists("orders")
        and lake.head("orders", "staged") is not None
        and bool(lake.landed("orders"))
    )


@pytest.mark.parametrize("point", ["topic.payload.write", "lake.land.written"])
def test_a_running_worker_waits_for_room(tmp_path: Path, point: str) -> None:
    make_project(tmp_path, toml="[landing]\ninterval_s = 0.1\n")
    with lg.open(tmp_path) as project:
        with project.producer("orders") as producer:
            producer.send(order(1))
        worker = start(tmp_path, "run", LAKEGATE_FAULT=f"{point}:1:ENOSPC")
        wait_until(lambda: _landed(project))
        worker.terminate()
    said = finish(worker)
    assert said.code == 0, said
    assert "trying again" in said.err
    proven(tmp_path, landed=1)
