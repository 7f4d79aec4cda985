"""The native path where it meets Python: what it leaves to others, and what it hands over.

That it says what the reference says is held by ``test_hostile.py``, ``tests/property/test_gate.py``
and the conformance suite; value by value by ``native/test_kernels.py``.
"""

from __future__ import annotations

import os
import threading
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pyarrow as pa
import pytest

from lakegate.contract import load, loads
from lakegate.contract.stream import Stream, UnknownFields
from lakegate.errors import GateError
from lakegate.gate import Gate, Verdict, compile  # noqa: A004 - as users write it
from lakegate.gate.native import choice as native_choice
from lakegate.gate.native import plan as native_plan
from lakegate.gate.native.choice import VARIABLE, chosen_path, said
from lakegate.gate.native.coverage import path_coverage
from lakegate.gate.rejections import REASONS, Rejections, reasons_of
from lakegate.topic.schema import REASONS as DEADLETTER_REASONS

IS_BUILT = native_choice.native_module() is not None
built = pytest.mark.skipif(
    not IS_BUILT and os.environ.get("CI") != "true",
    reason="lakegate-native is not installed: `make native` builds it where cargo is",
)
ROOT = Path(__file__).parents[3]

CONTRACT = r"""
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
      - {name: id, logicalType: string, required: true, logicalTypeOptions: {pattern: '^[a-z]+$'}}
      - {name: from_km, logicalType: integer}
      - {name: to_km, logicalType: integer}
      - name: stops
        logicalType: array
        items:
          logicalType: object
          properties:
            - {name: at, logicalType: string, logicalTypeOptions: {maxLength: 3}}
    quality:
      - type: sql
        name: forward
        query: "SELECT COUNT(*) FROM {object} WHERE to_km < from_km"
        mustBe: 0
"""


def trips(**changes: Any) -> Stream:
    (stream,) = loads(CONTRACT).streams
    return replace(stream, **changes)


def both(stream: Stream, values: Any, **options: Any) -> tuple[Gate, Verdict]:
    """The native verdict, which is that of the reference."""
    gate = compile(stream, decoder="native")
    verdict, expected = (
        gate(values, **options),
        compile(stream, decoder="reference")(values, **options),
    )
    assert verdict.rejected == expected.rejected
    assert expected.rejected == verdict.rejected
    assert verdict.accepted.to_pylist() == expected.accepted.to_pylist()
    assert verdict.accepted.schema.equals(expected.accepted.schema, check_metadata=True)
    assert verdict.accepted_index.equals(expected.accepted_index)
    assert list(verdict.noted) == list(expected.noted)
    assert list(verdict.tombstones) == list(expected.tombstones)
    assert verdict.unknown_paths == expected.unknown_paths
    verdict.accepted.validate(full=True)
    return gate, verdict


GOOD = b'{"id":"a","from_km":1,"to_km":2,"stops":[{"at":"x"}]}'
BACKWARD = b'{"id":"a","from_km":3,"to_km":2}'


@built
def test_rules_over_the_record_are_judged_of_rejected_records_too() -> None:
    late = b'{"id":"A","from_km":3,"to_km":2,"new":1}'
    untyped = b'{"id":"a","from_km":3,"to_km":"2"}'
    gate, verdict = both(trips(), [GOOD, BACKWARD, late, untyped, GOOD])
    assert [[f.rule for f in found.failures] for found in verdict.rejected] == [
        ["sql"],
        ["pattern", "sql"],
        ["type"],
    ]
    assert gate.fallbacks == {"a SQL rule that is true": 2}


@built
def test_undeclared_fields_of_records_that_a_rule_rejects_are_not_reported() -> None:
    values = [b'{"id":"a","stops":[{"new":1},{"it\'s":2}]}', BACKWARD[:-1] + b',"gone":1}']
    _, verdict = both(trips(), values)
    assert verdict.unknown_paths == {"$.stops[*].new", "$.stops[*]['it\\'s']"}


def forget(monkeypatch: pytest.MonkeyPatch, *rules: str) -> None:
    """Let the native path not know the checks of these rules."""
    known = native_plan.check_plan

    def less(rule: str, bound: Any, type_: Any) -> Any:
        return None if rule in rules else known(rule, bound, type_)

    monkeypatch.setattr(native_plan, "check_plan", less)


