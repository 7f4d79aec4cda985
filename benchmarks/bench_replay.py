"""Fix and replay: dead letters repaired, asked for and judged again, exactly once, one process.

Baseline: the same records, already good, judged from raw in the same run. Wall time, because both
wait for the disk as well as for the processor.
"""

from __future__ import annotations

import json
import tempfile
import time
from pathlib import Path

from benchmarks.bench_loop import project
from benchmarks.orders import records
from lakegate.pipeline.project import Project

FIX = """
stream: orders
matches: {path: $.type}
steps:
  - map: {path: $.type, values: {clck: click}}
"""


def main(arguments: list[str]) -> None:
    count = 20_000 if "--quick" in arguments else 100_000
    _measure(records(1_000))  # imports and first compilations are not what is measured
    requested, judged, baseline = _measure(records(count))
    both = 1 / (1 / requested + 1 / judged)
    print(
        f"replay {both:9,.0f} records/s  ({both / baseline:.2f} of judging from raw at "
        f"{baseline:,.0f}/s)   repair and ask {requested:9,.0f}/s   judge {judged:9,.0f}/s"
    )


def _measure(values: list[bytes]) -> tuple[float, float, float]:
    """Records per second repaired and asked for, judged again, and judged from raw."""
    count = len(values)
    good = [json.dumps({**json.loads(v), "type": "click"}).encode() for v in values]
    bad = [value.replace(b'"click"', b'"clck"') for value in good]
    with tempfile.TemporaryDirectory() as folder, project(Path(folder)) as opened:
        _send(opened, good)
        baseline = _timed(count, lambda: opened.run("orders", until="idle", land=False))
        _send(opened, bad)
        opened.run("orders", until="idle", land=False)
        (Path(folder) / "fixes").mkdir()
        (Path(folder) / "fixes" / "click.yaml").write_text(FIX, encoding="utf-8")
        requested = _timed(count, lambda: opened.replay("orders"))
        judged = _timed(count, lambda: opened.run("orders", until="idle", land=False))
        (proof,) = opened.status("orders").proofs
        if proof.gaps or proof.total("replayed") != count:
            raise SystemExit(f"the books do not balance: {proof.gaps}")
    return requested, judged, baseline


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
