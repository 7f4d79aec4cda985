"""Service levels: ODCS properties under their canonical names (SEMANTICS "SLAs")."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta
from decimal import Decimal

from lakegate.contract.custom import Settings, settings
from lakegate.contract.document import Node
from lakegate.contract.duration import is_cron, parse_duration, times, unit_of
from lakegate.contract.problem import Report, nearest
from lakegate.contract.stream import Place, SlaRule

__all__ = ["PROPERTIES", "Columns", "sla_rules"]

# An error rate is of the books, which know when a record was judged and not when it happened; how
# far back a table reaches is no matter of a window.
_WINDOWED = frozenset({"latency", "frequency", "throughput"})
_DURATION = frozenset({"latency", "frequency", "retention"})
_NOT_YET = "it is about {}, which no table or ledger shows"
# Canonical name: synonyms, and None when it is measured, else what it is about.
PROPERTIES: dict[str, tuple[tuple[str, ...], str | None]] = {
    "latency": (("ly",), None),
    "frequency": (("fy",), None),
    "retention": (("re",), None),
    "errorRate": (("er",), None),
    "throughput": (("th",), None),
    "availability": (("av",), "the service's uptime"),
    "timeOfAvailability": ((), "the hour at which people expect the data"),
    "timeToDetect": (("td",), "how people handle incidents"),
    "timeToNotify": (("tn",), "how people handle incidents"),
    "timeToRepair": (("tr",), "how people handle incidents"),
    "generalAvailability": (("ga",), "the product's life cycle"),
    "endOfSupport": (("es",), "the product's life cycle"),
    "endOfLife": (("el",), "the product's life cycle"),
}
_CANONICAL = {
    word.lower(): name for name, (synonyms, _) in PROPERTIES.items() for word in (name, *synonyms)
}
_RATIO = {"percent": "percent", "%": "percent", "ratio": "ratio", "": "ratio"}
_ROWS = frozenset(["row", "rows", "record", "records", "event", "events", "message", "messages"])


@dataclass(frozen=True, slots=True)
class Columns:
    """The columns of each object, by which elements are found."""

    by_object: dict[str, tuple[str, ...]]

    def find(self, element: str) -> tuple[str, str | None] | None:
        """Object and column of ``object.column``, ``object``, or ``column`` of a single object."""
        text = element.strip()
        for name in sorted(self.by_object, key=len, reverse=True):
            if text == name:
                return name, None
            if text.startswith(f"{name}.") and text[len(name) + 1 :] in self.by_object[name]:
                return name, text[len(name) + 1 :]
        if len(self.by_object) == 1:
            name, columns = next(iter(self.by_object.items()))
            if text in columns:
                return name, text
        return None

    def names(self) -> list[str]:
        """Everything an element may name."""
        found = [
            f"{name}.{column}" for name, columns in self.by_object.items() for column in columns
        ]
        return [*found, *self.by_object]


def sla_rules(root: Node, columns: Columns, report: Report) -> dict[str, list[SlaRule]]:
    """The SLA rules of each object, by its name, in document order."""
    found: dict[str, list[SlaRule]] = {name: [] for name in columns.by_object}
    default = root.get("slaDefaultElement")
    for entry in root.items("slaProperties"):
        rule = _rule(entry, report)
        if rule is None:
            continue
        node = entry.get("element") or default
        if node is None or not isinstance(node.value, str):
            for rules in found.values():
                rules.append(rule)
            continue
        for element in node.value.split(","):
            target = columns.find(element)
            if target is None and not found:
                continue  # no objects at all: LG206 has said so
            if target is None:
                near = nearest(element.strip(), columns.names())
                advice = f"did you mean `{near}`?" if near else "write object.property"
                message = f"no element `{element.strip()}`"
                report.add("LG604", node.at, message, advice=advice)
                continue
            found[target[0]].append(replace(rule, element=target[1]))
    return found


def _rule(entry: Node, report: Report) -> SlaRule | None:
    text = entry.text("property")
    if text is None:
        return None
    own = settings(entry, "sla", report)
    schedule = entry.text("schedule")
    name = _CANONICAL.get(text.lower(), text)
    rule = SlaRule(
        name=name,
        place=Place.NONE,
        reason="",
        value=_scalar(entry.get("value")),
        value_ext=_scalar(entry.get("valueExt")),
        unit=entry.text("unit"),
        driver=entry.text("driver"),
        schedule=schedule if schedule is not None and is_cron(schedule) else None,
        severity=own.severity("sla"),
        location=entry.at,
        window=_window(own, name, entry, report),
    )
    cron = (entry.text("scheduler") or "cron").lower() == "cron"
    if schedule is not None and cron and not is_cron(schedule):
        advice = (
            "minute, hour, day of month, month, day of week: `30 0 * * *` is half past midnight"
        )
        message = f"`{schedule}` is not a five-field cron schedule and is ignored"
        report.add("LG112", entry.find(("schedule",)).at, message, advice=advice)
    if name not in PROPERTIES:
        near = nearest(text, _CANONICAL.values())
        advice = f"did you mean `{near}`?" if near else f"known: {', '.join(PROPERTIES)}"
        at = entry.find(("property",)).at
        report.add("LG601", at, f"`{text}` is not measured: ODCS does not define it", advice=advice)
        return replace(rule, reason="ODCS does not define it")
    about = PROPERTIES[name][1]
    if about is not None:
        return replace(rule, reason=_NOT_YET.format(about))
    return _measured(rule, entry, report)


def _window(own: Settings, name: str, entry: Node, report: Report) -> timedelta | None:
    window = own.duration("window")
    if window is None or name in _WINDOWED:
        return window
    at = own.at("window", entry.at)
    advice = f"on: {', '.join(sorted(_WINDOWED))}"
    report.add("LG803", at, f"`lakegate.window` has no effect on {name}", advice=advice)
    return None


def _scalar(node: Node | None) -> Decimal | str | None:
    if node is None or node.value is None or isinstance(node.value, dict | list):
        return None
    if isinstance(node.value, bool):
        return str(node.value).lower()
    if isinstance(node.value, int | Decimal):
        return Decimal(node.value)
    return node.value


def _number(value: Decimal | str | None) -> Decimal | None:
    from lakegate.contract.document import resolve

    if isinstance(value, str) and value:
        try:
            read = resolve(value.strip() or "~")
        except ValueError:
            return None
        number = isinstance(read, int | Decimal) and not isinstance(read, bool)
        return Decimal(read) if number else None  # type: ignore[arg-type]
    return value if isinstance(value, Decimal) else None


def _measured(rule: SlaRule, entry: Node, report: Report) -> SlaRule | None:
    at = entry.find(("value",)).at
    number = _number(rule.value)
    if rule.name in _DURATION:
        length = _duration(rule, number, entry, report)
        if length is None:
            return None
        kept = {"retention": "rows younger than this must be there"}.get(rule.name, "")
        reason = kept or _how(rule) or "measured on the table and its ledger"
        return replace(
            rule, place=Place.AUDIT, reason=reason, value=number or rule.value, duration=length
        )
    if number is None or number < 0:
        report.add("LG603", at, f"{rule.name} needs a number", advice="such as `value: 1`")
        return None
    if rule.name == "errorRate":
        unit = _RATIO.get((rule.unit or "").lower())
        if unit is None:
            where = entry.find(("unit",)).at
            report.add("LG602", where, f"unknown unit `{rule.unit}`", advice="use percent or ratio")
            return None
        if number > (100 if unit == "percent" else 1):
            report.add(
                "LG603",
                at,
                f"{number} {unit} is more than everything",
                advice="add `unit: percent`",
            )
            return None
        reason = "rejected of raw, from the ledger"
        return replace(rule, place=Place.AUDIT, reason=reason, value=number, unit=unit)
    per = _rate(rule.unit)
    if per is None:
        where = entry.find(("unit",)).at if rule.unit is not None else entry.at
        report.add("LG602", where, "throughput needs a unit", advice="such as `unit: rows/s`")
        return None
    reason = _how(rule) or "rows appended per time, from the ledger"
    return replace(rule, place=Place.AUDIT, reason=reason, value=number, unit="rows", duration=per)


def _how(rule: SlaRule) -> str:
    return "" if rule.window is None else "told per window of event time"


def _duration(
    rule: SlaRule, number: Decimal | None, entry: Node, report: Report
) -> timedelta | None:
    at = entry.find(("value",)).at
    if number is None:
        length = parse_duration(rule.value) if isinstance(rule.value, str) else None
        if length is None or length <= timedelta(0):
            report.add("LG603", at, f"{rule.name} needs a duration", advice="`value: 4`, `unit: h`")
            return None
        return length
    if rule.unit is None:
        advice = "add `unit:` s, m, h, d, w, mo or y"
        report.add("LG602", entry.at, f"{rule.name} of {number} what?", advice=advice)
        return None
    unit = unit_of(rule.unit)
    if unit is None:
        where = entry.find(("unit",)).at
        report.add(
            "LG602", where, f"unknown unit `{rule.unit}`", advice="use s, m, h, d, w, mo or y"
        )
        return None
    try:
        length = times(number, unit)
    except OverflowError:
        length = timedelta(0)
    if length <= timedelta(0):
        report.add("LG603", at, f"{number} {rule.unit} is no duration to keep to", advice="above 0")
        return None
    return length


def _rate(unit: str | None) -> timedelta | None:
    head, slash, tail = (unit or "").lower().replace(" per ", "/").partition("/")
    if slash and head.strip() in _ROWS:
        return unit_of(tail)
    return None
