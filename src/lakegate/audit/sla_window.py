"""Service levels per window of event time (docs/reference/audit.md).

=============  =====================================================================================
latency        the longest wait of the window's rows, from event to published
frequency      at any moment of the window, how long ago the last row was, at the most
throughput     the window's rows over its length
=============  =====================================================================================

Which window a row is in, ``element`` tells, else the stream's event time, whichever the clock.
"""

# ruff: noqa: S608 - names go through identifier(), texts through literal()

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from lakegate.audit import level as meaning
from lakegate.audit.base import Unjudgeable
from lakegate.audit.late import EPOCH, Outcome, Windowed, WindowResult
from lakegate.audit.level import Level, sla_name
from lakegate.audit.result import Status
from lakegate.audit.sla import Service, instant_sql, time_sql
from lakegate.audit.window_rows import MOST, count_rows, start_sql
from lakegate.contract.stream import SlaRule
from lakegate.lake.spelling import identifier

__all__ = ["MeasuredWindows", "measure_windows"]

_MICROSECOND = timedelta(microseconds=1)

Measure = Callable[[datetime, int], Level]


@dataclass(frozen=True, slots=True)
class MeasuredWindows:
    """A level to be told of each window, and what is expected of it there."""

    windowed: Windowed
    expected: str


def measure_windows(
    service: Service,
    rule: SlaRule,
    *,
    known: Mapping[datetime, WindowResult],
    published: Mapping[datetime, WindowResult],
) -> MeasuredWindows:
    """Measure a level with a window.

    ``known`` are the newest results of its windows, ``published`` those they had when ``main`` was
    last moved: how long a published row had waited cannot be read from the table.

    Raises:
        Unjudgeable: the level has no windows, the contract's statement lacks what measuring needs,
            or DuckDB refuses.
    """
    width, moment = rule.window, time_sql(service, rule)
    if width is None or moment is None:
        raise Unjudgeable(
            "a window needs an event time; set `lakegate.eventTime`, or `element` to a timestamp"
        )
    kinds = {"latency": _latency, "frequency": _frequency, "throughput": _throughput}
    kind = kinds.get(rule.name.casefold())
    if kind is None:
        raise Unjudgeable(f"{rule.name} is not told per window; take `lakegate.window` away")
    measure = kind(service, rule, moment, width)
    if isinstance(measure, _Latency) and not service.event_clock:
        measure = _Latency(rule, measure.waits, published)
    windowed = Windowed(
        sla_name(rule),
        width,
        rows=count_rows(service.session, moment, width, service.table),
        waiting=count_rows(service.session, moment, width, service.increment),
        judge=lambda start, rows: _outcome(measure(start, rows)),
        known=known,
        neighbours=isinstance(measure, _Frequency),
    )
    # Of a window without rows, far from all others, nothing but the expectation is said.
    return MeasuredWindows(windowed, measure(EPOCH, 0).expected)


@dataclass(frozen=True, slots=True)
class _Latency:
    """``waits`` are the longest, in microseconds, by the start of the window, likewise."""

    rule: SlaRule
    waits: Mapping[int, int]
    published: Mapping[datetime, WindowResult]

    def __call__(self, start: datetime, rows: int) -> Level:
        found = [self.waits[_us(start)]] if _us(start) in self.waits else []
        before = self.published.get(start)
        if before is not None and before.observed is not None:
            found.append(int(before.observed * 1_000_000))
        return meaning.latency(self.rule, max(found, default=None) if rows > 0 else None, "")


def _latency(service: Service, rule: SlaRule, moment: str, width: timedelta) -> Measure:
    if service.event_clock:
        view, until = service.table, (
            f"max({moment}) OVER (PARTITION BY _topic, _source_partition ORDER BY _offset "
            "ROWS UNBOUNDED PRECEDING)"
        )  # fmt: skip
    else:
        view, until = service.increment, instant_sql(service.now)
    found = service.session.rows(
        f"SELECT start, max(waited) FROM (SELECT {start_sql(moment, width)} AS start, "
        f"epoch_us({until}) - epoch_us({moment}) AS waited FROM {identifier(view)}) "
        "WHERE start IS NOT NULL GROUP BY start",
        most=MOST,
    )
    return _Latency(rule, dict(found), {})


@dataclass(frozen=True, slots=True)
class _Frequency:
    """``spans``: of each window with rows the first and last time, and the longest gap between.

    All in microseconds; ``filled`` are their starts in order.
    """

    rule: SlaRule
    width: int
    now: int
    filled: list[int]
    spans: Mapping[int, tuple[int, int, int | None]]

    def __call__(self, start: datetime, rows: int) -> Level:
        begin = _us(start)
        end = min(begin + self.width, self.now)
        at = bisect_left(self.filled, begin)
        before = self.spans[self.filled[at - 1]][1] if at > 0 else None
        gaps: list[int] = []
        if begin in self.spans:
            first, last, inner = self.spans[begin]
            gaps += [0] if inner is None else [inner]
            gaps += [] if before is None else [first - before]
            gaps.append(end - last)
        elif before is not None:
            gaps.append(end - before)
        return meaning.frequency(self.rule, max(gaps, default=None), "")


def _frequency(service: Service, rule: SlaRule, moment: str, width: timedelta) -> Measure:
    found = service.session.rows(
        f"SELECT start, min(t), max(t), max(gap) FROM ("
        f"SELECT start, t, t - lag(t) OVER (PARTITION BY start ORDER BY t) AS gap FROM ("
        f"SELECT {start_sql(moment, width)} AS start, epoch_us({moment}) AS t "
        f"FROM {identifier(service.table)} WHERE {moment} IS NOT NULL)) GROUP BY start",
        most=MOST,
    )
    spans = {start: (first, last, inner) for start, first, last, inner in found}
    now = _us(service.now)
    return _Frequency(rule, width // _MICROSECOND, now, sorted(spans), spans)


def _throughput(service: Service, rule: SlaRule, moment: str, width: timedelta) -> Measure:
    return lambda start, rows: meaning.throughput(rule, rows, width // _MICROSECOND, "")


def _outcome(level: Level) -> Outcome:
    if level.observed is None:
        return Outcome(Status.NOT_MEASURED, None, level.unit)
    status = Status.PASSED if level.passed else Status.FAILED
    return Outcome(status, meaning.decimal(level.observed), level.unit)


def _us(when: datetime) -> int:
    return (when - EPOCH) // _MICROSECOND
