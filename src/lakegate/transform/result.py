"""What a run found out: plain records, one per model and one per test."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from lakegate.contract.type import Severity

__all__ = ["Mode", "ModelResult", "ModelTestResult", "RunReport", "Status", "Verdict"]


class Status(StrEnum):
    """What became of a model in a run."""

    BUILT = "built"  # written, tested, published
    UP_TO_DATE = "up to date"  # nothing it is made of changed
    FAILED = "failed"  # its SQL or a test; what is published stays as it was
    SKIPPED = "skipped"  # something it needs failed
    WAITING = "waiting"  # something it needs was never published


class Mode(StrEnum):
    """How a model was written."""

    FULL = "full"
    TIME = "time"  # from a point in time on
    KEY = "key"  # the rows that changed
    SAME = "same"  # no rows: it was there already, or only its tests changed
    VIEW = "view"


class Verdict(StrEnum):
    """What became of a test."""

    PASSED = "passed"
    FAILED = "failed"
    ERROR = "error"  # it could not be carried out, which holds back like a failure


@dataclass(frozen=True, slots=True)
class ModelTestResult:
    """One test of one run. ``offending`` counts rows (or groups) that should not be.

    ``samples`` are up to five of them as text, ``column=value, …``; they may hold personal data.
    """

    name: str
    kind: str
    severity: Severity
    verdict: Verdict
    offending: int | None
    message: str | None
    samples: tuple[str, ...]
    seconds: float

    @property
    def holds_back(self) -> bool:
        """Whether the model may not be published because of it."""
        return self.verdict is not Verdict.PASSED and self.severity.rejects


@dataclass(frozen=True, slots=True)
class ModelResult:
    """One model of one run. Times are UTC.

    ``reason`` says in a sentence why it came to this status, or why it was written in this mode.
    ``snapshot_id`` is what was tested, ``rows`` are those in it; None for what was not built.
    """

    run_id: str
    model: str
    status: Status
    started_at: datetime
    finished_at: datetime
    mode: Mode | None = None
    reason: str = ""
    snapshot_id: int | None = None
    rows: int | None = None
    digest: str = ""
    tests: tuple[ModelTestResult, ...] = ()


@dataclass(frozen=True, slots=True)
class RunReport:
    """A whole run, in the order in which the models were built."""

    run_id: str
    results: tuple[ModelResult, ...]

    @property
    def ok(self) -> bool:
        """Whether nothing failed; what waits for a first publication has not failed."""
        return not any(result.status in (Status.FAILED, Status.SKIPPED) for result in self.results)
