"""Change events stand above a format: what every format promises holds for them, too."""

from __future__ import annotations

import tracemalloc

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.conformance.gate.subject import SUBJECTS, Subject
from tests.conformance.gate.test_format import _FOREIGN, _LAW, assert_same, mutated
from tests.unit.gate.test_debezium import created, stream

from lakegate.gate import compile  # noqa: A004 - as users write it
from lakegate.testing.change import debezium_event

_EVENTS = (
    created(total="BNI=", day=20000, at=1_700_000_000_000),
    created(name="too long"),
    debezium_event("u", after={"id": 2, "name": "__debezium_unavailable_value"}),
    debezium_event("d", before={"id": 3}),
    debezium_event("t"),
)
_HEADERS = {"json": b"", "confluent-json": b"\0\0\0\0\x09"}
_all = pytest.mark.parametrize("subject", SUBJECTS[:2], ids=lambda subject: subject.name)


@_all
@settings(_LAW, max_examples=6)
@given(data=st.data())
def test_every_path_says_the_same(subject: Subject, data: st.DataObject) -> None:
    of_changes, header = subject.stream(stream()), _HEADERS[subject.name]
    values = [data.draw(mutated(header + event)) for event in _EVENTS]
    values += [header + data.draw(mutated(event)) for event in _EVENTS]
    fast = compile(of_changes)(values * 7)
    assert_same(fast, compile(of_changes, decoder="reference")(values * 7))


@_all
def test_an_event_cut_off_anywhere_is_found_out(subject: Subject) -> None:
    of_changes, value = subject.stream(stream()), _HEADERS[subject.name] + _EVENTS[0]
    verdict = compile(of_changes)([value[:end] for end in range(len(value))])
    assert len(verdict.rejected) == len(value)
    assert subject.cut is not None
    assert {one.failures[0].rule for one in verdict.rejected} <= subject.cut


@_all
@pytest.mark.parametrize("value", _FOREIGN, ids=lambda value: repr(value[:8]))
def test_foreign_bytes_have_one_failure(subject: Subject, value: bytes) -> None:
    (record,) = compile(subject.stream(stream()))([value]).rejected
    (failure,) = record.failures
    assert failure.path == "$"
    assert failure.rule.startswith(("json.", "confluent."))


@_all
def test_bombs_cost_a_small_multiple_of_their_size(subject: Subject) -> None:
    gate = compile(subject.stream(stream()))
    for value, rule in subject.bombs:
        tracemalloc.start()
        (failure,) = gate([value]).rejected[0].failures
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert failure.rule == rule
        assert peak < 20 * len(value) + (1 << 20)
