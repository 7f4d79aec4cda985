"""The live view: what it says, and how it counts."""

from __future__ import annotations

import contextlib
import os
import pty
import re
import select
import subprocess
import sys
import time
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from rich.console import Console

from lakegate.cli.flow import History, flow
from lakegate.contract.stream import ContractRef
from lakegate.contract.type import Severity
from lakegate.pipeline.numbers import Numbers, StreamNumbers
from lakegate.pipeline.scaffold import scaffold
from lakegate.pipeline.supervisor.board import Board, PartStatus, PartView
from lakegate.state.incident_store import Incident, IncidentKind, Key

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
ORDERS = StreamNumbers(
    stream="orders", raw=1000, accepted=900, rejected=100, tombstones=0, replayed=5,
    deadletters=100, open_deadletters=95, waiting_to_judge=0, waiting_to_land=7,
    waiting_to_publish=0, rows_staged=898, rows_main=898, published_s=None, audit_passed=3,
    audit_failed=(), paused=False,
)  # fmt: skip


def looks(*raw: int) -> History:
    history = History()
    for second, count in enumerate(raw):
        history.looks.append(Numbers(NOW.timestamp() + second, 0.01, (replace(ORDERS, raw=count),)))
    return history


def shown(history: History, board: Board | None = None, *incidents: Incident) -> str:
    console = Console(width=110, record=True, file=open(os.devnull, "w"))  # noqa: PTH123, SIM115
    console.print(flow("shop", history, board, incidents))
    console.file.close()
    return console.export_text()


def test_rates_are_of_the_last_seconds() -> None:
    history = looks(0, 0, 0, 0, 0, 0, 0, 1000, 2000)
    assert history.rate("orders", lambda one: one.raw) == 400  # 2,000 within 5 s
    assert looks(5).rate("orders", lambda one: one.raw) == 0
    assert history.rate("unknown", lambda one: one.raw) == 0
    assert history.course("orders", lambda one: one.raw, 4) == "  ██"
    assert looks(0, 1, 5, 13).course("orders", lambda one: one.raw, 5) == "  ▁▄█"


def test_everything_is_on_it() -> None:
    parts = (
        PartView("gateway", "gateway", PartStatus.UP, 7, time.time(), 0, None, 98_000_000),
        PartView("gate", "gate", PartStatus.WAITING, None, time.time(), 2, "ended by SIGKILL"),
        PartView("lander", "lander", PartStatus.UP, 9, troubles={"orders": "catalog is away"}),
    )
    board = Board(1, NOW.timestamp() - 7200, False, parts, "127.0.0.1:8321")
    incident = Incident(
        3, Key("orders", IncidentKind.RULE, "r"), Severity.ERROR, True, ContractRef("o", "1", "d"),
        4, 1.0, "rule r failed", "look", None, NOW, NOW, None, None, NOW, 1,
    )  # fmt: skip
    text = shown(looks(1000, 1200), board, incident)
    for part in (
        "shop", "degraded", "for 2 h", "127.0.0.1:8321", "1,200", "905", "898", "200/s", "7 wait",
        "95 of 100 dead letters open", "✓ 3 rules", "✗ 3", "rule r failed",
        "98 MB", "waiting: ended by SIGKILL", "orders: catalog is away",
    ):  # fmt: skip
        assert part in text, f"{part} not in\n{text}"


def test_what_is_wrong_with_a_stream_is_said() -> None:
    history = History()
    bad = replace(ORDERS, paused=True, audit_failed=("fresh",), published_s=NOW.timestamp() - 300)
    history.looks.append(Numbers(NOW.timestamp(), 0.01, (bad,)))
    text = shown(history)
    assert "not running" in text
    assert "‖ paused" in text
    assert "✗ held back by fresh" in text
    assert "published 5 min ago" in text
    assert "no open incidents" in text


@pytest.mark.slow
def test_q_quits_a_terminal_and_a_pipe_gets_snapshots(tmp_path: Path) -> None:
    scaffold(tmp_path)
    command = [sys.executable, "-m", "lakegate", "status", "--watch", "-p", str(tmp_path)]
    ours, theirs = pty.openpty()
    environment = {**os.environ, "TERM": "xterm", "COLUMNS": "100", "LINES": "40"}
    process = subprocess.Popen(command, stdin=theirs, stdout=theirs, stderr=theirs, env=environment)
    os.close(theirs)
    try:
        said = b""
        while b"q quits" not in said:
            assert select.select([ours], [], [], 180)[0], said
            said += os.read(ours, 65536)
        assert re.search(rb"raw.*validated.*staged.*main", said)
        os.write(ours, b"q")
        deadline = time.monotonic() + 120
        while process.poll() is None and time.monotonic() < deadline:
            if select.select([ours], [], [], 0.1)[0]:
                with contextlib.suppress(OSError):  # how Linux says that the other end is gone
                    os.read(ours, 65536)
        assert process.returncode == 0
    finally:
        process.kill()
        process.wait()
        os.close(ours)
    with subprocess.Popen(
        [*command, "--interval-s", "0.1", "--format", "json"], stdout=subprocess.PIPE
    ) as piped:
        assert piped.stdout is not None
        for _ in range(2):
            assert b'"stream":"orders"' in piped.stdout.readline()
        piped.terminate()
        piped.communicate()  # it may be writing yet, and a pipe that is closed kills
    assert piped.returncode == 0
