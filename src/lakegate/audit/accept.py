"""Publishing in spite of a failed rule: who took it upon themselves, for which audit, and why."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Protocol

from lakegate.audit.result import AuditReport
from lakegate.errors import PublishRefused

__all__ = ["Acceptance", "AcceptanceStore", "accept"]


@dataclass(frozen=True, slots=True)
class Acceptance:
    """One failed rule of one audit, accepted; it holds for that audit only.

    ``result`` is the audit's sentence with its figures; ``at`` is UTC.
    """

    stream: str
    audit_id: str
    snapshot_id: int
    rule: str
    result: str
    offending: int | None
    total: int | None
    reason: str
    by: str
    at: datetime


class AcceptanceStore(Protocol):
    """Keeps what was accepted."""

    def record_acceptances(self, accepted: Sequence[Acceptance]) -> None:
        """Keep what was accepted of one audit, all or nothing; a rule once per audit."""
        ...


def accept(
    report: AuditReport, rules: Sequence[str], *, reason: str | None, by: str
) -> tuple[Acceptance, ...]:
    """Accept rules that hold this audit back.

    Raises:
        PublishRefused: no reason, or a rule that does not hold this audit back.
    """
    where = f"stream {report.stream}, audit {report.audit_id}"
    if reason is None or not reason.strip():
        raise PublishRefused(
            f"{where}: accepting a failed rule needs a reason; say why with --reason, it is kept"
        )
    holding = {result.name: result for result in report.results if result.holds_back}
    wrong = [rule for rule in rules if rule not in holding]
    if wrong:
        there = ", ".join(holding) or "none"
        raise PublishRefused(
            f"{where}: {', '.join(wrong)} did not fail so as to hold main back, so there is "
            f"nothing to accept; holding it back: {there}"
        )
    now = datetime.now(UTC)
    return tuple(
        Acceptance(
            stream=report.stream,
            audit_id=report.audit_id,
            snapshot_id=report.snapshot_id,
            rule=rule,
            result=holding[rule].sentence(),
            offending=holding[rule].offending,
            total=holding[rule].total,
            reason=reason.strip(),
            by=by,
            at=now,
        )
        for rule in dict.fromkeys(rules)
    )
