"""The parts of ``lakegate up`` that need no processes."""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import logging
import os
import signal
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import pytest

from lakegate.errors import ProjectError, RunnerError
from lakegate.pipeline.health import hindrances
from lakegate.pipeline.metrics import exposition
from lakegate.pipeline.supervisor.board import (
    Board,
    PartStatus,
    PartView,
    lease_of,
    read_board,
    write_board,
)
from lakegate.pipeline.supervisor.heart import Beat, Heart
from lakegate.pipeline.supervisor.log import LineFormatter, Lines, LogLine, parse
from lakegate.pipeline.supervisor.meter import Meter
from lakegate.pipeline.supervisor.process import PartSpec
from lakegate.pipeline.supervisor.restart import RestartPolicy
from lakegate.pipeline.supervisor.supervise import Limits, Supervisor
from lakegate.pipeline.supervisor.trouble import Persistent
from lakegate.pipeline.supervisor.watching import changes
from lakegate.pipeline.up import Plan, parts_of, up


def test_waits_double_until_the_longest() -> None:
    policy = RestartPolicy(limit=100, window_s=600)
    delays = [policy.delay_s([1000.0] * count, now=1000.0) for count in range(1, 10)]
    assert delays == [0.25, 0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 30.0, 30.0]


def test_only_ends_within_the_window_count() -> None:
    policy = RestartPolicy(limit=2, window_s=10)
    assert policy.delay_s([0.0, 1.0, 100.0], now=100.0) == 0.25
    assert policy.delay_s([98.0, 99.0, 100.0], now=100.0) is None


def test_streams_share_a_bounded_number_of_gates() -> None:
    names = tuple(f"s{number}" for number in range(5))
    parts = parts_of(Plan(names), workers=2, gateway_fd=3)
    gates = {part.name: part.streams for part in parts if part.role == "gate"}
    assert gates == {"gate-1": ("s0", "s2", "s4"), "gate-2": ("s1", "s3")}
    assert [part.stage for part in parts] == sorted(part.stage for part in parts)
    assert shares(Plan(("one",)), workers=8) == {"gate": ("one",)}


def shares(found: Plan, *, workers: int) -> dict[str, tuple[str, ...]]:
    parts = parts_of(found, workers=workers, gateway_fd=3)
    return {part.name: part.streams for part in parts if part.role == "gate"}


def test_a_stream_of_several_partitions_is_shared_by_several_gates() -> None:
    assert shares(Plan(("one",), {"one": 4}), workers=2) == {
        "gate-1": ("one",),
        "gate-2": ("one",),
    }
    assert len(shares(Plan(("one",), {"one": 3}), workers=8)) == 3, "no more than partitions"
    mixed = shares(Plan(("big", "small"), {"big": 4, "small": 1}), workers=3)
    assert [name in share for share in mixed.values() for name in ("big",)] == [True, True, True]
    assert sum("small" in share for share in mixed.values()) == 1
    assert shares(Plan(("a", "b"), {"a": 8, "b": 8}), workers=1) == {"gate": ("a", "b")}


def test_a_line_keeps_its_level_and_a_stray_one_becomes_a_message() -> None:
    record = logging.LogRecord("x", logging.ERROR, "f", 1, "bad: %s", ("a\nb",), None)
    line = parse("gate", LineFormatter().format(record))
    assert (line.level, line.part, line.message) == ("ERROR", "gate", "bad: a\nb")
    assert "\n" not in line.json()
    assert parse("gate", "Segmentation fault").message == "Segmentation fault"
    assert parse("gate", '{"not": "ours"}').message == '{"not": "ours"}'


def test_lines_are_cut_wherever_the_pipe_cuts_them() -> None:
    lines, text = Lines(), "one\ntwö\n\nthree".encode()
    found = [line for byte in text for line in lines.feed(bytes([byte]))]
    assert [*found, *lines.end()] == ["one", "twö", "three"]
    assert sum(len(line) for line in Lines().feed(b"x" * 100_000)) == 16_384


def beats(fd: int) -> Iterator[Beat]:
    rest = b""
    while True:
        *lines, rest = (rest + os.read(fd, 65536)).split(b"\n")
        for line in lines:
            yield msgspec.json.decode(line, type=Beat)


