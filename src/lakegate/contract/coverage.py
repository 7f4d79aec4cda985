"""Coverage: where each statement of a contract is enforced, or why it is not.

Every key of the standard has a :class:`Treatment` here; a test walks the JSON Schemas and fails
when one has none. What depends on values (types, rules, service levels) is asked of the streams.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from lakegate.contract.custom import PREFIX
from lakegate.contract.digest import canonical
from lakegate.contract.model import Contract, to_plain
from lakegate.contract.option_rule import OPTION_RULES
from lakegate.contract.stream import Place, QualityRule, Stream
from lakegate.contract.string_format import FORMATS
from lakegate.contract.type import (
    AnyType,
    ArrayType,
    DecimalType,
    Field,
    Location,
    MapType,
    ObjectType,
)

__all__ = ["CHILDREN", "TREATMENTS", "Statement", "Treatment", "Where", "coverage"]


class Where(StrEnum):
    """Where a statement is enforced."""

    CHECK = "check"  # when the contract is read
    GATE = "gate"  # per record
    AUDIT = "audit"  # on a snapshot, before it is published
    LAND = "land"  # in the shape of the table
    NONE = "not enforced"
    PEOPLE = "for people"  # describes, promises nothing a machine could hold it to


@dataclass(frozen=True, slots=True)
class Treatment:
    """What becomes of a key of the standard."""

    where: Where
    how: str


@dataclass(frozen=True, slots=True)
class Statement:
    """One statement: ``subject`` (object, ``object.column``) promises ``key`` = ``value``."""

    subject: str
    key: str
    value: str
    where: Where
    how: str
    location: Location | None = None


def _each(where: Where, how: str, keys: str) -> dict[str, Treatment]:
    return dict.fromkeys(keys.split(), Treatment(where, how))


_PEOPLE = Where.PEOPLE
_COMMON = {
    **_each(
        _PEOPLE, "describes", "description tags customProperties authoritativeDefinitions name"
    ),
    **_each(Where.CHECK, "unique in its list", "id"),
}
_NOT_RUN = "Lakegate does not connect to it by itself"

# Element of the standard -> key -> what becomes of it.
TREATMENTS: Mapping[str, Mapping[str, Treatment]] = {
    "contract": {
        **_COMMON,
        **_each(Where.CHECK, "decides which rules of ODCS hold", "apiVersion kind"),
        **_each(Where.CHECK, "one meaning per id and version", "id version"),
        **_each(Where.CHECK, "a draft may change under one version", "status"),
        **_each(_PEOPLE, "describes", "tenant domain dataProduct context contractCreatedTs"),
        **_each(_PEOPLE, "listed by its parts", "schema servers support price team roles"),
        **_each(_PEOPLE, "listed by its parts", "slaProperties slaDefaultElement"),
    },
    "description": {**_COMMON, **_each(_PEOPLE, "describes", "usage purpose limitations")},
    "object": {
        **_COMMON,
        **_each(_PEOPLE, "names the stream", "name"),
        **_each(Where.GATE, "a record is one JSON object", "logicalType"),
        **_each(Where.LAND, "names the table or topic", "physicalName"),
        **_each(Where.LAND, "a topic's or a table's physicalName", "physicalType"),
        **_each(_PEOPLE, "describes", "businessName dataGranularityDescription context deprecated"),
        **_each(_PEOPLE, "listed by its parts", "properties relationships quality synonyms"),
        **_each(Where.NONE, "checks of existing tables are not Lakegate's", "logicalTypeOptions"),
    },
    "property": {
        **_COMMON,
        **_each(_PEOPLE, "listed by its parts", "properties items map enum synonyms"),
        **_each(_PEOPLE, "listed by its parts", "relationships quality logicalTypeOptions"),
        **_each(Where.GATE, "the value's type", "logicalType"),
        **_each(Where.NONE, "the source's type; logicalType decides", "physicalType"),
        **_each(Where.NONE, "columns are called by `name`", "physicalName"),
        **_each(Where.GATE, "present and not null", "required"),
        **_each(Where.AUDIT, "no value twice, nulls ignored", "unique"),
        **_each(Where.AUDIT, "required at the gate, unique at the audit", "primaryKey"),
        **_each(Where.LAND, "order of the key", "primaryKeyPosition"),
        **_each(Where.LAND, "hidden partitioning of the table", "partitioned"),
        **_each(Where.LAND, "order of the partitioning", "partitionKeyPosition"),
        **_each(Where.GATE, "values that are not `public` are kept out of logs", "classification"),
        **_each(Where.NONE, "nothing is encrypted on the way", "encryptedName"),
        **_each(Where.NONE, "how the producer makes it is not run", "transformLogic"),
        **_each(_PEOPLE, "describes", "transformSourceObjects transformDescription businessName"),
        **_each(_PEOPLE, "describes", "examples context deprecated criticalDataElement"),
        **_each(Where.NONE, "every property is read as a column", "semanticType"),
    },
    "option": {
        **_each(Where.GATE, "judged per record", " ".join(OPTION_RULES)),
        **_each(Where.GATE, "judged per record", "format minimum maximum exclusiveMinimum"),
        **_each(Where.GATE, "judged per record", "exclusiveMaximum required dimensions"),
        **_each(Where.GATE, "how the text is read", "timezone defaultTimezone"),
        **_each(Where.NONE, "elements are read as doubles", "elementType normalized"),
        **_each(_PEOPLE, "describes", "distanceMetric embeddingModel embeddingModelVersion"),
    },
    "enum": {
        **_COMMON,
        **_each(Where.GATE, "no other value passes", "value"),
        **_each(_PEOPLE, "describes", "label"),
    },
    "map": _each(_PEOPLE, "listed by its parts", "key value"),
    "quality": {
        **_COMMON,
        **_each(_PEOPLE, "listed as one rule", "type metric rule arguments query engine unit"),
        **_each(_PEOPLE, "listed as one rule", "implementation severity schedule scheduler"),
        **_each(_PEOPLE, "listed as one rule", "mustBe mustNotBe mustBeGreaterThan"),
        **_each(_PEOPLE, "listed as one rule", "mustBeGreaterOrEqualTo mustBeLessThan"),
        **_each(_PEOPLE, "listed as one rule", "mustBeLessOrEqualTo mustBeBetween"),
        **_each(_PEOPLE, "listed as one rule", "mustNotBeBetween validValues missingValues"),
        **_each(_PEOPLE, "listed as one rule", "pattern properties"),
        **_each(_PEOPLE, "describes", "dimension method businessImpact"),
    },
    "sla": {
        **_COMMON,
        **_each(_PEOPLE, "listed as one service level", "property value valueExt unit element"),
        **_each(_PEOPLE, "listed as one service level", "driver scheduler schedule"),
    },
    "relationship": {
        **_COMMON,
        **_each(_PEOPLE, "listed as one reference", "type from to"),
    },
    "server": {
        **_COMMON,
        **_each(Where.NONE, _NOT_RUN, "server type environment roles"),
        "*": Treatment(Where.NONE, _NOT_RUN),
    },
    "role": {
        **_COMMON,
        **_each(Where.NONE, "access is granted where the data is kept", "role access"),
        **_each(_PEOPLE, "describes", "firstLevelApprovers secondLevelApprovers"),
    },
    "team": {**_COMMON, **_each(_PEOPLE, "the owner, whom alerts reach", "members name")},
    "member": {
        **_COMMON,
        **_each(_PEOPLE, "describes", "username role dateIn dateOut replacedByUsername"),
    },
    "support": {
        **_COMMON,
        **_each(_PEOPLE, "describes", "channel url tool scope invitationUrl"),
    },
    "price": {
        **_COMMON,
        **_each(Where.NONE, "nothing is billed", "priceAmount priceCurrency priceUnit"),
    },
    "synonym": {**_COMMON, **_each(_PEOPLE, "describes", "synonym locale source status")},
}

# Element and key -> the element that stands below it.
CHILDREN: Mapping[tuple[str, str], str] = {
    ("contract", "description"): "description",
    ("contract", "schema"): "object",
    ("contract", "servers"): "server",
    ("contract", "support"): "support",
    ("contract", "price"): "price",
    ("contract", "team"): "team",
    ("contract", "roles"): "role",
    ("contract", "slaProperties"): "sla",
    ("object", "properties"): "property",
    ("object", "quality"): "quality",
    ("object", "relationships"): "relationship",
    ("object", "synonyms"): "synonym",
    ("property", "properties"): "property",
    ("property", "items"): "property",
    ("property", "map"): "map",
    ("map", "key"): "property",
    ("map", "value"): "property",
    ("property", "enum"): "enum",
    ("property", "logicalTypeOptions"): "option",
    ("property", "quality"): "quality",
    ("property", "relationships"): "relationship",
    ("property", "synonyms"): "synonym",
    ("server", "roles"): "role",
    ("team", "members"): "member",
}
_BY_STREAM = frozenset({"quality", "sla", "relationship"})


def coverage(contract: Contract) -> tuple[Statement, ...]:
    """Every statement of the contract that promises something, in document order.

    Objects and properties come first, with their rules, references and service levels; then the
    rest of the document.
    """
    fields = {
        f"{stream.object_name}.{column}": field
        for stream in contract.streams
        for column, field in _every(stream.fields)
    }
    walk = _Walk(fields)
    found = list(walk.element("contract", to_plain(contract), ""))
    for stream in contract.streams:
        found.extend(_of_stream(stream))
    return tuple(dict.fromkeys(found))


def _every(fields: tuple[Field, ...], prefix: str = "") -> Iterator[tuple[str, Field]]:
    for field in fields:
        column = prefix + field.name
        yield column, field
        if isinstance(field.type, ObjectType):
            yield from _every(field.type.fields, f"{column}.")
        elif isinstance(field.type, ArrayType):
            yield from _every((field.type.item,), f"{column}.")
        elif isinstance(field.type, MapType):
            yield from _every((field.type.key, field.type.value), f"{column}.")


@dataclass(frozen=True, slots=True)
class _Walk:
    fields: Mapping[str, Field]

    def element(
        self, kind: str, plain: Mapping[str, Any], subject: str, field: Field | None = None
    ) -> Iterator[Statement]:
        table = TREATMENTS[kind]
        for key, value in plain.items():
            child = CHILDREN.get((kind, key))
            if child is not None:
                if child not in _BY_STREAM:
                    yield from self.below(child, key, value, subject, field)
                continue
            if key == "customProperties":
                yield from _settings(value, subject)
                continue
            treatment = table.get(key) or table.get("*")
            if treatment is None or treatment.where is Where.PEOPLE or value is False:
                continue
            yield _statement(kind, subject, key, value, treatment, field)

    def below(
        self, kind: str, key: str, value: Any, subject: str, field: Field | None
    ) -> Iterator[Statement]:
        if isinstance(value, list):
            if kind == "team":
                kind = "member"
            for item in value:
                yield from self.below(kind, key, item, subject, field)
            return
        if kind == "object":
            yield from self.element(kind, value, str(value.get("name", "")))
        elif kind == "property":
            names = {"items": "element", "key": "key", "value": "value"}
            name = names.get(key) or str(value.get("name", ""))
            inner = f"{subject}.{name}"
            yield from self.element(kind, value, inner, self.fields.get(inner))
        elif kind == "map" and (field is None or not isinstance(field.type, MapType)):
            how = "a map is kept as JSON text"
            for end in ("key", "value"):
                text = canonical_text(value.get(end))
                yield Statement(subject, end, text, Where.NONE, how)
        elif kind == "server":
            yield from self.element(kind, value, f"server {value.get('server', '')}")
        elif kind == "role":
            yield from self.element(kind, value, f"role {value.get('role', '')}")
        else:
            yield from self.element(kind, value, subject or key, field)


def _statement(
    kind: str, subject: str, key: str, value: Any, treatment: Treatment, field: Field | None
) -> Statement:
    where, how = treatment.where, treatment.how
    text = value if isinstance(value, str) else canonical_text(value)
    if kind == "property" and field is not None:
        untyped = isinstance(field.type, AnyType)
        if key == "logicalType" and untyped:
            where, how = Where.NONE, "kept as JSON text: any JSON value passes"
        if key == "physicalType" and isinstance(field.type, DecimalType):
            where, how = Where.GATE, "exact, never rounded"
        if key == "logicalType" and not field.type_severity.rejects:
            how = f"counted as {field.type_severity}, not rejected"
        if key == "required" and not field.required_severity.rejects:
            how = f"counted as {field.required_severity}, not rejected"
    if kind == "option" and key == "format" and field is not None:
        if str(value) == "f32":
            where, how = Where.NONE, "read as a double"
        elif type(field.type).__name__ == "StringType" and value not in FORMATS:
            where, how = Where.NONE, "not a format Lakegate knows"
    location = field.location if field is not None else None
    key = "enum" if kind == "enum" and key == "value" else key
    return Statement(subject, key, text, where, how, location)


def canonical_text(value: Any) -> str:
    """A value as short text."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list | dict):
        return canonical(value)[:80]
    return str(value)


