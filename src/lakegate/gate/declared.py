"""The declared values of a record, wherever they are nested: read in declared order and judged."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from lakegate.contract.stream import UnknownFields
from lakegate.contract.type import ArrayType, Field, MapType, ObjectType, Severity
from lakegate.gate.check import compile_checks, run_checks
from lakegate.gate.json_text import Json, canonical, observe
from lakegate.gate.judgement import Judgement
from lakegate.gate.path import Steps, child, path_at
from lakegate.gate.value import Mismatch, Reader, reader
from lakegate.gate.verdict import Failure

__all__ = ["Members"]

_ABSENT: Any = object()


class Members:
    """The members of a JSON object: the declared ones in order, then those nobody declared."""

    __slots__ = ("_members", "_pattern", "_positions", "_unknown_fields")

    def __init__(
        self,
        fields: tuple[Field, ...],
        pattern: str,
        unknown_fields: UnknownFields,
        *,
        repeats: bool = False,
    ) -> None:
        self._members = tuple(
            (
                declared.name,
                child("", declared.name),
                _Value(declared, child(pattern, declared.name), unknown_fields, repeats=repeats),
            )
            for declared in fields
        )
        self._positions = {declared.name: position for position, declared in enumerate(fields)}
        self._pattern = pattern
        self._unknown_fields = unknown_fields

    def read(self, value: Json, steps: Steps, found: Judgement) -> dict[str, Any]:
        """A value for each declared member.

        Raises:
            Mismatch: ``value`` is no object.
        """
        if type(value) is not dict:
            raise Mismatch("type", "an object")
        return {
            name: member.read(value.get(name, _ABSENT), (steps, step), found)
            for name, step, member in self._members
        }

    def name(self, position: int) -> str:
        """The name of a declared member."""
        return self._members[position][0]

    def position(self, name: str) -> int:
        """Where a declared member stands."""
        return self._positions[name]

    def read_member(self, position: int, members: Mapping[str, Json], found: Judgement) -> Any:
        """Judge one declared member of a record, of which ``members`` may be all there is."""
        name, step, member = self._members[position]
        return member.read(members.get(name, _ABSENT), (None, step), found)

    def undeclared(self, value: Json, steps: Steps, found: Judgement) -> list[Failure]:
        """Keeps or refuses what nobody declared, here and further down."""
        if type(value) is not dict:
            return []
        failures: list[Failure] = []
        strangers = not value.keys() <= self._positions.keys()
        if strangers and self._unknown_fields is not UnknownFields.IGNORE:
            for name in value:
                if name not in self._positions:
                    self._meet(name, value[name], steps, found, failures)
        for name, step, member in self._members:
            if member.undeclared is not None and name in value:
                failures.extend(member.undeclared(value[name], (steps, step), found))
        return failures

    def _meet(
        self, name: str, value: Json, steps: Steps, found: Judgement, failures: list[Failure]
    ) -> None:
        where = child(path_at(steps), name)
        if self._unknown_fields is UnknownFields.REJECT:
            expected = "a declared field"
            found.count_failure(where, expected)
            failures.append(Failure(where, "unknownField", expected, observe(value)))
            return
        found.count(where)
        found.unknown[where] = canonical(value)
        found.unknown_paths.add(child(self._pattern, name))


class _Value:
    """A declared value, wherever it stands: reads it, and notes what is wrong.

    ``repeats``: it stands in arrays or maps, so that a record may have it any number of times.
    """

    __slots__ = (
        "_checks",
        "_field",
        "_null_checks",
        "_object_checks",
        "_read_typed",
        "_repeats",
        "undeclared",
    )

    def __init__(
        self,
        declared: Field,
        pattern: str,
        unknown_fields: UnknownFields,
        *,
        repeats: bool,
    ) -> None:
        self._field = declared
        self._repeats = repeats
        checks = compile_checks(declared.constraints, declared.type)
        self._null_checks = tuple(check for check in checks if check.rule.judges_null)
        self._object_checks = tuple(check for check in checks if check.rule.on_object)
        self._checks = tuple(check for check in checks if not check.rule.on_object)
        self.undeclared: Callable[[Any, Steps, Judgement], list[Failure]] | None = None
        self._read_typed: Callable[[Any, Steps, Judgement], Any]
        match declared.type:
            case ObjectType(fields=fields):
                members = Members(fields, pattern, unknown_fields, repeats=repeats)
                self._read_typed, self.undeclared = members.read, members.undeclared
            case ArrayType(item=item):
                items = _Array(item, pattern, unknown_fields)
                self._read_typed = items.read
                self.undeclared = items.undeclared if items.has_undeclared else None
            case MapType():
                entries = _Map(declared.type, pattern, unknown_fields)
                self._read_typed = entries.read
                self.undeclared = entries.undeclared if entries.has_undeclared else None
            case scalar:
                self._read_typed = _scalar(reader(scalar))

    def read(self, value: Any, steps: Steps, found: Judgement) -> Any:
        """The column value; None when it is null, absent or not of its type."""
        if value is None or value is _ABSENT:
            self._judge_null(value, steps, found)
            return None
        declared = self._field
        try:
            typed = self._read_typed(value, steps, found)
        except Mismatch as error:
            found.all_typed = False
            said = (error.expected, observe(value))
            self._fail(steps, found, error.rule, said, declared.type_severity)
            return None
        if self._checks:
            run_checks(self._checks, typed, value, steps, found, counts=self._repeats)
        if self._object_checks and isinstance(value, dict):
            run_checks(self._object_checks, value, value, steps, found, counts=self._repeats)
        return typed

    def _fail(
        self, steps: Steps, found: Judgement, rule: str, said: tuple[str, str], severity: Severity
    ) -> None:
        """Note a failure; ``said`` is what was expected and what was observed."""
        path, (expected, observed) = path_at(steps), said
        if self._repeats:
            found.count_failure(path, expected)
        found.failures.append(Failure(path, rule, expected, observed, severity))

    def _judge_null(self, value: Any, steps: Steps, found: Judgement) -> None:
        declared = self._field
        shown = "absent" if value is _ABSENT else "null"
        if declared.required:
            said = ("a value, not null", shown)
            self._fail(steps, found, "required", said, declared.required_severity)
        for check in self._null_checks:
            if not check.rule.check(None, check.bound):
                said = (check.expected, shown)
                self._fail(steps, found, check.rule.code, said, check.severity)


def _scalar(read: Reader) -> Callable[[Any, Steps, Judgement], Any]:
    return lambda value, _steps, _found: read(value)


class _Array:
    """The items of a JSON array, each judged as the declared item."""

    __slots__ = ("_item",)

    def __init__(self, item: Field, pattern: str, unknown_fields: UnknownFields) -> None:
        self._item = _Value(item, f"{pattern}[*]", unknown_fields, repeats=True)

    @property
    def has_undeclared(self) -> bool:
        """Whether an item can hold a field that nobody declared."""
        return self._item.undeclared is not None

    def read(self, value: Json, steps: Steps, found: Judgement) -> list[Any]:
        """A value for each item.

        Raises:
            Mismatch: ``value`` is no array.
        """
        if type(value) is not list:
            raise Mismatch("type", "an array")
        return [self._item.read(item, (steps, index), found) for index, item in enumerate(value)]

    def undeclared(self, value: Json, steps: Steps, found: Judgement) -> list[Failure]:
        """As of objects, for every item."""
        if type(value) is not list or self._item.undeclared is None:
            return []
        return [
            failure
            for index, item in enumerate(value)
            for failure in self._item.undeclared(item, (steps, index), found)
        ]


class _Map:
    """The entries of a JSON object whose names are data: each name as the key, each value."""

    __slots__ = ("_key", "_value")

    def __init__(self, declared: MapType, pattern: str, unknown_fields: UnknownFields) -> None:
        self._key = _Value(declared.key, f"{pattern}[*]", unknown_fields, repeats=True)
        self._value = _Value(declared.value, f"{pattern}[*]", unknown_fields, repeats=True)

    @property
    def has_undeclared(self) -> bool:
        """Whether a value can hold a field that nobody declared."""
        return self._value.undeclared is not None

    def read(self, value: Json, steps: Steps, found: Judgement) -> list[tuple[str, Any]]:
        """Key and value of each entry, in order.

        Raises:
            Mismatch: ``value`` is no object.
        """
        if type(value) is not dict:
            raise Mismatch("type", "an object")
        entries = []
        for name, item in value.items():
            where = (steps, child("", name))
            self._key.read(name, where, found)
            entries.append((name, self._value.read(item, where, found)))
        return entries

    def undeclared(self, value: Json, steps: Steps, found: Judgement) -> list[Failure]:
        """As of objects, for every value."""
        if type(value) is not dict or self._value.undeclared is None:
            return []
        return [
            failure
            for name, item in value.items()
            for failure in self._value.undeclared(item, (steps, child("", name)), found)
        ]
