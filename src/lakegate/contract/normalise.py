"""From the document to streams: the one place where a contract gets its meaning."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta

from lakegate.contract.cdc import cdc_of
from lakegate.contract.custom import Settings, settings
from lakegate.contract.document import Node
from lakegate.contract.naming import Names, names_of
from lakegate.contract.option import constraints
from lakegate.contract.problem import Report, nearest
from lakegate.contract.property import ObjectParts, key_of, object_parts, sorted_positions
from lakegate.contract.quality import Quality, name_rules, place_sql, quality_rules, uniqueness
from lakegate.contract.record_format import record_format_of
from lakegate.contract.relationship import Outside, Target, columns_of, references
from lakegate.contract.sla import Columns, sla_rules
from lakegate.contract.stream import (
    ContractRef,
    Enforcement,
    Partition,
    SlaRule,
    Stream,
    UnknownFields,
)
from lakegate.contract.type import Constraint, Location, ObjectType, Severity, TimestampType

__all__ = ["Normalised", "streams_of"]

_DEFAULT_SIZE = 1 << 20


@dataclass(frozen=True, slots=True)
class Normalised:
    """The streams of a document, and the references that leave it."""

    streams: tuple[Stream, ...]
    outside: tuple[Outside, ...]


@dataclass(slots=True)
class _Object:
    node: Node
    names: Names
    parts: ObjectParts
    own: Settings


def streams_of(root: Node, ref: ContractRef, report: Report) -> Normalised:
    """One stream per schema object, in document order; everything odd goes to ``report``."""
    objects = _objects(root, report)
    targets = {
        name: Target(entry.names.stream, name, entry.node, entry.parts.fields)
        for name, entry in objects.items()
    }
    columns = {name: tuple(columns_of(entry.parts.fields)) for name, entry in objects.items()}
    sla = sla_rules(root, Columns(columns), report)
    contract = settings(root, "contract", report)
    streams: list[Stream] = []
    outside: list[Outside] = []
    for name, entry in objects.items():
        stream = _stream(root, name, entry, sla[name], contract, ref)
        found, elsewhere = references(targets[name], entry.parts.relationships, targets, report)
        streams.append(replace(stream, references=found))
        outside.extend(elsewhere)
    return Normalised(tuple(streams), tuple(outside))


def _objects(root: Node, report: Report) -> dict[str, _Object]:
    nodes = [node for node in root.items("schema") if node.text("name") is not None]
    if not nodes:
        advice = "add `schema:` with an object and its `properties:`"
        report.add("LG206", root.at_key("schema"), "the contract has no object", advice=advice)
    objects: dict[str, _Object] = {}
    prefixes: dict[str, str] = {}
    for node in nodes:
        name = node.text("name") or ""
        at = node.find(("name",)).at
        if name in objects:
            line = objects[name].node.at.line
            message = f"`{name}` already stands in line {line}"
            report.add("LG201", at, message, advice="rename one")
            continue
        lower = next((other for other in objects if other.lower() == name.lower()), None)
        if lower is not None:
            report.add("LG203", at, f"`{name}` and `{lower}` are one table", advice="rename one")
        if not node.items("properties"):
            advice = "add `properties:`"
            report.add("LG206", node.at, f"`{name}` has no properties", advice=advice)
        names = names_of(root, node, alone=len(nodes) == 1, report=report)
        other = prefixes.setdefault(names.topic_prefix, name)
        if other != name:
            message = f"`{name}` and `{other}` share the topics `{names.topic_prefix}.*`"
            report.add("LG207", at, message, advice="change a physicalName")
        own = settings(node, "object", report)
        objects[name] = _Object(node, names, object_parts(node, report), own)
    return objects


def _stream(
    root: Node,
    name: str,
    entry: _Object,
    sla: list[SlaRule],
    contract: Settings,
    ref: ContractRef,
) -> Stream:
    parts, report = entry.parts, entry.parts.report
    columns = tuple(columns_of(parts.fields))
    key = key_of(parts)
    rules, _ = quality_rules(entry.node, Quality("", None, columns=columns), report)
    if key:
        at = parts.keys[0][2].at_key("primaryKey")
        parts.rules.append(uniqueness(key, Severity.ERROR, at))
    every = place_sql(
        [*parts.rules, *rules],
        parts.fields,
        report,
        object_name=name,
        queries=_queries(entry.node),
    )

    def setting(key: str) -> object:
        own = entry.own.get(key)
        return own if own is not None else contract.get(key)

    unknown, enforcement = setting("unknownFields"), setting("enforcement")
    size, lateness = setting("sizeLimit"), setting("allowedLateness")
    return Stream(
        contract=ref,
        name=entry.names.stream,
        object_name=name,
        fields=parts.fields,
        constraints=_record_constraints(entry, report),
        rules=name_rules(every, name, report),
        sla=tuple(sla),
        primary_key=key,
        partitions=_partitions(parts),
        unknown_fields=unknown if isinstance(unknown, UnknownFields) else UnknownFields.KEEP,
        enforcement=enforcement if isinstance(enforcement, Enforcement) else Enforcement.ENFORCE,
        size_limit_bytes=size if isinstance(size, int) else _DEFAULT_SIZE,
        event_time=_event_time(entry, sla, contract),
        allowed_lateness=lateness if isinstance(lateness, timedelta) else timedelta(0),
        draft=(root.text("status") or "").lower() == "draft",
        topic_prefix=entry.names.topic_prefix,
        table=entry.names.table,
        owner=_owner(root),
        cdc=cdc_of(
            entry.node,
            parts.fields,
            key,
            table=entry.names.table,
            own=entry.own,
            contract=contract,
            report=report,
        ),
        format=record_format_of(
            entry.node, root, parts.fields, own=entry.own, contract=contract, report=report
        ),
    )


def _queries(node: Node) -> dict[Location, Location]:
    return {
        child.at: child.find(("query",)).at
        for _, child in node.walk()
        if child.text("query") is not None
    }


def _record_constraints(entry: _Object, report: Report) -> tuple[Constraint, ...]:
    # No ODCS version lets an object itself carry options; a lenient schema may.
    return constraints(entry.node, ObjectType(entry.parts.fields), entry.own, report)


def _partitions(parts: ObjectParts) -> tuple[Partition, ...]:
    entries = [(position, part.column, node) for position, part, node in parts.partitions]
    order = sorted_positions(entries, "partitionKeyPosition", parts.report)
    return tuple(parts.partitions[i][1] for i in order)


def _event_time(entry: _Object, sla: list[SlaRule], contract: Settings) -> str | None:
    columns = columns_of(entry.parts.fields)
    stamps = [name for name, field in columns.items() if isinstance(field.type, TimestampType)]
    declared = entry.own.get("eventTime")
    holder = entry.own if declared is not None else contract
    declared = declared if declared is not None else contract.get("eventTime")
    if declared is None:
        latency = (rule.element for rule in sla if rule.name == "latency")
        return next((element for element in latency if element in stamps), None)
    if declared in stamps:
        return str(declared)
    near = nearest(str(declared), stamps)
    advice = f"did you mean `{near}`?" if near else "name a property with logicalType: timestamp"
    message = f"`{declared}` is no timestamp property of `{entry.node.text('name')}`"
    entry.parts.report.add("LG802", holder.at("eventTime", entry.node.at), message, advice=advice)
    return None


def _owner(root: Node) -> str | None:
    team = root.get("team")
    if team is None:
        return None
    if team.text("name") is not None:
        return team.text("name")
    members = team.value if isinstance(team.value, list) else team.items("members")
    for member in members:
        if (member.text("role") or "").lower() in ("owner", "data owner", "product owner"):
            return member.text("username")
    return members[0].text("username") if members else None
