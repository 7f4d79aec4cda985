"""The embedded log against plain files, in one run: append, consume-transform-commit, latency.

The baseline is what durability costs by itself: the same encoded payloads written to one file, with
an ``fdatasync`` after each. Absolute figures depend on the machine and its disk; compare ratios.

    python benchmarks/bench_topic.py [--quick]
"""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from lakegate.contract.stream import ContractRef
from lakegate.topic.base import LedgerEntry, ProducerStamp, Record, TopicPartition
from lakegate.topic.codec import encode, record_batch
from lakegate.topic.embedded import EmbeddedLog

RAW = TopicPartition("raw", 0)
VALIDATED = TopicPartition("validated", 0)
CONTRACT = ContractRef("orders", "1.0.0", "00" * 32)
NOW = datetime(2026, 1, 1, tzinfo=UTC)


def order(number: int) -> Record:
    """A JSON order of about 430 B, with parts that compress as real ones do."""
    value = (
        f'{{"order_id":"{number:032x}","customer":{{"id":{number % 9973},"email":'
        f'"customer{number % 9973}@example.org","country":"{("DE", "FR", "US")[number % 3]}"}},'
        f'"placed_at":"2026-11-23T{number % 24:02}:{number % 60:02}:{number % 59:02}.'
        f'{number % 1000:03}Z",'
        f'"lines":[{{"sku":"SKU-{number % 517:05}","qty":{number % 7 + 1},"price":'
        f'"{number % 997}.{number % 100:02}"}},{{"sku":"SKU-{number % 711:05}","qty":1,"price":'
        f'"{number % 313}.99"}}],"currency":"EUR","channel":"web",'
        f'"note":"leave at door {number % 40}",'
        f'"total":"{number % 4999}.{number % 100:02}"}}'
    )
    return Record(value.encode().ljust(430), key=b"%d" % (number % 9973), timestamp_ms=number)


def timed(work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def plain_file(path: Path, batches: Sequence[pa.RecordBatch]) -> None:
    with path.open("wb", buffering=0) as file:
        for rows in batches:
            for piece in encode(rows):
                file.write(piece.data)
            os.fdatasync(file.fileno())


def append(log: EmbeddedLog, batches: Sequence[pa.RecordBatch]) -> None:
    for rows in batches:
        log.append(RAW, rows)


def loop(log: EmbeddedLog, size: int) -> None:
    """Read, transform a column, commit output with ledger entry and offset, to the end."""
    at, end = 0, log.end_offset(RAW)
    while at < end:
        for batch in log.read(RAW, at, max_records=size):
            values = pc.binary_join_element_wise(batch.rows.column("value"), b"", b" ")
            rows = batch.rows.set_column(1, batch.rows.schema.field(1), values)
            with log.transaction() as transaction:
                transaction.append(VALIDATED, rows)
                transaction.account(
                    LedgerEntry(
                        stream="orders",
                        source=RAW,
                        first_offset=at,
                        next_offset=batch.next_offset,
                        accepted=rows.num_rows,
                        rejected=0,
                        tombstones=0,
                        accepted_checksum=0,
                        rejected_checksum=0,
                        tombstone_checksum=0,
                        contract=CONTRACT,
                    )
                )
                transaction.advance("gate", RAW, expected=at, to=batch.next_offset)
            at = batch.next_offset


def throughput(directory: Path, size: int, count: int) -> None:
    given = [order(number) for number in range(size)]
    rows = record_batch(given, now=NOW)
    batches = [rows] * count
    total = size * count
    encode_s = timed(lambda: [list(encode(each)) for each in batches])
    plain_s = timed(lambda: plain_file(directory / f"plain-{size}", batches))
    log = EmbeddedLog(directory / f"log-{size}")
    log.create("raw")
    log.create("validated")
    append_s = timed(lambda: append(log, batches))
    loop_s = timed(lambda: loop(log, size))
    send_s = timed(lambda: log.send("raw", given, stamp=ProducerStamp("bench", 0)))
    stored = sum(len(piece.data) for piece in encode(rows))
    log.close()
    print(f"{count} batches of {size:,} records of 430 B ({stored / size:.0f} B stored)")
    for name, seconds, records in (
        ("encode only, no disk", encode_s, total),
        ("plain file + fdatasync (baseline)", plain_s, total),
        ("append", append_s, total),
        ("consume, transform, commit", loop_s, total),
        ("send from Python records", send_s, size),
    ):
        rate = records / seconds
        print(f"  {name:36} {rate:>11,.0f} records/s {rate * plain_s / total:8.2f} x baseline")


def latency(directory: Path, count: int) -> None:
    """One record per commit, alone on the log."""
    rows = record_batch([order(1)], now=NOW)
    log = EmbeddedLog(directory / "light")
    log.create("raw")
    log.append(RAW, rows)
    commits = [timed(lambda: log.append(RAW, rows)) for _ in range(count)]
    payload = next(encode(rows)).data
    with (directory / "light.plain").open("wb", buffering=0) as file:

        def one() -> None:
            file.write(payload)
            os.fdatasync(file.fileno())

        plain = [timed(one) for _ in range(count)]
    log.close()
    print(f"one record per commit, {count} commits")
    base = percentiles(plain)
    for name, found in (
        ("plain file + fdatasync (baseline)", base),
        ("append", percentiles(commits)),
    ):
        ratios = "  ".join(f"{mine / other:.2f}" for mine, other in zip(found, base, strict=True))
        print(f"  {name:36} p50 {found[0]:7.2f} ms  p99 {found[1]:7.2f} ms  ({ratios} x baseline)")


def percentiles(seconds: Sequence[float]) -> tuple[float, float]:
    cuts = statistics.quantiles(seconds, n=100)
    return cuts[49] * 1000, cuts[98] * 1000


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description="Benchmark of the embedded topic log.")
    parser.add_argument("--quick", action="store_true", help="a few seconds, rougher figures")
    parser.add_argument("--directory", help="where to write; the default is the temporary one")
    chosen = parser.parse_args(argv)
    records, commits = (100_000, 200) if chosen.quick else (1_000_000, 1_000)
    with tempfile.TemporaryDirectory(dir=chosen.directory) as directory:
        for size in (5_000, 10_000):
            throughput(Path(directory), size, records // size)
        latency(Path(directory), commits)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
