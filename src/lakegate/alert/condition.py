"""What is a breach: from facts about a stream to sentences that hold no values of records."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from lakegate.alert.window import Totals
from lakegate.audit.level import Level, sla_name
from lakegate.audit.result import (
    AuditReport,
    ResultKind,
    RuleResult,
    Status,
    duration_text,
    unit_text,
)
from lakegate.contract.stream import ContractRef, SlaRule, Stream
from lakegate.contract.type import Severity
from lakegate.state.incident_store import Breach, IncidentKind, Key

__all__ = [
    "Backlog",
    "Cause",
    "dead_letters",
    "failed_part",
    "failed_rules",
    "missed_level",
    "paused",
    "safe_path",
    "stuck",
    "undeclared",
    "warnings",
]

_CAUSES = 3
_STEP = re.compile(r"[A-Za-z_][A-Za-z0-9_-]{0,63}(?:\[(?:\*|\d{1,6})?\])*\Z")


@dataclass(frozen=True, slots=True)
class Cause:
    """Dead letters that fail one rule at one place."""

    path: str
    rule: str
    records: int


@dataclass(frozen=True, slots=True)
class Backlog:
    """Raw records nobody has judged: how many, and since when the first of them waits."""

    records: int
    since: datetime


def dead_letters(
    stream: Stream,
    totals: Totals,
    *,
    threshold: int,
    window: timedelta,
    causes: Sequence[Cause],
    examined: int,
) -> Breach | None:
    """At least ``threshold`` records rejected within ``window``.

    The commonest ``causes`` are named, as counted among the newest ``examined`` of them.
    """
    if totals.rejected < threshold:
        return None
    judged = totals.accepted + totals.rejected
    text = (
        f"{totals.rejected:,} of {judged:,} records rejected within {duration_text(window)}, "
        f"the threshold is {threshold:,}"
    )
    if causes:
        among = f"of the newest {examined:,} " if examined < totals.rejected else ""
        text += f"; {among}mostly {', '.join(_cause(cause) for cause in causes[:_CAUSES])}"
    return Breach(
        Key(stream.name, IncidentKind.DEAD_LETTERS, "rejected"),
        Severity.ERROR,
        text,
        f"lakegate deadletter list {stream.name}",
        stream.contract,
        count=totals.rejected,
        magnitude=float(totals.rejected),
    )


def warnings(stream: Stream, totals: Totals, *, threshold: int, window: timedelta) -> Breach | None:
    """At least ``threshold`` warnings of the gate within ``window``."""
    if totals.noted < threshold:
        return None
    text = (
        f"{totals.noted:,} warnings of the gate within {duration_text(window)}, the threshold is "
        f"{threshold:,}; the records were accepted"
    )
    return Breach(
        Key(stream.name, IncidentKind.WARNINGS, "warnings"),
        Severity.WARNING,
        text,
        f"lakegate status {stream.name}",
        stream.contract,
        count=totals.noted,
        magnitude=float(totals.noted),
    )


def failed_rules(stream: Stream, report: AuditReport) -> Iterator[Breach]:
    """Every rule and reference of an audit that failed or could not be judged, but for ``info``."""
    for result in report.results:
        if not result.failed or result.severity is Severity.INFO or result.kind is ResultKind.SLA:
            continue
        fields = _fields_of(stream, result.name)
        yield Breach(
            Key(stream.name, IncidentKind.RULE, result.name),
            result.severity,
            _rule_text(stream, result, fields),
            f"lakegate audit {stream.name} --history",
            report.contract,
            count=result.offending,
            magnitude=float(result.offending or 0),
            fields=fields,
        )


def missed_level(
    stream: Stream, rule: SlaRule, level: Level, *, contract: ContractRef | None = None
) -> Breach | None:
    """A service level that was measured and not kept."""
    if level.passed or level.observed is None or rule.severity is Severity.INFO:
        return None
    observed = level.observed
    if rule.name.casefold() == "throughput" and rule.window is None:
        magnitude = 1.0 / float(observed) if observed > 0 else float("1e18")
    else:
        magnitude = float(observed)
    shown = duration_text(timedelta(seconds=float(observed))) if level.unit == "s" else (
        f"{float(observed):,.4g} {unit_text(level.unit, observed)}".rstrip()
    )  # fmt: skip
    return Breach(
        Key(stream.name, IncidentKind.SLA, sla_name(rule)),
        rule.severity,
        f"{rule.name} missed: expected {level.expected}, observed {shown} ({level.how})",
        f"lakegate alert levels {stream.name}"
        if rule.window is None
        else f"lakegate audit {stream.name} --history",
        contract if contract is not None else stream.contract,
        count=level.offending,
        magnitude=magnitude,
        fields=None if rule.element is None else (rule.element,),
    )


def paused(stream: Stream, *, reason: str, at: datetime) -> Breach:
    """A stream that waits for a person; ``reason`` names a rule and a path."""
    kind, _, place = reason.partition(" at ")
    where = f" at {safe_path(place)}" if place else ""
    return Breach(
        Key(stream.name, IncidentKind.PAUSED, "paused"),
        Severity.CRITICAL,
        f"paused since {at:%Y-%m-%d %H:%M:%S} UTC ({kind}{where}); producers go on, nothing is "
        "judged",
        f"lakegate resume {stream.name} --reason …",
        stream.contract,
    )


def stuck(
    stream: Stream, backlog: Backlog, *, idle_s: float, limit_s: float, holder: int | None
) -> Breach | None:
    """Records wait for longer than ``limit_s``, and for as long nothing was judged.

    ``idle_s`` is the time since the last commit or since the oldest record waits, the shorter.
    """
    if idle_s < limit_s:
        return None
    who = "no worker is running" if holder is None else f"worker {holder} makes no progress"
    return Breach(
        Key(stream.name, IncidentKind.STUCK, "worker"),
        Severity.ERROR,
        f"{backlog.records:,} records wait to be judged, the first since "
        f"{backlog.since:%Y-%m-%d %H:%M:%S} UTC; {who}",
        f"lakegate status {stream.name}",
        stream.contract,
        count=backlog.records,
        magnitude=float(backlog.records),
    )


def failed_part(part: str, state: str, reason: str, *, stream: Stream | None) -> Breach:
    """A part of ``lakegate up`` that is dead or stuck."""
    nobody = ContractRef("", "", "")
    return Breach(
        Key(stream.name if stream is not None else "", IncidentKind.PART, part),
        Severity.ERROR,
        f"{part} is {state}: {reason}",
        f"lakegate status {stream.name}" if stream is not None else "lakegate status",
        stream.contract if stream is not None else nobody,
        magnitude=1.0,
    )


def undeclared(stream: Stream, paths: Sequence[str]) -> Breach:
    """First sight of fields the contract does not declare; for information."""
    shown = ", ".join(safe_path(path) for path in paths[:10])
    more = f" and {len(paths) - 10:,} more" if len(paths) > 10 else ""
    noun = "an undeclared field" if len(paths) == 1 else f"{len(paths):,} undeclared fields"
    return Breach(
        Key(stream.name, IncidentKind.UNDECLARED, safe_path(paths[0])),
        Severity.INFO,
        f"first sight of {noun}: {shown}{more}",
        f"lakegate topic tail {stream.topic('validated')} --limit 1",
        stream.contract,
        count=len(paths),
    )


def safe_path(path: str) -> str:
    """A JSONPath whose steps are plain names; others come from the data and are not shown.

    ``$.lines[*].qty`` stays, ``$['ada@example.com'].age`` becomes ``$.(…).age``.
    """
    steps = re.split(r"\.(?![^\[]*\])", path.removeprefix("$").removeprefix("."))
    shown = [step if _STEP.match(step) else "(…)" for step in steps if step]
    return ".".join(["$", *shown])


def _cause(cause: Cause) -> str:
    return f"{cause.rule} at {safe_path(cause.path)} ({cause.records:,})"


def _rule_text(stream: Stream, result: RuleResult, fields: tuple[str, ...] | None) -> str:
    """Figures of a custom query may be values of records: they need every field to be public."""
    if result.status is Status.ERROR:
        return f"rule {result.name} could not be judged"
    open_ = result.kind is not ResultKind.SQL or _public(stream, fields)
    text = f"rule {result.name} failed"
    if result.offending is not None and result.total is not None:
        text += f": {result.offending:,} of {result.total:,} rows"
    if open_:
        text += f"; expected {result.expected}, observed {result.observed_text()}"
    return text


def _public(stream: Stream, fields: tuple[str, ...] | None) -> bool:
    if not fields:
        return False
    classes = {field.name: field.classification for field in stream.fields}
    heads = (field.partition(".")[0] for field in fields)
    return all((classes.get(head) or "").casefold() == "public" for head in heads)


def _fields_of(stream: Stream, rule: str) -> tuple[str, ...] | None:
    """The fields a rule or reference is about; None when it is about rows as a whole."""
    for reference in stream.references:
        if reference.name == rule:
            return reference.columns
    for quality in stream.rules:
        if quality.name != rule:
            continue
        if quality.properties:
            return quality.properties
        return tuple(_mentioned(quality.query or "", (f.name for f in stream.fields))) or None
    return None


def _mentioned(query: str, names: Iterable[str]) -> Iterator[str]:
    words = set(re.findall(r"\w+", query.casefold()))
    return (name for name in names if name.casefold() in words)
