"""Lakegate's own settings: ``customProperties`` whose name starts with ``lakegate.``.

========================  ==========================  ==========================================
property                  where                       value (default)
========================  ==========================  ==========================================
lakegate.unknownFields    contract, object            keep, reject, ignore (keep)
lakegate.enforcement      contract, object            enforce, observe (enforce)
lakegate.allowedLateness  contract, object            a duration: 15m, 2h, 1d (0s)
lakegate.sizeLimit        contract, object            bytes of a record: 1MiB, 65536 (1MiB)
lakegate.eventTime        contract, object            name of a timestamp property
lakegate.partitionTransform  property                 an Iceberg transform: day, bucket[16], ...
lakegate.severity         property, relationship, SLA info, warning, error, critical (error)
lakegate.severity.<rule>  property                    the same, for one rule: type, required, ...
lakegate.place            relationship                audit, gate (audit)
lakegate.referenceLimit   relationship                most keys held at the gate
lakegate.scope            quality rule                table, increment (table)
lakegate.alertThreshold   contract, object            rejected records within the window
lakegate.window           quality rule, SLA           a duration: judged per window of event time
lakegate.cdc, .cdc.<...>  contract, object, property  see docs/reference/cdc.md
lakegate.format, .csv.<...>  contract, object         see docs/reference/formats.md
========================  ==========================  ==========================================
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from lakegate.contract.cdc import CdcFormat, CdcSchema, encoding_of
from lakegate.contract.document import Node
from lakegate.contract.duration import parse_duration, parse_size
from lakegate.contract.option_rule import OPTION_RULES
from lakegate.contract.problem import Report, nearest
from lakegate.contract.record_format import FormatName, columns, delimiter, quote
from lakegate.contract.stream import Enforcement, Place, Scope, UnknownFields
from lakegate.contract.type import Location, Severity

__all__ = ["PREFIX", "RULES", "SETTINGS", "Setting", "Settings", "settings"]

PREFIX = "lakegate."
_TRANSFORM = re.compile(r"identity|year|month|day|hour|(?:bucket|truncate)\[([1-9][0-9]{0,8})\]")
_TABLE = re.compile(r"[A-Za-z_][\w$]{0,99}(?:\.[A-Za-z_][\w$]{0,99}){0,2}")

# What `lakegate.severity.<rule>` may name.
RULES = frozenset(
    [
        "type",
        "required",
        "format",
        "minimum",
        "maximum",
        "exclusiveMinimum",
        "exclusiveMaximum",
        "requiredKeys",
        "enum",
        "unique",
        *OPTION_RULES,
    ]
)


def _enum(kind: Callable[[str], Any]) -> Callable[[str], Any]:
    def parse(text: str) -> Any:
        try:
            return kind(text)
        except ValueError:
            return None

    return parse


def _transform(text: str) -> str | None:
    return text if _TRANSFORM.fullmatch(text) else None


def _name(text: str) -> str | None:
    return text if _TABLE.fullmatch(text) else None


def _count(text: str) -> int | None:
    return int(text) if re.fullmatch("[1-9][0-9]{0,8}", text) else None


def _place(text: str) -> Place | None:
    return {"audit": Place.AUDIT, "gate": Place.GATE}.get(text)


def _window(text: str) -> timedelta | None:
    length = parse_duration(text)
    return length if length is not None and length >= timedelta(seconds=1) else None


def _size(text: str) -> int | None:
    size = parse_size(text)
    return size if size is not None and 1 <= size <= 1 << 30 else None


@dataclass(frozen=True, slots=True)
class Setting:
    """One custom property of ours: where it may stand, and how its value is read."""

    places: frozenset[str]
    parse: Callable[[str], Any]
    values: str
    choices: tuple[str, ...] = ()  # the words among them, of which the nearest is named


_WIDE = frozenset({"contract", "object"})
_ENCODED = _WIDE | {"property"}
_SEVERITY = Setting(
    frozenset({"property", "relationship", "sla"}),
    _enum(Severity),
    "info, warning, error or critical",
)
SETTINGS: Mapping[str, Setting] = {
    "unknownFields": Setting(_WIDE, _enum(UnknownFields), "keep, reject or ignore"),
    "enforcement": Setting(_WIDE, _enum(Enforcement), "enforce or observe"),
    "allowedLateness": Setting(_WIDE, parse_duration, "a duration such as 15m, 2h or 1d"),
    "sizeLimit": Setting(_WIDE, _size, "a size from 1 byte to 1GiB, such as 256KiB"),
    "eventTime": Setting(_WIDE, str, "the name of a timestamp property"),
    "partitionTransform": Setting(
        frozenset({"property"}),
        _transform,
        "identity, year, month, day, hour, bucket[N] or truncate[W]",
    ),
    "severity": _SEVERITY,
    "alertThreshold": Setting(_WIDE, _count, "a whole number above 0"),
    "place": Setting(frozenset({"relationship"}), _place, "audit or gate", ("audit", "gate")),
    "referenceLimit": Setting(frozenset({"relationship"}), _count, "a whole number above 0"),
    "scope": Setting(frozenset({"quality"}), _enum(Scope), "table or increment"),
    "window": Setting(frozenset({"quality", "sla"}), _window, "a duration such as 15m, 1h or 1d"),
    "cdc": Setting(_WIDE, _enum(CdcFormat), "debezium"),
    "cdc.schema": Setting(_WIDE, _enum(CdcSchema), "embedded or none"),
    "cdc.table": Setting(_WIDE, _name, "the name of a table of the source, or schema.table"),
    "cdc.current": Setting(_WIDE, _name, "the name of a table"),
    "cdc.decimal": Setting(_ENCODED, encoding_of("decimal"), "string, base64 or number"),
    "cdc.date": Setting(_ENCODED, encoding_of("date"), "string or days"),
    "cdc.time": Setting(_ENCODED, encoding_of("time"), "string, millis, micros or nanos"),
    "cdc.timestamp": Setting(_ENCODED, encoding_of("timestamp"), "string, millis, micros or nanos"),
    "format": Setting(_WIDE, _enum(FormatName), "json, confluent-json or csv", tuple(FormatName)),
    "csv.delimiter": Setting(
        _WIDE, delimiter, "one character, or comma, semicolon, tab, pipe or space"
    ),
    "csv.quote": Setting(_WIDE, quote, "double, single or none"),
    "csv.null": Setting(_WIDE, str, "the text that means null, in quotes"),
    "csv.columns": Setting(_WIDE, columns, "the names of a row's columns, with commas between"),
}


@dataclass(frozen=True, slots=True)
class Settings:
    """The settings at one place of a contract: name without the prefix, to value and location."""

    values: Mapping[str, tuple[Any, Location]]

    def get(self, name: str) -> Any:
        """The value, or None when it is not set."""
        found = self.values.get(name)
        return None if found is None else found[0]

    def at(self, name: str, default: Location) -> Location:
        """Where the value stands."""
        found = self.values.get(name)
        return default if found is None else found[1]

    def severity(self, rule: str) -> Severity:
        """How bad a failure of ``rule`` is here: its own, else the property's, else error."""
        own: Severity | None = self.get(f"severity.{rule}")
        general: Severity | None = self.get("severity")
        return own or general or Severity.ERROR

    def duration(self, name: str) -> timedelta | None:
        """A duration, or None when it is not set."""
        value = self.get(name)
        return value if isinstance(value, timedelta) else None


