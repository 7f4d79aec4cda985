"""Relationships at the gate: what is looked up, what is said, and that all paths say the same."""

from __future__ import annotations

import json
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest

from lakegate.contract import loads
from lakegate.contract.stream import Stream
from lakegate.errors import GateError
from lakegate.gate import Gate, ReferenceSet, Verdict, compile  # noqa: A004 - as users write it
from lakegate.gate.native.choice import native_module
from lakegate.gate.references import REFERENCES, hold

_CONTRACT = """
apiVersion: v3.1.0
kind: DataContract
id: shop
name: shop
version: 1.0.0
status: active
schema:
  - name: orders
    properties:
      - name: customer
        logicalType: string
        relationships:
          - to: customers.id
            customProperties: [{property: lakegate.place, value: gate}]
      - {name: country, logicalType: string}
      - {name: zip, logicalType: integer}
      - name: amount
        logicalType: number
        physicalType: decimal(6,2)
      - name: lines
        logicalType: array
        items:
          logicalType: object
          properties:
            - name: product
              logicalType: integer
              relationships:
                - to: products.id
                  customProperties:
                    - {property: lakegate.place, value: gate}
                    - {property: lakegate.severity, value: warning}
      - name: at
        logicalType: object
        properties:
          - name: day
            logicalType: date
            relationships:
              - to: days.day
                customProperties: [{property: lakegate.place, value: gate}]
          - name: since
            logicalType: timestamp
            relationships:
              - to: days.since
                customProperties: [{property: lakegate.place, value: gate}]
    relationships:
      - from: [orders.country, orders.zip]
        to: [places.country, places.zip]
        customProperties: [{property: lakegate.place, value: gate}]
  - name: customers
    properties: [{name: id, logicalType: string}]
  - name: products
    properties: [{name: id, logicalType: integer, logicalTypeOptions: {format: i32}}]
  - name: days
    properties: [{name: day, logicalType: date}, {name: since, logicalType: timestamp}]
  - name: places
    properties: [{name: country, logicalType: string}, {name: zip, logicalType: integer}]
"""
_PATHS = ["fast", "reference", *(["native"] if native_module() is not None else [])]
_CUSTOMER, _PLACE = "customer->customers.id", "country+zip->places.country+zip"


def _stream() -> Stream:
    return loads(_CONTRACT).stream("orders")


def _set(snapshot: int = 7, **columns: pa.Array) -> ReferenceSet:
    return ReferenceSet(pa.table(columns), table="shop.there", snapshot_id=snapshot)


def _sets() -> dict[str, ReferenceSet]:
    moment = pa.timestamp("us", tz="UTC")
    return {
        _CUSTOMER: _set(id=pa.array(["C-1", "C-2", None])),
        "lines.element.product->products.id": _set(8, id=pa.array([1, 2], pa.int32())),
        "at.day->days.day": _set(day=pa.array([19_000], pa.int32()).view(pa.date32())),
        "at.since->days.since": _set(since=pa.array([1_000_000], pa.int64()).view(moment)),
        _PLACE: _set(9, country=pa.array(["AT", "DE"]), zip=pa.array([1010, 10115])),
    }


def _judge(gate: Gate, *records: dict[str, Any]) -> Verdict:
    return gate([json.dumps(record).encode() for record in records] * 70)


def _reasons(verdict: Verdict, at: int) -> list[tuple[str, str, str]]:
    found = [*verdict.rejected, *verdict.noted]
    (one,) = [record for record in found if record.index == at]
    return [(failure.path, failure.rule, failure.observed) for failure in one.failures]


@pytest.mark.parametrize("path", _PATHS)
def test_a_key_that_is_not_there_is_a_failure_that_names_table_and_snapshot(path: Any) -> None:
    verdict = _judge(
        compile(_stream(), decoder=path).refer(_sets()), {"customer": "C-1"}, {"customer": "C-3"}
    )
    assert verdict.accepted_index.to_pylist() == list(range(0, 140, 2))
    (failure,) = verdict.rejected[0].failures
    assert (failure.path, failure.rule, failure.observed) == ("$.customer", "reference", '"C-3"')
    assert failure.expected == (
        "a key of shop.there(id) as of snapshot 7 (relationship customer->customers.id)"
    )
    assert verdict.references[_PLACE] == 9


