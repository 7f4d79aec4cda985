"""Merging changes: the newest row of each key, whatever the connector and replays do."""

from __future__ import annotations

import random
from typing import Any

import pytest

from lakegate.errors import LakeError
from lakegate.lake import Lake
from lakegate.lake.merge import merge
from tests.unit.lake.changes import T0, Table, change, stock
from tests.unit.lake.sample import orders


@pytest.fixture
def table(lake: Lake) -> Table:
    return Table(lake, stock())


def test_creates_updates_and_deletes(table: Table) -> None:
    table.publish(
        [
            change("r", 0, 1, name="a"),
            change("c", 1, 2, name="b"),
            change("u", 2, 1, name="a2"),
            change("c", 3, 3, name="c"),
            change("d", 4, 3),
        ]
    )
    report = merge(table.lake, table.stream)
    assert table.current() == {1: ("a2", None), 2: ("b", None)}
    assert (report.changes, report.rows, report.rebuilt) == (5, 2, True)


def test_the_second_merge_takes_only_what_is_new(table: Table) -> None:
    table.publish([change("c", 0, 1, name="a"), change("c", 1, 2, name="b")])
    merge(table.lake, table.stream)
    table.publish([change("u", 2, 2, name="b2"), change("d", 3, 1), change("c", 4, 3)])
    report = merge(table.lake, table.stream)
    assert table.current() == {2: ("b2", None), 3: (None, None)}
    assert (report.changes, report.rebuilt) == (3, False)


def test_merging_again_changes_nothing(table: Table) -> None:
    table.publish([change("c", 0, 1, name="a")])
    first = merge(table.lake, table.stream)
    second = merge(table.lake, table.stream)
    assert first.snapshot_id is not None
    assert (second.snapshot_id, second.changes, second.rows) == (None, 0, 1)


def test_what_is_staged_only_is_not_merged(table: Table) -> None:
    table.publish([change("c", 0, 1, name="a")])
    main = table.lake.head("stock")
    table.publish([change("u", 1, 1, name="b")])
    # as if the second one had not been published
    from lakegate.lake.catalog import commit
    from lakegate.lake.update import set_branch

    assert main is not None
    commit(table.lake.table("stock"), (), (set_branch("main", main.snapshot_id),))
    merge(table.lake, table.stream)
    assert table.current() == {1: ("a", None)}


def test_an_unavailable_value_keeps_the_previous_one(table: Table) -> None:
    table.publish(
        [
            change("c", 0, 1, name="a", note="long"),
            change("u", 1, 1, name="b", _unavailable=["note"]),
        ]
    )
    merge(table.lake, table.stream)
    assert table.current() == {1: ("b", "long")}
    table.publish([change("u", 2, 1, name="c", _unavailable=["note"])])
    merge(table.lake, table.stream)
    assert table.current() == {1: ("c", "long")}
    table.publish(
        [change("u", 3, 1, name="d", note=None), change("u", 4, 1, _unavailable=["note"])]
    )
    merge(table.lake, table.stream)
    assert table.current() == {1: (None, None)}


def test_what_was_never_sent_stays_unavailable(table: Table) -> None:
    table.publish([change("u", 0, 1, name="a", _unavailable=["note"])])
    merge(table.lake, table.stream)
    head = table.lake.head("stock_current")
    assert head is not None
    (batch,) = table.lake.scan("stock_current", snapshot_id=head.snapshot_id)
    assert batch.column("_unavailable").to_pylist() == [["note"]]


def test_a_value_from_before_a_delete_does_not_come_back(table: Table) -> None:
    table.publish([change("c", 0, 1, note="old"), change("d", 1, 1)])
    merge(table.lake, table.stream)
    table.publish([change("c", 2, 1, name="new", _unavailable=["note"])])
    merge(table.lake, table.stream)
    assert table.current() == {1: ("new", None)}


@pytest.mark.parametrize("cut", [None, 1, 2])
def test_a_changed_key_takes_unavailable_values_along(table: Table, cut: int | None) -> None:
    """The source sends d and c at one position; what c does not have is what d's row had."""
    changes = [
        change("c", 0, 10, name="a", note="long"),
        change("d", 1, 10, lsn=7),
        change("c", 2, 11, name="a", _unavailable=["note"], lsn=7),
    ]
    if cut is not None:  # a publication falls between them
        table.publish(changes[:cut])
        merge(table.lake, table.stream)
        changes = changes[cut:]
    table.publish(changes)
    merge(table.lake, table.stream)
    assert table.current() == {11: ("a", "long")}


