"""What a contract's properties mean once normalised: the one shape that gate, lake and audit share.

ODCS lets an author say the same thing in several ways (logical type, physical type, options).
Loading resolves them into the few types below; everything that is *checked* about a value beyond
its type is a :class:`Constraint` with a stable rule code.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, time
from decimal import Decimal
from enum import StrEnum
from typing import TypeAlias

__all__ = [
    "AnyType",
    "ArrayType",
    "BooleanType",
    "Bound",
    "Constraint",
    "DateType",
    "DecimalType",
    "Field",
    "IntegerType",
    "Location",
    "MapType",
    "NumberType",
    "ObjectType",
    "Severity",
    "StringType",
    "TimeType",
    "TimestampType",
    "Type",
]


class Severity(StrEnum):
    """What a failed check leads to (SEMANTICS "severity"); ordered by :attr:`rank`."""

    INFO = "info"  # counted
    WARNING = "warning"  # accepted, counted, alerted over a threshold
    ERROR = "error"  # rejected
    CRITICAL = "critical"  # rejected, and the stream pauses

    @property
    def rank(self) -> int:
        """0 (info) to 3 (critical)."""
        return list(Severity).index(self)

    @property
    def rejects(self) -> bool:
        """Whether a record that fails at this severity is rejected."""
        return self.rank >= 2


@dataclass(frozen=True, slots=True)
class Location:
    """Where a statement stands in its file; line and column count from 1."""

    file: str
    line: int
    column: int

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}"


@dataclass(frozen=True, slots=True)
class StringType:
    """Text. Formats, lengths and patterns are constraints."""


@dataclass(frozen=True, slots=True)
class IntegerType:
    """An integer token within the width. ``bits`` is 8, 16, 32 or 64."""

    bits: int = 64
    signed: bool = True


@dataclass(frozen=True, slots=True)
class NumberType:
    """A double: the nearest IEEE 754 binary64 value of the token."""


@dataclass(frozen=True, slots=True)
class DecimalType:
    """An exact decimal; a value with more scale or precision is rejected, never rounded."""

    precision: int  # 1..38
    scale: int  # 0..precision


@dataclass(frozen=True, slots=True)
class BooleanType:
    """``true`` or ``false``."""


@dataclass(frozen=True, slots=True)
class DateType:
    """A calendar date. ``format`` is None for ``YYYY-MM-DD``, else a checked JDK pattern."""

    format: str | None = None


@dataclass(frozen=True, slots=True)
class TimeType:
    """A time of day, ``HH:MM:SS[.f]``, or as ``format`` (a checked JDK pattern) says."""

    format: str | None = None


@dataclass(frozen=True, slots=True)
class TimestampType:
    """A point in time, stored as UTC microseconds.

    ``zoned`` (ODCS ``timezone``, default true): the text carries a zone. Otherwise it is local
    time in ``default_timezone`` (an IANA name). ``format`` is None for RFC 3339, else a checked
    JDK pattern.
    """

    zoned: bool = True
    default_timezone: str = "UTC"
    format: str | None = None


@dataclass(frozen=True, slots=True)
class ArrayType:
    """A list. ``item`` is a field named ``element``; its ``required`` forbids null items."""

    item: Field


@dataclass(frozen=True, slots=True)
class ObjectType:
    """A nested object with declared properties, in declared order."""

    fields: tuple[Field, ...]


@dataclass(frozen=True, slots=True)
class MapType:
    """A JSON object whose names are data: ``key`` is a text, ``value`` the value of each.

    They are fields named ``key`` and ``value``; ``value.required`` forbids null values.
    """

    key: Field
    value: Field


@dataclass(frozen=True, slots=True)
class AnyType:
    """Any JSON value, kept as JSON text: no logical type, or an object without properties."""


Type: TypeAlias = (
    StringType
    | IntegerType
    | NumberType
    | DecimalType
    | BooleanType
    | DateType
    | TimeType
    | TimestampType
    | ArrayType
    | ObjectType
    | MapType
    | AnyType
)

Bound: TypeAlias = int | str | bool | Decimal | date | datetime | time | tuple[str | None, ...]


@dataclass(frozen=True, slots=True)
class Constraint:
    """One thing checked per record about one value, beyond its type.

    ``rule`` is the stable code (ODCS's own name of the option or metric) and fixes the kind of
    ``bound``:

    ==========================================  ====================================================
    minLength maxLength                         int, Unicode code points
    minItems maxItems minProperties ...         int
    pattern                                     str, ECMA-262 source
    format                                      str: uuid email uri hostname ipv4 ipv6 byte binary
    minimum maximum exclusiveMinimum ...        Decimal for numbers (int for integers); date, aware
                                                UTC datetime, or time for temporal types
    multipleOf                                  Decimal
    uniqueItems                                 True
    requiredKeys                                tuple of names that must exist (may be null)
    nullValues                                  0: null or absent is refused
    missingValues                               tuple of texts (or None) that count as missing
    invalidValues                               tuple of the valid texts; null is not invalid
    invalidPattern                              str: pattern of an ``invalidValues`` rule
    ==========================================  ====================================================
    """

    rule: str
    bound: Bound
    severity: Severity = Severity.ERROR
    location: Location | None = None


@dataclass(frozen=True, slots=True)
class Field:
    """One property, normalised.

    ``path`` is its JSONPath from the record, ``$.lines[*].qty``. ``id`` is the ODCS element id, by
    which a table follows a rename. ``required``: present and not null.
    """

    name: str
    type: Type
    path: str
    required: bool = False
    required_severity: Severity = Severity.ERROR
    type_severity: Severity = Severity.ERROR
    unique: bool = False
    constraints: tuple[Constraint, ...] = ()
    id: str | None = None
    classification: str | None = None
    description: str | None = None
    location: Location | None = None
