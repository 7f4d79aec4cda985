"""A disk that is full, read-only or lying: what the embedded log does then."""

from __future__ import annotations

import errno
import os
import resource
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import apsw
import pytest

from lakegate import fault
from lakegate.errors import DamagedLog, LogFull, NewerState, TopicError
from lakegate.topic.base import Record, Retention, TopicPartition
from lakegate.topic.codec import record_batch, records
from lakegate.topic.embedded import EmbeddedLog

RAW = TopicPartition("raw", 0)
NOW = datetime(2026, 1, 1, tzinfo=UTC)


def rows(*values: bytes):
    return record_batch([Record(value) for value in values], now=NOW)


def values(log: EmbeddedLog) -> list[bytes]:
    return [
        record.value
        for batch in log.read(RAW, log.start_offset(RAW))
        for record in records(batch.rows)
    ]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A log of two batches in two segments: offsets 0-1 and 2-3."""
    found = tmp_path / "log"
    for first in (0, 2):
        log = EmbeddedLog(found, segment_bytes=1, clock=lambda: NOW)
        log.create("raw")
        log.append(RAW, rows(b"%d" % first, b"%d" % (first + 1)))
        log.close()
    return found


@pytest.fixture
def log(path: Path) -> Iterator[EmbeddedLog]:
    found = EmbeddedLog(path, clock=lambda: NOW)
    yield found
    found.close()


def segment_of(log: EmbeddedLog, offset: int) -> Path:
    (row,) = log._index.batches(log._index.partition_id(RAW), offset, limit=1)
    return log._index.root / "segments" / "raw" / row.file


def flip(file: Path) -> None:
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 1
    file.write_bytes(data)


def cut(file: Path) -> None:
    os.truncate(file, file.stat().st_size - 1)


@pytest.mark.parametrize(
    ("harm", "words"), [(flip, "CRC-32"), (cut, "cut off"), (Path.unlink, "is missing")]
)
def test_a_damaged_segment(log: EmbeddedLog, harm: Callable[[Path], None], words: str) -> None:
    file = segment_of(log, 0)
    harm(file)
    with pytest.raises(DamagedLog, match=words) as caught:
        list(log.read(RAW, 0))
    (sentence,) = log.verify(RAW)
    for text in (str(caught.value), sentence):
        assert str(file) in text
        assert words in text
        assert "raw[0]" in text
    assert "offsets 0 to 1" in str(caught.value)
    assert "0 and 1" in sentence or "0 to 1" in sentence
    (batch,) = log.read(RAW, 2)
    assert [record.value for record in records(batch.rows)] == [b"2", b"3"]


def test_a_missing_segment_is_one_sentence(tmp_path: Path) -> None:
    log = EmbeddedLog(tmp_path)
    log.create("raw")
    for n in range(5):
        log.append(RAW, rows(b"%d" % n))
    segment_of(log, 0).unlink()
    (sentence,) = log.verify(RAW)
    assert "5 records between offsets 0 and 4 of raw[0]" in sentence
    log.close()


def test_a_missing_row(log: EmbeddedLog, path: Path) -> None:
    with log._index.immediate():
        log._index.execute("DELETE FROM batch WHERE base = 0")
    with pytest.raises(DamagedLog, match="no batch for offsets 0 to 2"):
        list(log.read(RAW, 0))
    assert list(log.verify(RAW)) == [
        f"{path / 'index.db'} has no batch for offsets 0 to 1 of raw[0]."
    ]
    with log._index.immediate():
        log._index.execute("DELETE FROM batch")
    (sentence,) = log.verify(RAW)
    assert "offsets 0 to 3" in sentence


def test_a_row_that_says_something_else(log: EmbeddedLog) -> None:
    with log._index.immediate():
        log._index.execute("UPDATE batch SET base = 1 WHERE base = 2")
    twice, absent = log.verify(RAW)
    assert "two batches for offsets 1 to 1" in twice
    assert "no batch for offsets 3 to 3" in absent
    with log._index.immediate():
        log._index.execute("UPDATE batch SET base = 2, position = 8 WHERE base = 1")
    (sentence,) = log.verify(RAW)
    assert "at position 8" in sentence


def test_a_database_of_a_newer_version(path: Path) -> None:
    connection = apsw.Connection(str(path / "index.db"))
    connection.execute("PRAGMA user_version=2")
    connection.close()
    with pytest.raises(NewerState, match=r"newer Lakegate.*install"):
        EmbeddedLog(path)


def test_not_a_database(path: Path) -> None:
    (path / "index.db").write_bytes(b"these are not the bytes of a database" * 200)
    with pytest.raises(DamagedLog, match="restore the whole directory"):
        EmbeddedLog(path)


def test_another_database(path: Path) -> None:
    (path / "index.db").unlink()
    connection = apsw.Connection(str(path / "index.db"))
    connection.execute("CREATE TABLE t (a)")
    connection.close()
    with pytest.raises(DamagedLog, match="not the index of a log"):
        EmbeddedLog(path)


def test_a_malformed_database(path: Path) -> None:
    index = path / "index.db"
    data = bytearray(index.read_bytes())
    for page in range(4096, len(data), 4096):
        data[page : page + 100] = b"\xee" * 100
    index.write_bytes(data)
    with pytest.raises(DamagedLog, match="restore the whole directory"):  # noqa: PT012
        log = EmbeddedLog(path)
        try:
            log.topics()
        finally:
            log.close()


def test_a_lost_database_does_not_become_an_empty_log(path: Path) -> None:
    (path / "index.db").unlink()
    with pytest.raises(DamagedLog, match=r"index\.db is missing"):
        EmbeddedLog(path)
    assert len(list(path.glob("segments/*/*.seg"))) == 2


FAILURES = [
    ("topic.payload.write", "ENOSPC", LogFull),
    ("topic.payload.written", "ENOSPC", LogFull),
    ("topic.payload.written", "EDQUOT", LogFull),
    ("topic.payload.written", "EIO", TopicError),
    ("topic.segment.created", "ENOSPC", LogFull),
    ("topic.commit.before", "ENOSPC", LogFull),
    ("topic.payload.write", "EROFS", TopicError),
]


@pytest.mark.parametrize(("point", "code", "error"), FAILURES)
def test_a_failing_call_appends_nothing_and_the_next_one_succeeds(
    log: EmbeddedLog, monkeypatch: pytest.MonkeyPatch, point: str, code: str, error: type[Exception]
) -> None:
    for name, value in (("_point", point), ("_left", 1), ("_errno", code)):
        monkeypatch.setattr(fault, name, value)
    with pytest.raises(error, match="nothing was appended") as caught:
        log.append(RAW, rows(b"lost"))
    assert type(caught.value) is error
    assert caught.value.__cause__.errno == getattr(errno, code)
    assert log.end_offset(RAW) == 4
    assert log.append(RAW, rows(b"4")) == 4
    assert values(log) == [b"0", b"1", b"2", b"3", b"4"]
    assert list(log.verify(RAW)) == []


def mount(target: Path, *options: str) -> None:
    done = subprocess.run(["mount", *options, str(target)], capture_output=True, check=False)
    if done.returncode:
        pytest.skip("may not mount here")


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    target = tmp_path / "disk"
    target.mkdir()
    mount(target, "-t", "tmpfs", "-o", "size=2m", "none")
    yield target
    subprocess.run(["umount", str(target)], check=True)


@pytest.mark.parametrize("size", [300, 30_000])
def test_a_full_disk(small_disk: Path, size: int) -> None:
    moment = [NOW]
    log = EmbeddedLog(small_disk / "log", segment_bytes=100_000, clock=lambda: moment[0])
    log.create("raw", retention=Retention(age=timedelta(0)))
    count = 0
    with pytest.raises(LogFull, match="free space"):  # noqa: PT012
        while True:
            log.append(RAW, rows(os.urandom(size)))
            count += 1
    assert count > 10
    for _ in range(3):
        with pytest.raises(LogFull):
            log.append(RAW, rows(os.urandom(500_000)))
    assert log.end_offset(RAW) == count
    assert len(list(log.read(RAW, 0))) == count
    assert list(log.verify(RAW)) == []
    other = EmbeddedLog(small_disk / "log")
    assert other.end_offset(RAW) == count
    other.close()

    ballast = small_disk / "log" / "segments" / "raw"
    sizes = sum(file.stat().st_size for file in ballast.iterdir())
    assert sizes < 2 << 20
    subprocess.run(["mount", "-o", "remount,size=8m", str(small_disk)], check=True)
    assert log.append(RAW, rows(b"again")) == count
    moment[0] += timedelta(1)
    assert log.retain() == {RAW: count + 1}
    assert sum(file.stat().st_size for file in ballast.iterdir()) < 110_000
    assert log.append(RAW, rows(b"more")) == count + 1
    assert values(log) == [b"more"]
    log.close()


def test_a_disk_too_full_to_begin(small_disk: Path) -> None:
    (small_disk / "ballast").write_bytes(bytes((2 << 20) - 8192))
    with pytest.raises(LogFull, match="free space"):
        EmbeddedLog(small_disk / "log").create("raw")
    (small_disk / "ballast").unlink()
    log = EmbeddedLog(small_disk / "log")
    log.create("raw")
    assert log.append(RAW, rows(b"0")) == 0
    log.close()


def test_a_read_only_disk(small_disk: Path) -> None:
    log = EmbeddedLog(small_disk / "log")
    log.create("raw")
    log.append(RAW, rows(b"0"))
    log.close()
    subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)
    log = EmbeddedLog(small_disk / "log")
    assert values(log) == [b"0"]
    with pytest.raises(TopicError, match="mount it writable"):
        log.append(RAW, rows(b"1"))
    with pytest.raises(TopicError, match="mount it writable"):
        log.register("group", "raw")
    log.close()
    with pytest.raises(TopicError, match="mount it writable"):
        EmbeddedLog(small_disk / "new")
    subprocess.run(["mount", "-o", "remount,rw", str(small_disk)], check=True)
    log = EmbeddedLog(small_disk / "log")
    assert values(log) == [b"0"]
    log.close()


def test_a_limit_on_the_size_of_files(log: EmbeddedLog) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, hard))
    try:
        with pytest.raises(LogFull):
            log.append(RAW, rows(os.urandom(300_000)))
        assert log.append(RAW, rows(b"4")) == 4
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert values(log) == [b"0", b"1", b"2", b"3", b"4"]


def test_a_fork_is_refused(path: Path) -> None:
    program = (
        "import os, sys; from lakegate.topic.embedded import EmbeddedLog\n"
        "log = EmbeddedLog(sys.argv[1])\n"
        "if os.fork() == 0:\n"
        "    try: log.create('new')\n"
        "    except BaseException as error: os.write(1, str(error).encode())\n"
        "    os._exit(0)\n"
        "os.wait(); log.close()\n"
    )
    out = subprocess.run(
        [sys.executable, "-c", program, str(path)], capture_output=True, text=True, check=True
    ).stdout
    assert "a fork must not use it" in out
