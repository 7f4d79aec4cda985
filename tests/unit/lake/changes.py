"""Streams of changes and their validated rows, for the tests of merging."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pyarrow as pa

from lakegate.contract.cdc import Cdc
from lakegate.contract.stream import ContractRef, Stream
from lakegate.contract.type import Field, IntegerType, StringType
from lakegate.gate.schema import arrow_schema
from lakegate.lake import Lake
from lakegate.topic.base import TopicPartition
from lakegate.topic.schema import validated_schema

T0 = 1_767_225_600_000_000


def stock(version: str = "1.0.0", **more: Any) -> Stream:
    """id, name, note: a table of the source, keyed by id."""
    defaults: dict[str, Any] = {
        "fields": (
            Field("id", IntegerType(), "$.id", required=True),
            Field("name", StringType(), "$.name"),
            Field("note", StringType(), "$.note"),
        ),
        "primary_key": ("id",),
        "cdc": Cdc(current_table="stock_current"),
    }
    return Stream(
        contract=ContractRef("stock", version, f"digest-{version}"),
        name="stock",
        object_name="stock",
        topic_prefix="stock",
        table="stock",
        **(defaults | more),
    )


def change(op: str, offset: int, key: int | None = None, **more: Any) -> dict[str, Any]:
    """One landed change; its place in the source's log is ``lsn`` (by default its offset)."""
    lsn = more.pop("lsn", offset)
    row: dict[str, Any] = {
        "id": key,
        "name": None,
        "note": None,
        "_op": op,
        "_source_position": str(lsn),
        "_source_ts": T0 + lsn,
        "_transaction": str(lsn),
        "_source_table": "public.stock",
        "_timestamp": 0,
        "_topic": "stock.cdc",
        "_source_partition": 0,
        "_offset": offset,
        "_ingested_at": T0 + offset,
    }
    return row | more


class Table:
    """A table of changes that is landed and published in steps."""

    def __init__(self, lake: Lake, stream: Stream) -> None:
        self.lake, self.stream = lake, stream
        self.landed = 0
        lake.ensure(stream)

    def publish(self, rows: Sequence[dict[str, Any]]) -> None:
        """Land and publish changes."""
        schema = validated_schema(arrow_schema(self.stream))
        columns = [pa.array([row.get(i.name) for row in rows], i.type) for i in schema]
        source = TopicPartition("stock.validated", 0)
        span = {source: (self.landed, self.landed + len(rows))}
        self.lake.land(self.stream, pa.table(columns, schema=schema), offsets=span)
        self.landed += len(rows)
        staged, main = self.lake.head(self.stream, "staged"), self.lake.head(self.stream)
        assert staged is not None
        assert main is not None
        self.lake.publish(
            self.stream, snapshot_id=staged.snapshot_id, expected_main=main.snapshot_id
        )

    def current(self) -> dict[int, tuple[str | None, str | None]]:
        """What the merged table holds, on ``main``."""
        head = self.lake.head("stock_current")
        assert head is not None
        rows = [
            row
            for batch in self.lake.scan("stock_current", snapshot_id=head.snapshot_id)
            for row in batch.to_pylist()
        ]
        found = {row["id"]: (row["name"], row["note"]) for row in rows}
        assert len(found) == len(rows), "a key stands twice"
        return found
