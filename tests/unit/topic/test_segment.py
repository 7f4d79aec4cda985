"""Segment files: positions, locks, and what a failed write leaves."""

from __future__ import annotations

import errno
import fcntl
import os
from pathlib import Path

import pyarrow as pa
import pytest

from lakegate.topic.codec import Payload, payload
from lakegate.topic.segment import SegmentReader, SegmentWriter, abandoned

ROW = pa.record_batch({"a": [1]})


def some(data: bytes) -> Payload:
    return Payload(ROW, memoryview(data), 0)


def test_payloads_are_read_back_where_they_were_put(tmp_path: Path) -> None:
    writer = SegmentWriter.create(tmp_path / "raw")
    given = [b"a", b"", b"bcd", payload(pa.record_batch({"a": [1]})).data.tobytes()]
    positions = writer.append([some(data) for data in given])
    positions += writer.append([some(b"last")])
    reader = SegmentReader()
    for position, data in zip(positions, [*given, b"last"], strict=True):
        assert reader.read(writer.path, position, len(data)) == data
    assert writer.end == sum(map(len, given)) + 4 == writer.path.stat().st_size
    assert reader.read(writer.path, positions[-1], 100) == b"last"
    reader.forget()
    writer.close()


def test_short_writes_are_continued(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = os.pwritev
    monkeypatch.setattr(
        os, "pwritev", lambda fd, buffers, at: whole(fd, [b"".join(buffers)[:7]], at)
    )
    writer = SegmentWriter.create(tmp_path)
    given = [bytes([n]) * n for n in range(20)]
    writer.append([some(data) for data in given])
    assert writer.path.read_bytes() == b"".join(given)
    writer.close()


def test_more_payloads_than_one_call_takes(tmp_path: Path) -> None:
    writer = SegmentWriter.create(tmp_path)
    given = [b"%d," % n for n in range(3_000)]
    writer.append([some(data) for data in given])
    assert writer.path.read_bytes() == b"".join(given)
    writer.close()


def test_a_failed_sync_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    writer = SegmentWriter.create(tmp_path)
    writer.append([some(b"kept")])

    def fail(fd: int) -> None:
        raise OSError(errno.EIO, "no")

    monkeypatch.setattr(os, "fdatasync", fail)
    with pytest.raises(OSError, match="no"):
        writer.append([some(b"lost")])
    assert writer.path.read_bytes() == b"kept"
    writer.close()


def test_a_segment_is_abandoned_when_its_writer_closes(tmp_path: Path) -> None:
    writer = SegmentWriter.create(tmp_path)
    with abandoned(writer.path) as free:
        assert not free
    writer.close()
    with abandoned(writer.path) as free:
        assert free
    with abandoned(tmp_path / "nothing") as free:
        assert free


def test_a_segment_is_adopted_at_its_end_and_by_one_only(tmp_path: Path) -> None:
    writer = SegmentWriter.create(tmp_path)
    writer.append([some(b"first")])
    assert SegmentWriter.adopt(writer.path, 7) is None
    writer.close()
    heir = SegmentWriter.adopt(writer.path, 7)
    assert heir is not None
    assert heir.id == 7
    assert SegmentWriter.adopt(writer.path, 7) is None
    assert heir.append([some(b"second")]) == [5]
    assert writer.path.read_bytes() == b"firstsecond"
    heir.close()
    writer.path.unlink()
    assert SegmentWriter.adopt(writer.path, 7) is None


def test_a_file_removed_before_it_was_locked_is_not_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lock = fcntl.flock
    removed = []

    def late(fd: int, operation: int) -> None:
        if not removed:  # retention comes between the creation of the file and its lock
            removed.extend(tmp_path.iterdir())
            removed[0].unlink()
        lock(fd, operation)

    monkeypatch.setattr(fcntl, "flock", late)
    writer = SegmentWriter.create(tmp_path)
    writer.append([some(b"kept")])
    assert writer.path not in removed
    assert writer.path.read_bytes() == b"kept"
    writer.close()


def test_few_files_stay_open(tmp_path: Path) -> None:
    reader = SegmentReader()
    before = len(list(Path("/proc/self/fd").iterdir()))
    for n in range(50):
        (tmp_path / str(n)).write_bytes(b"x")
        assert reader.read(tmp_path / str(n), 0, 1) == b"x"
    assert len(list(Path("/proc/self/fd").iterdir())) - before <= 8
    reader.forget()
    assert len(list(Path("/proc/self/fd").iterdir())) == before
