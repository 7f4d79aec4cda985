"""Replayed dead letters in the proof: what is lost, doubled or invented is named."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from unittest import mock

import msgspec
import numpy as np
import pyarrow as pa
import pytest

from lakegate.deadletter.triage import State, fold, write
from lakegate.runner import embedded
from lakegate.runner.judge import Judged
from lakegate.runner.lineage import FIXES_HEADER, SOURCE_HEADER, Event, Lineage, Origin
from lakegate.runner.replay import triage_rows
from lakegate.topic.base import TopicPartition
from lakegate.topic.schema import RECORD
from tests.unit.ledger.test_proof import STREAM, VALUES, World


class Replaying(World):
    """A world whose dead letters can be asked for again."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        for kind in ("replay", "triage"):
            self.log.create(f"numbers.{kind}", partitions=2)

    def ask(self, count: int, value: Callable[[int], bytes], *, partition: int = 0) -> None:
        """Ask for the first open dead letters of a partition, repaired to ``value(letter)``."""
        states = fold(self.log, STREAM, partition)
        chosen = np.flatnonzero(np.isin(states.states, (State.OPEN, State.FAILED)))[:count]
        (batch, *_) = self.log.read(TopicPartition("numbers.deadletter", partition), 0)
        rows = pa.Table.from_batches(
            [
                b.rows.select(["source_offset", "timestamp"])
                for b in self.log.read(batch.source, 0, max_records=1_000_000)
            ]
        ).to_pylist()
        lineage = Lineage("digest", ())
        known = [
            (Origin("numbers.raw", partition, rows[at]["source_offset"], 7, at), lineage)
            for at in chosen.tolist()
        ]
        records = [
            {
                "key": b"k",
                "value": value(origin.deadletter),
                "headers": [
                    {"key": SOURCE_HEADER, "value": msgspec.json.encode(origin)},
                    {"key": FIXES_HEADER, "value": msgspec.json.encode(lineage)},
                ],
                "timestamp": rows[origin.deadletter]["timestamp"],
            }
            for origin, _ in known
        ]
        replay = TopicPartition("numbers.replay", partition)
        made = pa.RecordBatch.from_pylist(records, schema=RECORD)
        events = triage_rows(
            known,
            [Event.REQUESTED] * len(known),
            partition=partition,
            contract_digest="c",
            at=datetime.now(UTC),
        )
        write(self.log, states, events, also=lambda t: t.append(replay, made))

    def onward(self) -> None:
        self.judge()
        self.branches.land(self.log)
        self.branches.publish()


@pytest.fixture
def world(tmp_path: Path) -> Iterator[Replaying]:
    world = Replaying(tmp_path)
    yield world
    world.log.close()


def numbers(world: World, *names: str) -> list[int]:
    proof = world.prove()
    assert proof.gaps == ()
    return [proof.total(name) for name in names]


def test_the_books_at_every_step(world: Replaying) -> None:
    world.flow(*VALUES)
    world.ask(10, lambda letter: b"7" if letter % 2 else b"still bad")
    columns = ("rejected", "open", "requested", "replayed", "accepted", "landed", "published")
    assert numbers(world, *columns) == [50, 40, 10, 0, 150, 150, 150]
    world.judge()
    assert numbers(world, *columns) == [50, 45, 0, 5, 150, 150, 150]
    assert numbers(world, "waiting_to_land") == [5]
    world.onward()
    assert numbers(world, *columns) == [50, 45, 0, 5, 150, 155, 155]


def test_a_failed_one_can_be_asked_for_again(world: Replaying) -> None:
    world.flow(*VALUES)
    world.ask(3, lambda _: b"bad")
    world.judge()
    world.ask(3, lambda _: b"1")
    world.onward()
    assert numbers(world, "open", "replayed", "published") == [47, 3, 153]


def test_late_rows_below_a_seal(world: Replaying) -> None:
    world.flow(*VALUES)
    assert world.prove(seal_after=timedelta(0)).proven
    world.ask(4, lambda _: b"1")
    world.judge()
    assert numbers(world, "replayed", "landed", "waiting_to_land") == [4, 150, 4]
    world.onward()
    assert numbers(world, "replayed", "landed", "published", "sealed") == [4, 154, 154, 200]
    assert world.prove(seal_after=timedelta(0)).gaps == ()
    assert sum(seal.replayed for seal in world.seals.read("numbers").values()) == 4
    world.flow(*VALUES)
    world.ask(2, lambda _: b"1")
    world.onward()
    assert numbers(world, "replayed", "published") == [6, 306]
    assert world.prove(seal_after=timedelta(0)).gaps == ()
    assert world.prove(full=True).gaps == ()
    assert numbers(world, "replayed", "published", "sealed") == [6, 306, 400]