@built
def test_checks_it_does_not_know_are_judged_over_its_columns(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    forget(monkeypatch, "pattern", "maxLength")
    long = b'{"id":"a","stops":[{"at":"x"},{"at":"long"}]}'
    values = [GOOD, b'{"id":"A"}', long, b'{"id":7,"stops":[{"at":"long"}]}', b"{}", BACKWARD]
    gate, _ = both(trips(), values)
    assert gate.path == "native"
    assert {code.rule for code in gate._native.foreign} == {"pattern", "maxLength"}  # type: ignore[union-attr]
    assert gate.fallbacks == {
        "check": 1,
        "a check judged over columns": 2,
        "a SQL rule that is true": 1,
    }
    falling = [found for found in path_coverage(trips()) if found.falls_back]
    assert [(found.subject, found.what) for found in falling] == [
        ("$.id", "pattern ^[a-z]+$"),
        ("$.stops[*].at", "maxLength 3"),
    ]


@built
def test_what_is_no_json_is_worded_by_the_reference_and_counted() -> None:
    gate, _ = both(trips(size_limit_bytes=99), [GOOD, b"{", b'{"id":"\xff"}', b"x" * 100, b"[]"])
    assert gate.fallbacks == {"json": 3, "size": 1}


@built
def test_nulls_and_keys() -> None:
    both(trips(), [GOOD, None, None], keys=[b"1", b"2", None])
    both(trips(), pa.array([None, GOOD], pa.binary()), keys=pa.array([b"1", None], pa.binary()))
    with pytest.raises(GateError, match="as many keys"):
        compile(trips(), decoder="native")([None], keys=[])


@built
def test_bytes_in_every_wrapping() -> None:
    values = [GOOD, BACKWARD, None, b"{", GOOD]
    for array in (
        pa.array(values, pa.binary()),
        pa.array(values, pa.large_binary()),
        pa.array([b"junk", *values, b"junk"]).slice(1, 5),
        pa.chunked_array([pa.array(values[:2]), pa.array(values[2:], pa.binary())]),
        pa.array([], pa.binary()),
    ):
        both(trips(), array)
    both(trips(), tuple(values))
    both(trips(), [bytearray(GOOD), memoryview(GOOD).tobytes()])
    with pytest.raises(GateError, match="expected binary"):
        compile(trips(), decoder="native")(pa.array(["{}"]))


@built
def test_rejected_records_are_made_when_they_are_looked_at() -> None:
    values = [b'{"id":"A","stops":[{"at":"long"}]}', GOOD, b"{", BACKWARD, b'{"id":null}']
    _, verdict = both(trips(), values)
    rejected = verdict.rejected
    assert isinstance(rejected, Rejections)
    assert len(rejected) == 4
    assert [found.index for found in rejected] == rejected.positions.tolist() == [0, 2, 3, 4]
    assert rejected[-1].value == values[4]
    assert rejected[1:3] == list(rejected)[1:3]
    assert not rejected.critical
    assert rejected != list(rejected)[:-1]
    expected = reasons_of(list(rejected))
    assert reasons_of(rejected).equals(expected)
    assert expected.type == REASONS == DEADLETTER_REASONS
    assert expected[0].as_py()[1]["path"] == "$.stops[0].at"


@built
def test_a_gate_may_be_called_from_several_threads() -> None:
    gate, values = compile(trips(), decoder="native"), [GOOD, BACKWARD, b'{"id":7}'] * 500
    expected = gate(values)
    found: list[Verdict] = []
    threads = [threading.Thread(target=lambda: found.append(gate(values))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 4
    for verdict in found:
        assert verdict.accepted.equals(expected.accepted)
        assert verdict.rejected == expected.rejected


@built
def test_a_failure_of_the_native_path_costs_nothing_but_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    gate = compile(trips(), decoder="native")

    class Broken:
        def judge(self, values: Any) -> Any:
            raise RuntimeError("a panic")

    assert gate._native is not None
    monkeypatch.setattr(gate._native, "_plan", Broken())
    assert len(gate([GOOD, BACKWARD] * 100).rejected) == 100
    assert gate.fallbacks == {"the native path failed": 200}


@built
@pytest.mark.parametrize("unknown", UnknownFields)
def test_undeclared_fields(unknown: UnknownFields) -> None:
    values = [
        b'{"x":1,"id":"a","stops":[{"at":"a","b c":[1.0, "\\u00e9"]},{"y":{}}],"\\n":null}',
        b'{"x":1,"x":2}',
        b'{"stops":[{"z":0}],"id":1,"y":{"a":1,"a":1}}',
    ]
    both(trips(unknown_fields=unknown), values)


@pytest.mark.parametrize(
    "file",
    sorted(
        file.relative_to(ROOT)
        for folder in ("examples", "tests/contracts", "src/lakegate/demo")
        for file in (ROOT / folder).rglob("*.odcs.yaml")
    ),
    ids=str,
)
@built
def test_nothing_of_our_contracts_falls_back(file: Path) -> None:
    for stream in load(ROOT / file).streams:
        assert [found for found in path_coverage(stream) if found.falls_back] == []


def test_the_path_is_chosen_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("reference", "fast"):
        monkeypatch.setenv(VARIABLE, name)
        assert chosen_path() == compile(trips()).path == name
        assert "gate: " in said()
        assert compile(trips(), decoder="fast").path == "fast"
    monkeypatch.setenv(VARIABLE, "slow")
    with pytest.raises(GateError, match="expected reference, fast or native"):
        chosen_path()


def test_without_the_module_gates_are_pure_python(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(VARIABLE, raising=False)
    monkeypatch.setattr(native_choice, "native_module", lambda: None)
    assert compile(trips()).path == "fast"
    assert said() == "gate: pure Python (make native builds the native one)"
    assert all(found.path == "pure Python" for found in path_coverage_without(monkeypatch))
    with pytest.raises(GateError, match="make native"):
        compile(trips(), decoder="native")
    monkeypatch.setenv(VARIABLE, "native")
    with pytest.raises(GateError, match="LAKEGATE_GATE=native"):
        chosen_path()


def path_coverage_without(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    from lakegate.gate.native import coverage as native_coverage

    monkeypatch.setattr(native_coverage, "native_module", lambda: None)
    return list(path_coverage(trips()))


def test_a_build_of_another_format_is_refused_with_a_warning(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    import sys

    old = SimpleNamespace(PLAN_FORMAT=0, __version__="0.0.9")
    monkeypatch.setitem(sys.modules, "lakegate_native", old)  # type: ignore[misc]
    native_choice.native_module.cache_clear()
    try:
        with pytest.warns(RuntimeWarning, match=r"lakegate-native 0\.0\.9 reads plans of format 0"):
            assert native_choice.native_module() is None
    finally:
        native_choice.native_module.cache_clear()


def test_the_versions_are_in_step() -> None:
    import tomllib

    def version(file: str, table: str) -> str:
        return str(tomllib.loads((ROOT / file).read_text())[table]["version"])

    assert (
        version("pyproject.toml", "project")
        == version("native/pyproject.toml", "project")
        == version("native/Cargo.toml", "package")
    )
