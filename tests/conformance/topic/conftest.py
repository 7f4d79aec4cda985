"""What every log is tested with: a place, a settable clock, as many instances as it takes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from lakegate.topic.base import TopicLog
from lakegate.topic.embedded import EmbeddedLog


@dataclass
class Clock:
    """A clock that moves when told to."""

    now: datetime = datetime(2026, 3, 1, 12, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now

    def move(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)


@dataclass
class Place:
    """One log's place: every :meth:`open` is another process's view of the same log."""

    make: Callable[[Clock], TopicLog]
    clock: Clock = field(default_factory=Clock)
    opened: list[TopicLog] = field(default_factory=list)

    def open(self) -> TopicLog:
        log = self.make(self.clock)
        self.opened.append(log)
        return log


@pytest.fixture(params=["embedded"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Place]:
    implementations: dict[str, Callable[[Clock], TopicLog]] = {
        "embedded": lambda clock: EmbeddedLog(
            tmp_path / "log", segment_bytes=16 << 10, clock=clock
        ),
    }
    found = Place(implementations[request.param])
    yield found
    for log in found.opened:
        log.close()


@pytest.fixture
def log(place: Place) -> TopicLog:
    return place.open()
