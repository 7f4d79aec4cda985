"""Where a rule's values come from: a property of a stream as a column of a subquery.

A property is named as the contract's rules name it, ``price``, ``address.city``,
``lines.element.qty``, or by its path, ``$.lines[*].qty``. Inside an object the values are those of
rows where the object is there; inside a list every item is a value of its own.
"""

# ruff: noqa: S608 - names go through identifier(), texts through literal()

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from lakegate.audit.base import Unjudgeable
from lakegate.audit.result import Sample
from lakegate.audit.session import Session
from lakegate.contract.stream import Stream
from lakegate.contract.type import ArrayType, Field, ObjectType, Type
from lakegate.lake.spelling import identifier

__all__ = ["COORDINATES", "SAMPLES", "Source", "samples", "source_of"]

COORDINATES = "_topic, _source_partition, _offset"
SAMPLES = 5
_CARRIED = f"_ingested_at, {COORDINATES}"
_LONGEST = 80


@dataclass(frozen=True, slots=True)
class Source:
    """A subquery with the source columns and the values as ``v0``, ``v1``, ...

    ``properties`` are the names of the values and ``types`` their types, in the same order.
    """

    sql: str
    properties: tuple[str, ...]
    types: tuple[Type, ...]

    @property
    def columns(self) -> tuple[str, ...]:
        """``v0``, ``v1``, ... one for each property."""
        return tuple(f"v{index}" for index in range(len(self.properties)))


def source_of(stream: Stream, properties: Sequence[str], *, view: str) -> Source:
    """The values of these properties in the view, one row per value (per row, for several).

    Raises:
        Unjudgeable: the stream has no such property, or one of several lies inside a list.
    """
    if len(properties) == 0:
        raise Unjudgeable("the rule names no property; put it on a property or list `properties`")
    if len(properties) == 1:
        sql, kind = _walk(stream, properties[0], view)
        return Source(sql, (properties[0],), (kind,))
    found = [_scalar(stream, name) for name in properties]
    values = ", ".join(f"{expression} AS v{index}" for index, (expression, _) in enumerate(found))
    sql = f"SELECT {_CARRIED}, {values} FROM {identifier(view)}"
    return Source(sql, tuple(properties), tuple(kind for _, kind in found))


def samples(session: Session, source: Source, condition: str) -> tuple[Sample, ...]:
    """The first rows, by source coordinates, for which the condition on ``v0``, ... is true."""
    values = "".join(
        f", CAST({column} AS VARCHAR)[:{_LONGEST}] AS {column}" for column in source.columns
    )
    found = session.rows(
        f"SELECT {COORDINATES}{values} FROM ({source.sql}) WHERE {condition} "
        f"ORDER BY {COORDINATES} LIMIT {SAMPLES}"
    )
    return tuple(
        Sample(topic, partition, offset, tuple(zip(source.properties, texts, strict=True)))
        for topic, partition, offset, *texts in found
    )


def _steps(name: str) -> list[str]:
    return name.removeprefix("$.").replace("[*]", ".element").split(".")


def _walk(stream: Stream, name: str, view: str) -> tuple[str, Type]:
    """One nested subquery per step into an object or a list."""
    first, *rest = _steps(name)
    kind = _field(stream.fields, first, name).type
    sql = f"SELECT {_CARRIED}, {identifier(first)} AS v0 FROM {identifier(view)}"
    for step in rest:
        if isinstance(kind, ArrayType) and step == "element":
            kind = kind.item.type
            sql = f"SELECT {_CARRIED}, unnest(v0) AS v0 FROM ({sql})"
            continue
        if not isinstance(kind, ObjectType):
            raise _missing(name, step)
        kind = _field(kind.fields, step, name).type
        sql = f"SELECT {_CARRIED}, v0.{identifier(step)} AS v0 FROM ({sql}) WHERE v0 IS NOT NULL"
    return sql, kind


def _scalar(stream: Stream, name: str) -> tuple[str, Type]:
    """The expression of a property that has one value per row."""
    first, *rest = _steps(name)
    kind = _field(stream.fields, first, name).type
    expression = identifier(first)
    for step in rest:
        if isinstance(kind, ArrayType):
            raise Unjudgeable(
                f"property {name!r} lies inside a list and cannot be combined with others; "
                "write the rule in SQL with UNNEST"
            )
        if not isinstance(kind, ObjectType):
            raise _missing(name, step)
        kind = _field(kind.fields, step, name).type
        expression += f".{identifier(step)}"
    return expression, kind


def _field(fields: Sequence[Field], step: str, name: str) -> Field:
    for field in fields:
        if field.name == step:
            return field
    raise _missing(name, step)


def _missing(name: str, step: str) -> Unjudgeable:
    return Unjudgeable(
        f"the contract declares no property {name!r} (nothing called {step!r} there)"
    )
