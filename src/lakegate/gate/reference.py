"""The reference path: one record after the other, every failure, in the order of the contract.

This module is the specification in code (SEMANTICS, "The verdict"); every other path must give the
same verdict. A record that cannot be read as a JSON object has that one failure. Otherwise each
field is judged in declared order:

1. absent or null: ``required`` (and the metrics that look at nulls);
2. its type: a value that is not of its type has that one failure, and nothing else is asked of it;
3. the items of an array, the members of an object, each in the same way;
4. its constraints, as declared;

then undeclared fields, then, when every value is of its type, the rules over the whole record.
A value whose type fails at a severity that does not reject is stored as null.

A record with more to tell than a small multiple of its size has one failure in place of all
(:func:`~lakegate.gate.path.most_path_bytes`). What is told only grows, so judging stops there.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from copy import copy
from dataclasses import dataclass, field
from typing import Any, Self

from lakegate.contract.stream import Stream, UnknownFields
from lakegate.contract.type import (
    ArrayType,
    Constraint,
    Field,
    MapType,
    ObjectType,
    Severity,
    Type,
)
from lakegate.gate.decode.choice import format_of
from lakegate.gate.decode.format import Format
from lakegate.gate.json_text import Json, Malformed, canonical, observe
from lakegate.gate.path import (
    FAILURE_BYTES,
    PATHS_CODE,
    ROOT,
    Steps,
    child,
    most_path_bytes,
    path_at,
    utf8_size,
)
from lakegate.gate.references import HeldReference
from lakegate.gate.rules import RULES, Rule
from lakegate.gate.schema import UNKNOWN_FIELDS
from lakegate.gate.sql.record import evaluate
from lakegate.gate.sql.rule import GateRule, row_rules
from lakegate.gate.value import Mismatch, Reader, reader
from lakegate.gate.verdict import Failure

__all__ = ["Check", "Doubt", "Judgement", "Reference", "compile_checks", "too_much"]

_ABSENT: Any = object()
_ERROR, _CRITICAL = Severity.ERROR, Severity.CRITICAL


class _TooMuch(Exception):
    """The paths to tell of a record are together too long."""


@dataclass(slots=True)
class Judgement:
    """What is found in one record.

    ``row`` maps every column to its value and is only of use when nothing rejects. ``unknown``
    maps the path of each undeclared field to its JSON text; ``unknown_paths`` are the same paths
    with ``[*]`` for indices. ``stands``: the columns have the row already, and ``row`` is empty.
    """

    failures: list[Failure] = field(default_factory=list)
    row: dict[str, Any] = field(default_factory=dict)
    unknown: dict[str, str] = field(default_factory=dict)
    unknown_paths: set[str] = field(default_factory=set)
    all_typed: bool = True
    stands: bool = False
    path_bytes: int = 0
    most_path_bytes: int = 1 << 62

    def count(self, path: str) -> None:
        """Count the path of an undeclared field.

        Raises:
            _TooMuch: there is more than ``most_path_bytes`` to tell.
        """
        self.path_bytes += utf8_size(path)
        if self.path_bytes > self.most_path_bytes:
            raise _TooMuch

    def count_failure(self, path: str, expected: str) -> None:
        """Count a failure, of which the record may have any number; see :meth:`count`."""
        self.path_bytes += utf8_size(expected) + FAILURE_BYTES
        self.count(path)

    @property
    def rejects(self) -> bool:
        """Whether any failure rejects the record."""
        for failure in self.failures:
            severity = failure.severity
            if severity is _ERROR or severity is _CRITICAL:
                return True
        return False


@dataclass(frozen=True, slots=True)
class Doubt:
    """What is not known to be good of a record that was decoded into columns.

    ``columns`` are the positions of declared members with a check in doubt. ``is_read``: the values
    of all members are certain, those included. ``rules``: so are the rules over the whole record
    and the relationships, of which then only the first ``is_read`` can be judged by themselves.
    """

    columns: Sequence[int] = ()
    is_read: bool = True
    rules: bool = False


@dataclass(frozen=True, slots=True)
class Check:
    """A constraint made ready: its rule, the bound in the rule's form, and what to say."""

    rule: Rule
    bound: Any
    severity: Severity
    expected: str


def compile_checks(constraints: tuple[Constraint, ...], type_: Type) -> tuple[Check, ...]:
    """The constraints of one value, ready to run, in declared order."""
    checks = []
    for constraint in constraints:
        rule = RULES[constraint.rule]
        bound = rule.prepare(constraint.bound, type_)
        checks.append(Check(rule, bound, constraint.severity, rule.expected(bound)))
    return tuple(checks)


