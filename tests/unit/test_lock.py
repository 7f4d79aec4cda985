from __future__ import annotations

import fcntl
import os
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from lakegate.errors import LakegateError, TopicError
from lakegate.lake import Lake
from lakegate.lock import locked
from lakegate.topic.embedded import EmbeddedLog


def test_a_lock_is_had_by_one_at_a_time(tmp_path: Path) -> None:
    inside: list[int] = []
    most: list[int] = []

    def hold() -> None:
        with locked(tmp_path, doing="testing", refusal=TopicError):
            inside.append(1)
            most.append(len(inside))
            inside.pop()

    threads = [threading.Thread(target=hold) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == [1] * 8


def test_a_lock_is_free_after_an_error(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError), locked(tmp_path, doing="it", refusal=TopicError):
        _ = 1 / 0
    with locked(tmp_path, doing="it", refusal=TopicError):
        pass


@pytest.mark.parametrize(
    "look", [lambda at: EmbeddedLog(at).topics(), lambda at: Lake(at).tables()]
)
def test_nobody_waits_for_ever_for_a_process_that_is_stopped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, look: Callable[[Path], object]
) -> None:
    monkeypatch.setattr("lakegate.lock._PATIENCE_S", 0.05)
    stopped = os.open(tmp_path, os.O_RDONLY)
    try:
        fcntl.flock(stopped, fcntl.LOCK_EX)
        with pytest.raises(LakegateError, match=r"is it stopped\? .* then try again"):
            look(tmp_path)
    finally:
        os.close(stopped)
    assert not look(tmp_path)