@pytest.mark.parametrize("path", _PATHS)
def test_null_keys_are_not_looked_up_and_composite_ones_only_as_a_whole(path: Any) -> None:
    verdict = _judge(
        compile(_stream(), decoder=path).refer(_sets()),
        {"country": "AT", "zip": None},
        {"country": "XX"},
        {"country": "AT", "zip": 1010},
        {"country": "AT", "zip": 10115},
        {"customer": None, "at": None, "lines": None},
    )
    assert [found.index % 5 for found in verdict.rejected] == [3] * 70
    assert _reasons(verdict, 3) == [("$", "reference", '{"country":"AT","zip":10115}')]


@pytest.mark.parametrize("path", _PATHS)
def test_every_item_of_an_array_is_looked_up_with_its_own_path(path: Any) -> None:
    lines = [{"product": 1}, {"product": 3}, {}, None, {"product": 4}]
    verdict = _judge(compile(_stream(), decoder=path).refer(_sets()), {"lines": lines})
    assert len(verdict.rejected) == 0  # the relationship is a warning
    assert _reasons(verdict, 0) == [
        ("$.lines[1].product", "reference", "3"),
        ("$.lines[4].product", "reference", "4"),
    ]


@pytest.mark.parametrize("path", _PATHS)
def test_days_and_moments_are_compared_as_what_they_are(path: Any) -> None:
    good = {"day": "2022-01-08", "since": "1970-01-01T01:00:01+01:00"}
    bad = {"day": "2022-01-09", "since": "1970-01-01T00:00:02.5Z"}
    verdict = _judge(compile(_stream(), decoder=path).refer(_sets()), {"at": good}, {"at": bad})
    assert verdict.accepted.num_rows == 70
    assert _reasons(verdict, 1) == [
        ("$.at.day", "reference", '"2022-01-09"'),
        ("$.at.since", "reference", '"1970-01-01T00:00:02.500000Z"'),
    ]


@pytest.mark.parametrize("path", _PATHS)
def test_a_rejected_record_tells_of_its_relationships_as_well(path: Any) -> None:
    stream = _stream()
    fields = tuple(
        replace(field, required=True) if field.name == "amount" else field
        for field in stream.fields
    )
    gate = compile(replace(stream, fields=fields), decoder=path).refer(_sets())
    verdict = _judge(gate, {"customer": "C-9"}, {"customer": "C-9", "amount": "x"})
    assert [reason[1] for reason in _reasons(verdict, 0)] == ["required", "reference"]
    # A value that is not of its type may be anything: rules over the record are not asked.
    assert [reason[1] for reason in _reasons(verdict, 1)] == ["type"]


def test_rows_without_a_key_are_certain_without_the_reference_path() -> None:
    stream = _stream()
    (held,) = hold(stream, {_CUSTOMER: _set(id=pa.array(["C-1"]))})
    rows = compile(stream)([b'{"customer":null}', b"{}", b'{"customer":"C-1"}']).accepted
    assert held.passes(rows).all()
    (held,) = hold(stream, {_PLACE: _sets()[_PLACE]})
    records = [b'{"country":"XX"}', b'{"country":"AT","zip":1010}', b'{"country":"AT","zip":1}']
    assert held.passes(compile(stream)(records).accepted).tolist() == [True, True, False]


def test_without_keys_nothing_is_rejected_and_new_keys_replace_the_old_ones() -> None:
    gate = compile(_stream())
    assert _judge(gate, {"customer": "C-9"}).accepted.num_rows == 70
    first = gate.refer(_sets())
    later = first.refer({_CUSTOMER: _set(8, id=pa.array(["C-9"]))})
    assert len(_judge(first, {"customer": "C-9"}).rejected) == 70
    assert _judge(later, {"customer": "C-9"}).references == {_CUSTOMER: 8}
    assert _judge(later, {"customer": "C-9"}).accepted.num_rows == 70
    assert gate.references == {}


