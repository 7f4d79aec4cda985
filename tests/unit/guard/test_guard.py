"""One record at a time, before it is sent."""

from __future__ import annotations

import json
import pickle
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

import lakegate as lg
from lakegate.contract import loads
from lakegate.guard.guard import to_record

ORDERS = """
apiVersion: v3.1.0
kind: DataContract
id: orders
name: orders
version: 1.0.0
status: active
{more}
schema:
  - name: orders
    logicalType: object
    properties:
      - {{name: order_id, logicalType: integer, required: true, logicalTypeOptions: {{minimum: 1}}}}
      - {{name: placed_at, logicalType: timestamp, required: true}}
      - {{name: total, logicalType: number, physicalType: "decimal(10,2)"}}
"""
GOOD = {"order_id": 7, "placed_at": "2026-03-01T09:30:00Z", "total": 19.9}


@pytest.fixture(scope="module")
def guard() -> lg.Guard:
    return lg.Guard(loads(ORDERS.format(more="")))


@dataclass
class Order:
    order_id: int
    placed_at: datetime
    total: Decimal


class Struct(msgspec.Struct):
    order_id: int
    placed_at: datetime
    total: Decimal


class Pydantic:
    """What the guard needs of a pydantic model."""

    def model_dump(self, *, by_alias: bool) -> dict[str, Any]:
        assert by_alias
        return {"order_id": 7, "placed_at": AT, "total": Decimal("19.90")}


AT = datetime(2026, 3, 1, 9, 30, tzinfo=UTC)
SENT = b'{"order_id":7,"placed_at":"2026-03-01T09:30:00Z","total":19.90}'


@pytest.mark.parametrize(
    "record",
    [
        SENT,
        SENT.decode(),
        bytearray(SENT),
        {"order_id": 7, "placed_at": AT, "total": Decimal("19.90")},
        Order(7, AT, Decimal("19.90")),
        Struct(7, AT, Decimal("19.90")),
        Pydantic(),
    ],
    ids=lambda record: type(record).__name__,
)
def test_what_has_a_json_form_becomes_the_bytes_to_send(guard: lg.Guard, record: Any) -> None:
    assert guard(record) == SENT


def test_every_reason_is_given(guard: lg.Guard) -> None:
    with pytest.raises(lg.RecordRefused) as refused:
        guard({"order_id": 0, "placed_at": datetime(2026, 3, 1, 9, 30), "total": "5"})  # noqa: DTZ001
    found = [(failure.path, failure.rule) for failure in refused.value.failures]
    assert found == [
        ("$.order_id", "minimum"),
        ("$.placed_at", "timestamp.zone"),
        ("$.total", "type"),
    ]
    assert "breaks the contract of orders" in str(refused.value)
    assert "at $.total [type]" in str(refused.value)


def test_a_batch_names_the_first_that_is_refused(guard: lg.Guard) -> None:
    good, bad = json.dumps(GOOD).encode(), b'{"order_id": 1}'
    assert guard.check([good, good]).accepted.num_rows == 2
    with pytest.raises(lg.RecordRefused, match="record 1 breaks") as refused:
        guard.check([good, bad, bad])
    assert refused.value.index == 1


def test_a_stream_that_observes_refuses_nothing() -> None:
    observe = "customProperties: [{property: lakegate.enforcement, value: observe}]"
    guard = lg.Guard(loads(ORDERS.format(more=observe)))
    assert guard(b"{}") == b"{}"


@pytest.mark.parametrize(
    "record",
    [{"a": float("nan")}, Struct, {"a": [object()]}, "\ud800", Order(1, AT, float("inf"))],  # type: ignore[arg-type]
    ids=["nan", "a class", "an object", "half a pair", "infinity in a dataclass"],
)
def test_what_has_no_json_form_is_an_error_of_the_program(record: Any) -> None:
    with pytest.raises(TypeError, match="has no JSON form"):
        to_record(record)


@pytest.fixture
def project(tmp_path: Path) -> Iterator[lg.Project]:
    (tmp_path / "lakegate.toml").touch()
    (tmp_path / "contracts").mkdir()
    (tmp_path / "contracts" / "orders.odcs.yaml").write_text(ORDERS.format(more=""))
    with lg.open(tmp_path) as opened:
        yield opened


def test_a_producer_judges_before_it_sends(project: lg.Project) -> None:
    with project.producer("orders", judged=True) as producer:
        producer.send(json.dumps(GOOD).encode(), key=b"7")
        producer.send(None, key=b"7")
        with pytest.raises(lg.RecordRefused):
            producer.send(b"{}", key=b"8")
    progress = project.run(until="idle")["orders"]
    assert (progress.accepted, progress.rejected, progress.tombstones) == (1, 0, 1)


def test_a_judged_producer_takes_what_a_guard_takes(project: lg.Project) -> None:
    with project.producer("orders", judged=True) as producer:
        producer.send(GOOD, key="7")
        producer.send(json.dumps(GOOD), key=b"7")
        producer.send(Order(7, AT, Decimal("19.90")))
        with pytest.raises(lg.RecordRefused):
            producer.send({"order_id": 0})
        with pytest.raises(TypeError, match="no JSON form"):
            producer.send({"order_id": object()})
    assert project.run(until="idle")["orders"].accepted == 3


def test_refusals_guards_and_gates_survive_pickling(guard: lg.Guard) -> None:
    with pytest.raises(lg.RecordRefused) as refused:
        guard.check([json.dumps(GOOD).encode(), b"{}"])
    again = pickle.loads(pickle.dumps(refused.value))
    assert (str(again), again.failures) == (str(refused.value), refused.value.failures)
    assert (again.index, again.stream, again.args) == (1, "orders", refused.value.args)
    loaded = pickle.loads(pickle.dumps(guard))
    assert loaded(GOOD) == guard(GOOD)
    assert loaded.gate.path == guard.gate.path


@pytest.mark.parametrize("given", [5, None, [1], {"a": 1}])
def test_what_has_no_contract_is_named(given: Any) -> None:
    with pytest.raises(lg.LakegateError, match="contract: expected a contract's file"):
        lg.Guard(given)


def test_a_guard_may_be_made_of_a_gate_or_a_guard(guard: lg.Guard) -> None:
    assert lg.Guard(guard).gate is lg.Guard(guard.gate).gate is guard.gate


def test_scalars_of_numpy_are_numbers() -> None:
    record = {"a": np.int64(3), "b": np.float64(1.5), "c": np.float32(0.1), "d": np.bool_(True)}
    assert to_record(record) == b'{"a":3,"b":1.5,"c":0.1,"d":true}'


@pytest.mark.parametrize(
    ("value", "why"),
    [
        (float("nan"), "JSON has no nan"),
        (np.float32("inf"), "JSON has no inf"),
        (object(), "a object is no JSON value"),
        (np.datetime64("2026-01-01"), "a datetime64 is no JSON value"),
        (np.array([1]), "a ndarray is no JSON value"),
    ],
)
def test_what_has_no_json_form_is_named_by_its_path(value: Any, why: str) -> None:
    with pytest.raises(TypeError, match=re.escape(f"at $.lines[1]['a b']: {why}")):
        to_record({"lines": [{}, {"a b": value}]})


def test_a_cycle_is_named() -> None:
    record: dict[str, Any] = {}
    record["a"] = [record]
    with pytest.raises(TypeError, match="the value contains itself"):
        to_record(record)
