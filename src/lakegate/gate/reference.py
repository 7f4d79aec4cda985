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

A record with too much to tell has one failure in place of all (:mod:`lakegate.gate.judgement`).
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from copy import copy
from typing import Any, Self

from lakegate.contract.stream import Stream, UnknownFields
from lakegate.contract.type import ObjectType
from lakegate.gate.check import compile_checks, run_checks
from lakegate.gate.declared import Members
from lakegate.gate.decode.choice import format_of
from lakegate.gate.decode.format import Format
from lakegate.gate.json_text import Json, Malformed
from lakegate.gate.judgement import Doubt, Judgement, TooMuch, too_much
from lakegate.gate.path import ROOT, most_path_bytes
from lakegate.gate.references import HeldReference
from lakegate.gate.schema import UNKNOWN_FIELDS
from lakegate.gate.sql.record import evaluate
from lakegate.gate.sql.rule import GateRule, row_rules
from lakegate.gate.verdict import Failure

__all__ = ["Reference", "unknown_text"]


class Reference:
    """Judges records of one stream; holds nothing between calls.

    ``format`` is that of the stream when it is None.
    """

    def __init__(self, stream: Stream, format: Format | None = None) -> None:  # noqa: A002
        self._format = format_of(stream) if format is None else format
        self._size_limit_bytes = stream.size_limit_bytes
        self._keeps_unknown = stream.unknown_fields is UnknownFields.KEEP
        self._record = Members(stream.fields, ROOT, stream.unknown_fields)
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
            run_checks(self._checks, record, record, None, found)
            found.row = self._record.read(record, None, found)
            found.failures.extend(self._record.undeclared(record, None, found))
        except TooMuch:
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
        except TooMuch:
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