class Reference:
    """Judges records of one stream; holds nothing between calls.

    ``format`` is that of the stream when it is None.
    """

    def __init__(self, stream: Stream, format: Format | None = None) -> None:  # noqa: A002
        self._format = format_of(stream) if format is None else format
        self._size_limit_bytes = stream.size_limit_bytes
        self._keeps_unknown = stream.unknown_fields is UnknownFields.KEEP
        self._record = _Object(stream.fields, ROOT, stream.unknown_fields)
        self._checks = compile_checks(stream.constraints, ObjectType(stream.fields))
        self._rules = row_rules(stream)
        self._references: tuple[HeldReference, ...] = ()
        self._looked_at = self._names_looked_at()

    def refer(self, references: tuple[HeldReference, ...]) -> Self:
        """This path with relationships to judge; nothing is compiled again."""
        made = copy(self)
        made._references = references
        made._looked_at = made._names_looked_at()
        return made

    def _names_looked_at(self) -> list[str]:
        """The members that the rules over the whole record look at."""
        names = {path[0] for rule in self._rules for path in rule.rule.columns}
        return sorted(names.union(*(reference.names for reference in self._references)))

    def judge(self, value: bytes | None) -> Judgement:
        """Everything that is wrong with one record, and its row; never raises for bad data."""
        found = Judgement()
        if value is None:
            failure = Failure(ROOT, "record.null", "a value, or a key (a tombstone)", "null")
            found.failures.append(failure)
            return found
        if len(value) > self._size_limit_bytes:
            expected = f"at most {self._size_limit_bytes} bytes"
            found.failures.append(Failure(ROOT, "record.size", expected, f"{len(value)} bytes"))
            return found
        try:
            record = self._format.parse(value)
        except Malformed as error:
            found.failures.append(Failure(ROOT, error.rule, error.expected, error.observed))
            return found
        found.most_path_bytes = most_path_bytes(len(value))
        try:
            _run(self._checks, record, record, None, found)
            found.row = self._record.read(record, None, found)
            found.failures.extend(self._record.undeclared(record, None, found))
        except _TooMuch:
            return too_much(len(value))
        if found.all_typed:
            found.failures.extend(self._record_failures(found.row))
        if self._keeps_unknown:
            found.row[UNKNOWN_FIELDS] = unknown_text(found.unknown)
        return found

    def judge_doubt(self, value: bytes, doubt: Doubt) -> Judgement:
        """The verdict on a record of which all but what is in ``doubt`` is known to be good.

        ``value`` is known to be a record that the format reads, with no undeclared field that is
        refused, and with those that are kept below half of what may be told of paths. The answer
        is that of :meth:`judge`, sooner.
        """
        if self._checks and not doubt.is_read:
            return self.judge(value)
        rules = doubt.rules and doubt.is_read
        names = [self._record.name(at) for at in doubt.columns]
        members = self._format.parse_some(value, names + self._looked_at if rules else names)
        found = Judgement(stands=doubt.is_read, most_path_bytes=most_path_bytes(len(value)) // 2)
        try:
            for column in doubt.columns:
                self._record.read_member(column, members, found)
        except _TooMuch:
            return self.judge(value)
        if rules:
            found.failures.extend(self._record_failures(self._row_looked_at(members)))
        if doubt.is_read or (found.rejects and not (self._has_rules and found.all_typed)):
            return found
        return self.judge(value)

    @property
    def _has_rules(self) -> bool:
        """Whether rules look at the whole record, or relationships."""
        return bool(self._rules or self._references)

    def _row_looked_at(self, members: Mapping[str, Json]) -> dict[str, Any]:
        """The members that :attr:`_looked_at` names, typed; they are known to be good."""
        judged = Judgement()
        return {
            name: self._record.read_member(self._record.position(name), members, judged)
            for name in self._looked_at
        }

    def _record_failures(self, row: dict[str, Any]) -> Iterator[Failure]:
        """What the rules over the whole record say of a row that is typed."""
        yield from _row_failures(self._rules, row)
        for reference in self._references:
            yield from reference.failures(row)


def too_much(record_bytes: int) -> Judgement:
    """The verdict on a record of that size of which there is more to tell than may be."""
    expected = f"paths of at most {most_path_bytes(record_bytes)} bytes in all"
    return Judgement([Failure(ROOT, PATHS_CODE, expected, "more")])


def unknown_text(unknown: Mapping[str, str]) -> str | None:
    """The ``_unknown_fields`` of a record: a JSON object of path to value; None for none."""
    if not unknown:
        return None
    members = (
        f"{json.dumps(path, ensure_ascii=False)}:{unknown[path]}" for path in sorted(unknown)
    )
    return "{" + ",".join(members) + "}"


def _row_failures(rules: tuple[GateRule, ...], row: dict[str, Any]) -> list[Failure]:
    return [
        Failure(ROOT, "sql", rule.expected, rule.observe(row), rule.severity)
        for rule in rules
        if evaluate(rule.rule, row)
    ]


def _run(
    checks: tuple[Check, ...],
    value: Any,
    shown: Json,
    steps: Steps,
    found: Judgement,
    *,
    counts: bool = False,
) -> None:
    for check in checks:
        if not check.rule.check(value, check.bound):
            path = path_at(steps)
            if counts:
                found.count_failure(path, check.expected)
            found.failures.append(
                Failure(path, check.rule.code, check.expected, observe(shown), check.severity)
            )


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
                members = _Object(fields, pattern, unknown_fields, repeats=repeats)
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
            _run(self._checks, typed, value, steps, found, counts=self._repeats)
        if self._object_checks and isinstance(value, dict):
            _run(self._object_checks, value, value, steps, found, counts=self._repeats)
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


class _Object:
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
