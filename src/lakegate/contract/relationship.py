"""Relationships: foreign keys within a contract and to other contracts of the project."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from lakegate.contract.column import ColumnPath, column_at
from lakegate.contract.custom import Settings, settings
from lakegate.contract.document import Node
from lakegate.contract.problem import Report, nearest
from lakegate.contract.stream import Place, Reference
from lakegate.contract.type import (
    AnyType,
    ArrayType,
    DecimalType,
    Field,
    IntegerType,
    Location,
    MapType,
    NumberType,
    ObjectType,
    Type,
)

__all__ = [
    "Outside",
    "Target",
    "columns_of",
    "comparable",
    "exactly_comparable",
    "field_at",
    "references",
]


@dataclass(frozen=True, slots=True)
class Target:
    """One object that can be referred to: its stream, ids and fields."""

    stream: str
    name: str
    node: Node
    fields: tuple[Field, ...]


@dataclass(frozen=True, slots=True)
class Outside:
    """A reference that leaves the file: checked when the whole project is (``check``)."""

    object_name: str
    columns: tuple[str, ...]
    types: tuple[Type | None, ...]
    location: Location
    by_id: bool = False  # the names are the ids of the elements
    at_gate: Location | None = None  # where it says that it is to be judged at the gate


def columns_of(fields: tuple[Field, ...], prefix: str = "") -> dict[str, Field]:
    """Every column, ``a`` and nested ``a.b``, outside arrays."""
    found: dict[str, Field] = {}
    for field in fields:
        found[prefix + field.name] = field
        if isinstance(field.type, ObjectType):
            found |= columns_of(field.type.fields, f"{prefix}{field.name}.")
    return found


def field_at(fields: tuple[Field, ...], column: str) -> Field | None:
    """The field of a column name such as ``a.b``, or None."""
    return columns_of(fields).get(column)


@dataclass(slots=True)
class _Resolver:
    targets: Mapping[str, Target]
    report: Report
    outside: list[Outside]

    def end(self, text: str, at: Location) -> tuple[str, str, Field | None] | None:
        """Object, column and field of one end; the field is None when it is in another file."""
        local = text.removeprefix("#").removeprefix("/")
        if "#" in local:
            file, _, rest = local.partition("#")
            return self.elsewhere(rest, f"{file}#", at)
        return self.by_id(local, at) if "/" in local else self.by_name(local, at)

    def elsewhere(self, path: str, file: str, at: Location) -> tuple[str, str, None]:
        names = [
            step for step in path.strip("/").split("/") if step not in ("schema", "properties")
        ]
        if "/" not in path.strip("/"):
            head, _, tail = path.partition(".")
            names = [head, tail]
        self.report.add("LG704", at, f"the target is in {file.rstrip('#')}; it is looked up there")
        return names[0], ".".join(names[1:]), None

    def by_id(self, path: str, at: Location) -> tuple[str, str, Field | None] | None:
        steps = path.split("/")
        if steps[0] != "schema" or len(steps) < 4 or len(steps) % 2:
            advice = "write schema/<id>/properties/<id>, or object.property"
            self.report.add("LG701", at, f"`{path}` names no property", advice=advice)
            return None
        target = next((t for t in self.targets.values() if t.node.text("id") == steps[1]), None)
        node = target.node if target is not None else None
        names: list[str] = []
        for step in steps[3::2]:
            choices = node.items("properties") if node is not None else []
            node = next((child for child in choices if child.text("id") == step), None)
            names.append((node.text("name") if node is not None else None) or "")
        if target is None or node is None:
            near = nearest(steps[-1], self.ids())
            advice = (
                f"did you mean the id `{near}`?" if near else "only elements with an `id` can be"
            )
            self.report.add("LG701", at, f"no element with the ids of `{path}`", advice=advice)
            return None
        column = ".".join(names)
        return target.name, column, field_at(target.fields, column)

    def ids(self) -> list[str]:
        nodes = [node for target in self.targets.values() for _, node in target.node.walk()]
        return [found for node in nodes if (found := node.text("id")) is not None]

    def by_name(self, text: str, at: Location) -> tuple[str, str, Field | None] | None:
        head, _, column = text.partition(".")
        target = self.targets.get(head)
        if target is None:
            near = nearest(head, self.targets)
            hint = f"; did you mean `{near}`?" if near else ""
            message = f"`{head}` is no object of this contract: it is looked up in the project"
            self.report.add("LG704", at, message + hint)
            return head, column, None
        field = field_at(target.fields, column)
        if field is None:
            near = nearest(column, columns_of(target.fields))
            advice = f"did you mean `{head}.{near}`?" if near else ""
            self.report.add("LG701", at, f"`{head}` has no property `{column}`", advice=advice)
            return None
        return head, column, field


def references(
    own: Target,
    at_properties: list[tuple[str, Node]],
    targets: Mapping[str, Target],
    report: Report,
) -> tuple[tuple[Reference, ...], tuple[Outside, ...]]:
    """The references of one object: those of its properties, then its own.

    The second result lists the ends that lie in other contracts.
    """
    resolver = _Resolver(targets, report, [])
    found: list[Reference] = []
    for column, entry in at_properties:
        made = _reference(entry, own, [(own.name, column, field_at(own.fields, column))], resolver)
        if made is not None:
            found.append(made)
    for entry in own.node.items("relationships"):
        ends = _ends(entry, "from", resolver)
        made = _reference(entry, own, ends, resolver) if ends is not None else None
        if made is not None:
            found.append(made)
    return tuple(found), tuple(resolver.outside)


def _ends(entry: Node, key: str, resolver: _Resolver) -> list[tuple[str, str, Field | None]] | None:
    node = entry.get(key)
    if node is None:
        return None
    items = node.value if isinstance(node.value, list) else [node]
    found = [resolver.end(str(item.value), item.at) for item in items]
    whole = [end for end in found if end is not None]
    return whole if len(whole) == len(found) and whole else None


def _ends_of(entry: Node) -> list[Node]:
    node = entry.find(("to",))
    return node.value if isinstance(node.value, list) else [node]


def _reference(
    entry: Node, own: Target, source: list[tuple[str, str, Field | None]], resolver: _Resolver
) -> Reference | None:
    report = resolver.report
    settled = settings(entry, "relationship", report)
    target = _ends(entry, "to", resolver)
    if target is None:
        return None
    at = entry.find(("to",)).at
    if len(source) != len(target) or len({end[0] for end in target}) > 1:
        message = f"{len(source)} columns refer to {len(target)} columns of one object"
        report.add("LG703", at, message, advice="pair each `from` with one `to` of the same object")
        return None
    if any(end[0] != own.name for end in source):
        report.add("LG703", entry.at, f"`from` is not of `{own.name}`", advice="move it there")
        return None
    for (_, name, left), (_, other, right) in zip(source, target, strict=True):
        if left is not None and right is not None and not comparable(left.type, right.type):
            message = f"`{name}` and `{other}` are of different types"
            report.add("LG702", at, message, advice="give both the same logicalType")
    to_object = target[0][0]
    known = resolver.targets.get(to_object)
    columns, to_columns = tuple(end[1] for end in source), tuple(end[1] for end in target)
    if target[0][2] is None:
        types = tuple(_type_of(own, end) for end in source)
        by_id = any(
            "#" in str(node.value) and "/properties/" in str(node.value) for node in _ends_of(entry)
        )
        at_gate = settled.at("place", at) if settled.get("place") is Place.GATE else None
        resolver.outside.append(Outside(to_object, to_columns, types, at, by_id, at_gate))
    stream = known.stream if known is not None and target[0][2] is not None else to_object
    name = entry.text("id") or f"{'+'.join(columns)}->{to_object}.{'+'.join(to_columns)}"
    return Reference(
        name,
        columns,
        stream,
        to_columns,
        settled.severity("relationship"),
        entry.at,
        _place(own, source, target, settled, at, report),
        settled.get("referenceLimit"),
    )


def _type_of(own: Target, end: tuple[str, str, Field | None]) -> Type | None:
    """The type of a column of ours, inside arrays as well."""
    found = column_at(own.fields, end[1])
    return None if found is None else found.type


def _place(
    own: Target,
    source: list[tuple[str, str, Field | None]],
    target: list[tuple[str, str, Field | None]],
    settled: Settings,
    at: Location,
    report: Report,
) -> Place:
    """Where it is judged besides the audit: the gate if the contract asks for it and it can be."""
    if settled.get("place") is not Place.GATE:
        return Place.AUDIT
    columns = [column_at(own.fields, end[1]) for end in source]
    types = [end[2].type if end[2] is not None else None for end in target]
    reason = _not_at_gate(columns, types)
    if reason is None:
        return Place.GATE
    message = f"{reason}: it is judged at the audit only"
    report.add("LG705", settled.at("place", at), message, advice="give both one type")
    return Place.AUDIT


def _not_at_gate(columns: list[ColumnPath | None], types: list[Type | None]) -> str | None:
    """Why the gate cannot judge a relationship; None when it can."""
    if len({None if column is None else column.items for column in columns}) > 1:
        return "its columns do not stand in one object"
    for column, to_type in zip(columns, types, strict=True):
        if column is None:
            return "it names a column that is not there"
        if isinstance(column.type, ArrayType | ObjectType | MapType | AnyType):
            return "the gate compares single values, no arrays, objects or untyped values"
        if to_type is not None and not exactly_comparable(column.type, to_type):
            return "the gate compares exactly, which these two types cannot be"
    return None


def exactly_comparable(left: Type, right: Type) -> bool:
    """Whether two single values are equal or not, with nothing rounded."""
    exact = (IntegerType, DecimalType)
    return (isinstance(left, exact) and isinstance(right, exact)) or type(left) is type(right)


def comparable(left: Type, right: Type) -> bool:
    """Whether values of two types can be equal."""
    numbers = (IntegerType, DecimalType, NumberType)
    if isinstance(left, numbers) and isinstance(right, numbers):
        return True
    return type(left) is type(right)
