"""The verdicts of all paths of the gate on one batch, and what makes two of them the same."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lakegate.contract.stream import Stream
from lakegate.gate import ReferenceSet, Verdict, compile  # noqa: A004 - as users write it
from lakegate.gate import gate as gate_module
from lakegate.gate.native.choice import native_module
from lakegate.gate.rejections import reasons_of

__all__ = ["assert_same", "in_columns", "verdicts"]


def in_columns(stream: Stream, values: Any, decoder: Any = None) -> Verdict:
    """The verdict of a decoder, however small the batch."""
    (verdict,) = verdicts(stream, values, paths=[decoder])
    return verdict


def verdicts(
    stream: Stream,
    values: Any,
    sets: Mapping[str, ReferenceSet] | None = None,
    *,
    paths: Any = None,
) -> list[Verdict]:
    """Those of the reference, of columns however small the batch, and natively where installed."""
    if paths is None:
        paths = ["reference", "fast", *(["native"] if native_module() is not None else [])]
    few, gate_module._FEW = gate_module._FEW, 0
    try:
        gates = [compile(stream, decoder=path) for path in paths]
        return [(gate if sets is None else gate.refer(sets))(values) for gate in gates]
    finally:
        gate_module._FEW = few


def assert_same(one: Verdict, other: Verdict) -> None:
    """All that a user can see of two verdicts."""
    assert one.rejected == other.rejected
    assert one.noted == other.noted
    assert one.accepted_index.equals(other.accepted_index)
    assert one.accepted.schema.equals(other.accepted.schema, check_metadata=True)
    assert one.accepted.to_pylist() == other.accepted.to_pylist()
    assert reasons_of(one.rejected).equals(reasons_of(other.rejected))
    assert one.unknown_paths == other.unknown_paths
    assert list(one.tombstones) == list(other.tombstones)
    assert one.references == other.references
