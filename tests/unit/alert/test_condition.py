"""What is a breach, and that its sentence holds shapes and counts only."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from fractions import Fraction

import pytest

from lakegate.alert.condition import (
    Backlog,
    Cause,
    dead_letters,
    failed_rules,
    missed_level,
    paused,
    safe_path,
    stuck,
    undeclared,
    warnings,
)
from lakegate.alert.window import Totals
from lakegate.audit.level import Level, error_rate
from lakegate.audit.result import AuditReport, ResultKind, RuleResult, Status
from lakegate.contract import loads
from lakegate.contract.type import Severity

NOW = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)
WINDOW = timedelta(minutes=5)
CONTRACT = """
apiVersion: v3.1.0
kind: DataContract
id: orders
name: orders
version: 1.0.0
status: active
schema:
  - name: orders
    logicalType: object
    properties:
      - {name: id, logicalType: integer, classification: public}
      - name: mail
        logicalType: string
        classification: confidential
        quality:
          - {id: mail_complete, metric: nullValues, mustBeLessThan: 5, unit: percent}
    quality:
      - {id: dearest, query: 'SELECT max(id) FROM {object}', mustBe: 0}
      - {id: longest, query: 'SELECT max(length(mail)) FROM {object}', mustBe: 0}
      - {id: both, query: 'SELECT max(id) + max(length(mail)) FROM {object}', mustBe: 0}
      - {id: size, metric: rowCount, mustBeGreaterThan: 5}
slaProperties:
  - {property: errorRate, value: 1, unit: percent}
  - {property: throughput, value: 10, unit: rows/s}
