"""Group commit: what arrives while one commit is on its way goes together into the next.

One thread owns a log and appends for everybody; a request waits for the commit that holds it.
"""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from typing import Protocol

from lakegate.errors import LakegateError
from lakegate.ingest.error import Behind, Closed, IngestError
from lakegate.topic.base import TopicPartition
from lakegate.topic.delivery import Delivery, Receipt

__all__ = ["DeliveryLog", "Intake", "LagLimit"]

_log = logging.getLogger("lakegate.gateway")
_GROUP_RECORDS = 50_000
_LAG_FOR_S = 0.1  # how long a measured lag is believed
_FORGET_EVERY_S = 60.0
_REPEAT_S = 10.0  # how often the same trouble is told


class DeliveryLog(Protocol):
    """What the intake needs of a log; see :class:`lakegate.topic.embedded.EmbeddedLog`."""

    def topics(self) -> dict[str, int]:
        """Topics with their number of partitions."""
        ...

    def end_offset(self, source: TopicPartition) -> int:
        """The offset the next record will get."""
        ...

    def start_offset(self, source: TopicPartition) -> int:
        """The first offset still kept."""
        ...

    def committed(self, group: str, source: TopicPartition) -> int | None:
        """The group's offset."""
        ...

    def deliver(self, deliveries: Sequence[Delivery]) -> list[Receipt]:
        """Append deliveries in one commit."""
        ...

    def forget_deliveries(self, age: timedelta) -> int:
        """Forget old tokens."""
        ...

    def close(self) -> None:
        """Release it."""
        ...


@dataclass(frozen=True, slots=True)
class LagLimit:
    """How many records ``group`` may be behind on a topic before more are turned away."""

    group: str
    records: int


@dataclass(frozen=True, slots=True)
class _Waiting:
    delivery: Delivery
    loop: asyncio.AbstractEventLoop
    future: asyncio.Future[Receipt]


class Intake:
    """The one writer behind a gateway. :meth:`submit` is called in an event loop."""

    def __init__(
        self,
        open_log: Callable[[], DeliveryLog],
        *,
        window: timedelta = timedelta(days=1),
        lag: LagLimit | None = None,
    ) -> None:
        """``window``: how long a token is known; ``open_log`` is called in the writer's thread."""
        self._open_log = open_log
        self._window = window
        self._lag = lag
        self._lags: dict[str, tuple[float, int]] = {}
        self._waiting: deque[_Waiting] = deque()
        self._told = ("", 0.0)
        self._wake = threading.Condition()
        self._closed = False
        self._opened = threading.Event()
        self._failure: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="lakegate-intake", daemon=True)
        self.commits = 0

    @property
    def alive(self) -> bool:
        """Whether the writer is at work."""
        return self._thread.is_alive()

    def start(self) -> None:
        """Open the log and begin.

        Raises:
            LakegateError: the log cannot be opened.
        """
        self._thread.start()
        self._opened.wait()
        if self._failure is not None:
            raise self._failure

    def submit(self, delivery: Delivery) -> asyncio.Future[Receipt]:
        """Hand over a delivery; the future is done once it is durable, or failed.

        It fails with Closed, Behind, LogFull or another TopicError; then nothing was appended.
        """
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Receipt] = loop.create_future()
        with self._wake:
            if self._closed or not self._thread.is_alive():
                future.set_exception(Closed("the gateway is stopping; nothing was appended"))
                return future
            self._waiting.append(_Waiting(delivery, loop, future))
            self._wake.notify()
        return future

    def close(self) -> None:
        """Commit what was handed over, then let go of the log."""
        with self._wake:
            self._closed = True
            self._wake.notify()
        if self._thread.is_alive():
            self._thread.join()

    def _run(self) -> None:
        try:
            log = self._open_log()
        except BaseException as error:
            self._failure = error
            self._opened.set()
            return
        self._opened.set()
        forget_at = time.monotonic()
        try:
            while (group := self._next_group()) is not None:
                if group:
                    self._commit(log, group)
                if time.monotonic() >= forget_at:
                    self._forget(log)
                    forget_at = time.monotonic() + _FORGET_EVERY_S
        finally:
            log.close()

    def _next_group(self) -> list[_Waiting] | None:
        """All that waits, up to a bound; nothing after a while; None when closed and empty."""
        with self._wake:
            if not self._waiting and not self._closed:
                self._wake.wait(_FORGET_EVERY_S)
            if not self._waiting and self._closed:
                return None
            group: list[_Waiting] = []
            records = 0
            while self._waiting and records < _GROUP_RECORDS:
                group.append(self._waiting.popleft())
                records += len(group[-1].delivery.records)
            return group

    def _commit(self, log: DeliveryLog, group: list[_Waiting]) -> None:
        try:
            results = self._delivered(log, [waiting.delivery for waiting in group])
        except LakegateError as error:
            self._warn(str(error))
            results = [error] * len(group)
        except Exception as error:
            _log.exception("a commit of the gateway failed")
            results = [IngestError(f"the commit failed: {type(error).__name__}")] * len(group)
        answered = list(zip(group, results, strict=True))
        for loop in {waiting.loop for waiting in group}:
            mine = [(w.future, result) for w, result in answered if w.loop is loop]
            with suppress(RuntimeError):  # the loop is closed: nobody waits for the answer
                loop.call_soon_threadsafe(_resolve, mine)

    def _delivered(self, log: DeliveryLog, group: list[Delivery]) -> list[Receipt | LakegateError]:
        results: list[Receipt | LakegateError | None]
        results = [self._behind(log, delivery.topic) for delivery in group]
        taken = [delivery for delivery, result in zip(group, results, strict=True) if not result]
        receipts = iter(log.deliver(taken)) if taken else iter(())
        self.commits += 1
        return [next(receipts) if result is None else result for result in results]

    def _behind(self, log: DeliveryLog, topic: str) -> Behind | None:
        if self._lag is None:
            return None
        now = time.monotonic()
        until, lag = self._lags.get(topic, (0.0, 0))
        if now >= until:
            lag = _lag_of(log, self._lag.group, topic)
            self._lags[topic] = (now + _LAG_FOR_S, lag)
        if lag <= self._lag.records:
            return None
        return Behind(
            f"{topic} is {lag:,} records behind, more than the {self._lag.records:,} that "
            "gateway.max_lag allows; nothing was appended; is `lakegate up` (or `run`) at work?"
        )

    def _warn(self, message: str) -> None:
        """Say it, but not at each request that a full disk turns away."""
        told, at = self._told
        now = time.monotonic()
        if message != told or now - at >= _REPEAT_S:
            self._told = message, now
            _log.warning("%s", message)

    def _forget(self, log: DeliveryLog) -> None:
        try:
            log.forget_deliveries(self._window)
        except LakegateError as error:
            _log.warning("old idempotency keys stay a while longer: %s", error)


def _resolve(answers: list[tuple[asyncio.Future[Receipt], Receipt | LakegateError]]) -> None:
    for future, result in answers:
        if future.done():  # the client has gone
            continue
        if isinstance(result, LakegateError):
            future.set_exception(result)
        else:
            future.set_result(result)


def _lag_of(log: DeliveryLog, group: str, topic: str) -> int:
    total = 0
    for partition in range(log.topics().get(topic, 0)):
        source = TopicPartition(topic, partition)
        offset = log.committed(group, source)
        total += log.end_offset(source) - (log.start_offset(source) if offset is None else offset)
    return total
