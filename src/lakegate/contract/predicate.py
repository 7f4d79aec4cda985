"""Row rules: SQL quality rules that can be judged record by record.

``SELECT COUNT(*) FROM {object} WHERE p`` with ``mustBe: 0`` says that no record may make ``p`` true
(SEMANTICS "rules judged at the gate"). When every part of ``p`` is understood *exactly* as DuckDB
means it, the rule becomes a :class:`RowRule`: a small typed expression that the gate evaluates.
Otherwise it is :class:`NotPerRecord` with the reason, and the audit runs the SQL itself. Exactness
goes before breadth: whatever depends on settings, versions or other rows is left to the audit.

The expression is resolved: columns carry their path and kind, every conversion is spelled out, and
``BETWEEN``, ``IN``, ``NULLIF`` are already comparisons. Logic is three-valued.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum
from typing import TypeAlias

from lakegate.contract.type import Field
from lakegate.errors import ContractError

__all__ = [
    "Call",
    "Column",
    "Expression",
    "Kind",
    "Literal",
    "NotPerRecord",
    "Op",
    "RowRule",
    "SqlRuleError",
    "parse_row_rule",
]


class Kind(StrEnum):
    """What a value is while a rule is evaluated, and how it is held."""

    INTEGER = "integer"  # int, unbounded
    DECIMAL = "decimal"  # Decimal, exact
    DOUBLE = "double"  # float
    STRING = "string"  # str
    BOOLEAN = "boolean"  # bool
    DATE = "date"  # int, days since 1970-01-01
    TIME = "time"  # int, microseconds of the day
    TIMESTAMP = "timestamp"  # int, microseconds since 1970, UTC
    NULL = "null"  # the bare word NULL
    OPAQUE = "opaque"  # an object, array or untyped value: only IS NULL asks something of it


class Op(StrEnum):
    """What a :class:`Call` does. A null argument gives null, unless said otherwise."""

    AND = "and"  # three-valued
    OR = "or"  # three-valued
    NOT = "not"
    IS_NULL = "is null"  # never null
    EQ = "="
    LT = "<"
    LE = "<="
    DISTINCT = "is distinct from"  # never null
    CASE = "case"  # condition, value, condition, value, ..., else
    COALESCE = "coalesce"  # the first that is not null
    GREATEST = "greatest"  # of those not null
    LEAST = "least"  # of those not null
    ADD = "+"
    SUBTRACT = "-"
    MULTIPLY = "*"
    DIVIDE = "/"  # doubles; the divisor is never zero
    INTEGER_DIVIDE = "//"  # towards zero; the divisor is never zero
    MODULO = "%"  # has the sign of the dividend; the divisor is never zero
    NEGATE = "negate"
    ABS = "abs"
    LENGTH = "length"  # code points
    LOWER = "lower"  # of ILIKE only: beyond ASCII it depends on the version of Unicode
    TRIM = "trim"  # Unicode spaces (Zs) at both ends
    SUBSTRING = "substring"  # text, start >= 1, length >= 0; code points
    STARTS_WITH = "starts_with"
    ENDS_WITH = "ends_with"
    CONTAINS = "contains"
    MATCHES = "matches"  # text, RE2 source as a literal; search
    TO_DOUBLE = "to double"  # of an integer, or a decimal of at most 15 digits
    TO_DECIMAL = "to decimal"  # of an integer
    TO_TIMESTAMP = "to timestamp"  # of a date: its midnight
    TO_DATE = "to date"  # of a timestamp: its day in UTC
    YEAR = "year"  # of a date or timestamp
    MONTH = "month"
    DAY = "day"
    HOUR = "hour"  # of a timestamp or time
    MINUTE = "minute"
    SECOND = "second"


@dataclass(frozen=True, slots=True)
class Column:
    """A field of the record, by its path of names; null when any step is null or absent.

    ``precision`` and ``scale`` belong to decimals.
    """

    path: tuple[str, ...]
    kind: Kind
    precision: int = 0
    scale: int = 0

    def __str__(self) -> str:
        return ".".join(self.path)


@dataclass(frozen=True, slots=True)
class Literal:
    """A constant; None is NULL of that kind."""

    value: int | float | Decimal | str | bool | None
    kind: Kind
    precision: int = 0
    scale: int = 0


@dataclass(frozen=True, slots=True)
class Call:
    """An operation on expressions, of the kind it gives."""

    op: Op
    args: tuple[Expression, ...]
    kind: Kind
    precision: int = 0
    scale: int = 0


Expression: TypeAlias = Column | Literal | Call


@dataclass(frozen=True, slots=True)
class RowRule:
    """A rule the gate judges: a record for which ``expression`` is true is rejected.

    ``text`` is the SQL of the predicate with its placeholders resolved, for messages. ``columns``
    are the paths it looks at, each once, in order of appearance.
    """

    text: str
    expression: Expression
    columns: tuple[tuple[str, ...], ...] = field(default=())


@dataclass(frozen=True, slots=True)
class NotPerRecord:
    """The rule is SQL, but not one the gate judges; ``reason`` names the construct."""

    reason: str


class SqlRuleError(ContractError):
    """A SQL rule that cannot be right: it does not parse, or names a column nobody declared.

    ``line`` and ``column`` count from 1 in the query with its placeholders resolved; None if
    unknown.
    """

    def __init__(self, message: str, *, line: int | None = None, column: int | None = None) -> None:
        self.line = line
        self.column = column
        super().__init__(message)


def columns_of(expression: Expression) -> Iterator[Column]:
    """Every column an expression looks at, in order of appearance, repeated as it repeats."""
    if isinstance(expression, Column):
        yield expression
    elif isinstance(expression, Call):
        for arg in expression.args:
            yield from columns_of(arg)


def parse_row_rule(
    query: str,
    fields: tuple[Field, ...],
    *,
    property_name: str | None = None,
    object_name: str | None = None,
) -> RowRule | NotPerRecord:
    """Read the query of an ODCS ``type: sql`` rule whose operator is ``mustBe: 0``.

    The placeholders ``{object} {table} {property} {column}`` may have a ``$`` before them.
    ``property_name`` (dotted for nested ones) is the property the rule stands at; ``object_name``
    lets a query name its own table outright.

    Raises:
        SqlRuleError: the SQL does not parse; a column is not declared (with the nearest name); or
            ``{property}`` stands in a rule that belongs to no property.
    """
    # sqlglot costs 100 ms to import, and contracts without SQL rules never need it.
    from lakegate.contract.predicate_query import read_query

    return read_query(query, fields, property_name=property_name, object_name=object_name)
