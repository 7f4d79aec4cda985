"""Results per window of event time, and what a late record does to them.

A window is ``[start, start + lakegate.window)`` of the stream's event time, aligned to 1970, UTC.

=============  =====================================================================================
open           now is before its end plus ``lakegate.allowedLateness``: its result is provisional
final          now is past that: its result counts
reopened       rows came, or left, after it was final: judged again, with a revision of its own
=============  =====================================================================================

Windows follow one another from the first row's up to now, so one without rows has a result too: a
late record finds something to reopen. Only closed windows that this audit's rows could have
changed fail the whole: those with rows not yet on ``main``, those that were open before, those that
late rows of another window changed, and empty ones behind the newest published row. What failed in
an audit holds in every later one, until ``main`` is moved: judging twice changes nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from typing import Protocol

from lakegate.audit.result import Status, duration_text
from lakegate.wording import counted

__all__ = [
    "EPOCH",
    "JudgedWindows",
    "Outcome",
    "WindowResult",
    "WindowState",
    "WindowStore",
    "Windowed",
    "judge_windows",
]

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_SILENT = 1_000  # of a longer silence the first so many windows are judged


class WindowState(StrEnum):
    """Whether a window's result counts."""

    OPEN = "open"
    FINAL = "final"
    REOPENED = "reopened"


@dataclass(frozen=True, slots=True)
class WindowResult:
    """The result of one rule or service level for one window (UTC); each change is a ``revision``.

    ``observed`` is in ``unit`` (seconds for durations), None when nothing was measured. ``rows`` is
    what the table held of the window; ``late`` how many of them came after it was final, negative
    when rows were quarantined. ``reason`` says why a final result was judged again, else is empty.
    ``holds`` says that it failed the whole, and does so again until ``main`` is moved.
    """

    rule: str
    start: datetime
    end: datetime
    revision: int
    state: WindowState
    status: Status
    observed: Decimal | bool | None
    rows: int
    late: int = 0
    unit: str = ""
    reason: str = ""
    holds: bool = False

    def observed_text(self) -> str:
        """What was observed, for people; empty when nothing was measured."""
        if self.observed is None:
            return ""
        if self.unit == "s":
            return duration_text(timedelta(microseconds=int(self.observed * 1_000_000)))
        return f"{self.observed} {self.unit}".rstrip()


class WindowStore(Protocol):
    """Remembers the windows of earlier audits."""

    def newest(self, stream: str, rule: str) -> Mapping[datetime, WindowResult]:
        """The newest result of each window of a rule, by its start.

        One of an audit that was published, or of an earlier one, holds no longer.
        """
        ...

    def published(self, stream: str, rule: str) -> Mapping[datetime, WindowResult]:
        """The same, of audits on which ``main`` was moved."""
        ...


@dataclass(frozen=True, slots=True)
class Outcome:
    """What judging one window gave; see :class:`WindowResult`."""

    status: Status
    observed: Decimal | bool | None
    unit: str = ""


@dataclass(frozen=True, slots=True)
class Windowed:
    """What is judged per window: a rule or level, its windows' rows, and how one is judged.

    ``rows`` and ``waiting`` (those not on ``main``) are counts by the start of their window, in
    microseconds since 1970. ``judge`` takes a window's start and how many rows it has.
    ``neighbours`` says that rows of earlier windows, too, can change what is observed. ``known``
    are the newest results of earlier audits; those of windows of another length are left out.
    """

    name: str
    width: timedelta
    rows: Mapping[int, int]
    waiting: Mapping[int, int]
    judge: Callable[[datetime, int], Outcome]
    known: Mapping[datetime, WindowResult] = field(default_factory=dict)
    neighbours: bool = False


@dataclass(frozen=True, slots=True)
class JudgedWindows:
    """What one audit found: results that are new or changed, and those that fail the whole.

    ``judged`` counts closed windows this audit is about of which something could be measured.
    """

    changed: tuple[WindowResult, ...]
    judged: int
    failing: tuple[WindowResult, ...]


@dataclass(frozen=True, slots=True)
class _Seen:
    """How many rows of the table a window has, and how many of them wait to be published."""

    rows: int
    waiting: int
    behind: bool  # it begins after the newest published row


