"""Change data capture: what a contract says of the change events its stream takes.

``lakegate.cdc: debezium`` makes a stream take Debezium change events instead of plain records
(docs/reference/cdc.md). An event that carries its schema says itself how a decimal or a date is
encoded; one that does not leaves it to the contract (SEMANTICS "CDC"), so that nothing is guessed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from lakegate.contract.type import (
    ArrayType,
    DateType,
    DecimalType,
    Field,
    ObjectType,
    TimestampType,
    TimeType,
    Type,
)

if TYPE_CHECKING:
    from lakegate.contract.custom import Settings
    from lakegate.contract.document import Node
    from lakegate.contract.problem import Report

__all__ = ["CDC_COLUMNS", "Cdc", "CdcFormat", "CdcSchema", "Encoding", "cdc_of", "kind_of"]

# Columns a change has beside the contract's, in the order in which they stand in the table.
CDC_COLUMNS = (
    "_op",
    "_source_position",
    "_source_ts",
    "_transaction",
    "_source_table",
    "_unavailable",
)


class CdcFormat(StrEnum):
    """``lakegate.cdc``: the form of the events."""

    DEBEZIUM = "debezium"


class CdcSchema(StrEnum):
    """``lakegate.cdc.schema``: whether events carry their schema."""

    EMBEDDED = "embedded"  # {"schema": …, "payload": …}, always
    NONE = "none"  # the contract says how values are encoded


class Encoding(StrEnum):
    """How a connector without embedded schema writes a value that JSON has no type for."""

    STRING = "string"  # as text; decimal.handling.mode=string, ISO dates
    BASE64 = "base64"  # decimal.handling.mode=precise: two's complement, scale as declared
    NUMBER = "number"  # decimal.handling.mode=double: a JSON number
    DAYS = "days"  # since 1970-01-01
    MILLIS = "millis"  # since midnight, or since 1970-01-01T00:00:00Z
    MICROS = "micros"
    NANOS = "nanos"


_UNITS = (Encoding.STRING, Encoding.MILLIS, Encoding.MICROS, Encoding.NANOS)
ENCODINGS = {
    "decimal": (Encoding.STRING, Encoding.BASE64, Encoding.NUMBER),
    "date": (Encoding.STRING, Encoding.DAYS),
    "time": _UNITS,
    "timestamp": _UNITS,
}


@dataclass(frozen=True, slots=True)
class Cdc:
    """What a stream's change events are.

    ``encodings`` are of properties by path (``$.paid_at``), for those that need one and have it.
    ``source_table`` is ``table`` or ``schema.table``: events of other tables are refused; None
    takes any. ``current_table`` is the name of the merged table.
    """

    format: CdcFormat = CdcFormat.DEBEZIUM
    schema: CdcSchema = CdcSchema.NONE
    encodings: tuple[tuple[str, Encoding], ...] = ()
    source_table: str | None = None
    current_table: str = ""


def kind_of(type_: Type) -> str | None:
    """The kind of encoding a type needs: decimal, date, time, timestamp; or None."""
    match type_:
        case DecimalType():
            return "decimal"
        case DateType():
            return "date"
        case TimeType():
            return "time"
        case TimestampType():
            return "timestamp"
        case _:
            return None


def encoding_of(kind: str) -> Callable[[str], Encoding | None]:
    """The reader of a ``lakegate.cdc.<kind>`` value; None for what is none."""

    def parse(text: str) -> Encoding | None:
        return next((item for item in ENCODINGS[kind] if item.value == text), None)

    return parse


def cdc_of(
    node: Node,
    fields: tuple[Field, ...],
    key: tuple[str, ...],
    *,
    table: str,
    own: Settings,
    contract: Settings,
    report: Report,
) -> Cdc | None:
    """What the settings of an object say of its change events; None if it takes none.

    A stream of changes needs a primary key (LG804), and an encoding for each property that JSON
    has no type for, unless events carry their schema (LG805). A declared ``format`` is of text
    only (LG806).
    """

    def setting(name: str) -> object:
        value = own.get(name)
        return value if value is not None else contract.get(name)

    form = setting("cdc")
    if not isinstance(form, CdcFormat):
        return None
    at = own.at("cdc", contract.at("cdc", node.at))
    if not key:
        advice = "mark the properties that identify a row with `primaryKey: true`"
        report.add("LG804", at, f"`{node.text('name')}` has no primary key", advice=advice)
    schema = setting("cdc.schema")
    embedded = schema is CdcSchema.EMBEDDED
    encodings: list[tuple[str, Encoding]] = []
    for field, top in _needing(fields):
        kind = kind_of(field.type) or ""
        said = _of_property(node, top, kind)
        encoding = said if said is not None else setting(f"cdc.{kind}")
        if isinstance(encoding, Encoding):
            encodings.append((field.path, encoding))
        elif not embedded:
            choices = ", ".join(ENCODINGS[kind])
            report.add(
                "LG805",
                field.location or at,
                f"it is not said how change events encode {kind} `{field.path}`",
                advice=f"set `lakegate.cdc.{kind}` to one of {choices}, on the property or the "
                "object, or `lakegate.cdc.schema` to embedded if events carry their schema",
            )
        written = getattr(field.type, "format", None)
        if written is not None and encoding is not Encoding.STRING:
            report.add(
                "LG806",
                field.location or at,
                f"`{field.path}` has format `{written}`, and its change events are not text",
                advice=f"leave the format out, or set `lakegate.cdc.{kind}` to string",
            )
    source, current = setting("cdc.table"), setting("cdc.current")
    return Cdc(
        format=form,
        schema=CdcSchema.EMBEDDED if embedded else CdcSchema.NONE,
        encodings=tuple(encodings),
        source_table=source if isinstance(source, str) else None,
        current_table=current if isinstance(current, str) else f"{table}_current",
    )


def _needing(fields: tuple[Field, ...]) -> Iterator[tuple[Field, str]]:
    """Every field, however deep, that needs an encoding, with the name of its top-level column."""
    waiting = [(field, field.name) for field in reversed(fields)]
    while waiting:
        field, top = waiting.pop()
        match field.type:
            case ObjectType(fields=members):
                waiting += [(member, top) for member in reversed(members)]
            case ArrayType(item=item):
                waiting.append((item, top))
            case _:
                if kind_of(field.type) is not None:
                    yield field, top


def _of_property(node: Node, name: str, kind: str) -> Encoding | None:
    """The property's own ``lakegate.cdc.<kind>``; what is wrong with it is reported elsewhere."""
    for item in node.items("properties"):
        if item.text("name") == name:
            for entry in item.items("customProperties"):
                if entry.text("property") == f"lakegate.cdc.{kind}":
                    return encoding_of(kind)(entry.text("value") or "")
    return None
