"""Rules and levels with a window in an audit: one result for each, and one for each window."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING

from lakegate.audit.base import Unjudgeable
from lakegate.audit.comparison import Comparison
from lakegate.audit.late import (
    JudgedWindows,
    Outcome,
    Windowed,
    WindowResult,
    WindowStore,
    judge_windows,
)
from lakegate.audit.level import sla_name
from lakegate.audit.result import ResultKind, RuleResult, Status, duration_text
from lakegate.audit.sla import Service
from lakegate.audit.sla_window import measure_windows
from lakegate.audit.window_rows import count_rows, make_view
from lakegate.contract.stream import Place, QualityRule, SlaRule, Stream
from lakegate.lake.spelling import identifier

if TYPE_CHECKING:
    from lakegate.audit.evaluate import Judge

__all__ = ["WindowedRules", "in_each", "window_view"]

_NAMED = 5


@dataclass(slots=True)
class WindowedRules:
    """Judges what has a window in one audit; ``changed`` are the windows it found new or changed.

    ``now`` is the audit's time, None for an event clock that has seen no event.
    """

    stream: Stream
    store: WindowStore | None
    now: datetime | None
    changed: list[WindowResult] = field(default_factory=list)

    def judges(self, rule: QualityRule | SlaRule) -> bool:
        """Whether it is judged per window."""
        return rule.window is not None and rule.place is Place.AUDIT

    def blank(self, rule: QualityRule) -> RuleResult:
        """The result of the rule before it is judged."""
        return RuleResult(
            rule.name, ResultKind(rule.kind.value), rule.severity, Status.ERROR,
            in_each(rule.window), unit="windows", place=rule.place,
        )  # fmt: skip

    def blank_level(self, rule: SlaRule) -> RuleResult:
        """The result of the level before it is measured; it never holds ``main`` back."""
        return RuleResult(
            sla_name(rule), ResultKind.SLA, rule.severity, Status.NOT_MEASURED,
            in_each(rule.window), unit="windows", place=rule.place, holds=False,
        )  # fmt: skip

    def rule(self, judge: Judge, rule: QualityRule) -> RuleResult:
        """The rule as a whole: it fails when a closed window does that this audit is about.

        Raises:
            Unjudgeable: it cannot be judged, or a window cannot.
        """
        column, width = self.stream.event_time, rule.window
        if self.now is None:
            raise Unjudgeable("the event clock has seen no event")
        if width is None or column is None:
            raise Unjudgeable("a window needs an event time; set `lakegate.eventTime`")
        moment = identifier(column)
        found = self._judged(
            Windowed(
                rule.name,
                width,
                rows=count_rows(judge.session, moment, width, judge.table),
                waiting=count_rows(judge.session, moment, width, judge.increment),
                judge=_OneByOne(judge, rule, column, width),
                known={} if self.store is None else self.store.newest(self.stream.name, rule.name),
            )
        )
        blank = self.blank(rule)
        wanted = Comparison(rule.operator or "", rule.bounds).text(rule.unit)
        return replace(
            blank,
            expected=f"{blank.expected}: {wanted}",
            status=Status.FAILED if found.failing else Status.PASSED,
            observed=Decimal(len(found.failing)),
            message=_named(found.failing) or f"{found.judged} closed windows judged",
        )

    def level(self, service: Service, rule: SlaRule) -> RuleResult:
        """The level as a whole: missed when it is in a closed window that this audit is about.

        Raises:
            Unjudgeable: the contract's statement lacks what measuring needs, or DuckDB refuses.
        """
        name, stream, store = sla_name(rule), self.stream.name, self.store
        measured = measure_windows(
            service,
            rule,
            known={} if store is None else store.newest(stream, name),
            published={} if store is None else store.published(stream, name),
        )
        found = self._judged(measured.windowed)
        blank = self.blank_level(rule)
        blank = replace(blank, expected=f"{blank.expected}: {measured.expected}")
        if found.judged == 0:
            return replace(blank, message="no closed window has new rows")
        return replace(
            blank,
            status=Status.FAILED if found.failing else Status.PASSED,
            observed=Decimal(len(found.failing)),
            message=_named(found.failing) or f"{found.judged} closed windows judged",
        )

    def _judged(self, windowed: Windowed) -> JudgedWindows:
        if self.now is None:
            raise Unjudgeable("the event clock has seen no event")
        found = judge_windows(windowed, now=self.now, lateness=self.stream.allowed_lateness)
        self.changed += found.changed
        return found


@dataclass(slots=True)
class _OneByOne:
    """Judges a rule on a window's rows alone; all windows without rows have one outcome."""

    judge: Judge
    rule: QualityRule
    column: str
    width: timedelta
    empty: Outcome | None = None

    def __call__(self, start: datetime, rows: int) -> Outcome:
        if rows == 0 and self.empty is not None:
            return self.empty
        view = window_view(self.judge, self.column, start, start + self.width)
        result = self.judge.rule_on(self.rule, view)
        if result.status is Status.ERROR and rows > 0:
            raise Unjudgeable(result.message or "it cannot be judged")
        # A query that gives NULL of no rows leaves open whether they should be there.
        status = Status.NOT_MEASURED if result.status is Status.ERROR else result.status
        outcome = Outcome(status, result.observed, result.unit)
        if rows == 0:
            self.empty = outcome
        return outcome


def window_view(judge: Judge, column: str, start: datetime, end: datetime) -> str:
    """The name of a view of the rows whose ``column`` is in that window; each replaces the last.

    Raises:
        Unjudgeable: DuckDB refuses.
    """
    view = f"{judge.table}__window"
    make_view(judge.session, view, judge.table, column, start, end)
    return view


def in_each(window: timedelta | None) -> str:
    """``in each window of 1 h``."""
    return "in each window of " + ("" if window is None else duration_text(window))


def _named(failing: Sequence[WindowResult]) -> str:
    return ", ".join(
        f"{one.start:%Y-%m-%dT%H:%M:%SZ} ({one.state}, observed {_brief(one)})"
        for one in failing[:_NAMED]
    )


def _brief(one: WindowResult) -> str:
    return one.observed_text() if one.unit == "s" else str(one.observed)