def settings(node: Node, place: str, report: Report) -> Settings:
    """The ``lakegate.`` properties of one element; ``place`` is what it is (``property``, ...)."""
    found: dict[str, tuple[Any, Location]] = {}
    for entry in node.items("customProperties"):
        name = entry.text("property")
        value = entry.get("value")
        if name is None or not name.startswith(PREFIX) or value is None:
            continue
        parsed = _value(name.removeprefix(PREFIX), entry, place, report)
        if parsed is not None:
            found[name.removeprefix(PREFIX)] = (parsed, value.at)
    return Settings(found)


def _value(name: str, entry: Node, place: str, report: Report) -> Any:
    head, _, rule = name.partition(".") if name not in SETTINGS else (name, "", "")
    known = SETTINGS.get(name) or (SETTINGS.get(head) if head == "severity" and rule else None)
    at, value = entry.find(("property",)).at, entry.find(("value",))
    if known is None or (rule and rule not in RULES):
        choices = [PREFIX + key for key in SETTINGS] + [f"{PREFIX}severity.{key}" for key in RULES]
        near = nearest(PREFIX + name, choices)
        advice = f"did you mean `{near}`?" if near else "see docs/reference/contract.md"
        report.add("LG801", at, f"no setting `{PREFIX}{name}`", advice=advice)
        return None
    if place not in known.places or (rule and place != "property"):
        where = " or ".join(sorted(known.places))
        report.add(
            "LG803", at, f"`{PREFIX}{name}` has no effect on a {place}", advice=f"on: {where}"
        )
        return None
    text = value.value if isinstance(value.value, str) else str(value.to_plain())
    text = "null" if value.value is None else text  # a bare NULL is no text in YAML
    is_text = value.value is not None and not isinstance(value.value, dict | list)
    parsed = known.parse(text) if is_text else None
    if parsed is None:
        message = f"`{text[:40]}` is no value of `{PREFIX}{name}`"
        near = nearest(text, known.choices)
        meant = f"did you mean `{near}`? " if near else ""
        report.add("LG802", value.at, message, advice=f"{meant}use {known.values}")
    return parsed
