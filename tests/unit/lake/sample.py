"""Streams and validated rows for the lake's tests."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pyarrow as pa

from lakegate.contract.stream import ContractRef, Partition, Stream
from lakegate.contract.type import (
    ArrayType,
    DecimalType,
    Field,
    IntegerType,
    ObjectType,
    StringType,
    TimestampType,
    Type,
)
from lakegate.gate.schema import arrow_schema
from lakegate.topic.base import TopicPartition
from lakegate.topic.schema import validated_schema

TP = TopicPartition("orders.validated", 0)
START = int(datetime(2026, 1, 1, tzinfo=UTC).timestamp()) * 1_000_000
HOUR = 3_600_000_000


def a(name: str, type_: Type, **more: Any) -> Field:
    return Field(name, type_, f"$.{name}", **more)


def element(type_: Type, **more: Any) -> Field:
    return a("element", type_, **more)


ID = a("id", IntegerType(), required=True)
AT = a("at", TimestampType())
TOTAL = a("total", DecimalType(10, 2))
NAME = a("name", StringType())
SHIP = a("ship", ObjectType((a("city", StringType()),)))
LINES = a(
    "lines", ArrayType(element(ObjectType((a("sku", StringType()), a("qty", IntegerType(32))))))
)
FIELDS = (ID, AT, TOTAL, NAME, SHIP, LINES)
BY_DAY = (Partition("at", "day"),)


def orders(fields: tuple[Field, ...] = FIELDS, *, version: str = "1.0.0", **more: Any) -> Stream:
    defaults: dict[str, Any] = {"partitions": BY_DAY, "table": "orders"}
    return Stream(
        contract=ContractRef("orders", version, f"digest-{version}"),
        name="orders",
        object_name="orders",
        fields=fields,
        topic_prefix="orders",
        **(defaults | more),
    )


def validated(stream: Stream, first: int, after: int, **columns: Any) -> pa.Table:
    """Rows ``first`` to ``after``, an hour apart; a third has no name, ship, lines."""
    numbers = range(first, after)
    values: dict[str, Any] = {
        "id": list(numbers),
        "at": [START + n * HOUR for n in numbers],
        "total": [Decimal(n).scaleb(-2) for n in numbers],
        "name": [f"name {n}" if n % 3 else None for n in numbers],
        "ship": [{"city": f"city {n}"} if n % 3 else None for n in numbers],
        "lines": [[{"sku": "x", "qty": n}, None] if n % 3 else None for n in numbers],
        "_timestamp": [0 for _ in numbers],
        "_topic": ["orders.raw" for _ in numbers],
        "_source_partition": [0 for _ in numbers],
        "_offset": list(numbers),
        "_ingested_at": [START + n for n in numbers],
    } | columns
    schema = validated_schema(arrow_schema(stream))
    nothing = [None] * len(numbers)
    return pa.table(
        [pa.array(values.get(item.name, nothing), item.type) for item in schema], schema=schema
    )
