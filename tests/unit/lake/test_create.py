"""A table is there with both of its branches, or it is not there."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pytest
from pyiceberg.catalog.sql import SqlCatalog
from pyiceberg.exceptions import CommitFailedException, TableAlreadyExistsError
from pyiceberg.table import CreateTableTransaction

from lakegate.errors import LakeError
from lakegate.lake import MAIN, STAGED, Lake, create
from lakegate.lake.catalog import TABLE_PROPERTIES, identify, look_up, open_catalog
from lakegate.lake.derived import DerivedColumn, prepare
from tests.unit.lake.sample import orders

ORDERS = orders()


def make_a_stream(root: Path) -> None:
    lake = Lake(root)
    try:
        lake.ensure(ORDERS)
    finally:
        lake.close()


def make_a_model(root: Path) -> None:
    from pyiceberg.types import LongType

    prepare(open_catalog(root, None), "orders", [DerivedColumn("n", LongType())], ())


makes = pytest.mark.parametrize("make", [make_a_stream, make_a_model])


@makes
@pytest.mark.parametrize("point", ["lake.create.before", "lake.create.written"])
def test_whoever_comes_first_the_other_takes_that_table(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, make: Callable[[Path], None], point: str
) -> None:
    root = tmp_path / "lake"
    catalog = open_catalog(root, None)
    born: list[object] = []

    def reach(passed: str) -> None:
        if passed == point and not born:
            assert look_up(catalog, "orders") is None
            born.append(None)
            make(root)
            table = look_up(catalog, "orders")
            assert table is not None
            born.append(table.metadata)

    monkeypatch.setattr(create, "reach", reach)
    make(root)
    table = look_up(catalog, "orders")
    assert table is not None
    assert table.metadata == born[1]
    (snapshot,) = table.snapshots()
    heads = {name: table.metadata.refs[name].snapshot_id for name in (MAIN, STAGED)}
    assert heads == {MAIN: snapshot.snapshot_id, STAGED: snapshot.snapshot_id}
    lists = list(root.rglob("snap-*.avro"))
    assert [path.as_uri() for path in lists] == [snapshot.manifest_list], "the other's is deleted"


@makes
def test_whoever_makes_the_namespace_first_the_other_takes_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, make: Callable[[Path], None]
) -> None:
    root = tmp_path / "lake"
    catalog = open_catalog(root, None)
    catalog.create_namespace("lakegate")
    seen = SqlCatalog.namespace_exists
    answers = iter([False])  # as it was before the other made it
    monkeypatch.setattr(SqlCatalog, "namespace_exists", lambda *its: next(answers, seen(*its)))
    make(root)
    assert next(answers, "asked") == "asked"
    assert look_up(catalog, "orders") is not None


@makes
def test_a_catalog_that_says_at_once_that_there_is_one_is_believed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, make: Callable[[Path], None]
) -> None:
    """As a REST catalog does, which is told of a table before it is written."""
    root = tmp_path / "lake"

    def staged(*_: object, **__: object) -> None:
        monkeypatch.undo()
        make(root)
        raise TableAlreadyExistsError("orders")

    monkeypatch.setattr(SqlCatalog, "create_table_transaction", staged)
    make(root)
    table = look_up(open_catalog(root, None), "orders")
    assert table is not None
    assert len(table.snapshots()) == 1


def test_a_creation_that_was_refused_for_another_reason_is_tried_again(
    lake: Lake, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As a Hive catalog does when it cannot have its lock."""

    def refuse(_: object) -> None:
        monkeypatch.undo()
        raise CommitFailedException("no lock")

    monkeypatch.setattr(CreateTableTransaction, "commit_transaction", refuse)
    lake.ensure(ORDERS)
    assert lake.exists(ORDERS)


@makes
def test_many_at_once_make_one_table_and_nobody_sees_half_of_it(
    tmp_path: Path, make: Callable[[Path], None]
) -> None:
    root = tmp_path / "lake"
    catalog = open_catalog(root, None)
    refused: list[BaseException] = []

    def run() -> None:
        try:
            make(root)
        except BaseException as error:
            refused.append(error)

    makers = [threading.Thread(target=run) for _ in range(4)]
    for maker in makers:
        maker.start()
    while any(maker.is_alive() for maker in makers):
        table = look_up(catalog, "orders")
        assert table is None or {MAIN, STAGED} <= set(table.metadata.refs)
    for maker in makers:
        maker.join()
    assert refused == []
    table = look_up(catalog, "orders")
    assert table is not None
    assert len(table.snapshots()) == 1


@makes
def test_a_table_of_another_tool_is_refused_and_left_as_it_is(
    tmp_path: Path, make: Callable[[Path], None]
) -> None:
    root = tmp_path / "lake"
    catalog = open_catalog(root, None)
    catalog.create_namespace_if_not_exists("lakegate")
    theirs = catalog.create_table(identify("orders"), pa.schema([("theirs", pa.string())]))
    with pytest.raises(LakeError, match=r"no branch `staged`: it was not made by Lakegate"):
        make(root)
    assert catalog.load_table(identify("orders")).metadata == theirs.metadata


def test_every_table_says_how_it_was_made(lake: Lake) -> None:
    lake.ensure(ORDERS)
    table = lake.table(ORDERS)
    assert table.format_version == 2
    assert {**TABLE_PROPERTIES, **table.properties} == {**table.properties, "format-version": "2"}
    info = lake.head(ORDERS, STAGED)
    assert info is not None
    assert info.properties["lakegate.kind"] == "create"
    assert info.properties["lakegate.contract.id"] == "orders"
