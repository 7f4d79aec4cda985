"""Erased bytes are overwritten, whoever else is at it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from lakegate.topic import erase
from lakegate.topic.base import Record, TopicPartition
from lakegate.topic.embedded import EmbeddedLog

TP = TopicPartition("raw", 0)


@pytest.fixture
def log(tmp_path: Path) -> Iterator[EmbeddedLog]:
    opened = EmbeddedLog(tmp_path)
    opened.create("raw")
    for number in range(3):
        opened.send("raw", [Record(f"secret-{number}-".encode() * 9, b"k", (), 1)])
    yield opened
    opened.close()


def secrets(folder: Path) -> list[int]:
    kept = b"".join(path.read_bytes() for path in folder.glob("segments/*/*.seg"))
    return [number for number in range(3) if f"secret-{number}".encode() in kept]


def test_what_another_has_overwritten_takes_no_other_duty_along(
    log: EmbeddedLog, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = EmbeddedLog(tmp_path)
    overwrite = erase._overwrite

    def meanwhile(path: Path, position: int, size: int) -> None:
        monkeypatch.setattr(erase, "_overwrite", overwrite)
        other.retain()  # overwrites the first, and its duty is done
        with monkeypatch.context() as killed:
            killed.setattr(erase, "scrub", lambda *_: None)
            other.erase(TP, [1])  # a duty more, and the process is killed before it does it
        overwrite(path, position, size)

    monkeypatch.setattr(erase, "_overwrite", meanwhile)
    assert log.erase(TP, [0]) == 1
    assert secrets(tmp_path) == [1, 2]
    log.retain()
    assert secrets(tmp_path) == [2]
    other.close()
