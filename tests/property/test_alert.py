"""Laws of alerts: windows count what is in them, and no order of watchers opens two incidents."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from lakegate.alert.window import Windows
from lakegate.contract.consumer_version import VersionRange
from lakegate.contract.stream import ContractRef
from lakegate.topic.base import LedgerEntry, TopicPartition

START = datetime(2026, 1, 1, tzinfo=UTC)
REF = ContractRef("o", "1", "d")
SPAN = timedelta(seconds=100)
SECOND = timedelta(seconds=1)


class Books:
    def __init__(self) -> None:
        self.entries: list[LedgerEntry] = []

    def add(self, at: datetime) -> None:
        source = TopicPartition("o.raw", 0)
        self.entries.append(LedgerEntry("o", source, 0, 1, 0, 1, 0, 0, 0, 0, REF, at=at))

    def ledger_after(self, position: int, *, since: datetime) -> tuple[list[LedgerEntry], int]:
        fresh = [one for one in self.entries[position:] if one.at is not None and one.at >= since]
        return fresh, len(self.entries)


@given(st.lists(st.tuples(st.integers(0, 40_000), st.booleans()), max_size=60))
def test_a_window_is_exact_to_a_second(steps: list[tuple[int, bool]]) -> None:
    books, now, times = Books(), START, []
    windows = Windows(books, SPAN * 2)
    windows.advance(now)
    for milliseconds, look in steps:
        now += timedelta(milliseconds=milliseconds)
        books.add(now)
        times.append(now)
        if look:
            windows.advance(now)
            found = windows.totals("o", SPAN).rejected
            assert sum(now - at <= SPAN for at in times) <= found
            assert found <= sum(now - at <= SPAN + SECOND for at in times)


@given(st.lists(st.integers(-500, 500), min_size=1, max_size=40))
def test_whatever_the_clock_does_a_window_never_counts_twice(jumps: list[int]) -> None:
    books, now = Books(), START
    windows = Windows(books, SPAN * 2)
    for jump in jumps:
        now += timedelta(seconds=jump)
        books.add(now)
        windows.advance(now)
        assert 1 <= windows.totals("o", SPAN).rejected <= len(books.entries)
    now += SPAN * 3
    windows.advance(now)
    assert windows.totals("o", SPAN).rejected == 0


NUMBERS = st.lists(st.integers(0, 12), min_size=1, max_size=4).map(
    lambda parts: ".".join(map(str, parts))
)


@given(NUMBERS, NUMBERS)
def test_of_two_versions_exactly_one_order_holds(left: str, right: str) -> None:
    ranges = [VersionRange.parse(f"{operator}{right}") for operator in ("<", "=", ">")]
    assert sum(one is not None and one.holds(left) for one in ranges) == 1