def test_a_truncate_empties(table: Table) -> None:
    table.publish([change("c", 0, 1), change("c", 1, 2)])
    merge(table.lake, table.stream)
    table.publish([change("u", 2, 1, name="x"), change("t", 3), change("c", 4, 5, name="y")])
    report = merge(table.lake, table.stream)
    assert table.current() == {5: ("y", None)}
    assert report.truncates == 1


def test_what_is_sent_again_is_passed_over(table: Table) -> None:
    sent = [change("c", 0, 1, name="a"), change("u", 1, 1, name="b"), change("u", 2, 1, name="c")]
    table.publish(sent)
    merge(table.lake, table.stream)
    again = [
        row | {"_offset": 3 + i, "_ingested_at": row["_ingested_at"] + 9}
        for i, row in enumerate(sent[:2])
    ]
    table.publish(again)
    report = merge(table.lake, table.stream)
    assert report.repeated == 2
    assert table.current() == {1: ("c", None)}


def test_positions_are_never_compared_by_size(table: Table) -> None:
    """LSNs do not rise in the order of delivery."""
    table.publish([change("c", 0, 1, name="a", lsn=100)])
    merge(table.lake, table.stream)
    table.publish([change("u", 1, 1, name="b", lsn=50)])
    merge(table.lake, table.stream)
    assert table.current() == {1: ("b", None)}


def test_rows_of_a_snapshot_that_are_sent_again_are_passed_over(table: Table) -> None:
    sent = [change("r", 0, 1, name="a"), change("u", 1, 1, name="b")]
    again = [
        row | {"_offset": 2 + i, "_ingested_at": row["_ingested_at"] + 9}
        for i, row in enumerate(sent)
    ]
    table.publish(sent)
    merge(table.lake, table.stream)
    table.publish(again)
    assert merge(table.lake, table.stream).repeated == 2
    assert table.current() == {1: ("b", None)}


def test_rows_of_a_snapshot_upsert_whatever_their_position(table: Table) -> None:
    table.publish([change("r", 0, 1, name="a", lsn=5)])
    merge(table.lake, table.stream)
    later = change("r", 6)["_source_ts"]
    table.publish([change("r", 1, 1, name="b", lsn=5, _source_ts=later)])
    merge(table.lake, table.stream)
    assert table.current() == {1: ("b", None)}


def test_a_replayed_change_never_wins_over_a_newer_one(table: Table) -> None:
    table.publish([change("c", 0, 1, name="a"), change("u", 2, 1, name="c"), change("d", 5, 2)])
    merge(table.lake, table.stream)
    table.publish([change("u", 1, 1, name="b", note="x"), change("c", 4, 2, name="gone")])
    report = merge(table.lake, table.stream)
    assert table.current() == {1: ("c", None)}
    assert report.late == 2


def test_a_replayed_change_fills_what_later_ones_did_not_send(table: Table) -> None:
    table.publish([change("u", 1, 1, name="b", _unavailable=["note"])])
    merge(table.lake, table.stream)
    table.publish([change("c", 0, 1, name="a", note="long")])
    merge(table.lake, table.stream)
    assert table.current() == {1: ("b", "long")}


def test_a_replayed_change_from_before_a_truncate_stays_away(table: Table) -> None:
    table.publish([change("t", 3)])
    merge(table.lake, table.stream)
    table.publish([change("c", 1, 1, name="a")])
    merge(table.lake, table.stream)
    assert table.current() == {}


def test_a_merge_killed_before_publishing_is_finished(table: Table, monkeypatch: Any) -> None:
    table.publish([change("c", 0, 1, name="a")])
    with monkeypatch.context() as patched:
        patched.setattr(Lake, "publish", lambda *_args, **_more: None)
        merge(table.lake, table.stream)
    assert table.current() == {}
    merge(table.lake, table.stream)
    assert table.current() == {1: ("a", None)}


def test_untouched_files_stay(table: Table) -> None:
    table.publish([change("c", n, n) for n in range(10)])
    merge(table.lake, table.stream)
    table.publish([change("c", n, n) for n in range(10, 20)])
    merge(table.lake, table.stream)
    table.publish([change("u", 20, 12, name="x")])
    report = merge(table.lake, table.stream)
    assert (report.files, report.rewritten_files) == (2, 1)
    assert len(table.current()) == 20


