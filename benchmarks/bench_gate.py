"""The gate against ``orjson.loads`` of the same bytes: 0, 1 and 20% bad, batches of 10k.

CPU time of this process, the best of several tries that alternate with the baseline, so that a busy
machine slows both. The targets of the pure Python install are 0.40, 0.35 and 0.17. How to read it:
0.40 means that a record judged, explained and in a typed Arrow column costs as much as parsing it
two and a half times.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable

import orjson

from benchmarks.orders import CONTRACT, records
from lakegate.contract import loads
from lakegate.gate import compile  # noqa: A004 - as users write it

_BATCH_RECORDS = 10_000
_TARGETS = {0.0: 0.40, 0.01: 0.35, 0.2: 0.17}


def main(argv: list[str]) -> None:
    """Print a line for each share of bad records, and one for small batches."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer tries")
    tries = 3 if parser.parse_args(argv).quick else 12
    (stream,) = loads(CONTRACT).streams
    gate = compile(stream)
    for share, target in _TARGETS.items():
        values = records(_BATCH_RECORDS, bad=share)
        baseline, judged = _best(lambda v=values: _parse(v), lambda v=values: gate(v), tries)
        rejected = len(gate(values).rejected)
        size = sum(map(len, values)) / len(values)
        print(
            f"{share:4.0%} bad ({rejected} of {len(values)} rejected, {size:.0f} B):"
            f"  gate {judged / len(values) * 1e6:5.2f} us/record,"
            f"  {baseline / judged:.2f} x orjson.loads  (target {target:.2f})"
        )
    for count in (1, 10, 100):
        values = records(count)
        baseline, judged = _best(
            lambda v=values: [_parse(v) for _ in range(1000 // len(v))],
            lambda v=values: [gate(v) for _ in range(1000 // len(v))],
            tries,
        )
        print(f"batches of {count:3}:  {baseline / judged:.2f} x orjson.loads")


def _parse(values: list[bytes]) -> None:
    for value in values:
        orjson.loads(value)


def _best(
    baseline: Callable[[], object], work: Callable[[], object], tries: int
) -> tuple[float, float]:
    times = [(_cpu_seconds(baseline), _cpu_seconds(work)) for _ in range(tries)]
    return min(first for first, _ in times), min(second for _, second in times)


def _cpu_seconds(work: Callable[[], object]) -> float:
    start = time.process_time()
    work()
    return time.process_time() - start


if __name__ == "__main__":
    import sys

    main(sys.argv[1:])
