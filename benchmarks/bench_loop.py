"""The durable loop: raw to validated and dead letters to landed in Iceberg, exactly once.

Baseline: ``orjson.loads`` of the same bytes in the same process. Wall time, because the loop waits
for the disk as well as for the processor; the time of the processors is printed beside it. *Nothing
but the loop* has a gate that accepts everything at no cost, to show what reading, encoding,
committing and landing take by themselves.
"""

from __future__ import annotations

import resource
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from unittest import mock

import numpy as np
import orjson
import pyarrow as pa

import lakegate as lg
from benchmarks.orders import CONTRACT, records
from lakegate.contract.stream import Stream
from lakegate.gate import compile as compile_gate
from lakegate.gate.native.choice import native_module
from lakegate.gate.verdict import Verdict
from lakegate.pipeline import flow
from lakegate.pipeline.project import Project
from lakegate.runner.base import Progress
from lakegate.runner.embedded import AHEAD
from lakegate.runner.judge import JudgeGate

_PARTITIONS = 4
_MB = 1 << 20


def main(arguments: list[str]) -> None:
    count = 50_000 if "--quick" in arguments else 800_000
    _run(records(2_000))  # imports and first compilations are not what is measured
    for bad in (0.0, 0.01, 0.2):
        values = records(count, bad=bad)
        baseline = _baseline(values)
        print(f"\n{bad:.0%} bad, {count:,} records; orjson.loads {baseline:,.0f}/s")
        for name, gate in _gates(bad):
            _print(name, _run(values, gate), count, baseline)
        crew = _run(values, workers=2)
        _print(
            f"{'pure Python' if native_module() is None else 'native'}, two workers",
            crew,
            count,
            baseline,
        )
    _print_memory()


@dataclass(frozen=True, slots=True)
class Took:
    """Seconds: wall, and of the processors; None where other processes did the work.

    What the system says of them counts their start, too.
    """

    wall_s: float
    processor_s: float | None = None


def _gates(bad: float) -> Iterator[tuple[str, Callable[[Stream], JudgeGate]]]:
    if native_module() is not None:
        yield "native", compile_gate
    yield "pure Python", _pure
    if not bad:
        yield "nothing but the loop", AcceptsAll


def _pure(stream: Stream) -> JudgeGate:
    return compile_gate(stream, decoder="fast")


class AcceptsAll:
    """Gives the rows of a batch judged beforehand, whatever it is asked about."""

    _rows: pa.Table | None = None

    def __init__(self, stream: Stream) -> None:
        gate = compile_gate(stream)
        self.stream, self.schema = stream, gate.schema
        if AcceptsAll._rows is None:
            AcceptsAll._rows = gate(records(10_000)).accepted.combine_chunks()

    def __call__(self, values: pa.Array, *, keys: pa.Array) -> Verdict:
        assert AcceptsAll._rows is not None
        rows = AcceptsAll._rows.slice(0, len(values))
        return Verdict(self.stream.contract, rows, pa.array(np.arange(len(values))), ())


def _baseline(values: list[bytes]) -> float:
    started = time.perf_counter()
    for value in values:
        orjson.loads(value)
    return len(values) / (time.perf_counter() - started)


def _run(
    values: list[bytes],
    gate: Callable[[Stream], JudgeGate] = compile_gate,
    *,
    workers: int = 1,
) -> dict[str, Took]:
    """Send, then judge and land: first one after the other, then both at once as users do."""
    found: dict[str, Took] = {}
    with mock.patch.object(flow, "compile_gate", gate):
        with _project() as opened:
            found["send"] = _timed(lambda: _send(opened, values))
            found["judge"] = _steady(opened, len(values), workers, land=False)
            found["land"] = _timed(lambda: opened.land("orders"))
        with _project() as opened:
            _send(opened, values)
            found["loop"] = _steady(opened, len(values), workers)
    return found


def _steady(opened: Project, count: int, workers: int, *, land: bool = True) -> Took:
    """Judging, and landing beside it, from the first commit on, scaled to all records.

    So that starting a process, which takes a second, is not taken for its speed.
    """
    first: list[tuple[float, float, int]] = []

    def look(_stream: str, progress: Progress) -> None:
        if not first:
            first.append((time.perf_counter(), time.process_time(), progress.records))

    opened.run("orders", until="idle", land=land, workers=workers, on_progress=look)
    wall, processor, done = first[0]
    scale = count / max(count - done, 1)
    return Took(
        (time.perf_counter() - wall) * scale,
        (time.process_time() - processor) * scale if workers == 1 else None,
    )


def _timed(work: Callable[[], object]) -> Took:
    wall, processor = time.perf_counter(), time.process_time()
    work()
    return Took(time.perf_counter() - wall, time.process_time() - processor)


def _print(name: str, found: dict[str, Took], count: int, baseline: float) -> None:
    loop = count / found["loop"].wall_s
    print(f"  {name:28} raw to landed {loop:9,.0f}/s ({loop / baseline:.2f} of the baseline)")
    for step, took in found.items():
        line = f"    {step:26} {count / took.wall_s:9,.0f}/s   {took.wall_s / count * 1e6:6.2f} us"
        if took.processor_s is not None:
            line += f", {took.processor_s / count * 1e6:6.2f} us of processor a record"
        print(line)


def _print_memory() -> None:
    """What a worker and a lander may hold, and what this process held at most."""
    with _project() as opened:
        gate, landing = opened.config.gate, opened.config.landing
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(
        f"\nmemory: a worker holds at most {AHEAD + 1} rounds, each of {gate.batch_records:,} "
        f"records or {gate.batch_bytes // _MB} MiB of payload, and what they became; a landing "
        f"{landing.max_rows:,} rows, and 64 MiB are held for it; this process, with the "
        f"records to send, {peak:,.0f} MB at most"
    )


@contextmanager
def _project() -> Iterator[Project]:
    with tempfile.TemporaryDirectory() as folder:
        opened = project(Path(folder))
        with opened:
            yield opened


def project(folder: Path, *, partitions: int = _PARTITIONS) -> Project:
    """An open project with the benchmark's contract."""
    (folder / "contracts").mkdir()
    (folder / "contracts" / "orders.odcs.yaml").write_text(CONTRACT, encoding="utf-8")
    (folder / "lakegate.toml").write_text(f"[log]\npartitions = {partitions}\n", encoding="utf-8")
    return lg.open(folder)


def _send(opened: Project, values: list[bytes]) -> None:
    with opened.producer("orders") as producer:
        for value in values:
            producer.send(value, key=value[14:22])


if __name__ == "__main__":
    import sys

    main(sys.argv[1:])
