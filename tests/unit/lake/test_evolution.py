"""The table follows the contract by field id, and every reader sees the same rows afterwards.

Each case lands rows under one contract, changes it, lands more, and compares the DuckDB view with
PyIceberg's own reading and with what is expected of one old and one new row.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any

import duckdb
import pyarrow as pa
import pytest

from lakegate.contract.stream import Partition, Stream, UnknownFields
from lakegate.contract.type import (
    ArrayType,
    BooleanType,
    DecimalType,
    Field,
    IntegerType,
    NumberType,
    ObjectType,
    StringType,
)
from lakegate.errors import LakeError
from lakegate.lake import STAGED, Lake
from tests.unit.lake.sample import (
    AT,
    FIELDS,
    ID,
    LINES,
    NAME,
    SHIP,
    START,
    TOTAL,
    TP,
    a,
    element,
    orders,
    validated,
)


@dataclass(frozen=True)
class Change:
    before: tuple[Field, ...]
    after: tuple[Field, ...]
    old: dict[str, Any]  # of the row with id 1
    new: dict[str, Any]  # of the row with id 11
    columns: dict[str, Any] | None = None  # of the new rows


def named(field: Field, name: str, **more: Any) -> Field:
    return replace(field, name=name, **more)


CHANGES = {
    "added column": Change(
        FIELDS,
        (*FIELDS, a("extra", StringType())),
        {"extra": None, "name": "name 1"},
        {"extra": None},
    ),
    "added required column": Change(
        (ID, AT),
        (ID, AT, replace(NAME, required=True)),
        {"name": None},
        {"name": "n"},
        {"name": ["n"] * 10},
    ),
    "renamed by id": Change(
        (ID, AT, replace(NAME, id="n")),
        (ID, AT, named(NAME, "title", id="n")),
        {"title": "name 1"},
        {"title": "t"},
        {"title": ["t"] * 10},
    ),
    "gained an id, then another name": Change(
        (ID, AT, NAME), (ID, AT, replace(NAME, id="n")), {"name": "name 1"}, {"name": "name 11"}
    ),
    "two names swapped": Change(
        (ID, AT, replace(NAME, id="n"), a("other", StringType(), id="o")),
        (ID, AT, named(NAME, "other", id="n"), a("name", StringType(), id="o")),
        {"other": "name 1", "name": None},
        {"name": "name 11", "other": None},
    ),
    "a name reused for another element": Change(
        (ID, AT, replace(NAME, id="n")),
        (ID, AT, a("name", IntegerType(), id="m")),
        {"name": None, "name__3": "name 1"},
        {"name": 5, "name__3": None},
        {"name": [5] * 10},
    ),
    "int to long": Change(
        (ID, AT, a("n", IntegerType(32))),
        (ID, AT, a("n", IntegerType(64))),
        {"n": None},
        {"n": 1 << 40},
        {"n": [1 << 40] * 10},
    ),
    "decimal precision": Change(
        (ID, AT, TOTAL),
        (ID, AT, a("total", DecimalType(20, 2))),
        {"total": Decimal("0.01")},
        {"total": Decimal("0.11")},
    ),
    "narrowed in the contract only": Change(
        (ID, AT, a("n", IntegerType(64))),
        (ID, AT, a("n", IntegerType(32))),
        {"n": None},
        {"n": 7},
        {"n": [7] * 10},
    ),
    "required to optional": Change(
        (replace(ID), AT, NAME),
        (replace(ID, required=False), AT, NAME),
        {"id": 1},
        {"name": "name 11"},
    ),
    "dropped column": Change((ID, AT, NAME), (ID, AT), {"name": "name 1"}, {"name": None}),
    "reordered": Change(
        (ID, AT, NAME, TOTAL), (TOTAL, NAME, AT, ID), {"name": "name 1"}, {"name": "name 11"}
    ),
    "member added to a struct": Change(
        (ID, AT, SHIP),
        (ID, AT, a("ship", ObjectType((a("city", StringType()), a("zip", StringType()))))),
        {"ship": {"city": "city 1", "zip": None}},
        {"ship": {"city": "city 11", "zip": None}},
    ),
    "member renamed in a struct": Change(
        (ID, AT, SHIP),
        (ID, AT, a("ship", ObjectType((a("town", StringType(), id="city"),)))),
        {"ship": {"town": "city 1"}},
        {"ship": {"town": "t"}},
        {"ship": [{"town": "t"}] * 10},
    ),
    "member renamed and widened in a list of structs": Change(
        (ID, AT, LINES),
        (
            ID,
            AT,
            a(
                "lines",
                ArrayType(
                    element(
                        ObjectType(
                            (
                                a("count", IntegerType(64), id="qty"),
                                a("sku", StringType()),
                                a("gift", BooleanType()),
                            )
                        )
                    )
                ),
            ),
        ),
        {"lines": [{"count": 1, "sku": "x", "gift": None}, None]},
        {"lines": [{"count": 1 << 40, "sku": "y", "gift": True}]},
        {"lines": [[{"count": 1 << 40, "sku": "y", "gift": True}]] * 10},
    ),
}


def read(lake: Lake, sql: duckdb.DuckDBPyConnection) -> list[dict[str, Any]]:
    """All rows of `staged` by offset, as the view has them."""
    head = lake.head("orders", STAGED)
    assert head is not None
    lake.relation(sql, "orders", snapshot_id=head.snapshot_id, name="seen")
    rows: list[dict[str, Any]] = (
        sql.sql("SELECT * FROM seen ORDER BY _offset").to_arrow_table().to_pylist()
    )
    return rows


def scanned(lake: Lake) -> list[dict[str, Any]]:
    """The same as batches."""
    head = lake.head("orders", STAGED)
    assert head is not None
    rows = pa.Table.from_batches(list(lake.scan("orders", snapshot_id=head.snapshot_id)))
    return sorted(rows.to_pylist(), key=lambda item: int(item["_offset"]))


def both(lake: Lake, change: Change, *, late: bool = False) -> tuple[Stream, Stream]:
    """Ten rows under each contract; ``late``: the old ones land when the table is already new."""
    first, second = orders(change.before), orders(change.after, version="2.0.0")
    lake.ensure(first)
    old, new = validated(first, 0, 10), validated(second, 10, 20, **(change.columns or {}))
    if late:
        lake.ensure(second)
    lake.land(second if late else first, old, offsets={TP: (0, 10)})
    lake.ensure(second)
    lake.land(second, new, offsets={TP: (10, 20)})
    return first, second


@pytest.mark.parametrize("late", [False, True], ids=["in turn", "late"])
@pytest.mark.parametrize("name", CHANGES)
def test_old_and_new_rows_read_right(
    lake: Lake, sql: duckdb.DuckDBPyConnection, name: str, late: bool
) -> None:
    change = CHANGES[name]
    both(lake, change, late=late)
    seen = read(lake, sql)
    assert [item["_offset"] for item in seen] == list(range(20))
    for number, expected in ((1, change.old), (11, change.new)):
        assert {key: seen[number][key] for key in expected} == expected
    assert seen == scanned(lake)


@pytest.mark.parametrize(
    "name", ["renamed by id", "int to long", "member renamed and widened in a list of structs"]
)
def test_compaction_across_the_change_keeps_every_row(
    lake: Lake, sql: duckdb.DuckDBPyConnection, name: str
) -> None:
    first, second = both(lake, CHANGES[name])
    for n in range(20, 28):
        rows = validated(first, n, n + 1, at=[START])
        lake.land(second, rows, offsets={TP: (n, n + 1)})
    before = read(lake, sql)
    assert lake.maintain("orders").compacted_files >= 8
    assert read(lake, sql) == before == scanned(lake)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (StringType(), IntegerType()),
        (IntegerType(), StringType()),
        (NumberType(), DecimalType(10, 2)),
        (DecimalType(10, 2), DecimalType(10, 3)),
        (StringType(), ArrayType(element(StringType()))),
        (ArrayType(element(StringType())), StringType()),
        (ObjectType((a("x", StringType()),)), StringType()),
        (StringType(), ObjectType((a("x", StringType()),))),
        (ArrayType(element(StringType())), ArrayType(element(IntegerType()))),
    ],
)
def test_what_a_table_cannot_follow_is_refused_by_name(lake: Lake, before: Any, after: Any) -> None:
    lake.ensure(orders((ID, AT, a("x", before))))
    location = lake.table("orders").metadata_location
    with pytest.raises(LakeError, match=r"column orders\.x.*new `id`"):
        lake.ensure(orders((ID, AT, a("x", after)), version="2.0.0"))
    assert lake.table("orders").metadata_location == location


def test_a_column_that_comes_back_is_the_same_column(lake: Lake) -> None:
    lake.ensure(orders((ID, AT, NAME)))
    field_id = lake.table("orders").schema().find_field("name").field_id
    lake.ensure(orders((ID, AT), version="2"))
    lake.ensure(orders((ID, AT, NAME), version="3"))
    assert lake.table("orders").schema().find_field("name").field_id == field_id
    assert len(lake.table("orders").schemas()) <= 3


def test_returning_to_an_older_contract_makes_no_new_schema(lake: Lake) -> None:
    lake.ensure(orders((ID, AT)))
    lake.ensure(orders((ID, AT, NAME), version="2"))
    count = len(lake.table("orders").schemas())
    lake.ensure(orders((ID, AT, NAME), version="3"))
    assert len(lake.table("orders").schemas()) == count


def test_columns_carry_description_key_and_source(lake: Lake) -> None:
    lake.ensure(orders((replace(ID, description="The number."), AT), primary_key=("id",)))
    schema = lake.table("orders").schema()
    assert schema.find_field("id").doc == "The number."
    assert schema.identifier_field_names() == {"id"}
    required = {item.name for item in schema.fields if item.required}
    assert required == {"id", "_topic", "_source_partition", "_offset", "_ingested_at"}
    assert "_unknown_fields" in schema.column_names


def test_an_optional_key_identifies_nothing(lake: Lake) -> None:
    lake.ensure(orders((replace(ID, required=False), AT), primary_key=("id",)))
    assert lake.table("orders").schema().identifier_field_ids == []


def test_unknown_fields_are_a_column_only_where_they_are_kept(lake: Lake) -> None:
    lake.ensure(orders(unknown_fields=UnknownFields.IGNORE))
    assert "_unknown_fields" not in lake.table("orders").schema().column_names


PARTITIONS: dict[str, tuple[tuple[Partition, ...], int]] = {
    "none": ((), 1),
    "day": ((Partition("at", "day"),), 3),
    "month": ((Partition("at", "month"),), 1),
    "hour": ((Partition("at", "hour"),), 50),
    "year": ((Partition("at", "year"),), 1),
    "identity": ((Partition("name", "identity"),), 34),
    "bucket": ((Partition("id", "bucket[4]"),), 4),
    "truncate": ((Partition("name", "truncate[6]"),), 8),
    "two of one column": ((Partition("at", "day"), Partition("at", "bucket[2]")), 6),
    "member": ((Partition("ship.city", "bucket[2]"),), 3),
}


@pytest.mark.parametrize("name", PARTITIONS)
def test_rows_land_in_the_partitions_of_the_contract(
    lake: Lake, sql: duckdb.DuckDBPyConnection, name: str
) -> None:
    partitions, files = PARTITIONS[name]
    stream = orders(partitions=partitions)
    lake.ensure(stream)
    lake.land(stream, validated(stream, 0, 50), offsets={TP: (0, 50)})
    head = lake.head(stream, STAGED)
    assert head is not None
    assert head.properties["added-data-files"] == str(files)
    assert [item["_offset"] for item in read(lake, sql)] == list(range(50))


def test_a_new_partitioning_is_for_new_rows(lake: Lake, sql: duckdb.DuckDBPyConnection) -> None:
    by_day, by_month = orders(), orders(version="2", partitions=(Partition("at", "month"),))
    lake.ensure(by_day)
    lake.land(by_day, validated(by_day, 0, 48), offsets={TP: (0, 48)})
    lake.ensure(by_month)
    lake.land(by_month, validated(by_month, 48, 96), offsets={TP: (48, 96)})
    head = lake.head("orders", STAGED)
    assert head is not None
    assert head.properties["total-data-files"] == "3"
    assert [item["_offset"] for item in read(lake, sql)] == list(range(96))
    lake.ensure(replace(by_day, contract=orders(version="3").contract))
    assert len(lake.table("orders").specs()) == 2


@pytest.mark.parametrize(
    ("partition", "said"),
    [
        (Partition("nothing", "day"), "not in the table"),
        (Partition("name", "day"), "does not fit"),
        (Partition("at", "weekly"), "does not fit"),
    ],
)
def test_a_partitioning_that_cannot_be_is_refused(
    lake: Lake, partition: Partition, said: str
) -> None:
    with pytest.raises(LakeError, match=said):
        lake.ensure(orders(partitions=(partition,)))
