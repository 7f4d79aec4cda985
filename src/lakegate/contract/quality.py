"""Quality rules: what each asks, and whether the gate or the audit can judge it."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from decimal import Decimal

from lakegate.contract.custom import settings
from lakegate.contract.document import Node
from lakegate.contract.duration import is_cron
from lakegate.contract.problem import Report, nearest
from lakegate.contract.quality_condition import (
    OPERATORS,
    Quality,
    arguments,
    bounds,
    operator,
    operators,
    unit,
)
from lakegate.contract.stream import Place, QualityRule, RuleKind, Scope
from lakegate.contract.type import (
    AnyType,
    ArrayType,
    Constraint,
    Field,
    Location,
    MapType,
    ObjectType,
    Severity,
    Type,
)

__all__ = [
    "METRICS",
    "OPERATORS",
    "Quality",
    "name_rules",
    "place_sql",
    "quality_rules",
    "uniqueness",
]

METRICS: dict[str, frozenset[str]] = {
    "nullValues": frozenset({"property"}),
    "missingValues": frozenset({"property"}),
    "invalidValues": frozenset({"property"}),
    "duplicateValues": frozenset({"property", "object"}),
    "rowCount": frozenset({"object"}),
}
_PER_RECORD = frozenset({"nullValues", "missingValues", "invalidValues"})
# ODCS 3.0 named its library rules otherwise.
_OLD_METRICS = {"duplicateCount": "duplicateValues", "validValues": "invalidValues"}
_OTHERWISE = "written otherwise it may be judged at the gate: see docs/reference/sql-rules.md"
_NOTHING = (
    "nothing to do; at the gate is judged SELECT COUNT(*) FROM {object} WHERE ... with mustBe: 0"
)
_SEVERITIES = {"warn": "warning", "fatal": "critical", "blocker": "critical", "information": "info"}


def quality_rules(
    node: Node, about: Quality, report: Report
) -> tuple[list[QualityRule], list[Constraint]]:
    """The rules of an element's ``quality``, and the constraints of those the gate judges."""
    rules: list[QualityRule] = []
    judged: list[Constraint] = []
    for entry in node.items("quality"):
        rule = _rule(entry, about, report)
        if rule is None:
            continue
        rules.append(rule)
        if rule.place is Place.GATE:
            judged.extend(_constraints(rule))
    return rules, judged


def uniqueness(columns: Sequence[str], severity: Severity, at: Location) -> QualityRule:
    """The rule that ``unique`` and ``primaryKey`` imply."""
    return QualityRule(
        name="",
        kind=RuleKind.METRIC,
        place=Place.AUDIT,
        reason="uniqueness needs every row",
        severity=severity,
        metric="duplicateValues",
        properties=tuple(columns),
        operator="mustBe",
        bounds=(Decimal(0),),
        dimension="uniqueness",
        location=at,
    )


def _kind(entry: Node) -> RuleKind:
    declared = entry.text("type")
    if declared in tuple(RuleKind):
        return RuleKind(declared)
    if entry.get("metric") is None and entry.get("rule") is None:
        if entry.get("query") is not None:
            return RuleKind.SQL
        if entry.get("engine") is not None or entry.get("implementation") is not None:
            return RuleKind.CUSTOM
        if entry.get("description") is not None and operators(entry) == []:
            return RuleKind.TEXT
    return RuleKind.METRIC


def _rule(entry: Node, about: Quality, report: Report) -> QualityRule | None:
    kind = _kind(entry)
    _schedule(entry, report)
    if kind in (RuleKind.TEXT, RuleKind.CUSTOM):
        return _not_judged(entry, kind, report)
    metric = _metric(entry, about, report) if kind is RuleKind.METRIC else None
    if kind is RuleKind.METRIC and metric is None:
        return None
    query = entry.text("query")
    if kind is RuleKind.SQL and query is None:
        advice = "add `query:`"
        report.add("LG505", entry.at, "an SQL rule without its query", advice=advice)
        return None
    asked = operator(entry, metric, report)
    found = bounds(entry, asked, kind, report)
    if asked is None or found is None:
        return None
    given = arguments(entry, metric, about, report)
    common = _common(entry, kind, report)
    place, reason = _place(kind, metric, about, asked, found)
    if common.window is not None and place is Place.GATE:
        place, reason = Place.AUDIT, "judged per window of event time"
    columns = given.properties or ((about.column,) if about.column else ())
    return replace(
        common,
        place=place,
        reason=reason,
        metric=metric,
        properties=columns,
        operator=asked,
        bounds=found,
        unit=unit(entry, report),
        valid_values=given.valid,
        missing_values=given.missing,
        pattern=given.pattern,
        query=query if kind is RuleKind.SQL else None,
    )


