"""Steady load through ``lakegate up``: event time to published, at 5,000 records/s over HTTP.

The whole process tree runs: gateway, gate, lander, audits that publish, watch. Five minutes in
full, 20 s with ``--quick``. Latency of a record: from its event time until a snapshot that holds it
is seen on ``main``. It cannot be less than the two intervals it waits for on average, landing and
audit, which is what it is compared with. Memory is that of all processes together, looked at every
five seconds: the mean of each minute, since a compaction takes some for a moment.
"""

from __future__ import annotations

import http.client
import json
import signal
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import lakegate as lg
from benchmarks.orders import CONTRACT, records
from lakegate.lake.snapshot import MAIN

RATE = 5_000
BATCH = 250
LANDING_S = 1.0
AUDIT_S = 2
LOOK_S = 5
_MARK = b"@occurred@"

TOML = f"""
[gateway]
port = 0
[up]
port = 0
[landing]
interval_s = {LANDING_S}
[schedule]
audit = "{AUDIT_S}s"
"""


@dataclass(slots=True)
class Run:
    """When each batch happened, how many rows were on main when, memory every ``LOOK_S``."""

    sent: list[float] = field(default_factory=list)
    seen: list[tuple[float, int]] = field(default_factory=list)
    memory: list[dict[str, int]] = field(default_factory=list)
    refused: int = 0


def main(arguments: list[str]) -> None:
    seconds = 20 if "--quick" in arguments else 300
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "contracts").mkdir()
        (folder / "contracts" / "orders.odcs.yaml").write_text(CONTRACT)
        (folder / "lakegate.toml").write_text(TOML)
        with (folder / "up.log").open("wb") as log:
            up = subprocess.Popen(
                [sys.executable, "-m", "lakegate", "up", "-p", name], stdout=log, stderr=log
            )
        try:
            _until_up(folder, up)
            _report(_measure(folder, seconds))
        finally:
            up.send_signal(signal.SIGTERM)
            up.wait(60)


def _measure(folder: Path, seconds: int) -> Run:
    run, over = Run(), threading.Event()
    watcher = threading.Thread(target=_watch, args=(folder, run, over))
    watcher.start()
    templates = _templates()
    _send(folder, templates, Run(), 2)  # everything is imported and has a table
    time.sleep(2 * (LANDING_S + AUDIT_S))
    warm = 2 * RATE
    done = threading.Event()
    sampler = threading.Thread(target=_sample, args=(folder, run, done))
    sampler.start()
    _send(folder, templates, run, seconds)
    done.set()
    sampler.join()
    deadline = time.monotonic() + 60
    total = warm + len(run.sent) * BATCH
    while time.monotonic() < deadline and (not run.seen or run.seen[-1][1] < total):
        time.sleep(0.1)
    over.set()
    watcher.join()
    run.seen = [(at, rows - warm) for at, rows in run.seen]
    return run


def _templates() -> list[list[bytes]]:
    """Batches of records whose event time is to be filled in."""
    found = []
    for value in records(20 * BATCH):
        document = json.loads(value)
        document["occurred_at"] = _MARK.decode()
        found.append(json.dumps(document, separators=(",", ":")).encode())
    return [found[start : start + BATCH] for start in range(0, len(found), BATCH)]


def _send(folder: Path, templates: list[list[bytes]], run: Run, seconds: int) -> None:
    connection = http.client.HTTPConnection(_board(folder)["gateway"], timeout=60)
    started = time.time()
    for number in range(seconds * RATE // BATCH):
        time.sleep(max(0.0, started + number * BATCH / RATE - time.time()))
        now = time.time()
        text = datetime.fromtimestamp(now, UTC).isoformat(timespec="milliseconds").encode()
        body = b"\n".join(templates[number % len(templates)]).replace(_MARK, text)
        headers = {"content-type": "application/x-ndjson"}
        connection.request("POST", "/v1/streams/orders/records", body=body, headers=headers)
        answer = connection.getresponse()
        answer.read()
        run.refused += answer.status >= 300
        run.sent.append(now)
    connection.close()


def _watch(folder: Path, run: Run, over: threading.Event) -> None:
    with lg.open(folder) as project:
        while not over.wait(0.1):
            stream = project.stream("orders")
            head = project.lake.head(stream, MAIN) if project.lake.exists(stream) else None
            if head is not None and (not run.seen or head.rows != run.seen[-1][1]):
                run.seen.append((time.time(), head.rows))


def _sample(folder: Path, run: Run, done: threading.Event) -> None:
    while not done.wait(LOOK_S):
        run.memory.append(_memory(folder))


def _report(run: Run) -> None:
    waits, place = [], 0
    for number, at in enumerate(run.sent):
        while place < len(run.seen) and run.seen[place][1] < (number + 1) * BATCH:
            place += 1
        waits.append(run.seen[place][0] - at if place < len(run.seen) else float("inf"))
    waits.sort()
    rate = len(run.sent) * BATCH / (run.sent[-1] - run.sent[0] + BATCH / RATE)
    base = LANDING_S + AUDIT_S
    print(f"sent  {rate:,.0f} records/s for {run.sent[-1] - run.sent[0]:.0f} s, "
          f"{run.refused} requests refused")  # fmt: skip
    for label, share in (("p50", 0.5), ("p99", 0.99)):
        wait = waits[int((len(waits) - 1) * share)]
        print(f"{label}   event to published {wait:6.2f} s   ({wait / base:.1f} of the two "
              f"intervals, {base:.0f} s)")  # fmt: skip
    step = max(1, 60 // LOOK_S)
    minutes = [_mean(run.memory[at : at + step]) for at in range(0, len(run.memory), step)]
    for number, parts in enumerate(minutes, 1):
        each = ", ".join(f"{name} {size:.0f}" for name, size in parts.items())
        print(f"RSS   minute {number}: {sum(parts.values()):.0f} MB ({each})")


def _mean(samples: list[dict[str, int]]) -> dict[str, float]:
    """MB of each part."""
    return {
        name: sum(sample[name] for sample in samples) / len(samples) / 1e6 for name in samples[0]
    }


def _board(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder / ".lakegate" / "up.json").read_text())
    return found


def _memory(folder: Path) -> dict[str, int]:
    return {part["name"]: part["rss_bytes"] or 0 for part in _board(folder)["parts"]}


def _until_up(folder: Path, up: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 60
    while True:
        try:
            if all(part["status"] == "up" for part in _board(folder)["parts"]):
                return
        except FileNotFoundError:
            pass
        if up.poll() is not None or time.monotonic() > deadline:
            raise RuntimeError((folder / "up.log").read_text())
        time.sleep(0.1)


if __name__ == "__main__":
    main(sys.argv[1:])
