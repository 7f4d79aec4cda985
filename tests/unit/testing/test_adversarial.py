"""Every rule of a contract is broken by a case, and no case is wrong about its contract."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from benchmarks.orders import CONTRACT
from hypothesis import given, settings
from hypothesis import strategies as st

from lakegate.contract import load, loads
from lakegate.contract.record_format import FormatName, RecordFormat
from lakegate.contract.stream import Stream
from lakegate.contract.type import ArrayType, Field, ObjectType
from lakegate.errors import GateError
from lakegate.gate import compile as compile_stream
from lakegate.testing.adversarial import adversarial
from lakegate.testing.sample import sample
from lakegate.testing.strategy import streams

ROOT = Path(__file__).parents[3]
FILES = [
    ROOT / "examples" / "contracts" / "orders.odcs.yaml",
    *sorted((ROOT / "tests" / "contracts").glob("*.odcs.yaml")),
]


def _fields(fields: tuple[Field, ...]) -> Iterator[Field]:
    for field in fields:
        yield field
        match field.type:
            case ObjectType(fields=members):
                yield from _fields(members)
            case ArrayType(item=item):
                yield from _fields((item,))


@pytest.fixture(
    scope="module", params=[*FILES, None], ids=lambda file: file.stem if file else "shop"
)
def stream(request: pytest.FixtureRequest) -> Stream:
    return (loads(CONTRACT) if request.param is None else load(request.param)).streams[0]


def test_each_promise_is_broken_by_a_case(stream: Stream) -> None:
    broken = {
        (case.path.replace("[0]", "[*]"), rule)
        for case in adversarial(stream)
        for rule in case.rules
    }
    for field in _fields(stream.fields):
        if field.required:
            assert (field.path, "required") in broken
        for constraint in field.constraints:
            if constraint.rule not in ("invalidPattern",):
                assert (field.path, constraint.rule) in broken, constraint


def test_records_as_a_whole_are_broken_too(stream: Stream) -> None:
    rules = {rule for case in adversarial(stream) if case.path == "$" for rule in case.rules}
    assert {
        "json.bom", "json.depth", "json.duplicateKey", "json.notObject", "json.number",
        "json.surrogate", "json.syntax", "json.trailing", "json.utf8", "record.size",
    } <= rules  # fmt: skip


def test_some_odd_records_are_accepted(stream: Stream) -> None:
    accepted = [case for case in adversarial(stream) if case.accepted]
    assert "with space around" in {case.what for case in accepted}
    assert len(accepted) > 3


@given(data=st.data())
@settings(max_examples=15, deadline=None)
def test_every_path_of_the_gate_agrees_with_the_cases(data: st.DataObject) -> None:
    stream = data.draw(streams())
    try:
        cases = adversarial(stream, seed=data.draw(st.integers(0, 100)))
    except GateError:
        return
    verdict = compile_stream(stream)([case.value for case in cases])
    refused = {record.index: record for record in verdict.rejected}
    for position, case in enumerate(cases):
        assert (position not in refused) == case.accepted, case.name
        if position in refused:
            rules = tuple(dict.fromkeys(f.rule for f in refused[position].failures))
            assert rules == case.rules


def test_the_same_seed_gives_the_same_cases(stream: Stream) -> None:
    assert adversarial(stream, seed=3) == adversarial(stream, seed=3)


@pytest.mark.parametrize("name", [FormatName.CSV, FormatName.CONFLUENT_JSON])
def test_records_that_are_no_plain_json_are_not_made_up(name: FormatName) -> None:
    stream = replace(load(FILES[0]).streams[0], format=RecordFormat(name))
    for make in (lambda: sample(stream, 1, seed=0), lambda: adversarial(stream)):
        with pytest.raises(GateError, match=f"takes {name}, and records are made up"):
            make()
