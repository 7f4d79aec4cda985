"""What an audit says: one result per rule, one report per pinned snapshot."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from fractions import Fraction
from typing import TYPE_CHECKING

from lakegate.contract.stream import ContractRef, Place, Scope
from lakegate.contract.type import Severity

if TYPE_CHECKING:
    from lakegate.audit.late import WindowResult

__all__ = [
    "AuditReport",
    "Frequent",
    "ResultKind",
    "RuleResult",
    "Sample",
    "Status",
    "duration_text",
    "unit_text",
]


class Status(StrEnum):
    """What became of a rule."""

    PASSED = "passed"
    FAILED = "failed"
    ERROR = "error"  # it could not be judged; counts as failed
    NOT_MEASURED = "not measured"  # nobody promised to judge it; the reason is in ``message``


class ResultKind(StrEnum):
    """What kind of statement of the contract a result is about."""

    METRIC = "library"
    SQL = "sql"
    TEXT = "text"
    CUSTOM = "custom"
    REFERENCE = "reference"
    SLA = "sla"


@dataclass(frozen=True, slots=True)
class Sample:
    """An offending row: its source coordinates and the values the rule looked at.

    ``values`` pairs each property with its text, at most 80 characters, None for null. It holds
    data: stored beside the result, never logged (SEMANTICS "Privacy").
    """

    topic: str
    partition: int
    offset: int
    values: tuple[tuple[str, str | None], ...]


@dataclass(frozen=True, slots=True)
class Frequent:
    """An offending value (a tuple for several columns) and how many rows carry it. Holds data."""

    values: tuple[str | None, ...]
    rows: int


@dataclass(frozen=True, slots=True)
class RuleResult:
    """One rule, reference or SLA, judged on the audited snapshot.

    ``observed`` is a number in ``unit`` (``rows``, ``percent``, ``s`` for durations, or a rate such
    as ``rows/s``; empty for the result of SQL), a boolean for SQL that answers with one, or None
    when nothing was measured. ``offending`` and ``total`` count rows of ``scope`` (values, for a
    property inside a list). ``holds`` says whether a failure keeps ``main`` where it is, which is
    so for rules and references of severity error and critical, and for ``errorRate``.
    ``place`` is GATE for a rule that the gate has judged already and the audit only checks again.
    ``message`` is the error, the reason for not measuring, or how it was measured.
    """

    name: str
    kind: ResultKind
    severity: Severity
    status: Status
    expected: str
    observed: Decimal | bool | None = None
    unit: str = ""
    offending: int | None = None
    total: int | None = None
    samples: tuple[Sample, ...] = ()
    frequent: tuple[Frequent, ...] = ()
    message: str | None = None
    place: Place = Place.AUDIT
    scope: Scope = Scope.TABLE
    holds: bool = True
    seconds: float = 0.0

    @property
    def failed(self) -> bool:
        """Whether it failed or could not be judged."""
        return self.status in (Status.FAILED, Status.ERROR)

    @property
    def holds_back(self) -> bool:
        """Whether this result keeps ``main`` where it is."""
        return self.failed and self.holds and self.severity.rejects

    def sentence(self) -> str:
        """The result for people: counts and figures, no values of rows."""
        text = f"{self.name}: {self.status}"
        if self.status is Status.NOT_MEASURED:
            return f"{text}; {self.message}" if self.message else text
        if self.status is Status.ERROR:
            return f"{text} ({self.severity}); expected {self.expected}; {self.message}"
        if self.status is Status.FAILED:
            text += f" ({self.severity})"
        text += f"; expected {self.expected}, observed {self.observed_text()}"
        if self.unit == "windows" and self.message is not None:
            text += f": {self.message}"
        if self.offending is not None and self.total is not None and self.offending > 0:
            text += f"; {self.offending:,} of {self.total:,} rows"
        if self.place is Place.GATE and self.failed:
            text += "; the gate let it pass, or judged it by an older contract"
        return text

    def observed_text(self) -> str:
        """``observed`` with its unit, as people read it: ``10.45 percent``, ``2 h 5 min``."""
        if self.observed is None:
            return "nothing"
        if isinstance(self.observed, bool):
            return "true" if self.observed else "false"
        if self.unit == "s":
            return duration_text(timedelta(microseconds=int(self.observed * 1_000_000)))
        if self.unit in ("", "rows"):
            number = f"{self.observed:,f}"
        else:
            number = (
                f"{self.observed:,.4g}" if abs(self.observed) < 1000 else f"{self.observed:,.0f}"
            )
        return f"{number} {unit_text(self.unit, self.observed)}".rstrip()


@dataclass(frozen=True, slots=True)
class AuditReport:
    """The audit of one snapshot of a stream's ``staged`` branch.

    ``snapshot_id`` is what was judged and what :func:`lakegate.audit.publish.publish` may move
    ``main`` to; ``main_snapshot_id`` is where ``main`` stood (None: nothing published yet).
    ``started_at`` and ``finished_at`` are UTC wall time; ``judged_at`` is the time SLAs were judged
    at, by the ``clock`` named (``wall`` or ``event``). ``results`` are in the contract's order:
    rules, references, SLAs.
    """

    audit_id: str
    stream: str
    contract: ContractRef
    snapshot_id: int
    main_snapshot_id: int | None
    started_at: datetime
    finished_at: datetime
    clock: str
    judged_at: datetime | None
    rows: int
    results: tuple[RuleResult, ...]
    windows: tuple[WindowResult, ...] = ()  # new or changed; kept by themselves, not read back

    @property
    def passed(self) -> bool:
        """Whether the snapshot may be published: no result holds it back."""
        return not any(result.holds_back for result in self.results)

    @property
    def failures(self) -> tuple[RuleResult, ...]:
        """Every result that failed or could not be judged, whatever its severity."""
        return tuple(result for result in self.results if result.failed)


def unit_text(unit: str, number: Decimal | Fraction | int) -> str:
    """The unit as it is read behind the number: ``1 window``, ``2 windows``."""
    return "window" if unit == "windows" and number == 1 else unit


def duration_text(duration: timedelta) -> str:
    """A duration with its two greatest units: ``2 h 5 min``, ``-3 d``, ``0 s``."""
    microseconds = duration // timedelta(microseconds=1)
    sign, rest = ("-", -microseconds) if microseconds < 0 else ("", microseconds)
    parts = []
    for name, size in (("d", 86_400_000_000), ("h", 3_600_000_000), ("min", 60_000_000)):
        count, rest = divmod(rest, size)
        if count > 0:
            parts.append(f"{count:,} {name}")
    if len(parts) < 2 and rest > 0:
        parts.append(f"{Decimal(rest) / 1_000_000:.6f}".rstrip("0").rstrip(".") + " s")
    return sign + " ".join(parts[:2]) if parts else "0 s"
