"""States from events, who may add one, and causes: against the real log."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pytest

from lakegate.deadletter.cause import MAX_CAUSES, causes
from lakegate.deadletter.discard import discard
from lakegate.deadletter.letter import find
from lakegate.deadletter.triage import State, States, fold, write
from lakegate.errors import Fenced, ProjectError
from lakegate.runner.lineage import Event, Lineage, Origin
from lakegate.runner.replay import triage_rows
from lakegate.topic.base import TopicPartition
from lakegate.topic.embedded import EmbeddedLog
from lakegate.topic.schema import DEADLETTER
from tests.unit.runner.fake_gate import number_stream

STREAM = number_stream()
LETTERS = TopicPartition("numbers.deadletter", 0)
NOW = datetime(2026, 11, 23, tzinfo=UTC)


@pytest.fixture
def log(tmp_path: Path) -> Iterator[EmbeddedLog]:
    log = EmbeddedLog(tmp_path / "log")
    for kind in ("raw", "validated", "deadletter", "replay", "triage"):
        log.create(f"numbers.{kind}")
    yield log
    log.close()


def letters(log: EmbeddedLog, *reasons: list[tuple[str, str]], producer: bytes = b"app") -> None:
    """One dead letter for each list of (rule, path)."""
    rows = [
        {
            "key": None,
            "value": b"{}",
            "headers": [{"key": "producer", "value": producer}],
            "timestamp": NOW,
            "source_topic": "numbers.raw",
            "source_partition": 0,
            "source_offset": 100 + at,
            "contract_id": "numbers",
            "contract_version": "1.0.0",
            "contract_digest": "d" * 64,
            "rejected_at": NOW,
            "reasons": [
                {"path": p, "rule": r, "expected": "e", "observed": "o", "severity": "error"}
                for r, p in held
            ],
        }
        for at, held in enumerate(reasons)
    ]
    log.append(LETTERS, pa.RecordBatch.from_pylist(rows, schema=DEADLETTER))


def events(
    offsets: list[int], *names: Event, digest: str = "f", contract: str = "c"
) -> pa.RecordBatch:
    known = [(Origin("numbers.raw", 0, 100 + at, 0, at), Lineage(digest, ())) for at in offsets]
    return triage_rows(known, list(names), partition=0, contract_digest=contract, at=NOW)


def add(log: EmbeddedLog, *arguments: object, **more: str) -> States:
    states = fold(log, STREAM, 0)
    write(log, states, events(*arguments, **more))  # type: ignore[arg-type]
    return states


def test_the_last_event_is_the_state(log: EmbeddedLog) -> None:
    letters(log, *[[("type", "$.n")]] * 4)
    add(log, [0, 1, 2], Event.REQUESTED, Event.REQUESTED, Event.DISCARDED)
    add(log, [0, 1], Event.REPLAYED, Event.FAILED, digest="g")
    states = fold(log, STREAM, 0)
    expected = [State.REPLAYED, State.FAILED, State.DISCARDED, State.OPEN]
    assert states.states.tolist() == expected
    assert states.attempt(1) == ("g", "c")
    assert states.attempt(3) is None


def test_of_two_that_decide_at_once_one_is_fenced(log: EmbeddedLog) -> None:
    letters(log, [("type", "$.n")])
    one, two = fold(log, STREAM, 0), fold(log, STREAM, 0)
    write(log, one, events([0], Event.REQUESTED))
    with pytest.raises(Fenced):
        write(log, two, events([0], Event.DISCARDED))
    write(log, one, events([0], Event.FAILED))
    assert fold(log, STREAM, 0).states.tolist() == [State.FAILED]


def test_dead_letters_that_come_after_the_states_were_read(log: EmbeddedLog) -> None:
    letters(log, [("type", "$.n")])
    states = fold(log, STREAM, 0)
    letters(log, [("type", "$.n")])
    write(log, states, events([0, 1], Event.REQUESTED, Event.REQUESTED))
    assert states.states.tolist() == fold(log, STREAM, 0).states.tolist() == [State.REQUESTED] * 2


def test_an_outcome_of_the_worker_fences_nobody(log: EmbeddedLog) -> None:
    letters(log, *[[("type", "$.n")]] * 2)
    add(log, [0], Event.REQUESTED)
    mine = fold(log, STREAM, 0)
    log.append(mine.triage, events([0], Event.REPLAYED))  # as the worker does
    write(log, mine, events([1], Event.DISCARDED))
    assert fold(log, STREAM, 0).states.tolist() == [State.REPLAYED, State.DISCARDED]


def test_causes_count_each_dead_letter_under_each_of_its_reasons(log: EmbeddedLog) -> None:
    letters(
        log,
        [("type", "$.lines[0].n"), ("type", "$.lines[7].n"), ("maximum", "$.m")],
        [("type", "$.lines[3].n")],
        [("maximum", "$.m")],
    )
    add(log, [1], Event.REQUESTED)
    found = causes(log, STREAM)
    assert found.total == 3
    assert {(c.rule, c.path): (c.count, c.open) for c in found.causes} == {
        ("maximum", "$.m"): (2, 2),
        ("type", "$.lines[*].n"): (2, 1),
    }
    assert found.causes[0].producers == ["app"]
    assert find(log, STREAM, found.causes[0].sample).reasons


def test_more_causes_than_memory_should_hold(log: EmbeddedLog) -> None:
    letters(log, *[[("unknownField", f"$.f{n}")] for n in range(MAX_CAUSES + 5)])
    found = causes(log, STREAM)
    assert (len(found.causes), found.beyond) == (MAX_CAUSES, 5)


def test_a_dead_letter_by_itself_and_by_its_source(log: EmbeddedLog) -> None:
    letters(log, [("type", "$.n")], [("type", "$.m")])
    one = find(log, STREAM, "numbers.deadletter:0:1")
    assert one == find(log, STREAM, "0:1") == find(log, STREAM, "numbers.raw:0:101")
    assert (one.state, one.source, one.reasons[0]["path"]) == ("open", "numbers.raw:0:101", "$.m")
    for wrong in ("0:7", "9:0", "numbers.raw:0:1", "x", "numbers.raw:a:b"):
        with pytest.raises(ProjectError):
            find(log, STREAM, wrong)


def test_discarding_closes_what_is_open_and_keeps_why(log: EmbeddedLog) -> None:
    letters(log, [("type", "$.n")], [("type", "$.n")], [("maximum", "$.n")])
    cause = next(c for c in causes(log, STREAM).causes if c.rule == "type")
    assert discard(log, STREAM, identity="0:0", reason="a test record") == 1
    assert discard(log, STREAM, cause=cause.id, reason="all of them") == 1
    with pytest.raises(ProjectError, match="is discarded, not open"):
        discard(log, STREAM, identity="0:0", reason="again")
    with pytest.raises(ProjectError, match="say why"):
        discard(log, STREAM, identity="0:2", reason=" ")
    assert find(log, STREAM, "0:0").history[0]["why"] == "a test record"
    assert fold(log, STREAM, 0).states.tolist() == [State.DISCARDED, State.DISCARDED, State.OPEN]


def test_what_was_erased_is_not_open(log: EmbeddedLog) -> None:
    letters(log, [("type", "$.n")], [("type", "$.n")])
    log.erase(LETTERS, [1])
    found = causes(log, STREAM)
    assert (found.states[State.OPEN], found.states[State.ERASED]) == (1, 1)
    with pytest.raises(ProjectError, match="is erased, not open"):
        discard(log, STREAM, identity="0:1", reason="x")


def test_a_stream_without_a_triage_topic_has_no_dead_letters_to_deal_with(log: EmbeddedLog) -> None:
    assert causes(log, replace(STREAM, topic_prefix="others")).total == 0