def test_a_heart_tells_the_oldest_of_the_loops_that_are_expected() -> None:
    reading, writing = os.pipe()
    heart, heard = Heart(writing), beats(reading)
    heart.expect("a", "b")
    heart.turn("a")
    assert next(heard).turn is None  # or from before the turn; "b" has not begun either way
    heart.turn("b")
    old = time.monotonic()
    heart.turn("b")
    assert next(beat.turn for beat in heard if beat.turn is not None) < old  # of "a"
    heart.facts["n"] = 1
    heart.rest("a")
    assert next(beat for beat in heard if (beat.turn or 0) >= old).facts == {"n": 1}


def test_what_fails_is_tried_again_later_and_told_until_it_goes_well() -> None:
    heart = Heart(os.open(os.devnull, os.O_WRONLY))
    persistent, calls = Persistent("orders", heart), [0]

    def fail() -> None:
        calls[0] += 1
        raise RunnerError("the catalog is away\nmore")

    assert not persistent.attempt(fail)
    assert heart.troubles == {"orders": "the catalog is away"}
    persistent.due += 3_600
    assert not persistent.attempt(fail)  # not yet
    assert calls == [1]
    persistent.due = 0.0
    assert persistent.attempt(lambda: None)
    assert heart.troubles == {}


def test_the_meter_counts_by_class_and_time_and_what_got_no_answer() -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        if scope["path"].endswith("broken"):
            raise OSError
        await send({"type": "http.response.start", "status": 429})

    async def send(_message: Any) -> None: ...

    async def ask() -> dict[str, Any]:
        meter = Meter(app)
        for path in ("/v1/a", "/v1/a", "/ping"):
            await meter({"type": "http", "path": path}, send, send)  # type: ignore[arg-type]
        with contextlib.suppress(OSError):
            await meter({"type": "http", "path": "/v1/broken"}, send, send)  # type: ignore[arg-type]
        return meter.facts()

    facts = asyncio.run(ask())
    assert facts["by_class"] == {"4xx": 2, "lost": 1}
    assert sum(facts["counts"]) == 3
    assert len(facts["counts"]) == len(facts["edges"]) + 1


def part(name: str, status: PartStatus = PartStatus.UP, **more: object) -> PartView:
    return PartView(name, name.split("-", maxsplit=1)[0], status, **more)  # type: ignore[arg-type]


def board(*parts: PartView, draining: bool = False) -> Board:
    return Board(1, 0.0, draining, parts)


def test_a_crash_between_two_looks_is_reported_dead_and_then_running() -> None:
    told: dict[str, str] = {}
    assert list(changes(board(part("gate")), told)) == [("gate", "running", "")]
    assert list(changes(board(part("gate")), told)) == []
    again = part("gate", restarts=1, ended="ended by SIGKILL")
    assert [state for _, state, _ in changes(board(again), told)] == ["dead", "running"]
    hung = part("gate", PartStatus.WAITING, restarts=1, ended="killed: it did not move for 60 s")
    assert [state for _, state, _ in changes(board(hung), told)] == ["stuck"]
    down = replace(hung, status=PartStatus.DOWN)
    assert list(changes(board(down), told)) == []
    assert [state for _, state, _ in changes(board(replace(hung, restarts=2,
            status=PartStatus.UP)), told)] == ["stuck", "running"]  # fmt: skip


def test_status_says_the_worst() -> None:
    up, waiting, down = (part("a", s) for s in (PartStatus.UP, PartStatus.WAITING, PartStatus.DOWN))
    assert board(up).status == "ok"
    assert board(up, waiting).status == "degraded"
    assert board(replace(up, troubles={"orders": "no"})).status == "degraded"
    assert board(up, waiting, down).status == "down"
    assert board(up, draining=True).status == "draining"


def test_data_is_wanted_only_where_it_can_be_taken() -> None:
    good = (part("gateway"), part("gate-1"))
    assert hindrances(board(*good, part("jobs", PartStatus.DOWN)), None) == []
    assert hindrances(board(*good), "No space left on device") == [
        "the log cannot be written: No space left on device"
    ]
    assert hindrances(board(good[0], part("gate-1", PartStatus.WAITING)), None) == [
        "gate-1 is waiting"
    ]
    assert hindrances(board(*good, draining=True), None) == ["draining"]


