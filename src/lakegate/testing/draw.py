"""Values that fields and their constraints allow, nearly always, drawn at random."""

from __future__ import annotations

import random
import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, TypeAlias

from lakegate.contract.type import (
    AnyType,
    ArrayType,
    BooleanType,
    DateType,
    DecimalType,
    Field,
    IntegerType,
    MapType,
    NumberType,
    ObjectType,
    StringType,
    TimestampType,
    TimeType,
    Type,
)
from lakegate.errors import GateError
from lakegate.gate.json_text import Float, Integer, Json
from lakegate.testing.moment import draw_moment
from lakegate.testing.number import draw_number
from lakegate.testing.text import FORMAT_EXAMPLES, from_pattern

__all__ = ["least_bytes", "shape", "small"]

Bounds: TypeAlias = Mapping[str, Any]

_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?")


def shape(fields: tuple[Field, ...], source: random.Random) -> dict[str, Json]:
    """A record of random values that nearly always keep the constraints of ``fields``."""
    members: dict[str, Json] = {}
    for field in fields:
        if field.required or field.constraints or source.random() < 0.9:
            members[field.name] = _value(field, source)
    return members


def least_bytes(field: Field) -> int:
    """Of the smallest value that :func:`shape` makes of a field, as JSON."""
    bounds = _bounds(field)
    match field.type:
        case StringType():
            return 2 + int(bounds.get("minLength", 0))
        case ArrayType(item=item):
            return 2 + int(bounds.get("minItems", 0)) * (1 + least_bytes(item))
        case ObjectType(fields=fields):
            return 2 + sum(len(f.name) + 4 + least_bytes(f) for f in fields if f.required)
        case _:
            return 1


def small(fields: tuple[Field, ...], limit_bytes: int) -> tuple[Field, ...]:
    """The fields without those whose values are all larger than the limit.

    Raises:
        GateError: such a field is required.
    """
    kept = []
    for field in fields:
        least = least_bytes(field)
        if least <= limit_bytes:
            kept.append(replace(field, type=_small(field.type, limit_bytes)))
        elif field.required:
            if isinstance(field.type, ObjectType):
                small(field.type.fields, limit_bytes)  # names the member, if it is one
            raise GateError(
                f"{field.path}: its smallest value is of {least:,} bytes, and records are made up "
                f"of at most {limit_bytes:,}: lower its minimum length or number of items"
            )
    return tuple(kept)


def _small(type_: Type, limit_bytes: int) -> Type:
    match type_:
        case ObjectType(fields=fields):
            return replace(type_, fields=small(fields, limit_bytes))
        case ArrayType(item=Field(type=ObjectType() as inside) as item):
            return replace(type_, item=replace(item, type=_small(inside, limit_bytes)))
        case MapType(value=Field(type=ObjectType() as inside) as value):
            return replace(type_, value=replace(value, type=_small(inside, limit_bytes)))
        case _:
            return type_


def _bounds(field: Field) -> Bounds:
    return {constraint.rule: constraint.bound for constraint in field.constraints}


def _value(field: Field, source: random.Random) -> Json:
    bounds = _bounds(field)
    valid = [text for text in bounds.get("invalidValues", ()) if text is not None]
    match field.type:
        case StringType():
            return source.choice(valid) if valid else _text(bounds, source)
        case IntegerType() | NumberType() | DecimalType():
            numbers = [text for text in valid if _NUMBER.fullmatch(text)]
            if numbers:
                chosen = source.choice(numbers)
                return Float(chosen) if "." in chosen else Integer(chosen)
            return draw_number(field.type, bounds, source)
        case BooleanType():
            return source.random() < 0.5
        case DateType() | TimeType() | TimestampType() as temporal:
            return source.choice(valid) if valid else draw_moment(temporal, bounds, source)
        case ArrayType(item=item):
            least = bounds.get("minItems", 0)
            most = max(least, min(bounds.get("maxItems", least + 3), least + 3))
            return [_value(item, source) for _ in range(source.randint(least, most))]
        case ObjectType(fields=fields):
            return shape(fields, source)
        case MapType(key=key, value=value):
            names = [_text(_bounds(key), source) for _ in range(source.randint(0, 3))]
            allowed = [t for t in _bounds(key).get("invalidValues", ()) if t is not None]
            names = [source.choice(allowed) for _ in names] if allowed else names
            return {name: _value(value, source) for name in names}
        case AnyType():
            keys = list(bounds.get("requiredKeys", ())) or ["note"]
            keys += [f"note{n}" for n in range(len(keys), bounds.get("minProperties", 0))]
            return {key: _text({}, source) for key in keys}


def _text(bounds: Bounds, source: random.Random) -> str:
    pattern = bounds.get("pattern") or bounds.get("invalidPattern")
    if pattern is not None:
        return from_pattern(pattern, source)
    if "format" in bounds:
        return FORMAT_EXAMPLES[bounds["format"]](source)
    least = bounds.get("minLength", 1)
    most = max(least, min(bounds.get("maxLength", least + 8), least + 8))
    return "".join(source.choices("abcdefghij klmnop", k=source.randint(least, most)))
