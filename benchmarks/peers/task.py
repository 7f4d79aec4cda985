"""What every peer is asked, and how it answers; runs in the peer's own environment.

``python task.py PEER IN OUT`` reads a pickled question (:func:`benchmarks.bench_peers.question`)
and writes one JSON object. Knows nothing of Lakegate. ``PEER`` is a module ``peer_NAME`` beside
this file, or ``NAME-VARIANT`` for one that has several ways to work. It says:

``VERSION``, ``NOTE``
    What it is, and how it is used, in a few words.
``EXPLAINS``, ``COLUMNS``
    What it says of a record it refuses; whether typed columns come out.
``judge(values)``
    One bool per record: accepted or not.
``LARGEST``
    How many records it can be asked at once in reasonable time.
``TOGETHER`` (optional)
    True: the cases are judged as one batch, because a batch of one is not how it works, and no
    record can spoil another.
"""

from __future__ import annotations

import importlib
import json
import pickle
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

import orjson

_TRIES = 12
_LONGEST_S = 5.0

Judge = Callable[[Sequence[bytes]], Sequence[bool]]


def main() -> None:
    name, question, out = sys.argv[1:]
    here = Path(__file__).parent
    sys.path[:0] = [str(here), str(here.parent)]
    name, _, variant = name.partition("-")
    peer = importlib.import_module(f"peer_{name}")
    if variant:
        peer.use(variant)
    asked = pickle.loads(Path(question).read_bytes())
    spoilt = _refused(peer.judge, asked["spoilt"])  # first: what is set up once is set up now
    answer: dict[str, Any] = {
        "version": peer.VERSION,
        "note": peer.NOTE,
        "explains": peer.EXPLAINS,
        "columns": peer.COLUMNS,
        "lists": {
            label: _measured(peer.judge, values[: peer.LARGEST])
            for label, values in asked["lists"].items()
        },
        "spoilt": spoilt,
        "cases": _cases(peer, asked["cases"]),
    }
    Path(out).write_text(json.dumps(answer))


def _measured(judge: Judge, values: Sequence[bytes]) -> dict[str, float]:
    """CPU seconds per record, the best of tries, beside ``orjson.loads`` of the same bytes."""
    best, baseline, spent = float("inf"), float("inf"), 0.0
    verdict: Sequence[bool] = ()
    for _ in range(_TRIES):
        baseline = min(baseline, _parse(values))
        start = time.process_time()
        verdict = judge(values)
        took = time.process_time() - start
        best, spent = min(best, took), spent + took
        if spent > _LONGEST_S:
            break
    return {
        "seconds": best / len(values),
        "orjson": baseline / len(values),
        "count": len(values),
        "refused": sum(not good for good in verdict),
    }


def _parse(values: Sequence[bytes]) -> float:
    start = time.process_time()
    for value in values:
        orjson.loads(value)
    return time.process_time() - start


def _refused(judge: Judge, values: Sequence[bytes]) -> int | None:
    """How many of a batch with one unreadable record are refused; None where it crashes."""
    try:
        return sum(not good for good in judge(values))
    except Exception:
        return None


def _cases(peer: ModuleType, cases: Sequence[bytes]) -> list[bool | None]:
    if getattr(peer, "TOGETHER", False):
        return [bool(good) for good in peer.judge(cases)]
    return [_alone(peer.judge, case) for case in cases]


def _alone(judge: Judge, case: bytes) -> bool | None:
    try:
        return bool(judge([case])[0])
    except KeyboardInterrupt:
        raise
    except BaseException:  # a panic of native code is no Exception, but an answer all the same
        return None


if __name__ == "__main__":
    main()
