"""``lakegate.window`` at a service level."""

from __future__ import annotations

from datetime import timedelta

import pytest

from lakegate.contract import loads
from lakegate.contract.stream import SlaRule
from lakegate.errors import ContractError

_CONTRACT = """
apiVersion: v3.2.0
kind: DataContract
id: orders
version: 1.0.0
status: active
schema:
  - name: orders
    properties:
      - {{name: at, logicalType: timestamp}}
slaProperties:
  - property: {name}
    value: 1
    unit: {unit}
    customProperties:
      - {{property: lakegate.window, value: {window}}}
"""


def level(name: str, unit: str, window: str = "1h") -> SlaRule:
    text = _CONTRACT.format(name=name, unit=unit, window=window)
    (found,) = loads(text).stream().sla
    return found


@pytest.mark.parametrize(
    ("name", "unit"), [("latency", "h"), ("fy", "h"), ("Throughput", "rows/h")]
)
def test_a_level_of_rows_may_have_a_window(name: str, unit: str) -> None:
    rule = level(name, unit)
    assert rule.window == timedelta(hours=1)
    assert rule.reason == "told per window of event time"


@pytest.mark.parametrize(
    ("name", "unit", "window", "says"),
    [
        ("errorRate", "percent", "1h", "`lakegate.window` has no effect on errorRate"),
        ("retention", "d", "1h", "`lakegate.window` has no effect on retention"),
        ("availability", "percent", "1h", "`lakegate.window` has no effect on availability"),
        ("latency", "h", "soon", "`soon` is no value of `lakegate.window`"),
    ],
)
def test_another_may_not(name: str, unit: str, window: str, says: str) -> None:
    with pytest.raises(ContractError, match=says):
        level(name, unit, window)
