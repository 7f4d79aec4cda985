"""Memory of a process that lands and maintains for ever: bounded, and given back."""

from __future__ import annotations

import gc
import os
import sys
import tracemalloc
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pyarrow as pa
import pytest

from lakegate.lake import STAGED, Lake
from lakegate.lake.landing import Lander
from lakegate.lake.maintain import compact
from lakegate.topic.embedded import EmbeddedLog
from tests.unit.lake.sample import AT, ID, NAME, TP, orders, validated

ORDERS = orders((ID, AT, NAME), partitions=())
KEPT = 5
EVERY = 5


@contextmanager
def measured() -> Iterator[pa.MemoryPool]:
    """A pool that knows the most it ever held, for what Arrow does inside."""
    usual, pool = pa.default_memory_pool(), pa.proxy_memory_pool(pa.system_memory_pool())
    pa.set_memory_pool(pool)
    try:
        yield pool
    finally:
        pa.set_memory_pool(usual)


@pytest.mark.slow
def test_what_a_lander_holds_does_not_grow_with_its_commits(tmp_path: Path) -> None:
    log, lake = EmbeddedLog(tmp_path / "log"), Lake(tmp_path / "lake", keep=KEPT)
    log.create("orders.validated", partitions=1)
    lander = Lander(log, lake, lambda: ORDERS, maintain_every=EVERY)

    gc.collect()  # what tests before this one left
    arrow = pa.total_allocated_bytes()

    def land(first: int, after: int) -> None:
        for number in range(first, after):
            rows = validated(ORDERS, number, number + 1).combine_chunks().to_batches()[0]
            log.append(TP, rows)
            assert lander.run_once() == 1

    land(0, 50)  # as many snapshots as are kept, and PyIceberg's caches of manifests nearly full
    gc.collect()
    before = sys.getallocatedblocks()
    land(50, 80)
    gc.collect()
    grown = sys.getallocatedblocks() - before
    assert grown < 30 * 50, f"{grown} objects more after 30 commits"  # a snapshot is hundreds
    assert pa.total_allocated_bytes() == arrow
    lake.close()
    log.close()


@pytest.mark.slow
def test_a_compaction_takes_no_more_memory_for_more_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lakegate.lake.datafile._ROW_GROUP_BYTES", 1 << 18)
    monkeypatch.setattr("lakegate.lake.datafile._SPOOL_BYTES", 1 << 16)
    monkeypatch.setattr("lakegate.lake.reading._FRUGAL_ROWS", 256)
    stream = orders((ID, NAME), partitions=())
    most, held = [], []
    for count in (8, 24):
        lake = Lake(tmp_path / str(count))
        lake.ensure(stream)
        for number in range(count):
            first, after = number * 500, (number + 1) * 500
            names = [os.urandom(100).hex() for _ in range(first, after)]
            rows = validated(stream, first, after, name=names)
            lake.land(stream, rows, offsets={TP: (first, after)})
        table = lake.table(stream)
        tracemalloc.start()
        try:
            with measured() as pool:
                assert compact(table) == (count, 1)
            held.append(tracemalloc.get_traced_memory()[1])
        finally:
            tracemalloc.stop()
        most.append(pool.max_memory())
        assert pool.bytes_allocated() == 0
        head = lake.head(stream, STAGED)
        assert head is not None
        assert head.rows == count * 500
        assert not list(lake.verify(stream, snapshot_id=head.snapshot_id))
        lake.close()
    assert most[1] < most[0] * 1.1, f"of Arrow: {most}"
    assert held[1] < held[0] * 1.5, f"of Python: {held}"


def test_small_files_become_row_groups_of_some_size(tmp_path: Path) -> None:
    import pyarrow.parquet as pq

    lake = Lake(tmp_path)
    stream = orders((ID, NAME), partitions=())
    lake.ensure(stream)
    for number in range(8):
        rows = validated(stream, number * 3, number * 3 + 3)
        lake.land(stream, rows, offsets={TP: (number * 3, number * 3 + 3)})
    table = lake.table(stream)
    compact(table)
    (task,) = table.scan().use_ref(STAGED).plan_files()
    metadata = pq.ParquetFile(task.file.file_path.removeprefix("file://")).metadata
    assert (metadata.num_row_groups, metadata.num_rows) == (1, 24)
    lake.close()
