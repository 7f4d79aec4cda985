"""A record of which there is more to tell than a small multiple of its size has one failure."""

from __future__ import annotations

import tracemalloc
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from tests.property.paths import assert_same

from lakegate.contract import loads
from lakegate.contract.stream import Stream, UnknownFields
from lakegate.contract.type import Severity
from lakegate.errors import GateError
from lakegate.gate import Verdict, compile  # noqa: A004 - as users write it
from lakegate.gate.native.choice import native_module
from lakegate.gate.native.path import NativePath
from lakegate.gate.path import most_path_bytes
from lakegate.gate.reference import Reference
from lakegate.gate.rejections import Rejections, reasons_of
from lakegate.gate.verdict import Failure, Rejected
from lakegate.testing.change import debezium_event

_PATHS = ["reference", "fast", *(["native"] if native_module() is not None else [])]
_CONTRACT = """
apiVersion: v3.2.0
kind: DataContract
id: parts
name: parts
version: 1.0.0
status: active
schema:
  - name: parts
    properties:
      - {name: id, logicalType: integer, required: true, primaryKey: true}
      - name: numbers
        logicalType: array
        items: {logicalType: integer, logicalTypeOptions: {minimum: 1}}
      - name: texts
        logicalType: array
        items: {logicalType: string, required: true}
      - name: parts
        logicalType: map
        map:
          key: {logicalType: string, logicalTypeOptions: {pattern: '^[^!]*$'}}
          value:
            logicalType: object
            properties:
              - {name: n, logicalType: integer, required: true}
              - {name: list, logicalType: array, items: {logicalType: integer}}
"""
_BAD_KEY = '"!%d":{}'
_REPEATED = ("$.parts", "$.numbers[", "$.texts[")
_ODD = "it's \\\\ \\u0001 \\u00e9 😀 "  # escaped in paths, and of several bytes


def _stream(**changed: Any) -> Stream:
    return replace(loads(_CONTRACT).stream(), **changed)


def _warns(stream: Stream) -> Stream:
    """The minimum of numbers below error."""
    fields = list(stream.fields)
    at = next(at for at, field in enumerate(fields) if field.name == "numbers")
    item = fields[at].type.item  # type: ignore[union-attr]
    checks = tuple(replace(check, severity=Severity.WARNING) for check in item.constraints)
    inner = replace(fields[at].type, item=replace(item, constraints=checks))  # type: ignore[call-arg]
    fields[at] = replace(fields[at], type=inner)
    return replace(stream, fields=tuple(fields))


def _entry(members: str, key: str = "k" * 9_000) -> str:
    return f'{{"id":1,"parts":{{"{key}":{{{members}}}}}}}'


def _many(count: int, one: str = '"u%d":0') -> str:
    return ",".join(one % at if "%" in one else one for at in range(count))


_CASES: dict[str, tuple[Stream, str]] = {
    "undeclared below a key": (_stream(), _entry('"n":1,' + _many(40))),
    "undeclared below an odd key": (_stream(), _entry('"n":1,' + _many(40), _ODD * 300)),
    "refused": (_stream(unknown_fields=UnknownFields.REJECT), _entry('"n":1,' + _many(40))),
    "items": (_stream(), f'{{"id":1,"numbers":[{_many(2_500, "0")}]}}'),
    "warnings": (_warns(_stream()), f'{{"id":1,"numbers":[{_many(2_500, "0")}]}}'),
    "nulls": (_stream(), f'{{"id":1,"texts":[{_many(5_000, "null")}]}}'),
    "items below a key": (_stream(), _entry(f'"n":1,"list":[{_many(40, "true")}]')),
    "keys": (_stream(), f'{{"id":1,"parts":{{{_many(2_500, _BAD_KEY)}}}}}'),
    "failures and undeclared": (_stream(), _entry('"n":"x","list":[true],' + _many(40))),
    "a doubted column and undeclared": (
        _stream(),
        f'{{"numbers":[{_many(1_500, "0")}],' + _entry('"n":1,' + _many(12), "k" * 3_500)[1:],
    ),
}


@pytest.fixture(params=_PATHS)
def path(request: pytest.FixtureRequest) -> Any:
    return request.param


def _judge(stream: Stream, path: Any, *records: str) -> Verdict:
    """Each record among good ones, in columns."""
    good = '{"id":1}'
    values = [text.encode() for record in records for text in (good, record)]
    return compile(stream, decoder=path)(values + [good.encode()] * 80)


def _told(stream: Stream, record: str) -> int:
    """What is to be told of a record, counted by what docs/reference/formats.md says."""
    found = Reference(stream).judge(record.encode() + b" " * 90_000)
    assert len(found.failures) + len(found.unknown) > 8
    failures = [f for f in found.failures if f.path.startswith(_REPEATED)]
    told = sum(len(f.path.encode()) + len(f.expected.encode()) + 32 for f in failures)
    return told + sum(len(where.encode()) for where in found.unknown)


