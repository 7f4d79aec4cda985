"""Taking rows off ``staged``: exactly those, from every kind of file, whatever others commit."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from lakegate.contract.stream import Partition
from lakegate.errors import PublishRefused
from lakegate.lake import MAIN, STAGED, Lake
from lakegate.lake import delete as module
from lakegate.lake.snapshot import QUARANTINE, QUARANTINED
from lakegate.topic.base import TopicPartition

from .sample import BY_DAY, TP, orders, validated

RAW = TopicPartition("orders.raw", 0)
LETTERS = TopicPartition("orders.deadletter", 0)


@pytest.fixture
def lake(tmp_path: Path) -> Iterator[Lake]:
    lake = Lake(tmp_path / "lake")
    lake.ensure(orders())
    yield lake
    lake.close()


def land(lake: Lake, first: int, after: int) -> None:
    stream = orders()
    lake.land(stream, validated(stream, first, after), offsets={TP: (first, after)})


def off(lake: Lake, *offsets: int, upto: int = 1) -> module.Taken:
    rows = {RAW: np.array(offsets, dtype=np.int64)}
    return lake.take_off("orders", rows, upto={LETTERS: upto}, quarantines=(f"q{upto}",))


def rows(lake: Lake, branch: str = STAGED) -> pa.Table:
    head = lake.head("orders", branch)
    assert head is not None
    batches = list(lake.scan("orders", snapshot_id=head.snapshot_id))
    return pa.Table.from_batches(batches).sort_by("id") if batches else pa.table({"id": []})


def ids(lake: Lake, branch: str = STAGED) -> list[int]:
    return rows(lake, branch)["id"].to_pylist()


def publish(lake: Lake) -> None:
    staged, main = lake.head("orders", STAGED), lake.head("orders", MAIN)
    assert staged is not None
    assert main is not None
    lake.publish("orders", snapshot_id=staged.snapshot_id, expected_main=main.snapshot_id)


def test_exactly_those_rows_go_and_the_others_are_unchanged(lake: Lake) -> None:
    land(lake, 0, 40)  # two days, so two files
    before = rows(lake)
    taken = off(lake, 1, 30, 99)
    assert (taken.rows, taken.published) == (2, 1)
    kept = [n for n in range(40) if n not in (1, 30)]
    assert rows(lake).equals(before.take(pa.array(kept)))
    head = lake.head("orders", STAGED)
    assert head is not None
    assert (head.rows, head.operation) == (38, "overwrite")
    assert head.properties[QUARANTINE] == "q1"
    assert lake.quarantined("orders") == {LETTERS: 1}
    assert list(lake.verify("orders", snapshot_id=head.snapshot_id)) == []


def test_a_file_without_other_rows_is_removed_whole(lake: Lake) -> None:
    land(lake, 0, 3)
    assert off(lake, 0, 1, 2).rows == 3
    head = lake.head("orders", STAGED)
    assert head is not None
    assert (head.rows, head.operation) == (0, "delete")
    land(lake, 3, 5)
    assert ids(lake) == [3, 4]


def test_every_later_commit_knows_and_nothing_happens_twice(lake: Lake) -> None:
    land(lake, 0, 3)
    off(lake, 1)
    land(lake, 3, 6)
    head = lake.head("orders", STAGED)
    assert head is not None
    assert QUARANTINED in head.properties
    assert off(lake, 2).snapshot_id is None, "the table says that it went that far"
    assert ids(lake) == [0, 2, 3, 4, 5]
    assert off(lake, 2, upto=2).rows == 1


def test_published_rows_stay_even_where_compaction_mixed_them(lake: Lake) -> None:
    for first in range(4):
        land(lake, first, first + 1)
    publish(lake)
    for first in range(4, 10):
        land(lake, first, first + 1)
    assert lake.maintain("orders").compacted_files == 10
    taken = off(lake, 2, 5, 7)
    assert (taken.rows, taken.published) == (2, 1)
    assert ids(lake) == [0, 1, 2, 3, 4, 6, 8, 9]
    publish(lake)
    assert ids(lake, MAIN) == ids(lake)


def test_a_file_of_an_older_partition_spec(lake: Lake) -> None:
    land(lake, 0, 30)
    lake.ensure(orders(version="2.0.0", partitions=(*BY_DAY, Partition("id", "bucket[2]"))))
    assert off(lake, 3).rows == 1
    assert ids(lake) == [n for n in range(30) if n != 3]


@pytest.mark.parametrize("between", ["land", "compact", "publish"])
def test_whatever_is_committed_in_between(
    lake: Lake, monkeypatch: pytest.MonkeyPatch, between: str
) -> None:
    for first in range(9):
        land(lake, first, first + 1)
    other, tried = Lake(lake.location), []
    real = module.commit_change

    def commit(table, change):
        tried.append(change)
        if len(tried) == 1:
            if between == "land":
                land(other, 9, 10)
            elif between == "compact":
                other.maintain("orders")
            else:
                publish(other)
        return real(table, change)

    monkeypatch.setattr(module, "commit_change", commit)
    taken = off(lake, 4, 5)
    assert len(tried) == 2
    if between == "publish":
        assert (taken.rows, taken.published) == (0, 2), "published meanwhile: they stay"
        assert ids(lake) == list(range(9))
    else:
        assert taken.rows == 2
        end = 10 if between == "land" else 9
        assert ids(lake) == [n for n in range(end) if n not in (4, 5)]
    other.close()


def test_a_snapshot_from_before_a_quarantine_is_not_published(lake: Lake) -> None:
    land(lake, 0, 3)
    audited, main = lake.head("orders", STAGED), lake.head("orders", MAIN)
    assert audited is not None
    assert main is not None
    off(lake, 1)
    land(lake, 3, 4)
    with pytest.raises(PublishRefused, match="quarantined since"):
        lake.publish("orders", snapshot_id=audited.snapshot_id, expected_main=main.snapshot_id)
    publish(lake)
    assert ids(lake, MAIN) == [0, 2, 3]
