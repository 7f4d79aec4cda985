"""What producers have taken and the log has not, kept until it has.

A producer may be collected, its project closed, or the program end, with records still in it. They
are held here, apart from the producer, and sent when the project is closed, when the next producer
of the same log is made, or when the program ends. A finaliser never sends: the collector runs it
anywhere, in another thread or in the middle of another commit to the same log.
"""

from __future__ import annotations

import atexit
import importlib
import os
import threading
import warnings
from collections.abc import Sequence
from typing import Protocol

from lakegate.topic.base import ProducerStamp, Record, TopicPartition
from lakegate.wording import counted

__all__ = ["StampedLog", "Unsent", "close_all", "keep", "let_go", "release", "send_abandoned"]


class StampedLog(Protocol):
    """What a producer needs of a log; see :class:`lakegate.topic.embedded.EmbeddedLog`."""

    def send(
        self, topic: str, records: Sequence[Record], *, stamp: ProducerStamp | None = None
    ) -> list[tuple[TopicPartition, int]]:
        """Append records by key, once per stamp."""
        ...

    def taken(self, topic: str, producer_id: str) -> tuple[int, int]:
        """The producer's newest epoch, and its next sequence."""
        ...


class Unsent:
    """The records of one producer on their way to one topic."""

    __slots__ = (
        "abandoned",
        "acknowledged",
        "closed",
        "epoch",
        "log",
        "producer_id",
        "sequence",
        "thread",
        "topic",
        "unacknowledged",
        "waiting",
        "waiting_bytes",
    )

    def __init__(
        self, log: StampedLog, topic: str, *, producer_id: str, epoch: int, sequence: int
    ) -> None:
        self.log = log
        self.topic = topic
        self.producer_id = producer_id
        self.epoch = epoch
        self.sequence = sequence
        self.waiting: list[Record] = []
        self.waiting_bytes = 0
        self.unacknowledged: list[Record] = []
        self.acknowledged = 0
        self.closed = False
        self.abandoned = False  # the producer is gone
        self.thread = threading.current_thread()

    @property
    def count(self) -> int:
        """How many records are not acknowledged."""
        return len(self.unacknowledged) + len(self.waiting)

    @property
    def text(self) -> str:
        """How many records of which topic, for messages."""
        return f"{counted(self.count, 'record')} taken by the producer of {self.topic}"

    def flush(self) -> int:
        """Append all of it; return how many records that were.

        Raises:
            LogFull: no room; the records are kept, and flushing again is harmless.
        """
        before = self.acknowledged
        while self.unacknowledged or self.waiting:
            if not self.unacknowledged:
                self.unacknowledged, self.waiting = self.waiting, []
                self.waiting_bytes = 0
            batch = self.unacknowledged  # tried again unchanged until the log has it
            stamp = ProducerStamp(self.producer_id, self.sequence, self.epoch)
            self.log.send(self.topic, batch, stamp=stamp)
            self.sequence += len(batch)
            self.acknowledged += len(batch)
            self.unacknowledged = []
        return self.acknowledged - before

    def close(self) -> int:
        """Flush, and leave the end of the program nothing to do, whatever comes of it.

        Raises:
            LogFull: no room; the records are kept for another :meth:`flush`.
        """
        self.closed = True
        release(self)
        return self.flush()


_ADVICE = "use a producer in a `with` block, or call flush() or close()"
# The first array imports pandas, and pandas this, which cannot be imported at a program's end.
importlib.import_module("concurrent.futures.thread")
_KEPT: dict[Unsent, None] = {}  # in the order in which the producers were made


def keep(unsent: Unsent) -> None:
    """Hold it until it is released; the end of the program sends what is held then."""
    if not _KEPT:
        atexit.unregister(_send_rest)
        atexit.register(_send_rest)  # anew, to come before what was registered meanwhile
    _KEPT[unsent] = None


def release(unsent: Unsent) -> None:
    """Hold it no longer."""
    _KEPT.pop(unsent, None)


def let_go(unsent: Unsent) -> None:
    """Its producer is being collected; may be called anywhere, so nothing is sent.

    Warns with ResourceWarning when records are left: they stay held.
    """
    if unsent not in _KEPT:
        return
    if not unsent.count:
        release(unsent)
        return
    unsent.abandoned = True
    warnings.warn(
        f"dropped without a flush: {unsent.text}, to be sent when the project is closed or the "
        f"program ends; {_ADVICE}",
        ResourceWarning,
        stacklevel=3,
    )


def send_abandoned(log: StampedLog) -> None:
    """Send what producers of the log have left that are gone; what cannot be sent stays held."""
    for unsent in _of(log):
        if unsent.abandoned:
            try:
                unsent.flush()
            except Exception:  # noqa: S112 - not this caller's records: the end says it
                continue
            release(unsent)


def close_all(log: StampedLog) -> None:
    """Close every producer of the log, and send what those have left that are gone.

    Raises:
        LogFull: of the first that could not be sent; notes say how many records of which were not.
    """
    failed: list[tuple[Unsent, Exception]] = []
    for unsent in _of(log):
        try:
            unsent.close()
        except Exception as error:  # raised below
            failed.append((unsent, error))
    if failed:
        first = failed[0][1]
        for unsent, cause in failed:
            why = "" if cause is first else f": {cause}"
            first.add_note(f"not sent: {unsent.text}{why}")
        raise first


def _of(log: StampedLog) -> list[Unsent]:
    return [unsent for unsent in list(_KEPT) if unsent.log is log]


def _send_rest() -> None:
    """At the end of the program; says what was left to it, and what it could not send."""
    late, lost = [], []
    for unsent in list(_KEPT):
        said, warned = unsent.text, unsent.abandoned
        if not unsent.count:
            continue
        if unsent.thread.is_alive() and unsent.thread is not threading.current_thread():
            lost.append(f"{said}: its thread still runs, and a log belongs to one thread")
            continue
        try:
            unsent.close()
        except Exception as error:  # there is nobody left to raise it to
            lost.append(f"{said}: {str(error) or type(error).__name__}")
        else:
            late += [] if warned else [said]
    _KEPT.clear()
    if lost:
        warnings.warn(f"not sent: {'; '.join(lost)}", RuntimeWarning, stacklevel=1)
    if late:
        said = "; ".join(late)
        warnings.warn(f"flushed by the program's end: {said}; {_ADVICE}", ResourceWarning, 1)


# A forked child has its parent's records, and must not send them a second time.
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_KEPT.clear)
