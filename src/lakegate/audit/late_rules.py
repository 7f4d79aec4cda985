"""Rules with a window in an audit: one result for the rule, and one for each window."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING

from lakegate.audit.base import Unjudgeable
from lakegate.audit.comparison import Comparison
from lakegate.audit.late import WindowResult, WindowStore, judge_windows
from lakegate.audit.result import ResultKind, RuleResult, Status, duration_text
from lakegate.contract.stream import Place, QualityRule, Stream

if TYPE_CHECKING:
    from lakegate.audit.evaluate import Judge

__all__ = ["WindowedRules"]

_NAMED = 5


@dataclass(slots=True)
class WindowedRules:
    """Judges the rules of one audit that have a window; ``changed`` are the windows it found new.

    ``now`` is the audit's time, None for an event clock that has seen no event.
    """

    stream: Stream
    store: WindowStore | None
    now: datetime | None
    changed: list[WindowResult] = field(default_factory=list)

    def judges(self, rule: QualityRule) -> bool:
        """Whether the rule is judged per window."""
        return rule.window is not None and rule.place is Place.AUDIT

    def blank(self, rule: QualityRule) -> RuleResult:
        """The result of the rule before it is judged."""
        each = "" if rule.window is None else duration_text(rule.window)
        return RuleResult(
            rule.name, ResultKind(rule.kind.value), rule.severity, Status.ERROR,
            f"in each window of {each}", unit="windows", place=rule.place,
        )  # fmt: skip

    def rule(self, judge: Judge, rule: QualityRule) -> RuleResult:
        """The rule as a whole: it fails when a closed window does that this audit is about.

        Raises:
            Unjudgeable: it cannot be judged, or a window cannot.
        """
        if self.now is None:
            raise Unjudgeable("the event clock has seen no event")
        found = judge_windows(
            judge.session, self.stream, rule,
            table=judge.table, increment=judge.increment, now=self.now,
            known={} if self.store is None else self.store.newest(self.stream.name, rule.name),
            judge=lambda view: _outcome(judge.rule_on(rule, view)),
        )  # fmt: skip
        self.changed += found.changed
        blank = self.blank(rule)
        wanted = Comparison(rule.operator or "", rule.bounds).text(rule.unit)
        return replace(
            blank,
            expected=f"{blank.expected}: {wanted}",
            status=Status.FAILED if found.failing else Status.PASSED,
            observed=Decimal(len(found.failing)),
            message=_named(found.failing) or f"{found.judged} closed windows judged",
        )


def _outcome(result: RuleResult) -> tuple[Status, Decimal | bool | None]:
    if result.status is Status.ERROR:
        raise Unjudgeable(result.message or "it cannot be judged")
    return result.status, result.observed


def _named(failing: Sequence[WindowResult]) -> str:
    return ", ".join(
        f"{one.start:%Y-%m-%dT%H:%M:%SZ} ({one.state}, observed {one.observed})"
        for one in failing[:_NAMED]
    )
