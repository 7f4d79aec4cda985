"""What a host of the gate needs from the rest of the house, and what it reports."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from lakegate.contract.stream import Stream
from lakegate.topic.base import TopicPartition

__all__ = ["GATE_GROUP", "Brake", "Pause", "Progress", "Share", "StreamSource"]

# The consumer group under which every gate reads its raw topic.
GATE_GROUP = "lakegate.gate"


class StreamSource(Protocol):
    """Where a worker learns which contract is in force; asked between batches."""

    def current(self) -> Stream:
        """The stream as its newest good contract says. A broken newer one is reported elsewhere."""
        ...


class Share(Protocol):
    """Which partitions of a stream a worker may work on, beside other workers of it.

    A partition is held by one worker at most, and free again when that one dies. A share keeps
    workers out of each other's way; that none commits what it may not, the log's epochs see to.
    """

    def wanted(self, partitions: int) -> frozenset[int]:
        """The partitions below ``partitions`` that should be this worker's, as things are now.

        Joins the workers of the stream if need be. Changes as workers come and go; cheap enough to
        be asked before each round.
        """
        ...

    def take(self, partition: int) -> bool:
        """Hold the partition from now on; False while another worker does."""
        ...

    def leave(self, partition: int) -> None:
        """Let another worker have it."""
        ...

    def release(self) -> None:
        """Leave every partition, and the workers of the stream."""
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
