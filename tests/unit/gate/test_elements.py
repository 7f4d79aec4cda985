"""Rules on items of arrays and on the members of objects in them, on every path."""

from __future__ import annotations

from typing import Any

import pytest

from lakegate.contract import loads
from lakegate.contract.stream import Place
from lakegate.gate import Verdict, compile  # noqa: A004 - as users write it
from lakegate.gate.native.choice import native_module

_CONTRACT = """
apiVersion: v3.1.0
kind: DataContract
id: c
name: c
version: 1.0.0
status: active
schema:
  - name: orders
    properties:
      - name: lines
        logicalType: array
        logicalTypeOptions: {minItems: 1, uniqueItems: true}
        items:
          logicalType: object
          logicalTypeOptions: {minProperties: 2}
          properties:
            - {name: sku, logicalType: string, required: true, logicalTypeOptions: {pattern: '^S'}}
            - name: unit
              logicalType: string
              quality:
                - metric: invalidValues
                  mustBe: 0
                  arguments: {validValues: [kg, l]}
            - name: price
              logicalType: number
              physicalType: decimal(6,2)
              logicalTypeOptions: {exclusiveMinimum: 0}
              quality: [{metric: nullValues, mustBe: 0}]
            - name: parts
              logicalType: array
              items:
                logicalType: object
                properties:
                  - {name: day, logicalType: date, logicalTypeOptions: {minimum: '2020-01-01'}}
                  - name: note
                    logicalType: string
                    quality:
                      - {metric: missingValues, mustBe: 0, arguments: {missingValues: ['n/a']}}
      - {name: codes, logicalType: array, items: {logicalType: integer, required: true}}
"""
_PATHS = ["fast", "reference", *(["native"] if native_module() is not None else [])]


def _judge(path: Any, *records: str) -> Verdict:
    values = [record.encode() for record in records] * 70
    return compile(loads(_CONTRACT).stream(), decoder=path)(values)


@pytest.mark.parametrize("path", _PATHS)
def test_every_rule_on_an_element_is_judged_at_its_index(path: Any) -> None:
    verdict = _judge(
        path,
        '{"lines":[{"sku":"S1","price":1,"parts":[{"day":"2026-01-01"},null]}],"codes":[1]}',
        '{"lines":[{"sku":"S1","price":1},{"sku":"x","unit":"t","price":0},{"price":null,"parts":'
        '[{"day":"2019-12-31","note":"n/a"}]},{"sku":"S2"}],"codes":[1,null,"2"]}',
        '{"lines":[{"sku":"S1","price":1.0},{"price":1.00,"sku":"S1","unit":null}]}',
        '{"lines":[]}',
    )
    assert verdict.accepted_index.to_pylist() == list(range(0, 280, 4))
    found = {one.index: [(f.path, f.rule) for f in one.failures] for one in verdict.rejected}
    assert found[1] == [
        ("$.lines[1].sku", "pattern"),
        ("$.lines[1].unit", "invalidValues"),
        ("$.lines[1].price", "exclusiveMinimum"),
        ("$.lines[2].sku", "required"),
        ("$.lines[2].price", "nullValues"),
        ("$.lines[2].parts[0].day", "minimum"),
        ("$.lines[2].parts[0].note", "missingValues"),
        ("$.lines[3].price", "nullValues"),
        ("$.lines[3]", "minProperties"),
        ("$.codes[1]", "required"),
        ("$.codes[2]", "type"),
    ]
    assert found[2] == [("$.lines", "uniqueItems")]
    assert found[3] == [("$.lines", "minItems")]


def test_all_of_them_are_placed_at_the_gate() -> None:
    assert {rule.place for rule in loads(_CONTRACT).stream().rules} == {Place.GATE}
