"""The conservation proof against the real log and a table small enough to tamper with."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import timedelta
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pytest

from lakegate.contract.stream import Enforcement, Stream
from lakegate.errors import LakeError, LedgerError, TopicError
from lakegate.lake.failure import LakeUnavailable
from lakegate.ledger import proof as proving
from lakegate.ledger.books import StreamProof
from lakegate.ledger.proof import prove
from lakegate.ledger.seal import SealBook
from lakegate.ledger.sealing import PROOF_GROUP
from lakegate.ledger.tables import Overtaken
from lakegate.runner.embedded import Worker
from lakegate.runner.pause import FileBrake
from lakegate.runner.share import FileShare
from lakegate.topic.base import Record, Retention, TopicPartition
from lakegate.topic.embedded import EmbeddedLog
from tests.unit.runner.fake_gate import NumberGate, number_stream

STREAM = number_stream()


class Branches:
    """Two branches of one table, as lists of rows; what the lake is to the proof."""

    def __init__(self) -> None:
        self.tables: dict[int, pa.Table] = {}
        self.upto: dict[int, dict[TopicPartition, int]] = {}
        self.heads: dict[str, int] = {}
        self.damaged: list[str] = []
        self.reading: Callable[[int], None] = lambda snapshot_id: None

    def land(self, log: EmbeddedLog) -> None:
        batches, upto = [], {}
        for partition in range(2):
            source = TopicPartition("numbers.validated", partition)
            for batch in log.read(source, 0, max_records=1_000_000):
                upto[source] = batch.next_offset
                if (batch.rows.schema.metadata or {}).get(b"lakegate.kind") != b"tombstones":
                    batches.append(batch.rows)
        self._move("staged", pa.Table.from_batches(batches), upto)

    def publish(self) -> None:
        self.heads["main"] = self.heads["staged"]

    def tamper(self, branch: str, rows: pa.Table) -> None:
        self._move(branch, rows, self.upto[self.heads[branch]])

    def staged(self) -> pa.Table:
        return self.tables[self.heads["staged"]]

    def _move(self, branch: str, rows: pa.Table, upto: dict[TopicPartition, int]) -> None:
        number = len(self.upto) + 1
        self.tables[number], self.upto[number], self.heads[branch] = rows, upto, number

    def snapshot(self, stream: Stream, branch: str) -> int | None:
        return self.heads.get(branch)

    def kept(self, stream: Stream, snapshot_id: int) -> bool:
        return snapshot_id in self.tables

    def landed(self, stream: Stream, branch: str) -> Mapping[TopicPartition, int]:
        return self.upto[self.heads[branch]]

    def quarantined(self, stream: Stream, branch: str) -> Mapping[TopicPartition, int]:
        return {}

    def count(self, stream: Stream, branch: str) -> int:
        return self.tables[self.heads[branch]].num_rows

    def rows(
        self, stream: Stream, snapshot_id: int, *, since: Mapping[int, int]
    ) -> Iterator[pa.RecordBatch]:
        self.reading(snapshot_id)
        for batch in self.tables[snapshot_id].to_batches():
            keep = [
                row["_offset"] >= since.get(row["_source_partition"], 0)
                for row in batch.to_pylist()
            ]
            yield batch.filter(pa.array(keep, pa.bool_()))

    def damage(self, stream: Stream, snapshot_id: int) -> Iterator[str]:
        yield from self.damaged

    def conform(self, stream: Stream, rows: pa.RecordBatch) -> pa.RecordBatch:
        return rows


class World:
    """A stream judged, landed and published, and its proof."""

    def __init__(self, folder: Path, *, passing: tuple[str, ...] = ()) -> None:
        self.folder = folder
        self.log = EmbeddedLog(folder / "log", segment_bytes=1 << 20)
        for kind in ("raw", "validated", "deadletter"):
            kept = Retention(size_bytes=1) if kind in passing else Retention()
            self.log.create(f"numbers.{kind}", partitions=2, retention=kept)
            self.log.register(PROOF_GROUP, f"numbers.{kind}")
        self.branches = Branches()
        self.seals = SealBook(folder / "ledger")
        self.stream = STREAM

    def send(self, *values: bytes | None) -> None:
        records = [Record(value, str(index).encode()) for index, value in enumerate(values)]
        self.log.send("numbers.raw", records)

    def judge(self) -> None:
        Worker(
            self.log,
            self,
            NumberGate,
            share=FileShare(self.folder / "locks", "numbers"),
            brake=FileBrake(self.folder / "paused"),
            batch_records=50,
        ).run(until_idle=True)

    def current(self) -> Stream:
        return self.stream

    def flow(self, *values: bytes | None) -> None:
        self.send(*values)
        self.judge()
        self.branches.land(self.log)
        self.branches.publish()

    def prove(self, *, full: bool = False, seal_after: timedelta | None = None) -> StreamProof:
        return prove(
            self.log, self.branches, STREAM, seals=self.seals, full=full, seal_after=seal_after
        )


VALUES = tuple(str(n).encode() if n % 4 else b"bad" for n in range(200))


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    world = World(tmp_path)
    yield world
    world.log.close()


def test_an_empty_stream_is_proven(world: World) -> None:
    proof = world.prove()
    assert proof.proven
    assert proof.total("raw") == 0


def test_the_books_of_every_stage(world: World) -> None:
    world.flow(*VALUES, None)
    world.send(b"1", b"2")
    proof = world.prove()
    assert proof.gaps == ()
    numbers = {
        name: proof.total(name)
        for name in ("raw", "judged", "accepted", "rejected", "tombstones", "landed", "published")
    }
    assert numbers == {
        "raw": 203,
        "judged": 201,
        "accepted": 150,
        "rejected": 50,
        "tombstones": 1,
        "landed": 150,
        "published": 150,
    }
    assert proof.total("waiting_to_judge") == 2


def test_what_waits_is_no_gap(world: World) -> None:
    world.flow(*VALUES)
    world.send(*VALUES)
    world.judge()
    proof = world.prove()
    assert proof.proven
    assert proof.total("waiting_to_land") == 150
    world.branches.land(world.log)
    proof = world.prove()
    assert proof.proven
    assert proof.total("waiting_to_publish") == 150


@pytest.mark.parametrize("branch", ["staged", "main"])
def test_a_deleted_row_is_named(world: World, branch: str) -> None:
    world.flow(*VALUES)
    rows = world.branches.staged()
    gone = rows.slice(70, 1).to_pylist()[0]
    world.branches.tamper(branch, pa.concat_tables([rows.slice(0, 70), rows.slice(71)]))
    gaps = world.prove().gaps
    where = f"numbers.raw[{gone['_source_partition']}]: offset {gone['_offset']} validated"
    assert f"{where}, but not in numbers@{branch}" in gaps


def test_a_doubled_row_is_named(world: World) -> None:
    world.flow(*VALUES)
    rows = world.branches.staged()
    world.branches.tamper("staged", pa.concat_tables([rows, rows.slice(3, 1)]))
    assert any("in numbers@staged more than once" in gap for gap in world.prove().gaps)


def test_an_invented_row_is_named(world: World) -> None:
    world.flow(*VALUES)
    rows = world.branches.staged()
    invented = rows.slice(0, 1).set_column(
        rows.column_names.index("_offset"), rows.schema.field("_offset"), pa.array([0])
    )
    rejected = pc.min(pc.filter(rows["_offset"], pc.equal(rows["_source_partition"], 0))).as_py()
    assert rejected != 0, "offset 0 of partition 0 must be no accepted row for this test"
    partition = pa.array([0], pa.int32())
    invented = invented.set_column(
        rows.column_names.index("_source_partition"),
        rows.schema.field("_source_partition"),
        partition,
    )
    world.branches.tamper("staged", pa.concat_tables([rows, invented]))
    gaps = world.prove().gaps
    assert "numbers.raw[0]: offset 0 in numbers@staged, but not validated" in gaps


def test_a_changed_value_is_named(world: World) -> None:
    world.flow(*VALUES)
    rows = world.branches.staged()
    numbers = rows["n"].to_pylist()
    numbers[5] += 1
    changed = rows.set_column(0, rows.schema.field("n"), pa.array(numbers))
    world.branches.tamper("main", changed)
    row = rows.slice(5, 1).to_pylist()[0]
    where = f"numbers.raw[{row['_source_partition']}]: offset {row['_offset']} in numbers@main"
    assert world.prove().gaps == (f"{where} with other content than validated",)


def test_a_flipped_byte_in_the_log_is_named(world: World) -> None:
    world.flow(*VALUES)
    segment = max((world.folder / "log").rglob("*.seg"), key=lambda path: path.stat().st_size)
    content = bytearray(segment.read_bytes())
    content[len(content) // 2] ^= 0x40
    segment.write_bytes(content)
    proof = world.prove()
    assert not proof.proven
    assert any(segment.name in gap for gap in proof.gaps), proof.gaps


def test_a_dropped_segment_is_named(world: World) -> None:
    world.flow(*VALUES)
    segment = sorted((world.folder / "log").rglob("*.seg"))[0]
    segment.unlink()
    proof = world.prove()
    assert any(segment.name in gap for gap in proof.gaps), proof.gaps


def test_sealed_ranges_are_not_read_again_but_still_counted(world: World) -> None:
    world.flow(*VALUES)
    assert world.prove(seal_after=timedelta(0)).reread == 200
    world.flow(*VALUES)
    proof = world.prove()
    assert proof.proven
    assert (proof.total("sealed"), proof.reread) == (200, 200)
    assert proof.total("published") == 300
    source = TopicPartition("numbers.raw", 0)
    assert world.log.committed(PROOF_GROUP, source) == proof.partitions[0].sealed


def test_a_row_missing_below_a_seal_is_found_and_named(world: World) -> None:
    world.flow(*VALUES)
    world.prove(seal_after=timedelta(0))
    rows = world.branches.staged()
    gone = rows.slice(70, 1).to_pylist()[0]
    world.branches.tamper("staged", pa.concat_tables([rows.slice(0, 70), rows.slice(71)]))
    gaps = world.prove().gaps
    assert any(f"offset {gone['_offset']} validated" in gap for gap in gaps), gaps


def test_nothing_is_sealed_that_is_not_published(world: World) -> None:
    world.send(*VALUES)
    world.judge()
    world.branches.land(world.log)
    world.prove(seal_after=timedelta(0))
    assert world.seals.read("numbers") == {}


def test_damaged_seals_are_an_error_that_helps(world: World) -> None:
    world.flow(*VALUES)
    world.prove(seal_after=timedelta(0))
    (world.folder / "ledger" / "numbers.seals.json").write_text("{")
    with pytest.raises(LedgerError, match="restore the file, or remove it"):
        world.prove()


def test_observed_records_are_judged_and_nowhere_else(world: World) -> None:
    world.stream = number_stream(enforcement=Enforcement.OBSERVE)
    world.send(*VALUES)
    world.judge()
    world.stream = STREAM
    world.flow(*VALUES)
    proof = world.prove(seal_after=timedelta(0))
    assert proof.gaps == ()
    numbers = {name: proof.total(name) for name in ("raw", "observed", "accepted", "published")}
    assert numbers == {"raw": 400, "observed": 200, "accepted": 150, "published": 150}
    assert world.prove().total("observed") == 200, "a seal carries it"


def test_a_damaged_file_is_a_gap_even_if_its_rows_read_well(world: World) -> None:
    world.flow(*VALUES)
    world.branches.damaged = ["file 7 of numbers is damaged"]
    assert world.prove().gaps == ("file 7 of numbers is damaged",)


def expire(world: World) -> None:
    """Others land the same rows again, so often that what was pinned expires."""
    heads = dict(world.branches.heads)
    for branch, head in heads.items():
        world.branches.tamper(branch, world.branches.tables[head])
    for head in heads.values():
        world.branches.tables.pop(head, None)


@pytest.mark.parametrize("full", [False, True])
def test_a_snapshot_that_expires_under_the_proof_is_no_gap(world: World, full: bool) -> None:
    world.flow(*VALUES)
    missing = iter([True])

    def reading(snapshot_id: int) -> None:
        if next(missing, False):
            expire(world)
            raise LakeError("a data file is missing")

    world.branches.reading = reading
    assert world.prove(full=full).gaps == ()


def test_a_proof_that_is_overtaken_again_and_again_says_so(world: World) -> None:
    world.flow(*VALUES)

    def reading(snapshot_id: int) -> None:
        expire(world)
        raise LakeError("a data file is missing")

    world.branches.reading = reading
    with pytest.raises(Overtaken, match=r"5 attempts.*try again"):
        world.prove()


def test_a_missing_file_of_a_kept_snapshot_is_a_gap(world: World) -> None:
    world.flow(*VALUES)

    def reading(snapshot_id: int) -> None:
        raise LakeError("a data file is missing")

    world.branches.reading = reading
    assert "a data file is missing" in world.prove().gaps


def test_a_lake_that_cannot_be_read_just_now_is_no_gap(world: World) -> None:
    world.flow(*VALUES)

    def reading(snapshot_id: int) -> None:
        raise LakeUnavailable("database is locked; retry")

    world.branches.reading = reading
    with pytest.raises(LakeUnavailable, match="locked"):
        world.prove()


def overtake(monkeypatch: pytest.MonkeyPatch, others: Callable[[], None], *, times: int) -> None:
    """Others do something between the reading of the seals and that of the data."""
    left = [others] * times
    gather = proving.gather

    def slowly(*arguments: object, **named: object) -> object:
        if left:
            left.pop()()
        return gather(*arguments, **named)  # type: ignore[arg-type]

    monkeypatch.setattr(proving, "gather", slowly)


@pytest.mark.parametrize(
    "passing", [("raw",), ("validated",), ("deadletter",), ("raw", "validated", "deadletter")]
)
@pytest.mark.parametrize("full", [False, True])
def test_retention_behind_another_proof_is_no_gap(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, passing: tuple[str, ...], full: bool
) -> None:
    world = World(tmp_path, passing=passing)
    world.flow(*VALUES)

    def others() -> None:
        world.prove(seal_after=timedelta(0))
        assert world.log.retain()

    overtake(monkeypatch, others, times=1)
    proof = world.prove(full=full, seal_after=timedelta(0))
    assert proof.gaps == ()
    assert (proof.total("raw"), proof.total("published")) == (200, 150)
    assert world.prove(full=True).proven, "what retention has left"
    world.log.close()


def test_what_cannot_be_read_though_nobody_else_works_is_raised(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse() -> None:
        raise TopicError("no such thing")

    overtake(monkeypatch, refuse, times=1)
    with pytest.raises(TopicError, match="no such thing"):
        world.prove()


def test_a_proof_that_began_earlier_does_not_unseal(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.flow(*VALUES)
    gather = proving.gather
    sealed = {}

    def slowly(*arguments: object, **named: object) -> object:
        findings = gather(*arguments, **named)  # type: ignore[arg-type]
        monkeypatch.setattr(proving, "gather", gather)
        world.prove(seal_after=timedelta(0))
        sealed.update(world.seals.read("numbers"))
        return findings

    monkeypatch.setattr(proving, "gather", slowly)
    assert world.prove(seal_after=timedelta(0)).proven
    assert world.seals.read("numbers") == sealed, "of the other proof, to the time it was sealed"
