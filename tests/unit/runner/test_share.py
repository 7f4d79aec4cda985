"""Shares of a stream's partitions: who holds what as workers come, go and die."""

from __future__ import annotations

import fcntl
import os
import subprocess
import sys
from pathlib import Path

import pytest

from lakegate.errors import RunnerError
from lakegate.runner import share
from lakegate.runner.share import FileShare


@pytest.fixture(autouse=True)
def always_look(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(share, "LOOK_S", 0)


def settle(*workers: FileShare, partitions: int) -> list[set[int]]:
    """What each holds once all have come to terms; none is ever held by two."""
    held = [set(worker._held) for worker in workers]
    for _ in range(4):
        for worker, mine in zip(workers, held, strict=True):
            wanted = worker.wanted(partitions)
            for number in mine - wanted:
                worker.leave(number)
            mine &= wanted
            mine |= {number for number in wanted if worker.take(number)}
            assert sum(len(each) for each in held) == len(set().union(*held))
    return held


def test_a_worker_alone_has_everything(tmp_path: Path) -> None:
    assert settle(FileShare(tmp_path, "orders"), partitions=4) == [{0, 1, 2, 3}]


def test_two_workers_share_and_a_third_takes_its_part(tmp_path: Path) -> None:
    first, second, third = (FileShare(tmp_path, "orders") for _ in range(3))
    assert settle(first, partitions=6) == [{0, 1, 2, 3, 4, 5}]
    held = settle(first, second, partitions=6)
    assert [len(each) for each in held] == [3, 3]
    held = settle(first, second, third, partitions=6)
    assert [len(each) for each in held] == [2, 2, 2]
    second.release()
    held = settle(first, third, partitions=6)
    assert [len(each) for each in held] == [3, 3]


def test_a_worker_too_many_stands_by(tmp_path: Path) -> None:
    first, second = FileShare(tmp_path, "orders"), FileShare(tmp_path, "orders")
    assert settle(first, second, partitions=1) == [{0}, set()]
    assert not second.take(0)
    first.release()
    assert settle(second, partitions=1) == [{0}]


def test_streams_are_apart(tmp_path: Path) -> None:
    one, other = FileShare(tmp_path, "shop/orders"), FileShare(tmp_path, "shop/items")
    assert settle(one, partitions=2) == [{0, 1}]
    assert settle(other, partitions=2) == [{0, 1}]


HOLD = """
import sys, time
from pathlib import Path
from lakegate.runner.share import FileShare
share = FileShare(Path(sys.argv[1]), "orders")
print(sorted(n for n in share.wanted(3) if share.take(n)), flush=True)
time.sleep(600)
"""


def test_a_killed_worker_has_left(tmp_path: Path) -> None:
    killed = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(tmp_path)], stdout=subprocess.PIPE, text=True
    )
    try:
        assert killed.stdout is not None
        assert killed.stdout.readline() == "[0, 1, 2]\n"
        worker = FileShare(tmp_path, "orders")
        wanted = worker.wanted(3)
        assert len(wanted) == 1
        assert not any(worker.take(number) for number in wanted), "the other has not left yet"
    finally:
        killed.kill()
        killed.communicate()
    assert settle(worker, partitions=3) == [{0, 1, 2}]


def test_it_looks_at_most_every_so_often(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(share, "LOOK_S", 3_600)
    first, second = FileShare(tmp_path, "orders"), FileShare(tmp_path, "orders")
    assert first.wanted(2) == {0, 1}
    assert second.wanted(2) == {1}
    assert first.wanted(2) == {0, 1}, "it has not looked again"


def test_a_worker_of_an_older_version_keeps_everybody_out(tmp_path: Path) -> None:
    """It held the whole stream by an exclusive lock on the common file."""
    fd = os.open(tmp_path / "orders.gate", os.O_RDWR | os.O_CREAT)
    fcntl.flock(fd, fcntl.LOCK_EX)
    worker = FileShare(tmp_path, "orders")
    assert worker.wanted(2) == frozenset()
    os.close(fd)
    assert worker.wanted(2) == {0, 1}


def test_a_folder_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "locks").write_text("a file")
    with pytest.raises(RunnerError, match=r"cannot lock .*is the state directory writable"):
        FileShare(tmp_path / "locks", "orders").wanted(1)
