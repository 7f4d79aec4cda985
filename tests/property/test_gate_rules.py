"""Rules over the whole record beside checks of its members: all paths say the same."""

from __future__ import annotations

import json
from typing import Any

import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st

from lakegate.contract import loads
from lakegate.contract.type import Severity
from lakegate.gate import ReferenceSet
from tests.property.paths import assert_same, verdicts

CONTRACT = """
apiVersion: v3.1.0
kind: DataContract
id: trips
name: trips
version: 1.0.0
status: active
schema:
  - name: trips
    logicalType: object
    properties:
      - {name: id, logicalType: integer, required: true, logicalTypeOptions: {minimum: 0}}
      - name: fare
        logicalType: number
        physicalType: decimal(8, 2)
        quality:
          - id: cheap
            metric: invalidValues
            arguments: {validValues: ['0', '5', '12.25', '0.1']}
            mustBe: 0
            severity: warning
      - {name: left_at, logicalType: timestamp}
      - {name: back_at, logicalType: timestamp}
      - {name: kind, logicalType: string, relationships: [{to: cars.kind, customProperties: [
          {property: lakegate.place, value: gate}]}]}
      - name: car
        logicalType: object
        properties:
          - {name: color, logicalType: string, required: true}
          - {name: seats, logicalType: integer, logicalTypeOptions: {maximum: 9}}
    quality:
      - id: back
        type: sql
        query: "SELECT count(*) FROM trips WHERE back_at < left_at"
        mustBe: 0
      - id: fair
        type: sql
        query: "SELECT count(*) FROM trips WHERE fare > 10 * id AND kind <> 'bus'"
        mustBe: 0
        severity: warning
      - id: roomy
        type: sql
        query: "SELECT count(*) FROM trips WHERE length(car.color) > car.seats"
        mustBe: 0
        severity: info
"""


def _or_other(good: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """Mostly good, else null, of another type, or a form that columns do not read."""
    other = st.sampled_from([None, "x", -1, 10**9, 1.5, True, [], {}, "2026-11-23T25:00:00Z"])
    return st.one_of(good, good, good, good, other)


_TIMES = st.sampled_from(
    [
        "2026-11-23T10:00:00Z",
        "2026-11-23T10:00:00.5+02:00",
        "2026-11-23T11:59:60Z",
        "2026-11-24T00:00Z",
    ]
)
_CARS = st.fixed_dictionaries(
    {"color": st.sampled_from(["red", "crimson", None])},
    optional={"seats": _or_other(st.integers(0, 12)), "doors": st.just(2)},
)
_RECORDS = st.fixed_dictionaries(
    {"id": _or_other(st.integers(0, 3))},
    optional={
        "fare": _or_other(st.sampled_from([0, 5, 12.25, 99.99, 1e-1])),
        "left_at": _or_other(_TIMES),
        "back_at": _or_other(_TIMES),
        "kind": _or_other(st.sampled_from(["bus", "cab", "limousine"])),
        "car": _or_other(_CARS),
        "x": st.just(1),
    },
)
_STREAM = loads(CONTRACT).streams[0]
_KINDS = {
    _STREAM.references[0].name: ReferenceSet(
        pa.table({"kind": ["bus", "cab"]}), table="cars", snapshot_id=1
    )
}


@settings(max_examples=300, deadline=None)
@given(st.lists(_RECORDS, min_size=1, max_size=8), st.booleans())
def test_all_paths_agree(records: list[dict[str, Any]], refers: bool) -> None:
    values = [json.dumps(record).encode() for record in records]
    first, *others = verdicts(_STREAM, values, _KINDS if refers else None)
    for other in others:
        assert_same(first, other)


def test_the_law_is_about_something() -> None:
    values = [
        b'{"id":1,"fare":5,"kind":"bus"}',
        b'{"id":0,"fare":5,"kind":"cab"}',
        b'{"id":0,"fare":-2,"left_at":"2026-11-23T10:00:00Z","back_at":"2026-11-23T09:00:00Z"}',
        b'{"id":0,"fare":5,"kind":"limousine"}',
        b'{"id":0,"fare":-2,"kind":"cab"}',
    ]
    for verdict in verdicts(_STREAM, values, _KINDS):
        assert [(each.index, [f.rule for f in each.failures]) for each in verdict.rejected] == [
            (2, ["invalidValues", "sql"]),
            (3, ["sql", "reference"]),
        ]
        assert [(each.index, [f.severity for f in each.failures]) for each in verdict.noted] == [
            (1, [Severity.WARNING]),
            (4, [Severity.WARNING]),
        ]
