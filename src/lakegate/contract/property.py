"""Properties of a schema object as fields, with everything that hangs on them."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from lakegate.contract.custom import Settings, settings
from lakegate.contract.document import Node
from lakegate.contract.kind import logical_of, scalar_type
from lakegate.contract.option import OPTIONS, constraints, enum_texts
from lakegate.contract.problem import Report, nearest
from lakegate.contract.quality import Quality, quality_rules, uniqueness
from lakegate.contract.stream import Partition, QualityRule
from lakegate.contract.type import (
    AnyType,
    ArrayType,
    BooleanType,
    Constraint,
    DateType,
    DecimalType,
    Field,
    IntegerType,
    MapType,
    NumberType,
    ObjectType,
    StringType,
    TimestampType,
    Type,
)

__all__ = ["ObjectParts", "key_of", "object_parts", "path_of", "sorted_positions"]

_PLAIN_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\Z")


@dataclass(slots=True)
class ObjectParts:
    """What the properties of one object come to."""

    report: Report
    fields: tuple[Field, ...] = ()
    rules: list[QualityRule] = field(default_factory=list)
    keys: list[tuple[int, str, Node]] = field(default_factory=list)
    partitions: list[tuple[int, Partition, Node]] = field(default_factory=list)
    relationships: list[tuple[str, Node]] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _Parent:
    """Where a property stands: JSONPath and column name of what contains it."""

    path: str
    column: str
    in_array: bool

    @property
    def top(self) -> bool:
        return self.column == ""


def object_parts(node: Node, report: Report) -> ObjectParts:
    """The fields, keys, partitions, rules and relationships of an object's properties."""
    parts = ObjectParts(report)
    parts.fields = _fields(node, _Parent("$", "", False), parts)
    return parts


def path_of(parent: str, name: str) -> str:
    """The JSONPath of a property of ``parent``."""
    if _PLAIN_NAME.match(name):
        return f"{parent}.{name}"
    escaped = name.replace("\\", "\\\\").replace("'", "\\'")
    return f"{parent}['{escaped}']"


def _fields(node: Node, parent: _Parent, parts: ObjectParts) -> tuple[Field, ...]:
    found: list[Field] = []
    seen: dict[str, Node] = {}
    for child in node.items("properties"):
        name = child.text("name")
        if name is None:
            continue
        at = child.find(("name",)).at
        other = seen.get(name.lower())
        if other is not None:
            exact = other.text("name") == name
            code = "LG202" if exact else "LG203"
            message = f"`{name}` already stands in line {other.at.line}"
            if not exact:
                message = f"`{name}` is `{other.text('name')}` of line {other.at.line} again"
            advice = "" if exact else "table columns ignore case; rename one"
            parts.report.add(code, at, message, advice=advice or "remove or rename one")
            continue
        seen[name.lower()] = child
        if not name.strip() or (parent.top and name.startswith("_")):
            advice = "names that start with `_` are Lakegate's own columns (`_topic`, `_offset`)"
            parts.report.add("LG204", at, f"`{name}` is reserved", advice=advice)
        found.append(_field(child, name, parent, parts))
    return tuple(found)


def _field(node: Node, name: str, parent: _Parent, parts: ObjectParts) -> Field:
    report = parts.report
    path = path_of(parent.path, name)
    column = f"{parent.column}.{name}" if parent.column else name
    return _build(node, name, _Parent(path, column, parent.in_array), parent.top, parts, report)


