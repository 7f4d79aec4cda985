"""Which path judges what of a stream: natively in one pass, or what falls back, and why."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from lakegate.contract.record_format import RecordFormat
from lakegate.contract.stream import Stream
from lakegate.contract.type import ArrayType, Constraint, Field, MapType, ObjectType
from lakegate.gate.decode.choice import format_of
from lakegate.gate.native.choice import missing, native_module, native_path
from lakegate.gate.native.plan import type_name
from lakegate.gate.path import ROOT, child
from lakegate.gate.schema import arrow_schema
from lakegate.gate.sql.columns import NotVectorised, evaluate_columns
from lakegate.gate.sql.rule import GateRule, row_rules

__all__ = ["Judged", "path_coverage"]

_BYTES = "native"
_COLUMNS = "native, columns"
_FAST = "pure Python"
_REFERENCE = "reference"


@dataclass(frozen=True, slots=True)
class Judged:
    """What is asked (``what``: a type, a check, a rule) of the value at ``subject``, and by whom.

    ``path`` is ``native`` (in the one pass over the bytes), ``native, columns`` (a SQL rule, over
    the columns of that pass), or where it falls back to: ``pure Python`` (the fast path) or
    ``reference``; then ``reason`` says why.
    """

    subject: str
    what: str
    path: str
    reason: str = ""

    @property
    def falls_back(self) -> bool:
        """Whether the native path leaves it to another."""
        return self.path not in (_BYTES, _COLUMNS)


def path_coverage(stream: Stream) -> list[Judged]:
    """Every type, check and rule of a stream, in the order of the contract, each with its path.

    Of a stream of changes, those of its rows.

    Raises:
        ContractError: a pattern, format or SQL rule of the stream cannot be enforced.
    """
    if stream.cdc is not None:
        stream = replace(stream, cdc=None, format=RecordFormat())
    if native_module() is None:
        return _all_of(stream, _FAST, missing())
    native = native_path(stream, format_of(stream), covering=False)
    if native is None:
        return _all_of(stream, _FAST, f"records are {stream.format.name}, not JSON")
    if native.uncovered:
        types = ", ".join(native.uncovered)
        return _all_of(stream, _FAST, f"a type is not covered natively: {types}")
    foreign = {id(code.constraint) for code in native.foreign}

    def path_of(check: Constraint) -> tuple[str, str]:
        if id(check) in foreign:
            return _FAST, "judged over columns; what fails is judged by the reference"
        return _BYTES, ""

    found = [Judged(ROOT, _said(check), *path_of(check)) for check in stream.constraints]
    for path, field in _values(stream.fields, ROOT):
        found.append(Judged(path, f"type {type_name(field.type)}", _BYTES))
        if field.required:
            found.append(Judged(path, "required", _BYTES))
        found += [Judged(path, _said(check), *path_of(check)) for check in field.constraints]
    return found + [_of_rule(rule, stream) for rule in row_rules(stream)]


def _all_of(stream: Stream, path: str, reason: str) -> list[Judged]:
    found = [Judged(ROOT, _said(check), path, reason) for check in stream.constraints]
    for where, field in _values(stream.fields, ROOT):
        found.append(Judged(where, f"type {type_name(field.type)}", path, reason))
        found += [Judged(where, _said(check), path, reason) for check in field.constraints]
    return found + [Judged(ROOT, rule.expected, path, reason) for rule in row_rules(stream)]


def _of_rule(rule: GateRule, stream: Stream) -> Judged:
    try:
        evaluate_columns(rule.rule, arrow_schema(stream).empty_table())
    except NotVectorised as cause:
        return Judged(ROOT, rule.expected, _REFERENCE, str(cause))
    return Judged(ROOT, rule.expected, _COLUMNS)


def _said(check: Constraint) -> str:
    return f"{check.rule} {check.bound}"


def _values(fields: tuple[Field, ...], path: str) -> Iterator[tuple[str, Field]]:
    for field in fields:
        yield from _value(child(path, field.name), field)


def _value(path: str, field: Field) -> Iterator[tuple[str, Field]]:
    yield path, field
    match field.type:
        case ArrayType(item=item):
            yield from _value(f"{path}[*]", item)
        case MapType(key=key, value=item):
            yield f"{path}[*]", replace(key, required=False)  # a name is always there
            yield from _value(f"{path}[*]", item)
        case ObjectType(fields=members):
            yield from _values(members, path)
