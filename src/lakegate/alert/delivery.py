"""Delivering what is in the outbox: a thread per channel, so that none waits for another."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from lakegate.alert.channel import AlertError, Channel
from lakegate.contract.consumer import Address
from lakegate.errors import LakegateError
from lakegate.fault import reach
from lakegate.state.alert_store import AlertStore, Letter

__all__ = ["FAULT_POINTS", "Courier", "Delivered"]

FAULT_POINTS = ("alert.claimed", "alert.sent", "alert.recorded")

_log = logging.getLogger("lakegate.alert")
_SHARE = 100  # alerts of one channel per round, so that a round ends


@dataclass(frozen=True, slots=True)
class Delivered:
    """What a round came to, of what ended while it was waited for.

    ``busy`` counts channels still at it; they go on by themselves.
    """

    delivered: int
    failed: int
    expired: int
    busy: int


class _Count:
    """What the threads of one round came to."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.delivered = 0
        self.failed = 0

    def add(self, *, arrived: bool) -> None:
        with self._lock:
            self.delivered += arrived
            self.failed += not arrived


class Courier:
    """Delivers alerts at least once each, in daemon threads that block nothing but their channel.

    ``open`` makes the channel of an address. An alert is tried again later when its channel fails,
    hangs or throws, until it is older than ``max_age``.
    """

    def __init__(
        self,
        store: AlertStore,
        open_channel: Callable[[Address], Channel],
        *,
        timeout_s: float = 10.0,
        max_age: timedelta = timedelta(days=1),
        keep: timedelta = timedelta(days=30),
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._store = store
        self._open = open_channel
        self._timeout_s = timeout_s
        self._max_age = max_age
        self._keep = keep
        self._clock = clock
        self._threads: dict[str, threading.Thread] = {}

    def deliver(self, *, wait_s: float = 0.0) -> Delivered:
        """Start on every channel with something due; wait for them at most ``wait_s``.

        A channel that is still busy with an earlier round is left alone.

        Raises:
            StateError: the outbox cannot be read.
        """
        now = self._clock()
        expired = self._store.expire(now=now, max_age=self._max_age)
        if expired:
            _log.error("gave up on %d alerts older than %s", expired, self._max_age)
        self._store.prune(before=now - self._keep)
        self._threads = {k: thread for k, thread in self._threads.items() if thread.is_alive()}
        count = _Count()
        started = []
        for channel in self._store.channels_due(now):
            if channel in self._threads:
                continue
            thread = threading.Thread(
                target=self._round, args=(channel, count), name="lakegate-alert", daemon=True
            )
            self._threads[channel] = thread
            started.append(thread)
            thread.start()
        deadline = time.monotonic() + wait_s
        for thread in started:
            thread.join(max(0.0, deadline - time.monotonic()))
        busy = sum(thread.is_alive() for thread in self._threads.values())
        return Delivered(count.delivered, count.failed, expired, busy)

    def _round(self, channel: str, count: _Count) -> None:
        try:
            for _ in range(_SHARE):
                letter = self._store.claim(channel, now=self._clock(), lease=self._lease())
                if letter is None:
                    return
                reach("alert.claimed")
                arrived = self._deliver(letter)
                count.add(arrived=arrived)
                if not arrived:
                    return
        except LakegateError as error:
            _log.warning("%s; alerts wait", error)

    def _deliver(self, letter: Letter) -> bool:
        address = Address.from_text(letter.channel)
        try:
            self._open(address).send(letter.document, timeout_s=self._timeout_s)
        except AlertError as error:
            reason = str(error)
        except Exception as error:  # a channel may throw anything, and must stop nothing
            reason = f"the channel failed ({type(error).__name__})"
        else:
            reach("alert.sent")
            self._store.delivered(letter.number, now=self._clock())
            reach("alert.recorded")
            return True
        delay = self._store.failed(letter, reason, now=self._clock())
        _log.warning(
            "alert %d for %s by %s: %s; trying again in %d s",
            letter.number,
            letter.recipient,
            address,
            reason,
            delay.total_seconds(),
        )
        return False

    def _lease(self) -> timedelta:
        """How long a claim lasts: longer than sending can take, short enough after a crash."""
        return timedelta(seconds=3 * self._timeout_s + 15)
