"""What a window's result becomes as rows come, and do not come."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from lakegate.audit.late import EPOCH, Outcome, Windowed, WindowState, judge_windows
from lakegate.audit.result import Status

HOUR = timedelta(hours=1)
START = datetime(2026, 3, 1, tzinfo=UTC)
FINAL, OPEN, REOPENED = WindowState.FINAL, WindowState.OPEN, WindowState.REOPENED


def us(hour):
    return (START + hour * HOUR - EPOCH) // timedelta(microseconds=1)


class Audits:
    """Audits one after the other: each hour must have at least two rows."""

    def __init__(self):
        self.known = {}
        self.width = HOUR

    def __call__(self, rows, *, now, waiting=None, lateness=timedelta(0), judge=None):
        def volume(start, count):
            return Outcome(Status.PASSED if count >= 2 else Status.FAILED, count, "rows")

        windowed = Windowed(
            "volume",
            self.width,
            {us(hour): count for hour, count in rows.items()},
            {us(hour): count for hour, count in (rows if waiting is None else waiting).items()},
            volume if judge is None else judge,
            known=dict(self.known),
            neighbours=judge is not None,
        )
        found = judge_windows(windowed, now=START + now * HOUR, lateness=lateness)
        self.known |= {one.start: one for one in found.changed}
        self.failing = sorted((one.start - START) // HOUR for one in found.failing)
        self.judged = found.judged
        return {(one.start - START) // HOUR: one for one in found.changed}

    def publish(self):
        self.known = {start: replace(one, holds=False) for start, one in self.known.items()}

    def of(self, hour):
        return self.known[START + hour * HOUR]


@pytest.fixture
def audits():
    return Audits()


def test_windows_without_rows_follow_up_to_now(audits):
    found = audits({0: 2, 3: 2}, now=5.5)
    assert {hour: (one.state, one.status) for hour, one in found.items()} == {
        0: (FINAL, Status.PASSED),
        1: (FINAL, Status.FAILED),
        2: (FINAL, Status.FAILED),
        3: (FINAL, Status.PASSED),
        4: (FINAL, Status.FAILED),
        5: (OPEN, Status.FAILED),
    }
    assert audits.failing == [1, 2, 4]
    assert (audits.judged, found[1].observed, found[1].rows) == (5, 0, 0)


def test_a_window_that_has_not_begun_has_no_result(audits):
    found = audits({0: 2, 5: 1}, now=2.5)
    assert sorted(found) == [0, 1, 2, 5], "of the fifth hour there are rows, whatever the clock"
    assert found[5].state is OPEN


def test_a_row_late_for_an_empty_window_reopens_it(audits):
    audits({0: 2, 2: 2}, now=3)
    audits({0: 2, 1: 2, 2: 2}, now=3, waiting={1: 2})
    one = audits.of(1)
    assert (one.state, one.status, one.late, one.revision) == (REOPENED, Status.PASSED, 2, 2)
    assert one.reason == "2 rows came late"
    assert audits.failing == []


def test_allowed_lateness_keeps_an_empty_window_open(audits):
    assert audits({0: 2}, now=2, lateness=HOUR)[1].state is OPEN
    audits({0: 2, 1: 2}, now=2.5, lateness=HOUR)
    assert (audits.of(1).state, audits.of(1).late) == (OPEN, 0)
    audits({0: 2, 1: 2}, now=3, waiting={}, lateness=HOUR)
    assert (audits.of(1).state, audits.of(1).status) == (FINAL, Status.PASSED)


def test_rows_taken_off_reopen_a_window_wherever_it_is(audits):
    audits({-5: 1, 0: 3}, now=1)
    found = audits({0: 2}, now=1)
    assert (found[-5].rows, found[-5].late, found[-5].reason) == (0, -1, "1 row was taken off")
    assert found[0].reason == "1 row was taken off"
    assert audits({0: 2}, now=1, waiting={}) == {}, "said once"


def test_silence_is_complained_of_until_something_later_is_published(audits):
    audits({0: 2}, now=3)
    assert audits.failing == [1, 2]
    audits({0: 2}, now=3, waiting={})
    assert audits.failing == [1, 2], "published or not, they are behind what was published"
    audits.publish()
    audits({0: 2, 3: 2}, now=4, waiting={})
    assert audits.failing == [], "main is past them"


@pytest.mark.parametrize("rows", [0, 1])
def test_what_failed_fails_again_until_it_is_published(audits, rows):
    kept = {0: 2, 2: 2} | ({1: rows} if rows else {})
    audits(kept, now=1.5, waiting={})  # published while the hour was open
    audits(kept | {3: 2}, now=4, waiting={3: 2})
    assert audits.failing == [1], "it closed"
    assert audits(kept | {3: 2}, now=4, waiting={3: 2}) == {}
    assert audits.failing == [1], "judging again changes nothing"
    audits.publish()
    audits(kept | {3: 2, 4: 2}, now=5, waiting={4: 2})
    assert audits.failing == []


def test_what_failed_passes_with_the_rows_it_lacked(audits):
    audits({0: 2, 2: 2}, now=1.5, waiting={})
    audits({0: 2, 2: 2}, now=3, waiting={})
    assert audits.failing == [1]
    audits({0: 2, 1: 2, 2: 2}, now=3, waiting={1: 2})
    assert (audits.failing, audits.of(1).holds) == ([], False)


def test_what_was_quarantined_of_a_failing_window_does_not_free_it(audits):
    audits({0: 2, 1: 1, 2: 2}, now=1.5, waiting={})
    audits({0: 2, 1: 1, 2: 2}, now=3, waiting={})
    for _ in range(2):
        audits({0: 2, 2: 2}, now=3, waiting={})
        assert audits.failing == [1]


def test_of_a_long_silence_the_first_thousand_windows_are_judged(audits):
    found = audits({0: 2, 50_000: 2}, now=90_000)
    assert max(hour for hour in found if hour < 50_000) == 1_000
    assert max(found) == 51_000


def test_results_of_windows_of_another_length_are_not_compared(audits):
    audits({0: 2}, now=1)
    audits.width = 2 * HOUR
    one = audits({0: 3}, now=2)[0]
    assert (one.state, one.revision) == (FINAL, 1)


def test_a_result_that_a_late_row_of_another_window_changed_is_reopened(audits):
    gaps = {0: 10, 1: 90, 2: 0}

    def gap(start, count):
        longest = gaps[(start - START) // HOUR]
        return Outcome(Status.PASSED if longest <= 60 else Status.FAILED, longest, "s")

    audits({0: 1, 1: 1}, now=1.99, judge=gap)
    audits({0: 1, 1: 1}, now=2, waiting={}, judge=gap)
    assert (audits.of(1).state, audits.failing) == (FINAL, [1])
    gaps[1] = 50
    audits({0: 2, 1: 1}, now=2, waiting={0: 1}, judge=gap)
    one = audits.of(1)
    assert (one.state, one.status, one.late, one.rows) == (REOPENED, Status.PASSED, 0, 1)
    assert one.reason == "rows of an earlier window came late or were taken off"
    assert (audits.judged, audits.failing) == (2, [])
    assert audits({0: 2, 1: 1}, now=2, waiting={}, judge=gap) == {}