def _build(
    node: Node, name: str, here: _Parent, top: bool, parts: ObjectParts, report: Report
) -> Field:
    own = settings(node, "property", report)
    kind = _type(node, here, own, parts)
    _check_options(node, report)
    found = [*_vector_length(node, own), *constraints(node, kind, own, report)]
    enum = enum_texts(node, kind, own, report)
    if enum is not None:
        found.append(enum)
    key = node.flag("primaryKey")
    made = Field(
        name=name,
        type=kind,
        path=here.path,
        required=key or node.flag("required"),
        required_severity=own.severity("required"),
        type_severity=own.severity("type"),
        unique=node.flag("unique"),
        id=node.text("id"),
        classification=node.text("classification"),
        description=node.text("description"),
        location=node.at,
    )
    quality = Quality(here.column, made, in_array=here.in_array)
    rules, judged = quality_rules(node, quality, report)
    parts.rules.extend(rules)
    _keys(node, made, here, own, top, parts)
    parts.relationships.extend((here.column, entry) for entry in node.items("relationships"))
    return replace(made, constraints=(*found, *judged))


def _type(node: Node, here: _Parent, own: Settings, parts: ObjectParts) -> Type:
    report = parts.report
    logical = logical_of(node)
    if logical is None and node.get("properties") is not None:
        logical = "object"
    if logical == "object":
        if not node.items("properties"):
            report.add(
                "LG310",
                node.at,
                "an object without properties: any JSON value passes",
                advice="declare its properties",
            )
            return AnyType()
        return ObjectType(_fields(node, here, parts))
    if logical == "array":
        items = node.get("items")
        inner = _Parent(f"{here.path}[*]", f"{here.column}.element", True)
        if items is None:
            message = "an array without `items`: its items may be any JSON value"
            report.add("LG310", node.at, message, advice="add `items:` with a logicalType")
            return ArrayType(Field("element", AnyType(), inner.path))
        return ArrayType(_build(items, "element", inner, False, parts, report))
    if logical == "vector":
        return ArrayType(Field("element", NumberType(), f"{here.path}[*]", required=True))
    if logical == "map":
        return _map(node, here, parts)
    return scalar_type(logical, node, report)


def _map(node: Node, here: _Parent, parts: ObjectParts) -> Type:
    report = parts.report
    ends = node.get("map")
    key, value = (None, None) if ends is None else (ends.get("key"), ends.get("value"))
    if key is None or value is None:
        message = "a map without `map:` is kept as JSON text: any JSON value passes"
        report.add("LG310", node.at, message, advice="add `map:` with `key:` and `value:`")
        return AnyType()
    if logical_of(key) not in (None, "string"):
        message = "a map is kept as JSON text unless its keys are strings, as those of JSON are"
        report.add("LG310", key.at, message, advice="use `logicalType: string` for the key")
        return AnyType()
    of_key = _Parent(f"{here.path}[*]", f"{here.column}.key", True)
    made = _build(key, "key", of_key, False, parts, report)
    of_value = _Parent(f"{here.path}[*]", f"{here.column}.value", True)
    return MapType(
        replace(made, type=StringType(), required=True),
        _build(value, "value", of_value, False, parts, report),
    )


def _vector_length(node: Node, own: Settings) -> Iterable[Constraint]:
    options = node.get("logicalTypeOptions")
    size = options.get("dimensions") if options is not None else None
    if node.text("logicalType") != "vector" or size is None or options is None:
        return ()
    count = size.value
    if isinstance(count, bool) or not isinstance(count, int):
        return ()
    at = options.at_key("dimensions")
    return (
        Constraint("minItems", count, own.severity("minItems"), at),
        Constraint("maxItems", count, own.severity("maxItems"), at),
    )


def _check_options(node: Node, report: Report) -> None:
    declared = node.text("logicalType")
    logical = declared if declared is not None else logical_of(node)
    options = node.get("logicalTypeOptions")
    if options is None:
        return
    everywhere = frozenset().union(*OPTIONS.values())
    known = OPTIONS.get(logical or "", everywhere)
    for name in options.mapping():
        if name in known:
            continue
        at = options.at_key(name)
        if name in everywhere:
            owners = ", ".join(sorted(kind for kind, names in OPTIONS.items() if name in names))
            message = f"`{name}` does not apply to {logical}"
            report.add("LG301", at, message, advice=f"it is an option of {owners}")
            continue
        near = nearest(name, known)
        advice = f"did you mean `{near}`?" if near else f"options here: {', '.join(sorted(known))}"
        report.add("LG103", at, f"unknown key `{name}`", advice=advice)


