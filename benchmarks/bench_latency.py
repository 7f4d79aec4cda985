"""Latency at light load: from a producer's send to the record being readable in ``validated``.

200 records/s, one by one, a worker in a process of its own, a reader in this one. Baseline: the
same record readable in ``raw``, which is what durability alone costs.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

from benchmarks.bench_loop import project
from benchmarks.orders import records
from lakegate.topic.base import Record, TopicPartition
from lakegate.topic.embedded import EmbeddedLog


def main(arguments: list[str]) -> None:
    count = 400 if "--quick" in arguments else 3_000
    values = records(count, bad=0.0)
    with tempfile.TemporaryDirectory() as name, project(Path(name)) as opened:
        worker = subprocess.Popen(
            [sys.executable, "-m", "lakegate", "run", "orders", "--no-land", "-p", name],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            _warm(opened.log, values[0])
            sent: list[float] = []
            seen: dict[str, list[float]] = {"raw": [], "validated": []}
            readers = [
                threading.Thread(target=_follow, args=(opened.open_log, kind, 1, count, times))
                for kind, times in seen.items()
            ]
            for reader in readers:
                reader.start()
            started = time.perf_counter()
            for index, value in enumerate(values):
                time.sleep(max(0.0, started + index / 200 - time.perf_counter()))
                sent.append(time.perf_counter())
                opened.log.send("orders.raw", [Record(value)])
            for reader in readers:
                reader.join(60)
        finally:
            worker.terminate()
            worker.wait()
    base = _percentiles(sent, seen["raw"])
    gate = _percentiles(sent, seen["validated"])
    for label, at, below in zip(("p50", "p99"), gate, base, strict=True):
        print(
            f"{label}  raw to validated {at * 1e3:7.1f} ms   ({at / below:.1f} of durable in raw, "
            f"{below * 1e3:.1f} ms)"
        )


def _warm(log: EmbeddedLog, value: bytes) -> None:
    """One record, until it came through: the worker is up."""
    log.send("orders.raw", [Record(value)])
    source = TopicPartition("orders.validated", 0)
    deadline = time.monotonic() + 60
    while log.end_offset(source) == 0:
        if time.monotonic() > deadline:
            raise RuntimeError("the worker did not start")
        time.sleep(0.01)


def _follow(open_log: object, kind: str, first: int, count: int, times: list[float]) -> None:
    assert callable(open_log)
    log: EmbeddedLog = open_log()
    source, offset = TopicPartition(f"orders.{kind}", 0), first
    deadline = time.monotonic() + count / 200 + 60
    while len(times) < count and time.monotonic() < deadline:
        for batch in log.read(source, offset):
            offset = batch.next_offset
            times += [time.perf_counter()] * batch.rows.num_rows
        log.wait(0.05)
    log.close()


def _percentiles(sent: list[float], seen: list[float]) -> tuple[float, float]:
    waited = sorted(after - before for before, after in zip(sent, seen, strict=True))
    return statistics.median(waited), waited[int(len(waited) * 0.99)]


if __name__ == "__main__":
    main(sys.argv[1:])