def _common(entry: Node, kind: RuleKind, report: Report) -> QualityRule:
    own = settings(entry, "quality", report)
    return QualityRule(
        name=entry.text("id") or entry.text("name") or "",
        kind=kind,
        place=Place.NONE,
        reason="",
        severity=_severity(entry, report),
        scope=own.get("scope") or Scope.TABLE,
        window=own.get("window"),
        schedule=entry.text("schedule"),
        dimension=entry.text("dimension"),
        description=entry.text("description"),
        location=entry.at,
    )


def _not_judged(entry: Node, kind: RuleKind, report: Report) -> QualityRule:
    if kind is RuleKind.TEXT:
        reason = "text is for people; write a metric or SQL to have it judged"
    else:
        engine = entry.text("engine") or "another engine"
        reason = f"written for {engine}, which Lakegate does not run"
    return replace(_common(entry, kind, report), reason=reason)


def _severity(entry: Node, report: Report) -> Severity:
    text = entry.text("severity")
    if text is None:
        return Severity.ERROR
    lower = _SEVERITIES.get(text.lower(), text.lower())
    if lower in tuple(Severity):
        return Severity(lower)
    advice = f"use {', '.join(Severity)}"
    report.add("LG509", entry.find(("severity",)).at, f"`{text}` is read as error", advice=advice)
    return Severity.ERROR


def _schedule(entry: Node, report: Report) -> None:
    schedule, scheduler = entry.text("schedule"), entry.text("scheduler")
    if schedule is None or (scheduler or "cron").lower() != "cron" or is_cron(schedule):
        return
    advice = "minute, hour, day of month, month, day of week: `30 0 * * *` is half past midnight"
    message = f"`{schedule}` is not a five-field cron schedule and is ignored"
    report.add("LG112", entry.find(("schedule",)).at, message, advice=advice)


def _metric(entry: Node, about: Quality, report: Report) -> str | None:
    key = "metric" if entry.get("metric") is not None else "rule"
    name = entry.text(key)
    if name is None:
        if operators(entry):
            advice = f"add `metric:` ({', '.join(METRICS)}), or `type: sql` and `query:`"
            report.add("LG503", entry.at, "the rule names no metric", advice=advice)
        return None
    name = _OLD_METRICS.get(name, name)
    levels = METRICS.get(name)
    if levels is None:
        near = nearest(name, METRICS)
        advice = f"did you mean `{near}`?" if near else f"metrics: {', '.join(METRICS)}"
        report.add("LG503", entry.find((key,)).at, f"unknown metric `{name}`", advice=advice)
        return None
    at = entry.find((key,)).at
    if about.level not in levels:
        message = f"`{name}` is a metric of {' or '.join(sorted(levels))}"
        advice = "move the rule to a property" if about.field is None else "move it to the object"
        report.add("LG504", at, message, advice=advice)
        return None
    if about.field is not None and name in _of_one_value(about.field.type):
        advice = "judge what is inside it, or whether it is there at all with `nullValues`"
        report.add("LG504", at, f"`{name}` is a metric of a single value", advice=advice)
        return None
    return name


def _of_one_value(type_: Type) -> tuple[str, ...]:
    """The metrics that compare values, and have nothing to compare in a value of this type."""
    if isinstance(type_, ArrayType | ObjectType | MapType):
        return ("invalidValues", "missingValues", "duplicateValues")
    return ("invalidValues", "duplicateValues") if isinstance(type_, AnyType) else ()


def _place(
    kind: RuleKind,
    metric: str | None,
    about: Quality,
    operator: str,
    bounds: tuple[Decimal | bool, ...],
) -> tuple[Place, str]:
    never = operator == "mustBe" and bounds == (Decimal(0),) and not isinstance(bounds[0], bool)
    if kind is RuleKind.SQL:
        return Place.AUDIT, "a query over the table"
    if metric in _PER_RECORD and never:
        return Place.GATE, "no record may have one"
    if about.in_array:
        return Place.NONE, "a count inside arrays; only mustBe: 0 can be judged there"
    if metric in _PER_RECORD:
        return Place.AUDIT, "a tolerance needs more than one record"
    if metric == "duplicateValues":
        return Place.AUDIT, "uniqueness needs every row"
    return Place.AUDIT, "a count needs every row"


