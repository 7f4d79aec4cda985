"""What the lake costs: commits as a table ages, landing, and reading what is published.

Run ``python benchmarks/bench_lake.py`` (``--quick`` for a tenth of it). Figures are CPU time of one
process; compare the ratios, which hold between machines. Baselines, in the same run:

* the 10th commit, against the 1,000th (target: at most 1.5 times); ``with maintenance`` is the mean
  of a hundred commits, compaction, expiry and sweep included;
* PyIceberg's own ``Table.append`` of the same batch to a table of the same schema;
* DuckDB over the bare Parquet files, by name, of the same table (target: at most 1.3 times).
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import duckdb
import pyarrow as pa

from lakegate.contract.stream import ContractRef, Partition, Stream
from lakegate.contract.type import DecimalType, Field, IntegerType, StringType, TimestampType
from lakegate.gate.schema import arrow_schema
from lakegate.lake import STAGED, Lake
from lakegate.topic.base import TopicPartition
from lakegate.topic.schema import validated_schema

SOURCE = TopicPartition("orders.validated", 0)
START = int(datetime(2026, 1, 1, tzinfo=UTC).timestamp()) * 1_000_000
QUERY = (
    "SELECT status, count(*), sum(total) FROM {} "
    "WHERE \"at\" >= TIMESTAMPTZ '2026-01-02 00:00:00+00' AND customer % 7 = 3 GROUP BY status"
)


def orders() -> Stream:
    return Stream(
        contract=ContractRef("orders", "1.0.0", "0" * 64),
        name="orders",
        object_name="orders",
        fields=(
            Field("id", IntegerType(), "$.id", required=True),
            Field("at", TimestampType(), "$.at", required=True),
            Field("customer", IntegerType(), "$.customer"),
            Field("status", StringType(), "$.status"),
            Field("total", DecimalType(12, 2), "$.total"),
            Field("note", StringType(), "$.note"),
        ),
        partitions=(Partition("at", "day"),),
        topic_prefix="orders",
        table="orders",
    )


def batch(stream: Stream, first: int, count: int, *, step_us: int) -> pa.Table:
    numbers = range(first, first + count)
    values = {
        "id": list(numbers),
        "at": [START + n * step_us for n in numbers],
        "customer": [n * 7919 % 10_000 for n in numbers],
        "status": [("new", "paid", "sent", "returned")[n % 4] for n in numbers],
        "total": [Decimal(n % 100_000).scaleb(-2) for n in numbers],
        "note": [f"note {n % 1000}" for n in numbers],
        "_timestamp": [0] * count,
        "_topic": ["orders.raw"] * count,
        "_source_partition": [0] * count,
        "_offset": list(numbers),
        "_ingested_at": [START] * count,
    }
    schema = validated_schema(arrow_schema(stream))
    nothing = [None] * count
    return pa.table(
        [pa.array(values.get(item.name, nothing), item.type) for item in schema], schema=schema
    )


def cpu_ms(act: Callable[[], object]) -> float:
    began = time.process_time()
    act()
    return (time.process_time() - began) * 1000


def commits(root: Path, count: int) -> dict[str, float]:
    """CPU ms per commit of 100 rows, early and late; maintenance every 50 as a lander does it."""
    stream, lake = orders(), Lake(root / "commits")
    lake.ensure(stream)
    rows = batch(stream, 0, 100, step_us=1_000_000)
    plain, whole = [], []
    for n in range(count):
        spent = cpu_ms(
            lambda n=n: lake.land(stream, rows, offsets={SOURCE: (n * 100, n * 100 + 100)})
        )
        plain.append(spent)
        if n % 50 == 49:
            spent += cpu_ms(lambda: lake.maintain(stream))
        whole.append(spent)
    lake.close()
    early, late = statistics.median(plain[5:15]), statistics.median(plain[-10:])
    return {
        "commit_10_ms": early,
        f"commit_{count}_ms": late,
        "ratio": late / early,
        "first_100_with_maintenance_ms": statistics.mean(whole[:100]),
        "last_100_with_maintenance_ms": statistics.mean(whole[-100:]),
        "ratio_with_maintenance": statistics.mean(whole[-100:]) / statistics.mean(whole[:100]),
    }


def landing(root: Path, count: int) -> dict[str, float]:
    """Rows per CPU second of one landing commit over ten days, against PyIceberg's own append."""
    stream, lake = orders(), Lake(root / "landing")
    lake.ensure(stream)
    rows = batch(stream, 0, count, step_us=10 * 86_400_000_000 // count)
    ours = cpu_ms(lambda: lake.land(stream, rows, offsets={SOURCE: (0, count)}))
    table = lake.table(stream)
    names = [item.name for item in table.schema().fields]
    plain = rows.select(names)
    theirs = cpu_ms(lambda: table.append(plain, branch=STAGED))
    lake.close()
    return {
        "rows_per_cpu_s": count / ours * 1000,
        "pyiceberg_append_rows_per_cpu_s": count / theirs * 1000,
        "ratio": theirs / ours,
    }


def reading(root: Path, count: int) -> dict[str, float]:
    """A filtered GROUP BY over the published table, against the bare files; view set-up apart."""
    stream, lake = orders(), Lake(root / "reading")
    lake.ensure(stream)
    size = count // 10
    for n in range(10):
        rows = batch(stream, n * size, size, step_us=10 * 86_400_000_000 // count)
        lake.land(stream, rows, offsets={SOURCE: (n * size, n * size + size)})
    staged, main = lake.head(stream, STAGED), lake.head(stream)
    assert staged is not None
    assert main is not None
    lake.publish(stream, snapshot_id=staged.snapshot_id, expected_main=main.snapshot_id)
    with duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'UTC'")
        setup = cpu_ms(
            lambda: lake.relation(
                connection, stream, snapshot_id=staged.snapshot_id, name="published"
            )
        )
        files = root / "reading/warehouse/lakegate/orders/data/**/*.parquet"
        connection.execute(
            f"CREATE VIEW bare AS SELECT * FROM read_parquet('{files}', hive_partitioning = false)"
        )
        views = ("published", "bare")
        answers = [sorted(connection.execute(QUERY.format(view)).fetchall()) for view in views]
        assert answers[0] == answers[1], "the view and the bare files disagree"
        spent = {
            view: statistics.median(
                cpu_ms(lambda view=view: connection.execute(QUERY.format(view)).fetchall())
                for _ in range(7)
            )
            for view in views
        }
    lake.close()
    return {
        "published_ms": spent["published"],
        "bare_duckdb_ms": spent["bare"],
        "ratio": spent["published"] / spent["bare"],
        "view_setup_ms": setup,
    }


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description="What the lake costs.")
    parser.add_argument("--quick", action="store_true", help="a tenth of the work")
    parser.add_argument("--format", choices=("text", "json"), default="text")
    arguments = parser.parse_args(argv)
    scale = 10 if arguments.quick else 1
    with tempfile.TemporaryDirectory() as directory:
        root = Path(directory)
        results = {
            "commits": commits(root, max(1000 // scale, 100)),
            "landing": landing(root, 1_000_000 // scale),
            "reading": reading(root, 4_000_000 // scale),
        }
    if arguments.format == "json":
        print(json.dumps(results))
        return 0
    for name, figures in results.items():
        for figure, value in figures.items():
            print(f"lake {name:8} {figure:34} {value:12,.2f}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
