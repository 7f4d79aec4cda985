"""The last minutes of the books: exact, bounded, whatever the clock does."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from lakegate.alert.window import Totals, Windows
from lakegate.contract.stream import ContractRef
from lakegate.topic.base import LedgerEntry, TopicPartition

NOW = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)
REF = ContractRef("o", "1", "d")


class Books:
    def __init__(self) -> None:
        self.entries: list[LedgerEntry] = []
        self.asked: list[int] = []

    def add(self, at: datetime, accepted: int, rejected: int, topic: str = "orders.raw") -> None:
        count = accepted + rejected
        source = TopicPartition(topic, 0)
        self.entries.append(
            LedgerEntry("orders", source, 0, count, accepted, rejected, 0, 0, 0, 0, REF, 1, at=at)
        )

    def ledger_after(self, position: int, *, since: datetime) -> tuple[list[LedgerEntry], int]:
        self.asked.append(position)
        fresh = [one for one in self.entries[position:] if one.at is None or one.at >= since]
        return fresh, len(self.entries)


def at(seconds: float) -> datetime:
    return NOW + timedelta(seconds=seconds)


def test_only_what_is_in_the_window_counts() -> None:
    books = Books()
    windows = Windows(books, timedelta(minutes=10))
    assert windows.totals("orders", timedelta(minutes=5)) == Totals()
    for second in (-900, -400, -200, -100):
        books.add(at(second), 2, 1)
    windows.advance(NOW)
    assert windows.totals("orders", timedelta(minutes=5)) == Totals(4, 2, 2, at(-200), at(-100))
    assert windows.totals("orders", timedelta(minutes=10)).rejected == 3
    assert windows.totals("other", timedelta(minutes=10)) == Totals()
    windows.advance(at(150))
    assert windows.totals("orders", timedelta(minutes=5)).rejected == 1
    assert books.asked == [0, 4]  # each entry is read once


def test_replayed_records_are_not_counted_twice() -> None:
    books = Books()
    books.add(NOW, 1, 1)
    books.add(NOW, 5, 5, topic="orders.replay")
    windows = Windows(books, timedelta(minutes=10))
    windows.advance(NOW)
    assert windows.totals("orders", timedelta(minutes=5)).rejected == 1


def test_a_clock_that_went_back_keeps_no_entry_for_ever() -> None:
    books = Books()
    books.add(NOW, 0, 7)
    windows = Windows(books, timedelta(minutes=10))
    windows.advance(NOW)
    back = at(-86_400)
    windows.advance(back)
    assert windows.totals("orders", timedelta(minutes=5)).rejected == 7
    books.add(NOW, 0, 1)  # written before the clock went back, read after
    windows.advance(back + timedelta(minutes=1))
    assert windows.totals("orders", timedelta(minutes=5)).rejected == 8
    windows.advance(back + timedelta(minutes=7))
    assert windows.totals("orders", timedelta(minutes=5)).rejected == 0
