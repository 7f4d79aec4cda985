"""The lander: from the validated topic to `staged`, exactly once, whoever else is at work."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from lakegate.contract.stream import Stream
from lakegate.contract.type import StringType
from lakegate.errors import CommitConflict, LakeError
from lakegate.lake import STAGED, Lake, append
from lakegate.lake.landing import GROUP, Lander
from lakegate.topic.base import TopicPartition
from lakegate.topic.embedded import EmbeddedLog
from tests.unit.lake.sample import AT, ID, NAME, TP, a, orders, validated

ORDERS = orders((ID, AT, NAME))
SECOND = TopicPartition("orders.validated", 1)


@pytest.fixture
def log(tmp_path: Path) -> Iterator[EmbeddedLog]:
    opened = EmbeddedLog(tmp_path / "log")
    opened.create("orders.validated", partitions=2)
    yield opened
    opened.close()


def send(
    log: EmbeddedLog, first: int, after: int, *, to: TopicPartition = TP, stream: Stream = ORDERS
) -> None:
    log.append(to, validated(stream, first, after).combine_chunks().to_batches()[0])


def landed(lake: Lake) -> list[int]:
    head = lake.head(ORDERS, STAGED)
    assert head is not None
    batches = lake.scan(ORDERS, snapshot_id=head.snapshot_id, columns=["_offset"])
    return sorted(n for batch in batches for n in batch["_offset"].to_pylist())


def data_files(lake: Lake) -> int:
    return len(list((lake.location / "warehouse").rglob("*.parquet")))


def test_everything_lands_once_and_the_group_follows(log: EmbeddedLog, lake: Lake) -> None:
    send(log, 0, 10)
    send(log, 10, 15, to=SECOND)
    lander = Lander(log, lake, lambda: ORDERS)
    assert lander.waiting() == 15
    assert lander.run_once() == 15
    assert lander.run_once() == 0
    assert lander.waiting() == 0
    assert landed(lake) == list(range(15))
    assert [log.committed(GROUP, source) for source in (TP, SECOND)] == [10, 5]
    send(log, 15, 20)
    assert lander.run_once() == 5
    assert lake.landed(ORDERS) == {TP: 15, SECOND: 5}


def test_no_topic_yet_is_nothing_to_land(lake: Lake, tmp_path: Path) -> None:
    log = EmbeddedLog(tmp_path / "empty")
    lander = Lander(log, lake, lambda: ORDERS)
    assert lander.run_once() == lander.waiting() == 0
    assert lake.tables() == []
    log.close()


def test_a_commit_takes_no_more_than_asked(log: EmbeddedLog, lake: Lake) -> None:
    send(log, 0, 10)
    send(log, 10, 20, to=SECOND)
    lander = Lander(log, lake, lambda: ORDERS, max_rows=7)
    taken = []
    while rows := lander.run_once():
        taken.append(rows)
    assert taken == [7, 7, 6]
    assert landed(lake) == list(range(20))


def test_what_waits_up_to_an_end_is_told_from_what_came_later(log: EmbeddedLog, lake: Lake) -> None:
    send(log, 0, 10)
    lander = Lander(log, lake, lambda: ORDERS, max_rows=6)
    ends = lander.ends()
    assert ends == {TP: 10, SECOND: 0}
    assert lander.waiting(ends) == 10
    lander.run_once()
    send(log, 10, 15)
    send(log, 15, 20, to=SECOND)
    assert (lander.waiting(ends), lander.waiting()) == (4, 14)
    lander.run_once()  # takes some of the later ones, too
    assert (lander.waiting(ends), lander.waiting()) == (0, 8)


def test_a_small_byte_budget_still_makes_progress(log: EmbeddedLog, lake: Lake) -> None:
    send(log, 0, 10)
    lander = Lander(log, lake, lambda: ORDERS, max_bytes=1)
    while lander.run_once():
        pass
    assert landed(lake) == list(range(10))


def test_a_new_lander_goes_on_where_the_table_is(log: EmbeddedLog, lake: Lake) -> None:
    send(log, 0, 10)
    Lander(log, lake, lambda: ORDERS, max_rows=4).run_once()
    assert Lander(log, lake, lambda: ORDERS).run_once() == 6
    assert landed(lake) == list(range(10))


def test_batches_of_two_contracts_land_in_two_commits(log: EmbeddedLog, lake: Lake) -> None:
    newer = orders((ID, AT, replace(NAME, id="n"), a("extra", StringType())), version="2.0.0")
    send(log, 0, 4)
    send(log, 4, 8, stream=newer)
    force = [ORDERS]
    lander = Lander(log, lake, lambda: force[0])
    assert lander.run_once() == 4
    force[0] = newer
    assert lander.run_once() == 4
    head = lake.head(ORDERS, STAGED)
    assert head is not None
    assert head.properties["lakegate.contract.digest"] == "digest-2.0.0"
    assert "extra" in lake.table(ORDERS).schema().column_names


def test_batches_of_an_older_contract_land_in_the_newer_table(log: EmbeddedLog, lake: Lake) -> None:
    lake.ensure(ORDERS)
    newer = orders((ID, AT, replace(NAME, id="n", name="title")), version="2.0.0")
    between = orders((ID, AT, replace(NAME, id="n")), version="1.1.0")
    lake.ensure(between)
    send(log, 0, 4)
    send(log, 4, 8, stream=newer)
    lander = Lander(log, lake, lambda: newer)
    assert [lander.run_once(), lander.run_once()] == [4, 4]
    head = lake.head(ORDERS, STAGED)
    assert head is not None
    titles = [
        title
        for batch in lake.scan(ORDERS, snapshot_id=head.snapshot_id, columns=["title"])
        for title in batch["title"].to_pylist()
    ]
    assert sorted(title for title in titles if title) == [f"name {n}" for n in (1, 2)]


def during(monkeypatch: pytest.MonkeyPatch, point: str, act: Any) -> None:
    """Once, when the code that lands passes ``point``."""
    done = []

    def reach(passed: str) -> None:
        if passed == point and not done:
            done.append(point)
            act()

    monkeypatch.setattr(append, "reach", reach)


def test_a_lander_that_wrote_its_files_before_another_committed_is_refused(
    log: EmbeddedLog, lake: Lake, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    send(log, 0, 10)
    stale, other = (Lander(log, lake, lambda: ORDERS) for _ in range(2))
    during(monkeypatch, "lake.land.written", other.run_once)
    with pytest.raises(CommitConflict, match="already landed"):
        stale.run_once()
    assert landed(lake) == list(range(10))
    assert data_files(lake) == 1
    assert stale.run_once() == 0
    send(log, 10, 12)
    assert stale.run_once() == 2
    assert landed(lake) == list(range(12))


def test_a_lander_that_slept_is_refused(log: EmbeddedLog, lake: Lake) -> None:
    send(log, 0, 4)
    stale = Lander(log, lake, lambda: ORDERS)
    stale.run_once()
    send(log, 4, 8)
    Lander(log, lake, lambda: ORDERS).run_once()
    send(log, 8, 12)
    with pytest.raises(CommitConflict, match="already landed"):
        stale.run_once()
    assert stale.run_once() == 4
    assert landed(lake) == list(range(12))


def test_a_publish_in_between_does_not_cost_the_landing(
    log: EmbeddedLog, lake: Lake, monkeypatch: pytest.MonkeyPatch
) -> None:
    send(log, 0, 4)
    lander = Lander(log, lake, lambda: ORDERS)
    lander.run_once()
    send(log, 4, 8)
    audited, main = lake.head(ORDERS, STAGED), lake.head(ORDERS)
    assert audited is not None
    assert main is not None
    during(
        monkeypatch,
        "lake.land.written",
        lambda: lake.publish(
            ORDERS, snapshot_id=audited.snapshot_id, expected_main=main.snapshot_id
        ),
    )
    assert lander.run_once() == 4
    assert landed(lake) == list(range(8))
    now = lake.head(ORDERS)
    assert now is not None
    assert now.snapshot_id == audited.snapshot_id


def test_a_group_left_behind_is_put_right(log: EmbeddedLog, lake: Lake) -> None:
    send(log, 0, 10)
    lake.ensure(ORDERS)
    log.register(GROUP, "orders.validated")
    lake.land(ORDERS, validated(ORDERS, 0, 6), offsets={TP: (0, 6)})
    assert Lander(log, lake, lambda: ORDERS).run_once() == 4
    assert log.committed(GROUP, TP) == 10


def test_a_group_ahead_of_the_table_is_put_right(log: EmbeddedLog, lake: Lake) -> None:
    send(log, 0, 10)
    log.register(GROUP, "orders.validated")
    with log.transaction() as transaction:
        transaction.advance(GROUP, TP, expected=0, to=10)
    assert Lander(log, lake, lambda: ORDERS).run_once() == 10
    assert log.committed(GROUP, TP) == 10


class Cut(EmbeddedLog):
    """A log whose first rows are gone."""

    def start_offset(self, source: TopicPartition) -> int:
        return 8 if source == TP else 0


def test_rows_that_went_before_they_landed_are_named(lake: Lake, tmp_path: Path) -> None:
    log = Cut(tmp_path / "cut")
    log.create("orders.validated")
    send(log, 0, 10)
    lake.ensure(ORDERS)
    lake.land(ORDERS, validated(ORDERS, 0, 6), offsets={TP: (0, 6)})
    with pytest.raises(LakeError, match=r"\[6, 8\) are gone"):
        Lander(log, lake, lambda: ORDERS).run_once()
    log.close()


def test_a_log_older_than_the_lake_is_named(log: EmbeddedLog, lake: Lake) -> None:
    send(log, 0, 3)
    lake.ensure(ORDERS)
    lake.land(ORDERS, validated(ORDERS, 0, 6), offsets={TP: (0, 6)})
    with pytest.raises(LakeError, match="older than the lake"):
        Lander(log, lake, lambda: ORDERS).run_once()


def test_the_table_is_maintained_as_it_grows(log: EmbeddedLog, lake: Lake) -> None:
    lander = Lander(log, lake, lambda: ORDERS, maintain_every=10)
    for n in range(10):
        send(log, n, n + 1)
        lander.run_once()
    head = lake.head(ORDERS, STAGED)
    assert head is not None
    assert head.properties["lakegate.kind"] == "compact"
    assert head.properties["total-data-files"] == "1"
    assert landed(lake) == list(range(10))
