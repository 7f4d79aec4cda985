"""What the books say of the last minutes, per stream, kept up to date entry by entry."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from lakegate.topic.base import LedgerEntry

__all__ = ["LedgerTail", "Totals", "Windows"]

_REPLAY = ".replay"
_BUCKET = timedelta(seconds=1)


class LedgerTail(Protocol):
    """A ledger that can be followed."""

    def ledger_after(self, position: int, *, since: datetime) -> tuple[list[LedgerEntry], int]:
        """Entries of all streams after a position and not before ``since``; the next position."""
        ...


@dataclass(frozen=True, slots=True)
class Totals:
    """Records judged in a span of time; ``first`` and ``last`` are when the span had entries."""

    accepted: int = 0
    rejected: int = 0
    noted: int = 0
    first: datetime | None = None
    last: datetime | None = None


@dataclass(slots=True)
class _Bucket:
    """Commits of one second; ``first`` and ``last`` are the times of its own."""

    first: datetime
    last: datetime
    accepted: int = 0
    rejected: int = 0
    noted: int = 0


class Windows:
    """Follows the ledger and keeps the last ``longest`` of it: one small row per second.

    So a span is exact to a second. An entry from the future, as after the clock went back, counts
    as of now.
    """

    def __init__(self, ledger: LedgerTail, longest: timedelta) -> None:
        self._ledger = ledger
        self._longest = longest
        self._position = 0
        self._entries: dict[str, deque[_Bucket]] = {}
        self._now: datetime | None = None

    def advance(self, now: datetime) -> None:
        """Read what was committed since, and forget what is too old."""
        went_back = self._now is not None and now < self._now
        self._now = now
        since = now - self._longest
        entries, self._position = self._ledger.ledger_after(self._position, since=since)
        for entry in entries:
            if not entry.source.topic.endswith(_REPLAY):  # no new record, no new dead letter
                self._add(entry, now if entry.at is None else min(entry.at, now))
        for kept in self._entries.values():
            for bucket in kept if went_back else ():
                bucket.first, bucket.last = min(bucket.first, now), min(bucket.last, now)
            while kept and kept[0].last < since:
                kept.popleft()

    def _add(self, entry: LedgerEntry, at: datetime) -> None:
        kept = self._entries.setdefault(entry.stream, deque())
        if not kept or not timedelta(0) <= at - kept[-1].first < _BUCKET:
            kept.append(_Bucket(at, at))
        bucket = kept[-1]
        bucket.last = max(bucket.last, at)
        bucket.accepted += entry.accepted
        bucket.rejected += entry.rejected
        bucket.noted += entry.noted

    def totals(self, stream: str, span: timedelta) -> Totals:
        """What was judged of a stream within ``span`` before the last :meth:`advance`."""
        if self._now is None:
            return Totals()
        since = self._now - span
        accepted = rejected = noted = 0
        first = last = None
        for bucket in self._entries.get(stream, ()):
            if bucket.last < since:
                continue
            accepted += bucket.accepted
            rejected += bucket.rejected
            noted += bucket.noted
            first = bucket.first if first is None else first
            last = bucket.last
        return Totals(accepted, rejected, noted, first, last)