@pytest.mark.parametrize("name", _CASES)
def test_both_sides_of_the_limit(name: str, path: Any) -> None:
    stream, record = _CASES[name]
    size = len(record.encode())
    spaces = -(-(_told(stream, record) - most_path_bytes(size)) // 8)
    assert spaces > 0
    within, beyond = record + " " * spaces, record + " " * (spaces - 1)
    verdict = _judge(stream, path, within, beyond)
    assert_same(verdict, _judge(stream, "reference", within, beyond))
    (found,) = [one for one in verdict.rejected if one.index == 3]
    limit = most_path_bytes(size + spaces - 1)
    assert found.failures == (
        Failure("$", "record.paths", f"paths of at most {limit} bytes in all", "more"),
    )
    assert [r.failures[0].rule for r in verdict.rejected if r.index == 1] != ["record.paths"]
    assert len(verdict.rejected) + verdict.accepted.num_rows == 84


def test_what_is_declared_outside_of_arrays_and_maps_is_not_counted(path: Any) -> None:
    (first, *_) = _stream().fields
    fields = tuple(
        replace(first, name=f"a_long_name_of_a_field_{n}", path=f"$.{n}") for n in range(2_000)
    )
    verdict = compile(_stream(fields=fields, primary_key=()), decoder=path)([b"{}"] * 65)
    assert len(verdict.rejected[64].failures) == 2_000


def test_undeclared_fields_that_are_ignored_are_not_counted(path: Any) -> None:
    stream = _stream(unknown_fields=UnknownFields.IGNORE)
    assert _judge(stream, path, _entry('"n":1,' + _many(3_000))).accepted.num_rows == 82


def test_nothing_else_is_said_of_it_but_that_it_is_no_json(path: Any) -> None:
    record = _entry(_many(3_000), "k" * 50_000)[:-1]
    (broken, whole) = _judge(_stream(), path, record, record + "}").rejected
    assert [f.rule for f in broken.failures] == ["json.truncated"]
    assert [f.rule for f in whole.failures] == ["record.paths"]


@pytest.mark.parametrize(
    "members",
    [f'"n":1,"list":[{_many(9_000, "true")}]', '"n":1,' + _many(5_000)],
    ids=["failures", "undeclared"],
)
def test_a_bomb_costs_a_small_multiple_of_its_size(members: str, path: Any) -> None:
    value = _entry(members, "k" * 450_000).encode()
    gate = compile(_stream(), decoder=path)
    gate([b'{"id":1}'] * 65)
    tracemalloc.start()
    verdict = gate([b'{"id":1}'] * 64 + [value])
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert [f.rule for f in verdict.rejected[0].failures] == ["record.paths"]
    assert verdict.accepted.num_rows == 64
    assert peak < 20 * len(value)


def test_rows_of_changes_are_counted_as_records(path: Any) -> None:
    stream = loads(
        _CONTRACT + "    customProperties:\n      - {property: lakegate.cdc, value: debezium}\n"
    ).stream()
    row = {"id": 1, "parts": {"k" * 50_000: {"n": 1, **{f"u{n}": 0 for n in range(900)}}}}
    verdict = compile(stream, decoder=path)(
        [debezium_event("c", after=row), debezium_event("c", after={"id": 2})] * 40
    )
    (failure,) = verdict.rejected[39].failures
    assert (failure.path.rpartition(".")[2], failure.rule) == ("after", "record.paths")
    assert verdict.accepted.num_rows == 40


def test_columns_of_csv_are_counted_too() -> None:
    names = ["id", *("a" * 300 + str(n) for n in range(500))]
    text = loads(
        _CONTRACT
        + "    customProperties:\n      - {property: lakegate.format, value: csv}\n"
        + f"      - {{property: lakegate.csv.columns, value: '{','.join(names)}'}}\n"
    ).stream()
    rows = [",".join(["1", *["x" * width] * 500]).encode() for width in (1, 30)] * 40
    fast, reference = compile(text)(rows), compile(text, decoder="reference")(rows)
    assert_same(fast, reference)
    assert fast.accepted_index.to_pylist() == list(range(1, 80, 2))
    assert {f.rule for r in fast.rejected for f in r.failures} == {"record.paths"}


@pytest.fixture
def full(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """A native path whose columns hold no more than three records."""
    if native_module() is None:
        pytest.skip("lakegate-native is not installed")
    sizes: list[int] = []
    judge = NativePath.judge

    def limited(self: Any, values: Any) -> Any:
        sizes.append(len(values))
        if len(values) > 3:
            raise OverflowError
        return judge(self, values)

    monkeypatch.setattr(NativePath, "judge", limited)
    return sizes


def test_more_than_columns_hold_is_judged_in_halves(full: list[int]) -> None:
    records = [b'{"id":%d}' % n if n % 3 else b"{}" for n in range(10)]
    verdict = compile(_stream(), decoder="native")(records)
    assert full[0] == 10
    assert_same(verdict, compile(_stream(), decoder="reference")(records))


def test_one_record_that_is_more_than_columns_hold_is_left_to_the_others(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    if native_module() is None:
        pytest.skip("lakegate-native is not installed")

    def full_at_once(_values: Any) -> Any:
        raise OverflowError

    gate = compile(_stream(), decoder="native")
    monkeypatch.setattr(gate._native, "_plan", SimpleNamespace(judge=full_at_once))
    assert gate([b'{"id":1}']).accepted.num_rows == 1


def test_columns_of_python_rows_that_are_full_are_halved_too(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    gate = compile(_stream(), decoder="reference")
    table = gate._table

    def full_above(rows: list[dict[str, Any]]) -> pa.Table:
        if len(rows) > 3:
            raise pa.ArrowCapacityError("array cannot contain more than 2147483646 bytes")
        return table(rows)

    monkeypatch.setattr(gate, "_table", full_above)
    assert gate([b'{"id":1}'] * 10).accepted.num_rows == 10


def test_reasons_that_no_column_holds_are_told_with_advice() -> None:
    def full_at_once(_index: Any) -> Any:
        raise OverflowError

    rejected = Rejections(
        np.arange(33), {}, make=lambda at: Rejected(at, b"", ()), reasons=full_at_once,
        is_critical=False,
    )  # fmt: skip
    with pytest.raises(GateError, match=r"33 rejected records .*batch_records"):
        reasons_of(rejected)
