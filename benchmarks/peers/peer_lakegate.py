"""Lakegate, each path by itself, on the same lists of bytes."""

from __future__ import annotations

from collections.abc import Sequence

from lakegate import __version__
from lakegate.contract import loads
from lakegate.gate import Gate
from lakegate.gate import compile as compile_gate
from orders import CONTRACT

VERSION = __version__
NOTE = "a batch to an Arrow table in the contract's types"
EXPLAINS = "every failure: path, rule, expected, observed"
COLUMNS = True
LARGEST = 10_000
TOGETHER = True  # fewer than 64 would all go to the reference
_gate: Gate


def use(path: str) -> None:
    """The gate on this path, which must be installed."""
    global _gate
    _gate = compile_gate(loads(CONTRACT).streams[0], decoder=path)  # type: ignore[arg-type]


def judge(values: Sequence[bytes]) -> list[bool]:
    verdict = _gate(values)
    said = [False] * len(values)
    for index in verdict.accepted_index.tolist():
        said[index] = True
    return said
