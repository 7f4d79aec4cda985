"""From a contract's fields to msgspec types, and from their instances back to columns.

Each node of a plan knows the msgspec type of one declared value and how to build its array. Next to
the array it counts the distinct keys of the objects inside, which is how repeated keys are noticed.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Callable, Iterable, Sequence
from itertools import accumulate, chain, repeat
from typing import Annotated, Any, NamedTuple, Protocol

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from lakegate.contract.type import (
    AnyType,
    ArrayType,
    BooleanType,
    DecimalType,
    Field,
    IntegerType,
    NumberType,
    ObjectType,
    Type,
)
from lakegate.gate.decode.base import Undeclared
from lakegate.gate.json_text import MAX_DEPTH, Json, Malformed, canonical, nesting, parse_text
from lakegate.gate.path import ROOT, child
from lakegate.gate.schema import arrow_type
from lakegate.gate.value import integer_range

__all__ = ["Chunk", "ObjectPlan", "compile_plan", "is_covered"]

_ABSENT: Any = float("nan")  # no JSON decodes to it
_ESCAPED = re.compile(r'["\\\x00-\x1f]')
_UNCOUNTED = 1 << 30  # so that no count of keys is equal


class Place:
    """Where the values of an array stand: the row and the path of each, worked out when asked."""

    __slots__ = ("_ends", "_name", "_parent", "chunk", "depth")

    def __init__(
        self,
        chunk: Chunk,
        parent: Place | None = None,
        *,
        name: str | None = None,
        ends: Sequence[int] | None = None,
    ) -> None:
        self.chunk = chunk
        self.depth: int = 0 if parent is None else parent.depth + 1
        self._parent = parent
        self._name = name
        self._ends = ends

    def locate(self, position: int) -> tuple[int, str, str]:
        """The row in the chunk, the path, and the path with ``[*]`` for indices."""
        if self._parent is None:
            return position, ROOT, ROOT
        if self._ends is None:
            row, path, pattern = self._parent.locate(position)
            name = self._name or ""
            return row, child(path, name), child(pattern, name)
        owner = bisect_right(self._ends, position)
        first = self._ends[owner - 1] if owner else 0
        row, path, pattern = self._parent.locate(owner)
        return row, f"{path}[{position - first}]", f"{pattern}[*]"


class Chunk:
    """What is noticed while the columns of a chunk are built."""

    def __init__(self) -> None:
        self.doubtful: set[int] = set()
        self.undeclared: dict[int, list[Undeclared]] = {}
        self.root = Place(self)


class Built(NamedTuple):
    """An array, the number of distinct keys inside its values, and how many values are absent."""

    array: pa.Array
    keys: int
    absent: int


class Plan(Protocol):
    """One declared value: ``annotation`` is its msgspec type, without None."""

    annotation: Any

    def build(self, values: Sequence[Any], place: Place) -> Built:
        """The array of the values: None is null, NaN is absent."""
        ...

    def count(self, value: Any) -> int:
        """The number of distinct keys inside one value."""
        ...

    def strangers(self, value: Json, pattern: str) -> set[tuple[str, str]]:
        """Undeclared names inside a JSON value, each with the pattern of its object."""
        ...


class _Scalar:
    """A value that msgspec decodes, or text that is read later, with no keys inside."""

    def __init__(self, annotation: Any, type_: pa.DataType) -> None:
        self.annotation = annotation
        self._type = type_

    def build(self, values: Sequence[Any], place: Place) -> Built:
        try:
            return Built(pa.array(values, self._type), 0, 0)
        except (pa.ArrowInvalid, pa.ArrowTypeError):
            # NaN is of no type but double: cheaper than to look for it in columns that are full.
            present = [None if value is _ABSENT else value for value in values]
            absent = present.count(None) - values.count(None)
            return Built(pa.array(present, self._type), 0, absent)

    def count(self, value: Any) -> int:
        return 0

    def strangers(self, value: Json, pattern: str) -> set[tuple[str, str]]:
        return set()


class _Double(_Scalar):
    """A double; -0 is 0."""

    def build(self, values: Sequence[Any], place: Place) -> Built:
        doubles = np.array(values, dtype=np.float64) + 0.0  # None becomes NaN
        is_null = np.isnan(doubles)
        if not is_null.any():
            return Built(pa.array(doubles), 0, 0)
        absent = int(np.count_nonzero(is_null)) - values.count(None)
        return Built(pa.array(doubles, mask=is_null), 0, absent)


class _Token(_Scalar):
    """A number kept as its text, so that nothing is rounded."""

    def __init__(self) -> None:
        super().__init__(msgspec.Raw, pa.string())

    def build(self, values: Sequence[Any], place: Place) -> Built:
        try:
            tokens: list[bytes | None] = list(map(bytes, values))
        except TypeError:
            tokens = [bytes(value) if type(value) is msgspec.Raw else None for value in values]
        try:
            array = pa.array(tokens, pa.binary()).cast(pa.string())
        except pa.ArrowInvalid:  # a string that is not UTF-8: no number, and found out later
            texts = [None if token is None else token.decode(errors="replace") for token in tokens]
            array = pa.array(texts, pa.string())
        absent = array.null_count
        is_null = pc.equal(array, "null")
        if is_null.true_count:
            array = pc.if_else(is_null, pa.scalar(None, pa.string()), array)
        return Built(array, 0, absent)


class _Untyped(_Scalar):
    """Any JSON value, as canonical text; what the strict parser refuses makes the row doubtful."""

    def __init__(self) -> None:
        super().__init__(msgspec.Raw, pa.string())

    def build(self, values: Sequence[Any], place: Place) -> Built:
        texts: list[str | None] = []
        keys = absent = 0
        for position, value in enumerate(values):
            if type(value) is not msgspec.Raw:
                absent += 1
                texts.append(None)
                continue
            text, inside = self.read(value, place, position)
            texts.append(None if text == "null" else text)
            keys += inside
        return Built(pa.array(texts, pa.string()), keys, absent)

    def read(self, value: msgspec.Raw, place: Place, position: int) -> tuple[str, int]:
        """The canonical text and the number of keys inside."""
        try:
            text = bytes(value).decode()
            if text[0] not in '"[{':
                return text, 0
            if text[0] != '"' and place.depth + nesting(text) > MAX_DEPTH:
                raise Malformed("json.depth", "", "")
            document = parse_text(text)
        except (UnicodeDecodeError, Malformed):
            place.chunk.doubtful.add(place.locate(position)[0])
            return "null", 0
        return canonical(document), _keys_inside(document)

    def count(self, value: Any) -> int:
        if type(value) is not msgspec.Raw:
            return 0
        try:
            return _keys_inside(parse_text(bytes(value).decode()))
        except (UnicodeDecodeError, Malformed):
            return _UNCOUNTED


def _keys_inside(document: Json) -> int:
    if isinstance(document, dict):
        return len(document) + sum(map(_keys_inside, document.values()))
    return sum(map(_keys_inside, document)) if isinstance(document, list) else 0


class _Items:
    """An array of one declared item."""

    def __init__(self, item: Plan) -> None:
        self._item = item
        self.annotation = list[_or_null(item.annotation)]  # type: ignore[misc]

    def build(self, values: Sequence[Any], place: Place) -> Built:
        mask, absent = None, 0
        try:
            flat = list(chain.from_iterable(values))
        except TypeError:
            is_null = [type(value) is not list for value in values]
            mask, absent = pa.array(is_null), sum(is_null) - values.count(None)
            values = [() if null else value for null, value in zip(is_null, values, strict=True)]
            flat = list(chain.from_iterable(values))
        ends = list(accumulate(map(len, values)))
        items = self._item.build(flat, Place(place.chunk, place, ends=ends))
        offsets = pa.array([0, *ends], pa.int32())
        array = pa.ListArray.from_arrays(offsets, items.array, mask=mask)
        return Built(array, items.keys, absent)

    def count(self, value: Any) -> int:
        return sum(map(self._item.count, value)) if type(value) is list else 0

    def strangers(self, value: Json, pattern: str) -> set[tuple[str, str]]:
        if not isinstance(value, list):
            return set()
        return set().union(*(self._item.strangers(item, f"{pattern}[*]") for item in value))


class ObjectPlan:
    """An object: a msgspec struct with an attribute for each declared and each learned name."""

    def __init__(
        self, fields: tuple[Field, ...], pattern: str, learned: frozenset[tuple[str, str]]
    ) -> None:
        self.learned = learned
        self._extra = sorted(name for where, name in learned if where == pattern)
        self._members: list[tuple[str, Plan]] = [
            (field.name, _compile(field.type, child(pattern, field.name), learned))
            for field in fields
        ]
        self._untyped = _Untyped()
        named = [(name, _or_null(member.annotation)) for name, member in self._members]
        named += [(name, msgspec.Raw) for name in self._extra]
        attributes = [f"f{position}" for position in range(len(named))]
        self.annotation = msgspec.defstruct(
            "Record",
            [
                (attribute, annotation, _ABSENT)
                for attribute, (_, annotation) in zip(attributes, named, strict=True)
            ],
            rename=dict(zip(attributes, (name for name, _ in named), strict=True)),
            forbid_unknown_fields=True,
            gc=False,
        )
        self._nothing = self.annotation()
        self._attributes = attributes
        self._transpose = _compile_transpose(attributes)

    def build(self, values: Sequence[Any], place: Place) -> Built:
        """See :class:`Plan`."""
        mask, absent = None, 0
        try:
            columns, keys = self.build_columns(values, place)
        except AttributeError:
            is_null = [type(value) is not self.annotation for value in values]
            mask, absent = pa.array(is_null), sum(is_null) - values.count(None)
            nothing = self._nothing
            values = [
                nothing if null else value for null, value in zip(is_null, values, strict=True)
            ]
            columns, keys = self.build_columns(values, place)
        names = [name for name, _ in self._members]
        return Built(pa.StructArray.from_arrays(columns, names, mask=mask), keys, absent)

    def build_columns(self, values: Sequence[Any], place: Place) -> tuple[list[pa.Array], int]:
        """An array for each declared member, and the number of keys, those inside included.

        Raises:
            AttributeError: a value is null.
        """
        columns = iter(self._transpose(values))
        arrays, keys = [], 0
        for (name, member), column in zip(self._members, columns, strict=False):
            built = member.build(column, Place(place.chunk, place, name=name))
            keys += built.keys + len(column) - built.absent
            arrays.append(built.array)
        for name, column in zip(self._extra, columns, strict=False):
            keys += self._keep(column, Place(place.chunk, place, name=name))
        return arrays, keys

    def _keep(self, column: Sequence[Any], place: Place) -> int:
        """Note the values of a learned name; the number of keys, its own and those inside."""
        keys = 0
        for position, value in enumerate(column):
            if type(value) is msgspec.Raw:
                text, inside = self._untyped.read(value, place, position)
                keys += 1 + inside
                row, path, pattern = place.locate(position)
                kept = place.chunk.undeclared.setdefault(row, [])
                kept.append(Undeclared(path, pattern, text))
        return keys

    def count(self, value: Any) -> int:
        """The number of distinct keys of one instance, those inside included."""
        if type(value) is not self.annotation:
            return 0
        members: Iterable[Plan] = chain(
            (member for _, member in self._members), repeat(self._untyped)
        )
        found = (getattr(value, attribute) for attribute in self._attributes)
        return sum(
            1 + member.count(member_value)
            for member_value, member in zip(found, members, strict=False)
            if member_value is not _ABSENT
        )

    def strangers(self, value: Json, pattern: str = ROOT) -> set[tuple[str, str]]:
        """See :class:`Plan`."""
        if not isinstance(value, dict):
            return set()
        declared = {name for name, _ in self._members}
        found = {(pattern, name) for name in value if name not in declared and is_nameable(name)}
        for name, member in self._members:
            if name in value:
                found |= member.strangers(value[name], child(pattern, name))
        return found


def compile_plan(fields: tuple[Field, ...], learned: frozenset[tuple[str, str]]) -> ObjectPlan:
    """The plan of a record; ``learned`` are undeclared names with the pattern of their object."""
    return ObjectPlan(fields, ROOT, learned)


def _compile_transpose(attributes: list[str]) -> Callable[[Sequence[Any]], Iterable[list[Any]]]:
    # One comprehension for each attribute, as source: attrgetter and zip take twice as long, and
    # the tuples they make in between set off the garbage collector. The names are our own.
    lists = "".join(f"[value.{attribute} for value in values]," for attribute in attributes)
    return eval(f"lambda values: ({lists})")  # type: ignore[no-any-return]  # noqa: S307


def is_covered(fields: tuple[Field, ...], depth: int = 1) -> bool:
    """Whether msgspec can name all fields, and none is nested near the limit of depth."""
    for field in fields:
        type_, level = field.type, depth
        while isinstance(type_, ArrayType):
            type_, level = type_.item.type, level + 1
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
            return _Token()
        case IntegerType():
            low, high = integer_range(type_)
            return _Scalar(Annotated[int, msgspec.Meta(ge=low, le=high)], arrow_type(type_))
        case NumberType():
            return _Double(float, pa.float64())
        case BooleanType():
            return _Scalar(bool, pa.bool_())
        case AnyType():
            return _Untyped()
        case ArrayType(item=item):
            return _Items(_compile(item.type, f"{pattern}[*]", learned))
        case ObjectType(fields=fields):
            return ObjectPlan(fields, pattern, learned)
        case _:
            return _Scalar(str, pa.string())
