"""The gate against ``orjson.loads`` of the same bytes in the same run.

Each path that is installed, records of about 430 and 90 bytes, 0, 1 and 20% bad, batches of 10k,
100 and 1; then two threads against one, and the memory of a batch. CPU time of this process, the
best of several tries that alternate with the baseline, so that a busy machine slows both. Two
threads take the time of the clock, and stand beside two processes that do the same and share
nothing: that is what the processors give. How to read it: 0.40 means that a record judged,
explained and in a typed Arrow column costs as much as parsing it two and a half times.
"""

from __future__ import annotations

import argparse
import multiprocessing
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from types import ModuleType

import orjson
import pyarrow as pa

from benchmarks import clicks, orders
from lakegate.contract import loads
from lakegate.gate import Gate
from lakegate.gate import compile as compile_gate

__all__ = ["best", "cpu_seconds", "paths"]

_LARGE = 10_000
_FORK = multiprocessing.get_context("fork")  # so that a process has the gate as it is
_TARGETS = {"native": {0.0: 2.0, 0.01: 1.4, 0.2: 1.0}, "fast": {0.0: 0.40, 0.01: 0.35, 0.2: 0.17}}
_KINDS = {"430 B": orders, "90 B": clicks}


def main(argv: list[str]) -> None:
    """Print a line for each path, size and share of bad records, and for small batches."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer tries")
    tries = 3 if parser.parse_args(argv).quick else 12
    for path in paths():
        for name, kind in _KINDS.items():
            gate = compile_gate(loads(kind.CONTRACT).streams[0], decoder=path)  # type: ignore[arg-type]
            _shares(path, name, kind, gate, tries)
            _batches(path, name, kind, gate, tries)
        _threads(path, tries)
        _memory(path)


def paths() -> list[str]:
    """``native`` where it is installed, and ``fast``, the one of the pure Python install."""
    try:
        import lakegate_native  # noqa: F401
    except ImportError:
        print("native: not built here (make native); pure Python only")
        return ["fast"]
    return ["native", "fast"]


def _shares(path: str, name: str, kind: ModuleType, gate: Gate, tries: int) -> None:
    for share, target in _TARGETS[path].items():
        values = kind.records(_LARGE, bad=share)
        array = pa.array(values, pa.binary())
        baseline, judged = best(lambda v=values: _parse(v), lambda a=array: gate(a), tries)
        rejected = len(gate(array).rejected)
        print(
            f"{path:6} {name:5} {share:4.0%} bad ({rejected:5} rejected):"
            f"  {judged / _LARGE * 1e6:6.3f} us/record,"
            f"  {baseline / judged:.2f} x orjson.loads"
            + (f"  (target {target:.2f})" if kind is orders else "")
        )


def _batches(path: str, name: str, kind: ModuleType, gate: Gate, tries: int) -> None:
    for count in (100, 1):
        values = kind.records(count)
        baseline, judged = best(
            lambda v=values: [_parse(v) for _ in range(1000 // len(v))],
            lambda v=values: [gate(v) for _ in range(1000 // len(v))],
            tries,
        )
        print(f"{path:6} {name:5} batches of {count:3}:  {baseline / judged:.2f} x orjson.loads")


def _threads(path: str, tries: int) -> None:
    gate = compile_gate(loads(orders.CONTRACT).streams[0], decoder=path)  # type: ignore[arg-type]
    array = pa.array(orders.records(_LARGE), pa.binary())
    count = 80 if path == "native" else 8  # half a second either way

    def judge(times: int) -> None:
        for _ in range(times):
            gate(array)

    def one() -> None:
        judge(count)

    def threads() -> None:
        running = [threading.Thread(target=judge, args=(count // 2,)) for _ in range(2)]
        for thread in running:
            thread.start()
        for thread in running:
            thread.join()

    def processes() -> None:
        running = [_FORK.Process(target=judge, args=(count // 2,)) for _ in range(2)]
        for process in running:
            process.start()
        for process in running:
            process.join()

    ways = (one, threads, processes)
    rounds = [[_wall_seconds(way) for way in ways] for _ in range(tries + 1)]
    alone, together, apart = map(min, zip(*rounds, strict=True))
    print(
        f"{path:6} two threads:  {alone / together:.2f} x one  (wall clock, target for native "
        f"1.80; two processes: {alone / apart:.2f} x one)"
    )


def _wall_seconds(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def _memory(path: str) -> None:
    """The most a process of its own grows while it judges one batch, and then a hundred."""
    code = (
        "import pyarrow as pa\n"
        "from pathlib import Path\n"
        "from benchmarks import orders\n"
        "from lakegate.contract import loads\n"
        "from lakegate.gate import compile\n"
        f"gate = compile(loads(orders.CONTRACT).streams[0], decoder={path!r})\n"
        f"array = pa.array(orders.records({_LARGE}, bad=0.2), pa.binary())\n"
        "gate(array.slice(0, 100))\n"
        "def kib(name):\n"
        "    status = Path('/proc/self/status').read_text()\n"
        "    return int(status.partition(name + ':')[2].split()[0])\n"
        "Path('/proc/self/clear_refs').write_text('5')\n"  # the peak begins again here
        "before = kib('VmRSS'); gate(array); once = kib('VmHWM')\n"
        "for _ in range(100): gate(array)\n"
        "print(array.nbytes / 1e6, (once - before) / 1024, (kib('VmHWM') - before) / 1024)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    size, once, hundred = map(float, done.stdout.split())
    print(
        f"{path:6} memory:  a batch of {size:.1f} MB takes {once:.0f} MiB, "
        f"a hundred {hundred:.0f} MiB"
    )


def _parse(values: Sequence[bytes]) -> None:
    for value in values:
        orjson.loads(value)


def best(
    baseline: Callable[[], object], work: Callable[[], object], tries: int
) -> tuple[float, float]:
    """CPU seconds of both, the least of alternating tries."""
    times = [(cpu_seconds(baseline), cpu_seconds(work)) for _ in range(tries)]
    return min(first for first, _ in times), min(second for _, second in times)


def cpu_seconds(work: Callable[[], object]) -> float:
    """What ``work`` takes of this process."""
    start = time.process_time()
    work()
    return time.process_time() - start


if __name__ == "__main__":
    main(sys.argv[1:])