def test_a_truncate_counts_in_all_partitions(table: Table) -> None:
    """Between partitions the time at which the log took a change decides."""
    other = {"_source_partition": 1}
    table.publish(
        [
            change("c", 0, 1, _ingested_at=T0 + 10),
            change("c", 0, 2, _ingested_at=T0 + 20, lsn=8, **other),
            change("t", 1, _ingested_at=T0 + 30),
            change("c", 1, 3, _ingested_at=T0 + 40, lsn=9, **other),
        ]
    )
    merge(table.lake, table.stream)
    assert table.current().keys() == {3}
    table.publish([change("c", 2, 4, _ingested_at=T0 + 25, lsn=10, **other)])  # landed late
    merge(table.lake, table.stream)
    assert table.current().keys() == {3}


@pytest.mark.slow
def test_maintenance_between_merges_changes_nothing(table: Table) -> None:
    for n in range(9):
        table.publish([change("c", n, n, name="a")])
        merge(table.lake, table.stream)
    report = table.lake.maintain("stock_current")
    assert report.compacted_files > 0
    table.lake.maintain("stock")
    table.publish([change("u", 9, 3, name="b"), change("d", 10, 4)])
    assert not merge(table.lake, table.stream).rebuilt
    assert table.current() == {n: ("b" if n == 3 else "a", None) for n in range(9) if n != 4}


def test_a_new_column_comes_along(table: Table) -> None:
    from lakegate.contract.type import Field, StringType

    table.publish([change("c", 0, 1, name="a")])
    merge(table.lake, table.stream)
    wider = (*table.stream.fields, Field("extra", StringType(), "$.extra"))
    table.stream = stock("1.1.0", fields=wider)
    table.lake.ensure(table.stream)
    table.publish([change("c", 1, 2, extra="e")])
    merge(table.lake, table.stream)
    head = table.lake.head("stock_current")
    assert head is not None
    rows = [
        row
        for batch in table.lake.scan("stock_current", snapshot_id=head.snapshot_id)
        for row in batch.to_pylist()
    ]
    assert {row["id"]: row["extra"] for row in rows} == {1: None, 2: "e"}


def test_another_key_rebuilds(table: Table) -> None:
    table.publish([change("c", 0, 1, name="a"), change("c", 1, 2, name="a")])
    merge(table.lake, table.stream)
    table.stream = stock("2.0.0", primary_key=("name",))
    report = merge(table.lake, table.stream)
    assert report.rebuilt
    assert table.current() == {2: ("a", None)}


def test_a_stream_of_plain_records_has_nothing_to_merge(lake: Lake) -> None:
    with pytest.raises(LakeError, match="plain records"):
        merge(lake, orders())


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(3))
def test_equal_to_the_source_at_the_end(table: Table, seed: int) -> None:
    """Random histories, with repeats after a crash, replays and merges at any time."""
    random_ = random.Random(seed)
    source: dict[int, tuple[str | None, str | None]] = {}
    delivered: list[dict[str, Any]] = []
    held_back: list[dict[str, Any]] = []
    waiting: list[dict[str, Any]] = []
    offset = 0
    for lsn in range(80):
        key = random_.randrange(8)
        row: dict[str, Any]
        if random_.random() < 0.02:
            source.clear()
            row = change("t", offset, lsn=lsn)
        elif key in source and random_.random() < 0.3:
            del source[key]
            row = change("d", offset, key, lsn=lsn)
        elif key in source:
            name = random_.choice([None, f"n{lsn}"])
            if random_.random() < 0.5:
                source[key] = (name, source[key][1])
                row = change("u", offset, key, name=name, _unavailable=["note"], lsn=lsn)
            else:
                source[key] = (name, f"t{lsn}")
                row = change("u", offset, key, name=name, note=f"t{lsn}", lsn=lsn)
        else:
            source[key] = (f"c{lsn}", f"t{lsn}")
            row = change("c", offset, key, name=f"c{lsn}", note=f"t{lsn}", lsn=lsn)
        offset += 1
        delivered.append(row)
        rejected = row["_op"] != "t" and random_.random() < 0.1
        (held_back if rejected else waiting).append(row)
        if random_.random() < 0.1:
            for old in delivered[-random_.randrange(1, 6) :]:
                if old in held_back:
                    continue
                again = old | {"_offset": offset, "_ingested_at": old["_ingested_at"]}
                again["_ingested_at"] = delivered[-1]["_ingested_at"]
                waiting.append(again)
                offset += 1
        if random_.random() < 0.1 and waiting:
            table.publish(waiting)
            waiting = []
            if random_.random() < 0.7:
                merge(table.lake, table.stream)
        if random_.random() < 0.05:
            waiting += held_back
            held_back = []
    table.publish([*waiting, *held_back])
    merge(table.lake, table.stream)
    assert table.current() == source