def test_a_late_row_lost_or_changed_below_a_seal_is_named(world: Replaying) -> None:
    world.flow(*VALUES)
    world.prove(seal_after=timedelta(0))
    world.ask(4, lambda _: b"1")
    world.onward()
    rows = world.branches.staged().sort_by(
        [("_ingested_at", "descending"), ("_offset", "ascending")]
    )
    last = rows.slice(rows.num_rows - 1)  # asked for with the earliest time there is
    world.branches.tamper("staged", rows.slice(0, rows.num_rows - 1))
    source, offset = last["_source_partition"][0].as_py(), last["_offset"][0].as_py()
    gaps = world.prove().gaps
    assert f"numbers.raw[{source}]: offset {offset} validated, but not in numbers@staged" in gaps
    changed = last.set_column(0, rows.schema.field("n"), pa.array([99]))
    world.branches.tamper("staged", pa.concat_tables([rows.slice(0, rows.num_rows - 1), changed]))
    (gap,) = world.prove().gaps
    assert gap.startswith(
        f"numbers.raw[{source}]: offset {offset} in numbers@staged with other content"
    )


Damage = Callable[[tuple[pa.RecordBatch, ...]], tuple[pa.RecordBatch, ...]]


def damaged(world: Replaying, damage: Damage) -> tuple[str, ...]:
    """The gaps when the worker makes other rows of the replayed than it says."""
    world.flow(*VALUES)
    world.ask(4, lambda _: b"1")
    judge = embedded.judge_replay

    def wrong(*arguments, **more) -> Judged:  # type: ignore[no-untyped-def]
        done = judge(*arguments, **more)
        fields = {name: getattr(done, name) for name in done.__slots__}
        return Judged(**{**fields, "validated": damage(done.validated)})

    with mock.patch.object(embedded, "judge_replay", wrong):
        world.onward()
    return world.prove().gaps


def test_a_replayed_row_lost_is_named(world: Replaying) -> None:
    gaps = damaged(world, lambda rows: (rows[0].slice(1),))
    assert any("replayed, but not in validated" in gap for gap in gaps), gaps


def test_a_replayed_row_doubled_is_named(world: Replaying) -> None:
    gaps = damaged(world, lambda rows: (*rows, rows[0].slice(1, 1)))
    assert any("in validated as replayed, not as often as replayed" in gap for gap in gaps), gaps


def test_a_replayed_row_invented_is_named(world: Replaying) -> None:
    def invented(rows: tuple[pa.RecordBatch, ...]) -> tuple[pa.RecordBatch, ...]:
        one = rows[0].slice(0, 1)
        index = one.schema.get_field_index("_offset")
        return (*rows, one.set_column(index, one.schema.field(index), pa.array([1])))

    gaps = damaged(world, invented)
    assert any("offset 1 in validated as replayed, but never were" in gap for gap in gaps), gaps


def append(world: Replaying, offsets: list[int], *events: Event, replay: list[int] | None) -> None:
    """Events that nobody should have written."""
    known = [(Origin("numbers.raw", 0, 0, 0, at), Lineage("", ())) for at in offsets]
    rows = triage_rows(
        known,
        list(events),
        partition=0,
        contract_digest="c",
        at=datetime.now(UTC),
        replay_offsets=replay,
    )
    world.log.append(TopicPartition("numbers.triage", 0), rows)


def test_events_that_cannot_be_are_named(world: Replaying) -> None:
    world.flow(*VALUES)
    world.ask(2, lambda _: b"1")
    world.onward()
    append(world, [0], Event.REPLAYED, replay=[0])
    append(world, [5], Event.REQUESTED, replay=None)
    append(world, [3], Event.FAILED, replay=[1])
    append(world, [9_999], Event.DISCARDED, replay=None)
    gaps = world.prove().gaps
    for sentence in (
        "numbers.deadletter[0]: offset 0 replayed when replayed",
        "numbers.deadletter[0]: offset 3 failed when open",
        "numbers.deadletter[0]: offset 9999 have events, but are not there",
        "numbers.replay[0]: dead letters at offset 5 were asked for, but are not there",
        "numbers.replay[0]: offsets 0, 1 came to more than one end",
        "numbers.replay[0]: offset 1 came to the end of another dead letter",
    ):
        assert sentence in gaps, (sentence, gaps)


def test_a_record_that_nobody_asked_for_is_named(world: Replaying) -> None:
    world.flow(*VALUES)
    world.ask(2, lambda _: b"1")
    source = TopicPartition("numbers.replay", 0)
    (batch,) = world.log.read(source, 0)
    world.log.append(source, batch.rows.slice(0, 1))
    world.onward()
    gaps = world.prove().gaps
    assert "numbers.replay[0]: offset 2 judged, but never asked for" in gaps, gaps


def test_a_stub_on_the_replay_topic_has_no_consequence(world: Replaying) -> None:
    world.flow(*VALUES)
    world.ask(2, lambda _: b"1")
    world.log.erase(TopicPartition("numbers.replay", 0), [1])
    world.onward()
    assert numbers(world, "requested", "replayed", "published") == [1, 1, 151]
