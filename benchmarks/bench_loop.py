"""The durable loop: raw to validated and dead letters, exactly once, one worker.

Baseline: ``orjson.loads`` of the same bytes in the same process. Wall time, because the loop waits
for the disk as well as for the processor.
"""

from __future__ import annotations

import tempfile
import time
from pathlib import Path

import orjson

import lakegate as lg
from benchmarks.orders import CONTRACT, records
from lakegate.pipeline.project import Project


def main(arguments: list[str]) -> None:
    count = 50_000 if "--quick" in arguments else 300_000
    _loop(records(2_000))  # imports and first compilations are not what is measured
    for bad in (0.0, 0.01, 0.2):
        values = records(count, bad=bad)
        started = time.perf_counter()
        for value in values:
            orjson.loads(value)
        baseline = count / (time.perf_counter() - started)
        sent, judged, landed = _loop(values)
        print(
            f"{bad:4.0%} bad  judge {judged:9,.0f} records/s  ({judged / baseline:.2f} of "
            f"orjson.loads at {baseline:,.0f}/s)   send {sent:9,.0f}/s   land {landed:9,.0f}/s"
        )


def _loop(values: list[bytes]) -> tuple[float, float, float]:
    """Records per second sent, judged and landed."""
    count = len(values)
    with tempfile.TemporaryDirectory() as folder, project(Path(folder)) as opened:
        return (
            _timed(count, lambda: _send(opened, values)),
            _timed(count, lambda: opened.run("orders", until="idle", land=False)),
            _timed(count, lambda: opened.land("orders")),
        )


def project(folder: Path) -> Project:
    """An open project with the benchmark's contract."""
    (folder / "contracts").mkdir()
    (folder / "contracts" / "orders.odcs.yaml").write_text(CONTRACT, encoding="utf-8")
    (folder / "lakegate.toml").touch()
    return lg.open(folder)


def _send(opened: Project, values: list[bytes]) -> None:
    with opened.producer("orders") as producer:
        for value in values:
            producer.send(value, key=value[14:22])


def _timed(count: int, work: object) -> float:
    assert callable(work)
    started = time.perf_counter()
    work()
    return count / (time.perf_counter() - started)


if __name__ == "__main__":
    import sys

    main(sys.argv[1:])