def _constraints(rule: QualityRule) -> list[Constraint]:
    found: list[Constraint] = []
    if rule.metric == "nullValues":
        found.append(Constraint("nullValues", 0, rule.severity, rule.location))
    if rule.metric == "missingValues" and rule.missing_values is not None:
        found.append(Constraint("missingValues", rule.missing_values, rule.severity, rule.location))
    if rule.metric == "invalidValues" and rule.valid_values is not None:
        found.append(Constraint("invalidValues", rule.valid_values, rule.severity, rule.location))
    if rule.metric == "invalidValues" and rule.pattern is not None:
        found.append(Constraint("invalidPattern", rule.pattern, rule.severity, rule.location))
    return found


def place_sql(
    rules: Sequence[QualityRule],
    fields: tuple[Field, ...],
    report: Report,
    *,
    object_name: str,
    queries: Mapping[Location, Location],
) -> list[QualityRule]:
    """The rules, those in SQL placed at the gate when each record can be judged by itself.

    ``queries`` says where the query of the rule at a place stands.
    """
    if all(rule.kind is not RuleKind.SQL for rule in rules):
        return list(rules)  # sqlglot takes a while to import
    from lakegate.contract.sql.rule import NotPerRecord, SqlRuleError, parse_row_rule

    placed: list[QualityRule] = []
    for rule in rules:
        if rule.kind is not RuleKind.SQL or rule.query is None or rule.location is None:
            placed.append(rule)
            continue
        name = rule.properties[0] if rule.properties else None
        try:
            found = parse_row_rule(rule.query, fields, property_name=name, object_name=object_name)
        except SqlRuleError as cause:
            report.add("LG506", queries.get(rule.location, rule.location), str(cause))
            continue
        left = found.reason if isinstance(found, NotPerRecord) else _needs_more(rule)
        if left is None:
            reason = "a condition on one record that none may meet"
            placed.append(replace(rule, place=Place.GATE, reason=reason))
            continue
        reason = f"judged at the audit only, because {left}"
        advice = _OTHERWISE if isinstance(found, NotPerRecord) and found.is_condition else _NOTHING
        report.add("LG507", queries.get(rule.location, rule.location), reason, advice=advice)
        placed.append(replace(rule, reason=reason))
    return placed


def _needs_more(rule: QualityRule) -> str | None:
    """Why a condition on single records is left to the audit nevertheless; None when it is not."""
    if rule.operator != "mustBe" or any(rule.bounds):
        return "a tolerance needs more than one record"
    return "a number is compared with false" if rule.bounds[0] is False else None


def name_rules(
    rules: Sequence[QualityRule], subject: str, report: Report
) -> tuple[QualityRule, ...]:
    """The rules, each with a name of its own that is stable as long as the rule is."""
    taken = {rule.name for rule in rules if rule.name}
    seen: set[str] = set()
    named: list[QualityRule] = []
    for rule in rules:
        name = rule.name
        if name and name in seen and rule.location is not None:
            message = f"another rule is named `{name}`"
            report.add("LG514", rule.location, message, advice="give each rule its own id")
        if not name:
            name = _derived(rule, subject)
            if name in taken or name in seen:
                name = f"{name}.{_fingerprint(rule)}"
        while name in seen:
            name += "+"
        seen.add(name)
        named.append(replace(rule, name=name))
    return tuple(named)


def _derived(rule: QualityRule, subject: str) -> str:
    about = "+".join(rule.properties) or subject
    if rule.metric is not None:
        return f"{about}.{rule.metric}"
    return f"{about}.{rule.kind}.{_fingerprint(rule)}"


def _fingerprint(rule: QualityRule) -> str:
    what = (rule.query, rule.description, rule.operator, rule.bounds, rule.unit, rule.valid_values)
    parts = repr((*what, rule.missing_values, rule.pattern, str(rule.severity)))
    return hashlib.sha256(parts.encode("utf-8", "surrogatepass")).hexdigest()[:8]
