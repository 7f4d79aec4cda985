"""Rules judged per window of event time, and what a late record does to a window's result.

A window is ``[start, start + lakegate.window)`` of the stream's event time, aligned to 1970, UTC.

=============  =====================================================================================
open           now is before its end plus ``lakegate.allowedLateness``: its result is provisional
final          now is past that: its result counts
reopened       rows came, or left, after it was final: judged again, with a revision of its own
=============  =====================================================================================

Only closed windows that this audit's rows could have changed hold ``main`` back: those with rows
not yet on ``main``, those that were open before, and (for ``rowCount``) empty ones behind the
newest published row.
"""

# ruff: noqa: S608 - names go through identifier()

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from typing import Protocol

from lakegate.audit.base import Unjudgeable
from lakegate.audit.result import Status
from lakegate.audit.session import Session
from lakegate.contract.stream import QualityRule, Stream
from lakegate.lake.spelling import identifier

__all__ = ["JudgedWindows", "WindowResult", "WindowState", "WindowStore", "judge_windows"]

_MOST = 100_000
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


class WindowState(StrEnum):
    """Whether a window's result counts."""

    OPEN = "open"
    FINAL = "final"
    REOPENED = "reopened"


@dataclass(frozen=True, slots=True)
class WindowResult:
    """The result of one rule for one window (UTC); each change of it is a new ``revision``.

    ``rows`` is what the table held of the window; ``late`` how many of them came after it was
    final, negative when rows were quarantined.
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


class WindowStore(Protocol):
    """Remembers the windows of earlier audits."""

    def newest(self, stream: str, rule: str) -> Mapping[datetime, WindowResult]:
        """The newest result of each window of a rule, by its start."""
        ...


@dataclass(frozen=True, slots=True)
class JudgedWindows:
    """What one audit found: results that are new or changed, and those that hold ``main`` back."""

    changed: tuple[WindowResult, ...]
    judged: int
    failing: tuple[WindowResult, ...]


@dataclass(frozen=True, slots=True)
class _Seen:
    """How many rows of the table a window has, and how many of them wait to be published."""

    rows: int
    waiting: int
    behind: bool  # it begins after the newest published row


def judge_windows(
    session: Session,
    stream: Stream,
    rule: QualityRule,
    *,
    table: str,
    increment: str,
    now: datetime,
    known: Mapping[datetime, WindowResult],
    judge: Callable[[str], tuple[Status, Decimal | bool | None]],
) -> JudgedWindows:
    """Judge every window of a rule that is new, or whose rows changed; ``judge`` judges a view.

    Raises:
        Unjudgeable: the stream has no event time, there are too many windows, or DuckDB refuses.
    """
    width = rule.window
    if width is None or stream.event_time is None:
        raise Unjudgeable("a window needs an event time; set `lakegate.eventTime`")
    changed: list[WindowResult] = []
    failing: list[WindowResult] = []
    judged = 0
    view = f"{table}__window"
    for start, seen in _windows(session, stream.event_time, rule, width, table, increment):
        before = known.get(start)
        was_open = before is not None and before.state is WindowState.OPEN
        closed = now >= start + width + stream.allowed_lateness
        closed = closed or (before is not None and not was_open)
        counts = seen.waiting > 0 or was_open or (seen.rows == 0 and seen.behind)
        if before is not None and before.rows == seen.rows and not counts:
            continue
        _make(session, view, table, stream.event_time, start, start + width)
        result = _result(rule.name, start, width, seen, before, closed, *judge(view))
        if before is None or _differs(result, before):
            changed.append(result)
        if closed and counts:
            judged += 1
            if result.status in (Status.FAILED, Status.ERROR):
                failing.append(result)
    return JudgedWindows(tuple(changed), judged, tuple(failing))


def _differs(result: WindowResult, before: WindowResult) -> bool:
    return (result.state, result.status, result.observed, result.rows) != (
        before.state,
        before.status,
        before.observed,
        before.rows,
    )


def _result(
    rule: str,
    start: datetime,
    width: timedelta,
    seen: _Seen,
    before: WindowResult | None,
    closed: bool,
    status: Status,
    observed: Decimal | bool | None,
) -> WindowResult:
    state, late = WindowState.FINAL if closed else WindowState.OPEN, 0
    if before is not None and before.state is not WindowState.OPEN:
        state, late = before.state, before.late
        if seen.rows != before.rows:
            state, late = WindowState.REOPENED, seen.rows - before.rows
    revision = 1 if before is None else before.revision + 1
    return WindowResult(
        rule, start, start + width, revision, state, status, observed, seen.rows, late
    )


def _windows(
    session: Session,
    column: str,
    rule: QualityRule,
    width: timedelta,
    table: str,
    increment: str,
) -> Iterable[tuple[datetime, _Seen]]:
    """Every window that has rows, in order; for ``rowCount`` those without between them, too."""
    step = width // _MICROSECOND
    rows = _counts(session, column, step, table)
    waiting = _counts(session, column, step, increment)
    if not rows:
        return
    published = max((n for n, count in rows.items() if count > waiting.get(n, 0)), default=None)
    starts = sorted(rows)
    if rule.metric == "rowCount":
        if (starts[-1] - starts[0]) // step >= _MOST:
            raise Unjudgeable(f"more than {_MOST:,} windows; make `lakegate.window` longer")
        starts = list(range(starts[0], starts[-1] + 1, step))
    for start in starts:
        behind = published is None or start > published
        seen = _Seen(rows.get(start, 0), waiting.get(start, 0), behind)
        yield _EPOCH + timedelta(microseconds=start), seen


def _counts(session: Session, column: str, step: int, view: str) -> dict[int, int]:
    """Rows by the start of their window, in microseconds; rows without a time are in none."""
    moment = f"epoch_us({identifier(column)})"
    found = session.rows(
        f"SELECT {moment} - (({moment} % {step}) + {step}) % {step} AS start, count(*) "
        f"FROM {identifier(view)} WHERE {identifier(column)} IS NOT NULL GROUP BY start",
        most=_MOST + 1,
    )
    if len(found) > _MOST:
        raise Unjudgeable(f"more than {_MOST:,} windows; make `lakegate.window` longer")
    return dict(found)


def _make(
    session: Session, view: str, table: str, column: str, start: datetime, end: datetime
) -> None:
    """The rows of one window as a view; it opens no file that its table does not."""
    low, high = ((moment - _EPOCH) // _MICROSECOND for moment in (start, end))
    moment = f"epoch_us({identifier(column)})"
    session.rows(
        f"CREATE OR REPLACE TEMP VIEW {identifier(view)} AS SELECT * FROM {identifier(table)} "
        f"WHERE {moment} >= {low} AND {moment} < {high}"
    )