_SETTING_WHERE = {
    "unknownFields": (Where.GATE, "what happens to undeclared fields"),
    "enforcement": (Where.GATE, "whether verdicts are acted on"),
    "allowedLateness": (Where.AUDIT, "how late a record still counts"),
    "sizeLimit": (Where.GATE, "larger records are rejected"),
    "eventTime": (Where.AUDIT, "the clock of latency and lateness"),
    "partitionTransform": (Where.LAND, "hidden partitioning of the table"),
    "severity": (Where.GATE, "what a failure leads to"),
    "cdc": (Where.GATE, "how change events are read"),
    "format": (Where.GATE, "what records are written in"),
    "csv": (Where.GATE, "how rows are written"),
    "alertThreshold": (Where.AUDIT, "rejected records from which on people are alerted"),
}


def _settings(entries: Any, subject: str) -> Iterator[Statement]:
    for entry in entries:
        name = str(entry.get("property", ""))
        if not name.startswith(PREFIX):
            continue
        head = name.removeprefix(PREFIX).partition(".")[0]
        where, how = _SETTING_WHERE.get(head, (Where.AUDIT, "which rows a rule looks at"))
        yield Statement(subject, name, canonical_text(entry.get("value")), where, how)


_PLACES = {Place.GATE: Where.GATE, Place.AUDIT: Where.AUDIT, Place.NONE: Where.NONE}