def test_metrics_have_bounded_labels() -> None:
    stream = {
        "stream": "orders", "raw": 3, "accepted": 2, "rejected": 1, "tombstones": 0, "replayed": 0,
        "deadletters": 1, "open_deadletters": 1, "waiting_to_judge": 0, "waiting_to_land": 2,
        "waiting_to_publish": 0, "rows_staged": 0, "rows_main": 0, "published_s": None,
        "audit_passed": 1, "audit_failed": ["secret"], "paused": False,
    }  # fmt: skip
    numbers = {"at_s": time.time(), "seconds": 0.1, "streams": [stream], "incidents": 2}
    requests = {"by_class": {"2xx": 5}, "edges": [0.1, 1.0], "counts": [3, 1, 1], "seconds": 4.5}
    facts = {"watch": {"numbers": numbers}, "gateway": {"requests": requests}}
    page, kind = exposition(board(part("gate", rss_bytes=10)), facts)
    text = page.decode()
    assert kind.startswith("text/plain")
    assert 'lakegate_records_total{outcome="rejected",stream="orders"} 1.0' in text
    assert 'lakegate_gateway_request_seconds_bucket{le="1.0"} 4.0' in text
    assert 'lakegate_gateway_request_seconds_bucket{le="+Inf"} 5.0' in text
    assert "lakegate_seconds_since_publish{" not in text  # never published
    assert "secret" not in text
    labels = {pair.split("=")[0] for line in text.splitlines() if "{" in line
              for pair in line.split("{")[1].split("}")[0].split(",")}  # fmt: skip
    assert labels <= {"stream", "part", "outcome", "le"}


def test_a_board_is_of_the_supervisor_that_runs(tmp_path: Path) -> None:
    assert read_board(tmp_path) is None
    lease = lease_of(tmp_path)
    assert lease.acquire(stopped=lambda: True, timeout_s=0)
    found = board(part("gate", pid=7, troubles={"a": "b"}))
    write_board(tmp_path, found)
    assert read_board(tmp_path) == found
    lease.release()
    assert read_board(tmp_path) is None


def test_a_role_that_cannot_start_is_tried_again_and_then_left(tmp_path: Path) -> None:
    said: list[LogLine] = []
    (tmp_path / "state").mkdir()
    supervisor = Supervisor(
        tmp_path,
        tmp_path / "state",
        [PartSpec("odd", "no such role", 0)],
        limits=Limits(restart=RestartPolicy(limit=1)),
        say=said.append,
        on_down=lambda _: supervisor.stop(),
    )
    timer = threading.Timer(240, os.kill, (os.getpid(), signal.SIGTERM))
    timer.start()
    try:
        supervisor.run()
    finally:
        timer.cancel()
    (only,) = supervisor.board.parts
    assert only.status is PartStatus.DOWN
    assert only.restarts == 1
    levels = [line.level for line in said if line.part == "supervisor"]
    assert "CRITICAL" in levels
    assert any("KeyError" in line.message for line in said if line.part == "odd")


def test_handlers_are_put_back(tmp_path: Path) -> None:
    before = signal.getsignal(signal.SIGTERM)
    supervisor = Supervisor(tmp_path, tmp_path, [], limits=Limits(), say=lambda _: None)
    supervisor.stop()
    supervisor.run()
    assert signal.getsignal(signal.SIGTERM) is before


def test_up_is_not_kept_from_starting_by_somebody_who_looks_whether_it_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "lakegate.toml").touch()
    lease = lease_of(tmp_path / ".lakegate")
    assert lease.acquire(stopped=lambda: False)
    lease.release()  # an earlier one, which wrote its pid
    looking = os.open(tmp_path / ".lakegate" / "locks" / "up", os.O_RDWR)
    fcntl.flock(looking, fcntl.LOCK_EX)

    def wait(_seconds: float) -> None:
        monkeypatch.undo()
        monkeypatch.setattr("lakegate.pipeline.up.plan", planned)
        os.close(looking)

    def planned(_root: Path) -> None:
        raise ProjectError("it has begun")

    monkeypatch.setattr("lakegate.runner.lease.time.sleep", wait)
    with pytest.raises(ProjectError, match="it has begun"):
        up(tmp_path, say=lambda _line: None)