def test_accepted_rows_name_the_snapshots_they_were_judged_by() -> None:
    gate = compile(_stream()).refer({_CUSTOMER: _set(8, id=pa.array(["C-1"]))})
    schema = _judge(gate, {"customer": "C-1"}).accepted.schema
    assert json.loads(schema.metadata[REFERENCES]) == {_CUSTOMER: 8}
    assert schema.metadata == gate.schema.metadata
    assert schema.metadata[b"lakegate.contract.id"] == b"shop"


@pytest.mark.parametrize("count", [3, 100_000])
def test_integers_and_decimals_are_equal_as_numbers_however_many_keys(count: int) -> None:
    place = "customProperties: [{property: lakegate.place, value: gate}]"
    text = _CONTRACT.replace(
        "logicalType: number\n",
        f"logicalType: number\n        relationships: [{{to: customers.id, {place}}}]\n",
        1,
    )
    text = text.replace("[{name: id, logicalType: string}]", "[{name: id, logicalType: integer}]")
    of_customer = "- name: customer\n        logicalType: "
    stream = loads(text.replace(f"{of_customer}string", f"{of_customer}integer")).stream("orders")
    keys = _set(id=pa.array([*range(1, count), 5_000_000_000]))
    gate = compile(stream).refer({_CUSTOMER: keys, "amount->customers.id": keys})
    text = [b'{"customer":1,"amount":1.00}', b'{"customer":0}', b'{"amount":1.01}'] * 40
    verdict = gate(text)
    assert [found.index % 3 for found in verdict.rejected[:2]] == [1, 2]
    assert _reasons(verdict, 2) == [("$.amount", "reference", "1.01")]
    assert gate([b'{"customer":5000000000}'] * 80).accepted.num_rows == 80
    assert Decimal("1.00") in keys.values


def test_keys_that_do_not_fit_are_refused_with_what_is_expected() -> None:
    gate = compile(_stream())
    with pytest.raises(GateError, match=r"no relationship `nope`.*it has: customer->customers.id"):
        gate.refer({"nope": _set(id=pa.array(["a"]))})
    with pytest.raises(GateError, match="keys are int64, the column is string"):
        gate.refer({_CUSTOMER: _set(id=pa.array([1]))})
    with pytest.raises(GateError, match="expected keys of 2 columns, got 1"):
        gate.refer({_PLACE: _set(id=pa.array([1]))})


def test_changes_are_judged_by_the_row_they_leave() -> None:
    text = _CONTRACT.replace(
        "  - name: orders\n",
        "  - name: orders\n    customProperties:\n"
        "      - {property: lakegate.cdc, value: debezium}\n"
        "      - {property: lakegate.cdc.date, value: string}\n"
        "      - {property: lakegate.cdc.decimal, value: string}\n"
        "      - {property: lakegate.cdc.timestamp, value: string}\n",
    ).replace("- {name: country,", "- {name: id, logicalType: integer, primaryKey: true}\n"
              "      - {name: country,", 1)  # fmt: skip
    gate = compile(loads(text).stream("orders")).refer(_sets())

    def event(customer: str, op: str = "c") -> bytes:
        row = {"id": 1, "customer": customer}
        before, after = (row, None) if op == "d" else (None, row)
        source = {"table": "orders", "ts_ms": 1, "lsn": 1}
        return json.dumps(
            {"before": before, "after": after, "op": op, "source": source, "ts_ms": 1}
        ).encode()

    verdict = gate(
        [event("C-1"), event("C-9"), event("C-9", "d"), event("__debezium_unavailable_value", "u")]
    )
    assert _reasons(verdict, 1) == [("$.after.customer", "reference", '"C-9"')]
    assert verdict.accepted_index.to_pylist() == [0, 2, 3]
    assert verdict.references[_CUSTOMER] == 7
