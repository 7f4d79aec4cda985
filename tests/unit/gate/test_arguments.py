"""What a batch may be handed over as; the same on every path."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from lakegate.contract import loads
from lakegate.errors import GateError
from lakegate.gate import compile as compile_stream

CONTRACT = """
apiVersion: v3.2.0
kind: DataContract
id: a
name: a
version: 1.0.0
status: active
schema:
  - name: a
    properties: [{name: id, logicalType: integer, required: true}]
"""
ROWS = [b'{"id":1}', None, b"{}", None] * 20
KEYS = [b"k", b"k", None, None] * 20
SHAPES: dict[str, Callable[[list[bytes | None]], Any]] = {
    "list": list,
    "tuple": tuple,
    "numpy": lambda rows: np.array(rows, dtype=object),
    "arrow": lambda rows: pa.array(rows, pa.binary()),
    "scalars": lambda rows: list(pa.array(rows, pa.binary())),
    "series": lambda rows: pd.Series(rows, index=range(5, 5 + len(rows)), dtype=object),
}


@pytest.fixture(params=["native", "fast", "reference"])
def gate(request: pytest.FixtureRequest) -> Any:
    if request.param == "native":
        pytest.importorskip("lakegate_native")
    return compile_stream(loads(CONTRACT).streams[0], decoder=request.param)


@pytest.mark.parametrize("count", [4, 80])
@pytest.mark.parametrize("shape", SHAPES)
def test_every_sequence_is_judged_by_position(gate: Any, shape: str, count: int) -> None:
    made = SHAPES[shape]
    verdict = gate(made(ROWS[:count]), keys=made(KEYS[:count]))
    assert verdict.accepted_index.to_pylist() == list(range(0, count, 4))
    assert list(verdict.tombstones) == list(range(1, count, 4))
    assert [record.index % 4 for record in verdict.rejected] == [2, 3] * (count // 4)


@pytest.mark.parametrize("count", [1, 80])
def test_keys_without_a_length_are_refused(gate: Any, count: int) -> None:
    with pytest.raises(GateError, match=r"keys: expected a sequence .* got a list_iterator"):
        gate([b"{}"] * count, keys=iter([b"k"] * count))
