"""From a contract's fields to msgspec types, and from their instances to columns.

Each node of a plan knows the msgspec type of one declared value and which column takes its values.
Columns count the distinct keys of the objects inside, which is how repeated keys are noticed.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable
from functools import partial
from itertools import chain, repeat
from typing import Annotated, Any, Protocol

import msgspec
import numpy as np
import numpy.typing as npt
import pyarrow as pa

from lakegate.contract.type import (
    AnyType,
    ArrayType,
    BooleanType,
    DecimalType,
    Field,
    IntegerType,
    MapType,
    NumberType,
    ObjectType,
    Type,
)
from lakegate.gate.decode.base import Undeclared
from lakegate.gate.decode.column import (
    ABSENT,
    Added,
    BooleanColumn,
    Column,
    DoubleColumn,
    IntegerColumn,
    ItemsColumn,
    MapColumn,
    Nulls,
    TextColumn,
    TokenColumn,
    UntypedColumn,
    keys_inside,
    read_untyped,
)
from lakegate.gate.decode.place import Place
from lakegate.gate.json_text import MAX_DEPTH, Json, Malformed, parse_text
from lakegate.gate.path import ROOT, child
from lakegate.gate.schema import arrow_type
from lakegate.gate.value import integer_range

__all__ = ["ObjectColumn", "ObjectPlan", "compile_plan", "is_covered"]

_ESCAPED = re.compile(r'["\\\x00-\x1f]')
_UNCOUNTED = 1 << 30  # so that no count of keys is equal


class Plan(Protocol):
    """One declared value: ``annotation`` is its msgspec type, without None."""

    annotation: Any

    def column(self) -> Column:
        """An empty column for its values."""
        ...

    def count(self, value: Any) -> int:
        """The number of distinct keys inside one value."""
        ...

    def strangers(self, value: Json, pattern: str) -> set[tuple[str, str]]:
        """Undeclared names inside a JSON value, each with the pattern of its object."""
        ...


class _Scalar:
    """A value that msgspec decodes, with no keys inside."""

    def __init__(self, annotation: Any, column: Callable[[], Column]) -> None:
        self.annotation = annotation
        self.column = column

    def count(self, value: Any) -> int:
        """See :class:`Plan`."""
        return 0

    def strangers(self, value: Json, pattern: str) -> set[tuple[str, str]]:
        """See :class:`Plan`."""
        return set()


class _Untyped(_Scalar):
    """Any JSON value."""

    def __init__(self) -> None:
        super().__init__(msgspec.Raw, UntypedColumn)

    def count(self, value: Any) -> int:
        """See :class:`Plan`."""
        if type(value) is not msgspec.Raw:
            return 0
        try:
            return keys_inside(parse_text(bytes(value).decode()))
        except (UnicodeDecodeError, Malformed):
            return _UNCOUNTED


class _Items:
    """An array of one declared item."""

    def __init__(self, item: Plan) -> None:
        self._item = item
        self.annotation = list[_or_null(item.annotation)]  # type: ignore[misc]

    def column(self) -> Column:
        """See :class:`Plan`."""
        return ItemsColumn(self._item.column())

    def count(self, value: Any) -> int:
        return sum(map(self._item.count, value)) if type(value) is list else 0

    def strangers(self, value: Json, pattern: str) -> set[tuple[str, str]]:
        if not isinstance(value, list):
            return set()
        return set().union(*(self._item.strangers(item, f"{pattern}[*]") for item in value))


class _Entries:
    """A map of one declared value."""

    def __init__(self, item: Plan) -> None:
        self._item = item
        self.annotation = dict[str, _or_null(item.annotation)]  # type: ignore[misc]

    def column(self) -> Column:
        """See :class:`Plan`."""
        return MapColumn(self._item.column())

    def count(self, value: Any) -> int:
        if type(value) is not dict:
            return 0
        return len(value) + sum(map(self._item.count, value.values()))

    def strangers(self, value: Json, pattern: str) -> set[tuple[str, str]]:
        if not isinstance(value, dict):
            return set()
        return set().union(
            *(self._item.strangers(item, f"{pattern}[*]") for item in value.values())
        )


class ObjectPlan:
    """An object: a msgspec struct with an attribute for each declared and each learned name."""

    def __init__(
        self, fields: tuple[Field, ...], pattern: str, learned: frozenset[tuple[str, str]]
    ) -> None:
        self.learned = learned
        self.extra = sorted(name for where, name in learned if where == pattern)
        self.members: list[tuple[str, Plan]] = [
            (field.name, _compile(field.type, child(pattern, field.name), learned))
            for field in fields
        ]
        self._untyped = _Untyped()
        named = [(name, _or_null(member.annotation)) for name, member in self.members]
        named += [(name, msgspec.Raw) for name in self.extra]
        self._named = named
        self.annotation = _define(named)
        self.nothing = self.annotation()
        self._attributes = _attributes(len(named))
        self.transpose = _compile_transpose(self._attributes)

    def annotation_without(self, members: Collection[int]) -> Any:
        """Its struct, in which some of the declared members are raw text."""
        return _define(
            [
                (name, msgspec.Raw if position in members else annotation)
                for position, (name, annotation) in enumerate(self._named)
            ]
        )

    def column(self) -> ObjectColumn:
        """See :class:`Plan`."""
        return ObjectColumn(self)

    def count(self, value: Any) -> int:
        """The number of distinct keys of one instance, those inside included."""
        if type(value) is not self.annotation:
            return 0
        members: Iterable[Plan] = chain(
            (member for _, member in self.members), repeat(self._untyped)
        )
        found = (getattr(value, attribute) for attribute in self._attributes)
        return sum(
            1 + member.count(member_value)
            for member_value, member in zip(found, members, strict=False)
            if member_value is not ABSENT
        )

    def strangers(self, value: Json, pattern: str = ROOT) -> set[tuple[str, str]]:
        """See :class:`Plan`."""
        if not isinstance(value, dict):
            return set()
        declared = {name for name, _ in self.members}
        found = {(pattern, name) for name in value if name not in declared and is_nameable(name)}
        for name, member in self.members:
            if name in value:
                found |= member.strangers(value[name], child(pattern, name))
        return found


class ObjectColumn:
    """Objects: a column for each declared member; values of learned names are noted."""

    __slots__ = ("_members", "_nulls", "_plan")

    def __init__(self, plan: ObjectPlan) -> None:
        self._plan = plan
        self._members = [(name, member.column()) for name, member in plan.members]
        self._nulls = Nulls()

    def add(self, values: list[Any], place: Place) -> Added:
        """See :class:`lakegate.gate.decode.column.Column`."""
        plan, absent = self._plan, 0
        try:
            columns = plan.transpose(values)
        except AttributeError:
            values, absent = self._nulls.fill(values, plan.annotation, plan.nothing)
            columns = plan.transpose(values)
        else:
            self._nulls.count += len(values)
        keys = 0
        for (name, member), column in zip(self._members, columns, strict=False):
            added = member.add(column, Place(place.notes, place, name=name))
            keys += added.keys + len(column) - added.absent
        for name, column in zip(plan.extra, columns[len(self._members) :], strict=True):
            keys += _keep(column, Place(place.notes, place, name=name))
        return Added(keys, absent)

    def finish_members(self) -> list[pa.Array]:
        """An array for each declared member."""
        return [member.finish() for _, member in self._members]

    def finish(self) -> pa.Array:
        """See :class:`lakegate.gate.decode.column.Column`."""
        mask: npt.NDArray[np.bool_] | None = self._nulls.mask()
        return pa.StructArray.from_arrays(
            self.finish_members(),
            [name for name, _ in self._members],
            mask=None if mask is None else pa.array(mask),
        )


def _keep(values: list[Any], place: Place) -> int:
    """Note the values of a learned name; the number of keys, its own and those inside."""
    keys = 0
    for position, value in enumerate(values):
        if type(value) is msgspec.Raw:
            text, inside = read_untyped(value, place, position)
            keys += 1 + inside
            row, path, pattern = place.locate(position)
            place.notes.keep(row, Undeclared(path, pattern, text))
    return keys


def compile_plan(fields: tuple[Field, ...], learned: frozenset[tuple[str, str]]) -> ObjectPlan:
    """The plan of a record; ``learned`` are undeclared names with the pattern of their object."""
    return ObjectPlan(fields, ROOT, learned)


def _attributes(count: int) -> list[str]:
    return [f"f{position}" for position in range(count)]


def _define(named: list[tuple[str, Any]]) -> Any:
    attributes = _attributes(len(named))
    return msgspec.defstruct(
        "Record",
        [
            (attribute, annotation, ABSENT)
            for attribute, (_, annotation) in zip(attributes, named, strict=True)
        ],
        rename=dict(zip(attributes, (name for name, _ in named), strict=True)),
        forbid_unknown_fields=True,
        gc=False,
    )


def _compile_transpose(attributes: list[str]) -> Callable[[list[Any]], tuple[list[Any], ...]]:
    # One comprehension for each attribute, as source: attrgetter and zip take twice as long, and
    # the tuples they make in between set off the garbage collector. The names are our own.
    lists = "".join(f"[value.{attribute} for value in values]," for attribute in attributes)
    return eval(f"lambda values: ({lists})")  # type: ignore[no-any-return]  # noqa: S307


def is_covered(fields: tuple[Field, ...], depth: int = 1) -> bool:
    """Whether msgspec can name all fields, and none is nested near the limit of depth."""
    for field in fields:
        type_, level = field.type, depth
        while isinstance(type_, ArrayType | MapType):
            inner = type_.item if isinstance(type_, ArrayType) else type_.value
            type_, level = inner.type, level + 1
        nested = type_.fields if isinstance(type_, ObjectType) else ()
        if not is_nameable(field.name) or level >= MAX_DEPTH or not is_covered(nested, level + 1):
            return False
    return True


def is_nameable(name: str) -> bool:
    """Whether msgspec takes the name for a field: it has nothing that JSON must escape."""
    return _ESCAPED.search(name) is None


def _or_null(annotation: Any) -> Any:
    # Raw takes any value, null too, and stands in no union.
    return annotation if annotation is msgspec.Raw else annotation | None


def _compile(type_: Type, pattern: str, learned: frozenset[tuple[str, str]]) -> Plan:
    match type_:
        case IntegerType(bits=64, signed=False) | DecimalType():
            return _Scalar(msgspec.Raw, TokenColumn)
        case IntegerType():
            low, high = integer_range(type_)
            in_range = Annotated[int, msgspec.Meta(ge=low, le=high)]
            return _Scalar(in_range, partial(IntegerColumn, arrow_type(type_)))
        case NumberType():
            return _Scalar(float, DoubleColumn)
        case BooleanType():
            return _Scalar(bool, BooleanColumn)
        case AnyType():
            return _Untyped()
        case ArrayType(item=item):
            return _Items(_compile(item.type, f"{pattern}[*]", learned))
        case MapType(value=value):
            return _Entries(_compile(value.type, f"{pattern}[*]", learned))
        case ObjectType(fields=fields):
            return ObjectPlan(fields, pattern, learned)
        case _:
            return _Scalar(str, TextColumn)
