"""Tables, landing, heads, publishing and pins, as the other rooms use them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from lakegate.errors import CommitConflict, LakeError, PublishRefused
from lakegate.lake import STAGED, Lake, reading
from lakegate.topic.base import TopicPartition
from tests.unit.lake.sample import TP, orders, validated

ORDERS = orders()


def land(lake: Lake, first: int, after: int) -> int:
    return lake.land(ORDERS, validated(ORDERS, first, after), offsets={TP: (first, after)})


def staged(lake: Lake) -> int:
    info = lake.head(ORDERS, STAGED)
    assert info is not None
    return info.snapshot_id


def main(lake: Lake) -> int:
    info = lake.head(ORDERS)
    assert info is not None
    return info.snapshot_id


def offsets_at(lake: Lake, snapshot_id: int) -> list[int]:
    batches = lake.scan(ORDERS, snapshot_id=snapshot_id, columns=["_offset"])
    return sorted(n for batch in batches for n in batch["_offset"].to_pylist())


def test_a_new_table_is_empty_on_both_branches(lake: Lake) -> None:
    assert not lake.exists(ORDERS)
    lake.ensure(ORDERS)
    assert lake.exists(ORDERS)
    assert lake.tables() == ["lakegate.orders"]
    assert staged(lake) == main(lake)
    assert lake.landed(ORDERS) == {}
    assert offsets_at(lake, main(lake)) == []


def test_ensuring_again_changes_nothing(lake: Lake) -> None:
    lake.ensure(ORDERS)
    before = lake.table(ORDERS).metadata_location
    lake.ensure(ORDERS)
    assert lake.table(ORDERS).metadata_location == before


def test_a_table_may_name_its_namespace(lake: Lake) -> None:
    lake.ensure(orders(table="sales.orders"))
    assert lake.tables() == ["sales.orders"]


@pytest.mark.parametrize("name", ["", "a..b", ".orders"])
def test_a_table_without_a_name_is_refused(lake: Lake, name: str) -> None:
    with pytest.raises(LakeError, match="physicalName"):
        lake.ensure(orders(table=name))


def test_landing_goes_to_staged_and_readers_of_main_see_none_of_it(lake: Lake) -> None:
    lake.ensure(ORDERS)
    assert land(lake, 0, 100) == 100
    assert lake.landed(ORDERS) == {TP: 100}
    assert offsets_at(lake, staged(lake)) == list(range(100))
    assert offsets_at(lake, main(lake)) == []


def test_a_snapshot_names_contract_offsets_and_rows(lake: Lake) -> None:
    lake.ensure(ORDERS)
    land(lake, 0, 10)
    land(lake, 10, 30)
    info = lake.head(ORDERS, STAGED)
    assert info is not None
    assert info.rows == 30
    assert info.operation == "append"
    assert info.committed_at.tzinfo is not None
    assert info.properties["lakegate.contract.digest"] == "digest-1.0.0"
    assert info.properties["lakegate.offsets"] == '{"orders.validated":{"0":30}}'
    assert [item.rows for item in lake.history(ORDERS, STAGED)] == [30, 10, 0]


def test_offsets_of_every_partition_are_carried_forward(lake: Lake) -> None:
    lake.ensure(ORDERS)
    other = TopicPartition("orders.validated", 1)
    rows = validated(ORDERS, 0, 4)
    lake.land(ORDERS, rows, offsets={TP: (0, 3), other: (0, 1)})
    lake.land(ORDERS, validated(ORDERS, 4, 6), offsets={other: (1, 3)})
    assert lake.landed(ORDERS) == {TP: 3, other: 3}


def test_no_rows_but_offsets_that_advance_are_a_commit(lake: Lake) -> None:
    lake.ensure(ORDERS)
    assert lake.land(ORDERS, validated(ORDERS, 0, 0), offsets={TP: (0, 7)}) == 0
    assert lake.landed(ORDERS) == {TP: 7}


@pytest.mark.parametrize(("first", "said"), [(0, "already landed"), (20, "gap")])
def test_offsets_that_do_not_continue_are_refused(lake: Lake, first: int, said: str) -> None:
    lake.ensure(ORDERS)
    land(lake, 0, 10)
    with pytest.raises(CommitConflict, match=said):
        land(lake, first, first + 10)
    assert offsets_at(lake, staged(lake)) == list(range(10))


def test_a_row_without_a_required_value_is_refused(lake: Lake) -> None:
    lake.ensure(ORDERS)
    rows = validated(ORDERS, 0, 2).drop_columns(["id"])
    with pytest.raises(LakeError, match="id is required"):
        lake.land(ORDERS, rows, offsets={TP: (0, 2)})


def test_rows_of_a_contract_the_table_never_followed_are_refused(lake: Lake) -> None:
    lake.ensure(ORDERS)
    rows = validated(ORDERS, 0, 1).append_column("new", pa.array(["x"]))
    rows = rows.replace_schema_metadata(
        {
            "lakegate.contract.id": "orders",
            "lakegate.contract.version": "9",
            "lakegate.contract.digest": "z",
        }
    )
    with pytest.raises(LakeError, match="lacks: new"):
        lake.land(ORDERS, rows, offsets={TP: (0, 1)})


def test_publishing_moves_main_to_exactly_that_snapshot(lake: Lake) -> None:
    lake.ensure(ORDERS)
    land(lake, 0, 10)
    audited = staged(lake)
    land(lake, 10, 20)
    lake.publish(ORDERS, snapshot_id=audited, expected_main=main(lake))
    assert main(lake) == audited
    assert offsets_at(lake, main(lake)) == list(range(10))
    assert lake.landed(ORDERS) == {TP: 20}


def test_publishing_what_is_published_does_nothing(lake: Lake) -> None:
    lake.ensure(ORDERS)
    land(lake, 0, 10)
    lake.publish(ORDERS, snapshot_id=staged(lake), expected_main=main(lake))
    before = lake.table(ORDERS).metadata_location
    lake.publish(ORDERS, snapshot_id=staged(lake), expected_main=12345)
    assert lake.table(ORDERS).metadata_location == before


def test_publishing_is_refused_when_main_is_elsewhere(lake: Lake) -> None:
    lake.ensure(ORDERS)
    empty = main(lake)
    land(lake, 0, 10)
    lake.publish(ORDERS, snapshot_id=staged(lake), expected_main=empty)
    land(lake, 10, 20)
    with pytest.raises(PublishRefused, match="expected main"):
        lake.publish(ORDERS, snapshot_id=staged(lake), expected_main=empty)
    assert offsets_at(lake, main(lake)) == list(range(10))


def test_main_never_goes_back(lake: Lake) -> None:
    lake.ensure(ORDERS)
    land(lake, 0, 10)
    older = staged(lake)
    land(lake, 10, 20)
    lake.publish(ORDERS, snapshot_id=staged(lake), expected_main=main(lake))
    with pytest.raises(PublishRefused, match="only moves forward"):
        lake.publish(ORDERS, snapshot_id=older, expected_main=main(lake))


def test_publishing_an_unknown_snapshot_is_refused(lake: Lake) -> None:
    lake.ensure(ORDERS)
    with pytest.raises(LakeError, match="no snapshot 7"):
        lake.publish(ORDERS, snapshot_id=7, expected_main=main(lake))


def test_main_is_still_an_ancestor_after_the_snapshots_between_expired(tmp_path: Path) -> None:
    lake = Lake(tmp_path / "lake", keep=3)
    lake.ensure(ORDERS)
    for n in range(12):
        land(lake, n, n + 1)
    kept = lake.history(ORDERS, STAGED)
    assert len(kept) <= 6
    assert kept[-1].snapshot_id == main(lake)
    lake.publish(ORDERS, snapshot_id=staged(lake), expected_main=main(lake))
    assert offsets_at(lake, main(lake)) == list(range(12))
    lake.close()


def test_a_pinned_snapshot_outlives_expiry(tmp_path: Path) -> None:
    lake = Lake(tmp_path / "lake", keep=2)
    lake.ensure(ORDERS)
    land(lake, 0, 1)
    pinned = staged(lake)
    lake.pin(ORDERS, snapshot_id=pinned, name="audit")
    for n in range(1, 10):
        land(lake, n, n + 1)
    assert offsets_at(lake, pinned) == [0]
    lake.unpin(ORDERS, name="audit")
    lake.unpin(ORDERS, name="audit")
    for n in range(10, 15):
        land(lake, n, n + 1)
    with pytest.raises(LakeError, match="expired"):
        offsets_at(lake, pinned)
    lake.close()


def test_a_snapshot_of_another_tool_does_not_hide_what_has_landed(lake: Lake) -> None:
    lake.ensure(ORDERS)
    land(lake, 0, 10)
    lake.table(ORDERS).delete("id < 3", branch=STAGED)
    assert lake.landed(ORDERS) == {TP: 10}
    land(lake, 10, 12)
    assert lake.landed(ORDERS) == {TP: 12}
    assert offsets_at(lake, staged(lake)) == list(range(3, 12))
    lake.publish(ORDERS, snapshot_id=staged(lake), expected_main=main(lake))
    assert offsets_at(lake, main(lake)) == list(range(3, 12))


def test_files_of_a_store_that_duckdb_cannot_reach_are_read_for_it(
    lake: Lake, monkeypatch: pytest.MonkeyPatch, sql: Any
) -> None:
    lake.ensure(ORDERS)
    land(lake, 0, 10)
    lake.relation(sql, ORDERS, snapshot_id=staged(lake), name="near")
    monkeypatch.setattr(reading, "_local", lambda _: False)
    lake.relation(sql, ORDERS, snapshot_id=staged(lake), name="far")
    lake.relation(sql, ORDERS, snapshot_id=staged(lake), name="far")
    lake.relation(sql, ORDERS, snapshot_id=main(lake), name="nothing")
    assert sql.sql("SELECT * FROM far EXCEPT ALL SELECT * FROM near").fetchall() == []
    assert sql.sql("SELECT count(*) FROM far").fetchall() == [(10,)]
    assert sql.sql("SELECT count(*) FROM nothing").fetchall() == [(0,)]


def test_a_table_that_is_not_there_is_named(lake: Lake) -> None:
    with pytest.raises(LakeError, match="no table orders"):
        lake.head(ORDERS)