def _keys(
    node: Node, made: Field, here: _Parent, own: Settings, top: bool, parts: ObjectParts
) -> None:
    report = parts.report
    is_key, unique = node.flag("primaryKey"), node.flag("unique")
    partitioned = node.flag("partitioned") or own.get("partitionTransform") is not None
    nested = isinstance(made.type, ArrayType | ObjectType | MapType | AnyType) or here.in_array
    for key, wanted in (("primaryKey", is_key), ("unique", unique), ("partitioned", partitioned)):
        if wanted and (nested or (key == "primaryKey" and not top)):
            message = f"`{made.name}` cannot be {_WHAT[key]}"
            advice = "only single values outside arrays can, and primary keys only at the top"
            report.add("LG405", node.at_key(key), message, advice=advice)
            return
    required = node.get("required")
    if is_key and required is not None and required.value is False:
        message = f"`{made.name}` is a primary key, so it is required whatever this says"
        report.add("LG404", node.at_key("required"), message, advice="remove `required: false`")
    for flag, key in ((is_key, "primaryKeyPosition"), (partitioned, "partitionKeyPosition")):
        position = node.get(key)
        if position is not None and position.value not in (-1, None) and not flag:
            owner = "primaryKey" if key.startswith("primary") else "partitioned"
            advice = f"add `{owner}: true`"
            report.add("LG402", position.at, f"`{key}` without `{owner}`", advice=advice)
    if is_key:
        parts.keys.append((_position(node, "primaryKeyPosition"), here.column, node))
    if unique:
        severity = own.severity("unique")
        parts.rules.append(uniqueness((here.column,), severity, node.at_key("unique")))
    if partitioned:
        transform = _transform(made, own, report, node)
        partition = Partition(here.column, transform)
        parts.partitions.append((_position(node, "partitionKeyPosition"), partition, node))


_WHAT = {"primaryKey": "a primary key", "unique": "unique", "partitioned": "partitioned by"}


def _position(node: Node, key: str) -> int:
    position = node.get(key)
    value = position.value if position is not None else None
    return value if isinstance(value, int) and not isinstance(value, bool) else -1


def _transform(made: Field, own: Settings, report: Report, node: Node) -> str:
    stamp, day = isinstance(made.type, TimestampType), isinstance(made.type, DateType)
    transform = own.get("partitionTransform")
    if transform is None:
        return "day" if stamp else "identity"
    base = str(transform).partition("[")[0]
    fits = {
        "identity": True,
        "year": stamp or day,
        "month": stamp or day,
        "day": stamp or day,
        "hour": stamp,
        "bucket": not isinstance(made.type, BooleanType | NumberType),
        "truncate": isinstance(made.type, IntegerType | DecimalType | StringType),
    }
    if not fits[base]:
        message = f"{transform} cannot be taken of `{made.name}`"
        at = own.at("partitionTransform", node.at)
        choices = ", ".join(name for name, good in fits.items() if good)
        report.add("LG403", at, message, advice=f"possible: {choices}")
        return "identity"
    return str(transform)


def sorted_positions(
    entries: list[tuple[int, str, Node]], key: str, report: Report
) -> tuple[int, ...]:
    """The order of entries by position, then by place; a position given twice is reported."""
    seen: dict[int, str] = {}
    for position, name, node in entries:
        if position > 0 and position in seen:
            message = f"position {position} is `{seen[position]}`'s already"
            report.add("LG401", node.find((key,)).at, message, advice="number them from 1")
        seen[position] = name
    order = sorted(
        range(len(entries)), key=lambda i: (entries[i][0] if entries[i][0] > 0 else 1 << 30, i)
    )
    return tuple(order)


def key_of(parts: ObjectParts) -> tuple[str, ...]:
    """The primary key's columns, in order."""
    order = sorted_positions(parts.keys, "primaryKeyPosition", parts.report)
    return tuple(parts.keys[i][1] for i in order)
