"""A stream as the native path takes it: plain data, and what its codes mean.

The native path knows no contract. It is given what :class:`~lakegate.gate.reference.Reference` is
made of, in the same order: for each declared value its type, its checks with their bounds made
ready, and a *code* for every way in which it can fail. A code stands for what a failure says except
for what was observed.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from lakegate.contract.stream import Stream, UnknownFields
from lakegate.contract.type import (
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
    Severity,
    StringType,
    TimestampType,
    TimeType,
    Type,
)
from lakegate.gate.check import Check, compile_checks
from lakegate.gate.decode.frame import Frame
from lakegate.gate.native.bound import check_plan, miss_texts, reader_plan
from lakegate.gate.native.choice import FORMAT
from lakegate.gate.path import BASE_BYTES, FAILURE_BYTES, PER_BYTE, ROOT, child
from lakegate.gate.references import judged_here
from lakegate.gate.sql.rule import row_rules
from lakegate.gate.value import integer_range

__all__ = ["Code", "NativePlan", "native_plan", "type_name"]


@dataclass(frozen=True, slots=True)
class Code:
    """What a failure says; ``path`` is cut where indices and keys stand, empty for undeclared ones.

    ``constraint`` is the check behind it, None for types, presence and undeclared fields.
    """

    rule: str
    expected: str
    severity: Severity
    path: tuple[str, ...]
    constraint: Constraint | None = None


@dataclass(frozen=True, slots=True)
class NativePlan:
    """``text`` is the JSON of the plan; ``codes`` are what its numbers mean."""

    text: str
    codes: tuple[Code, ...]


def native_plan(stream: Stream, frame: Frame) -> NativePlan:
    """The plan of a stream whose records are JSON behind ``frame``.

    Raises:
        ContractError: as :func:`~lakegate.gate.reference.compile_checks`.
    """
    codes = _Codes()
    checks = compile_checks(stream.constraints, ObjectType(stream.fields))
    plan = {
        "format": FORMAT,
        "size_limit": stream.size_limit_bytes,
        "told": {"base": BASE_BYTES, "per_byte": PER_BYTE, "failure": FAILURE_BYTES},
        "header_bytes": frame.size_bytes,
        "magic": list(frame.magic),
        "unknown": _UNKNOWN[stream.unknown_fields],
        "has_rules": bool(row_rules(stream) or judged_here(stream)),
        "record": _object(stream.fields, (ROOT,), codes),
        "record_checks": [
            {"code": codes.of_check(check, constraint, (ROOT,)), **_key_check(check)}
            for check, constraint in zip(checks, stream.constraints, strict=True)
        ],
        "unknown_code": codes.add("unknownField", "a declared field", Severity.ERROR, ()),
        "codes": codes.plain(),
    }
    return NativePlan(json.dumps(plan, ensure_ascii=False), tuple(codes.all))


_UNKNOWN: Mapping[UnknownFields, str] = {
    UnknownFields.KEEP: "keep",
    UnknownFields.REJECT: "reject",
    UnknownFields.IGNORE: "ignore",
}


class _Codes:
    """The codes given out so far."""

    def __init__(self) -> None:
        self.all: list[Code] = []

    def add(
        self,
        rule: str,
        expected: str,
        severity: Severity,
        path: tuple[str, ...],
        *,
        constraint: Constraint | None = None,
    ) -> int:
        self.all.append(Code(rule, expected, severity, path, constraint))
        return len(self.all) - 1

    def of_check(self, check: Check, constraint: Constraint, path: tuple[str, ...]) -> int:
        return self.add(
            check.rule.code, check.expected, check.severity, path, constraint=constraint
        )

    def plain(self) -> list[dict[str, Any]]:
        return [
            {
                "rule": code.rule,
                "expected": code.expected,
                "severity": code.severity.value,
                "rejects": code.severity.rejects,
                "path": code.path,
            }
            for code in self.all
        ]


def _object(fields: tuple[Field, ...], path: tuple[str, ...], codes: _Codes) -> dict[str, Any]:
    members = [
        {"name": field.name, **_value(field, (*path[:-1], child(path[-1], field.name)), codes)}
        for field in fields
    ]
    return {"path": path, "members": members}


def _value(field: Field, path: tuple[str, ...], codes: _Codes) -> dict[str, Any]:
    """A declared value, wherever it stands (see ``_Value`` of the reference)."""
    null_codes = []
    if field.required:
        severity = field.required_severity
        null_codes.append(codes.add("required", "a value, not null", severity, path))
    type_code = len(codes.all)
    for rule, expected in miss_texts(field.type):
        codes.add(rule, expected, field.type_severity, path)
    checks, key_checks = [], []
    ready = compile_checks(field.constraints, field.type)
    for check, constraint in zip(ready, field.constraints, strict=True):
        code = codes.of_check(check, constraint, path)
        if check.rule.judges_null and not check.rule.check(None, check.bound):
            null_codes.append(code)
        if check.rule.on_object:
            key_checks.append({"code": code, **_key_check(check)})
        else:
            bound = check_plan(constraint.rule, constraint.bound, field.type)
            checks.append({"code": code, "rule": constraint.rule, "bound": bound})
    return {
        "path": "[*]".join(path),
        "type": type_name(field.type),
        "null_codes": null_codes,
        "type_code": type_code,
        "checks": checks,
        "key_checks": key_checks,
        **_kind(field.type, path, codes),
    }


def _key_check(check: Check) -> dict[str, Any]:
    bound = check.bound
    return {"rule": check.rule.code, "bound": list(bound) if isinstance(bound, tuple) else bound}


def _kind(type_: Type, path: tuple[str, ...], codes: _Codes) -> dict[str, Any]:
    match type_:
        case IntegerType(bits=64, signed=False):
            return {"kind": "unsigned"}
        case IntegerType(bits=bits, signed=signed):
            low, high = integer_range(type_)
            is_short = bits <= (32 if signed else 16)
            return {"kind": "integer", "low": low, "high": high, "bits": 32 if is_short else 64}
        case DecimalType(precision=precision, scale=scale):
            return {"kind": "decimal", "precision": precision, "scale": scale}
        case DateType() | TimeType() | TimestampType():
            return {"kind": type_name(type_), "reader": reader_plan(type_)}
        case ArrayType(item=item):
            return {"kind": "array", "item": _value(item, (*path, ""), codes)}
        case MapType(key=key, value=value):
            inside = (*path, "")
            return {
                "kind": "map",
                "key": _value(key, inside, codes),
                "value": _value(value, inside, codes),
            }
        case ObjectType(fields=fields):
            return {"kind": "object", **_object(fields, path, codes)}
        case _:
            return {"kind": type_name(type_)}


def type_name(type_: Type) -> str:
    """``string integer number decimal boolean date time timestamp any array object map``."""
    match type_:
        case StringType():
            return "string"
        case IntegerType():
            return "integer"
        case NumberType():
            return "number"
        case DecimalType():
            return "decimal"
        case BooleanType():
            return "boolean"
        case DateType():
            return "date"
        case TimeType():
            return "time"
        case TimestampType():
            return "timestamp"
        case ArrayType():
            return "array"
        case ObjectType():
            return "object"
        case MapType():
            return "map"
        case _:
            return "any"