"""
STREAM = loads(CONTRACT).streams[0]


def failed(name: str, kind: ResultKind = ResultKind.SQL, **more: object) -> RuleResult:
    values: dict[str, object] = {
        "status": Status.FAILED, "severity": Severity.ERROR, "expected": "0",
        "observed": Decimal(8_675_309), "message": "cannot cast 'ada@example.com'",
    } | more  # fmt: skip
    return RuleResult(name, kind, **values)  # type: ignore[arg-type]


def report(*results: RuleResult) -> AuditReport:
    return AuditReport(
        "a", "orders", STREAM.contract, 1, None, NOW, NOW, "wall", NOW, 10, tuple(results)
    )


@pytest.mark.parametrize(("rejected", "found"), [(99, False), (100, True)])
def test_dead_letters_at_the_threshold(rejected: int, found: bool) -> None:
    causes = [Cause("$.mail", "type", 60), Cause("$['x@y.z']", "unknown", 1)]
    breach = dead_letters(
        STREAM, Totals(900, rejected), threshold=100, window=WINDOW, causes=causes, examined=100
    )
    assert (breach is not None) is found
    if breach is not None:
        assert breach.summary == (
            "100 of 1,000 records rejected within 5 min, the threshold is 100; mostly "
            "type at $.mail (60), unknown at $.(…) (1)"
        )
        assert breach.fields is None


def test_causes_counted_among_the_newest_only_say_so() -> None:
    causes = [Cause("$.mail", "type", 1_979)]
    breach = dead_letters(
        STREAM, Totals(0, 22_928), threshold=100, window=WINDOW, causes=causes, examined=2_000
    )
    assert breach is not None
    assert breach.summary.endswith("; of the newest 2,000 mostly type at $.mail (1,979)")


def test_warnings_at_the_threshold() -> None:
    assert warnings(STREAM, Totals(9, 0, 4), threshold=5, window=WINDOW) is None
    breach = warnings(STREAM, Totals(9, 0, 5), threshold=5, window=WINDOW)
    assert breach is not None
    assert breach.severity is Severity.WARNING


def test_which_results_are_breaches() -> None:
    results = [
        failed("mail_complete", ResultKind.METRIC, severity=Severity.WARNING),
        failed("size", ResultKind.METRIC, severity=Severity.INFO),
        failed("dearest", status=Status.PASSED),
        failed("longest", status=Status.ERROR),
        failed("sla.errorRate", ResultKind.SLA),
    ]
    found = {breach.key.rule: breach for breach in failed_rules(STREAM, report(*results))}
    assert set(found) == {"mail_complete", "longest"}
    assert found["mail_complete"].severity is Severity.WARNING
    assert found["longest"].summary == "rule longest could not be judged"


@pytest.mark.parametrize(
    ("rule", "fields", "told"),
    [
        ("dearest", ("id",), True),
        ("longest", ("mail",), False),
        ("both", ("id", "mail"), False),
        ("nobody", None, False),
    ],
)
def test_figures_of_a_query_are_told_only_of_public_fields(
    rule: str, fields: tuple[str, ...] | None, told: bool
) -> None:
    (breach,) = failed_rules(STREAM, report(failed(rule, offending=3, total=9)))
    assert breach.fields == fields
    assert ("8,675,309" in breach.summary) is told
    assert "3 of 9 rows" in breach.summary
    assert "ada" not in breach.summary


def test_levels() -> None:
    rate, flow = STREAM.sla
    assert missed_level(STREAM, rate, error_rate(rate, (99, 1), "now")) is None
    breach = missed_level(STREAM, rate, error_rate(rate, (98, 2), "now"))
    assert breach is not None
    assert breach.summary == (
        "errorRate missed: expected at most 1 percent rejected, observed 2 percent (now)"
    )
    assert breach.count == 2
    slow = missed_level(STREAM, flow, Level("at least 10", Fraction(1), "rows", False, "how"))
    slower = missed_level(STREAM, flow, Level("at least 10", Fraction(0), "rows", False, "how"))
    assert slow is not None
    assert slower is not None
    assert slower.magnitude > slow.magnitude  # less is worse
    assert missed_level(STREAM, flow, Level("x", None, "", False, "why not")) is None


def test_of_a_level_per_window_more_windows_are_worse() -> None:
    _, flow = STREAM.sla
    hourly = replace(flow, window=timedelta(hours=1))
    one, two = (
        missed_level(STREAM, hourly, Level("10 in each", Fraction(n), "windows", False, "how"))
        for n in (1, 2)
    )
    assert one is not None
    assert two is not None
    assert two.magnitude > one.magnitude
    assert (one.key.rule, one.command) == ("sla.throughput.1h", "lakegate audit orders --history")


def test_stuck_after_a_while() -> None:
    backlog = Backlog(5, NOW)
    assert stuck(STREAM, backlog, idle_s=59.9, limit_s=60, holder=7) is None
    breach = stuck(STREAM, backlog, idle_s=60, limit_s=60, holder=7)
    assert breach is not None
    assert "worker 7 makes no progress" in breach.summary


def test_a_pause_names_the_rule() -> None:
    breach = paused(STREAM, reason="critical: type at $.lines[*].qty", at=NOW)
    assert "(critical: type at $.lines[*].qty)" in breach.summary


@pytest.mark.parametrize(
    ("path", "shown"),
    [
        ("$", "$"),
        ("$.a.b-c", "$.a.b-c"),
        ("$.lines[3].qty", "$.lines[3].qty"),
        ("$.lines[*]", "$.lines[*]"),
        ("$['ada@example.com'].age", "$.(…).age"),
        ("$.ada@example.com", "$.(…).com"),
        ("$.a.Ada Lovelace", "$.a.(…)"),
        ("$." + "a" * 65, "$.(…)"),
    ],
)
def test_names_that_come_from_data_are_not_shown(path: str, shown: str) -> None:
    assert safe_path(path) == shown


def test_many_fields_are_one_sentence() -> None:
    breach = undeclared(STREAM, [f"$.f{n}" for n in range(12)])
    assert breach.summary.endswith("$.f9 and 2 more")
    assert breach.count == 12