def _of_stream(stream: Stream) -> Iterator[Statement]:
    for rule in stream.rules:
        about = ".".join((stream.object_name, *rule.properties[:1]))
        how = f"{rule.reason} ({rule.severity})"
        yield Statement(about, rule.name, _asks(rule), _PLACES[rule.place], how, rule.location)
    for reference in stream.references:
        subject = f"{stream.object_name}.{'+'.join(reference.columns)}"
        target = f"{reference.to_stream}.{'+'.join(reference.to_columns)}"
        how = f"every value exists there ({reference.severity})"
        if reference.place is Place.GATE:
            how = f"every value is published there, and at the audit again ({reference.severity})"
        where = _PLACES[reference.place]
        yield Statement(subject, "relationship", target, where, how, reference.location)
    for sla in stream.sla:
        subject = f"{stream.object_name}.{sla.element}" if sla.element else stream.object_name
        value = " ".join(str(part) for part in (sla.value, sla.unit) if part is not None)
        yield Statement(subject, sla.name, value, _PLACES[sla.place], sla.reason, sla.location)


def _asks(rule: QualityRule) -> str:
    bounds = ", ".join(canonical_text(bound) for bound in rule.bounds)
    if rule.operator is None:
        return rule.description or str(rule.kind)
    unit = "%" if rule.unit == "percent" else ""
    return f"{rule.metric or 'sql'} {rule.operator} {bounds}{unit}"
