"""What a host of the gate needs from the rest of the house, and what it reports."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from lakegate.contract.stream import Stream
from lakegate.topic.base import TopicPartition

__all__ = ["GATE_GROUP", "Brake", "Lease", "Pause", "Progress", "StreamSource"]

# The consumer group under which every gate reads its raw topic.
GATE_GROUP = "lakegate.gate"


class StreamSource(Protocol):
    """Where a worker learns which contract is in force; asked between batches."""

    def current(self) -> Stream:
        """The stream as its newest good contract says. A broken newer one is reported elsewhere."""
        ...


class Lease(Protocol):
    """Held by the one worker that may work on a stream; freed by the death of its holder."""

    def acquire(self, *, stopped: Callable[[], bool], timeout_s: float | None) -> bool:
        """Wait until held (True), ``stopped()`` is true or the time is up (False)."""
        ...

    def release(self) -> None:
        """Let the next one in."""
        ...


@dataclass(frozen=True, slots=True)
class Pause:
    """A stream that waits for a person: why, and the offset behind the record that caused it."""

    source: TopicPartition
    next_offset: int
    reason: str
    at: datetime


class Brake(Protocol):
    """Durable memory of paused streams."""

    def pause(self, stream: str, pause: Pause) -> None:
        """Remember; durable when it returns. The first pause of a stream stays."""
        ...

    def paused(self, stream: str) -> Pause | None:
        """The pause in force."""
        ...


@dataclass(slots=True)
class Progress:
    """What a worker has done since it started; read by whoever shows it."""

    accepted: int = 0
    rejected: int = 0
    tombstones: int = 0
    noted: int = 0
    batches: int = 0
    fenced: int = 0
    gate_errors: int = 0
    replayed: int = 0
    failed: int = 0  # replayed, and rejected again

    @property
    def records(self) -> int:
        """Raw records judged and committed."""
        return self.accepted + self.rejected + self.tombstones