def judge_windows(windowed: Windowed, *, now: datetime, lateness: timedelta) -> JudgedWindows:
    """Judge every window that is new, was open, or whose rows changed.

    Raises:
        Unjudgeable: ``judge`` says so of a window.
    """
    changed: list[WindowResult] = []
    failing: list[WindowResult] = []
    judged = 0
    known = {s: one for s, one in windowed.known.items() if one.end - s == windowed.width}
    for start, seen in _windows(windowed, known, now):
        before = known.get(start)
        was_open = before is not None and before.state is WindowState.OPEN
        held = before is not None and before.holds
        closed = now >= start + windowed.width + lateness
        closed = closed or (before is not None and not was_open)
        counts = seen.waiting > 0 or was_open or held or (seen.rows == 0 and seen.behind)
        same = before is not None and before.rows == seen.rows
        if same and not counts and not windowed.neighbours:
            continue
        outcome = windowed.judge(start, seen.rows)
        moved = same and before is not None and outcome.observed != before.observed
        if same and not counts and not moved:
            continue
        counts = counts or moved
        result = _result(windowed, start, seen.rows, before, closed, outcome)
        counts = counts and closed
        if counts and result.status in (Status.FAILED, Status.ERROR):
            result = replace(result, holds=True)
            failing.append(result)
        if before is None or _differs(result, before):
            changed.append(result)
        judged += counts and result.status is not Status.NOT_MEASURED
    return JudgedWindows(tuple(changed), judged, tuple(failing))


def _differs(result: WindowResult, before: WindowResult) -> bool:
    return (result.state, result.status, result.observed, result.rows) != (
        before.state,
        before.status,
        before.observed,
        before.rows,
    )


def _result(
    windowed: Windowed,
    start: datetime,
    rows: int,
    before: WindowResult | None,
    closed: bool,
    outcome: Outcome,
) -> WindowResult:
    state, late, reason = WindowState.FINAL if closed else WindowState.OPEN, 0, ""
    if before is not None and before.state is not WindowState.OPEN:
        state, late, reason = before.state, before.late, before.reason
        if rows != before.rows:
            state, late = WindowState.REOPENED, rows - before.rows
            reason = _reason(late)
        elif windowed.neighbours and outcome.observed != before.observed:
            state, late = WindowState.REOPENED, 0
            reason = "rows of an earlier window came late or were taken off"
    return WindowResult(
        rule=windowed.name,
        start=start,
        end=start + windowed.width,
        revision=1 if before is None else before.revision + 1,
        state=state,
        status=outcome.status,
        observed=outcome.observed,
        rows=rows,
        late=late,
        unit=outcome.unit,
        reason=reason,
    )


def _reason(late: int) -> str:
    rows = counted(abs(late), "row")
    was = "was" if abs(late) == 1 else "were"
    return f"{rows} came late" if late > 0 else f"{rows} {was} taken off"


def _windows(
    windowed: Windowed, known: Mapping[datetime, WindowResult], now: datetime
) -> Iterator[tuple[datetime, _Seen]]:
    """Every window there is something to say about, in order.

    Those with rows, those without between them and up to now, and those that had rows before.
    """
    rows, waiting = windowed.rows, windowed.waiting
    published = max((n for n, count in rows.items() if count > waiting.get(n, 0)), default=None)
    starts = set(_starts(sorted(rows), windowed.width // _MICROSECOND, _us(now)))
    starts.update(_us(start) for start, before in known.items() if before.rows > 0)
    for start in sorted(starts):
        behind = published is None or start > published
        seen = _Seen(rows.get(start, 0), waiting.get(start, 0), behind)
        yield EPOCH + timedelta(microseconds=start), seen


def _starts(filled: list[int], step: int, now: int) -> Iterator[int]:
    for index, start in enumerate(filled):
        yield start
        until = min([now + 1, *filled[index + 1 : index + 2]])
        yield from range(start + step, min(until, start + step * (_SILENT + 1)), step)


def _us(when: datetime) -> int:
    return (when - EPOCH) // _MICROSECOND
