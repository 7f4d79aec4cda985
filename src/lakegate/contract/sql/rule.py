"""Row rules: SQL quality rules that can be judged record by record.

``SELECT COUNT(*) FROM {object} WHERE p`` with ``mustBe: 0`` says that no record may make ``p`` true
(SEMANTICS "rules judged at the gate"). When every part of ``p`` is understood *exactly* as DuckDB
means it, the rule becomes a :class:`RowRule`: a small typed expression that the gate evaluates.
Otherwise it is :class:`NotPerRecord` with the reason, and the audit runs the SQL itself. Exactness
goes before breadth: whatever depends on settings, versions or other rows is left to the audit.

The expression is resolved: columns carry their path and type, every conversion is a call, and
``BETWEEN`` and ``NULLIF`` are already comparisons. Logic is three-valued. What a function does with
a value and with a column of values stands in one table (:mod:`.function`).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any, TypeAlias

from lakegate.contract.type import Field
from lakegate.errors import ContractError

if TYPE_CHECKING:
    from lakegate.contract.sql.function import Function

__all__ = [
    "Call",
    "Column",
    "Expression",
    "Form",
    "Kind",
    "Literal",
    "NotPerRecord",
    "Parameter",
    "RowRule",
    "SqlRuleError",
    "SqlType",
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
    INTERVAL = "interval"  # int, microseconds; a month of it is 30 days, as DuckDB compares them
    LIST = "list"  # list of what its item is
    STRUCT = "struct"  # dict
    NULL = "null"  # the bare word NULL
    OPAQUE = "opaque"  # an untyped value: only IS NULL asks something of it


@dataclass(frozen=True, slots=True)
class SqlType:
    """The type of an expression. ``precision`` counts the digits of decimals and integers."""

    kind: Kind
    precision: int = 0
    scale: int = 0
    item: SqlType | None = None
    members: tuple[tuple[str, SqlType], ...] = ()

    def __str__(self) -> str:
        return self.kind.value


class Form(StrEnum):
    """What is not a function of values: it looks at nulls, skips arguments, or runs over items."""

    AND = "and"  # three-valued
    OR = "or"  # three-valued
    IS_NULL = "is null"  # never null
    DISTINCT = "is distinct from"  # never null
    CASE = "case"  # condition, value, condition, value, ..., else
    COALESCE = "coalesce"  # the first that is not null
    GREATEST = "greatest"  # of those not null
    LEAST = "least"  # of those not null
    IN = "in"  # value, constants that are not null
    MEMBER = "member"  # a struct and the name of its member
    FILTER = "list_filter"  # a list, and a test of each item
    TRANSFORM = "list_transform"  # a list, and what becomes of each item


@dataclass(frozen=True, slots=True)
class Column:
    """A field of the record, by its path of names; null when any step is null or absent."""

    path: tuple[str, ...]
    type: SqlType

    def __str__(self) -> str:
        return ".".join(self.path)


@dataclass(frozen=True, slots=True)
class Parameter:
    """The item a test of items looks at; ``depth`` 0 is that of the outermost list."""

    depth: int
    type: SqlType


@dataclass(frozen=True, slots=True)
class Literal:
    """A constant; None is NULL of that type."""

    value: Any
    type: SqlType


@dataclass(frozen=True, slots=True)
class Call:
    """A function or form of expressions, with the type it gives."""

    what: Function | Form
    args: tuple[Expression, ...]
    type: SqlType


Expression: TypeAlias = Column | Parameter | Literal | Call


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
    """The rule is SQL, but not one the gate judges; ``reason`` is why, a clause of its own.

    ``is_condition``: it is a condition on single rows, so that another spelling could be judged.
    """

    reason: str
    is_condition: bool = False


class SqlRuleError(ContractError):
    """A SQL rule that cannot be right: it is not one query, or names a column nobody declared.

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
        SqlRuleError: the SQL does not parse, is not one query, or says what DuckDB refuses; a
            column of a condition is not declared (with the nearest name); or ``{property}`` stands
            in a rule that belongs to no property.
    """
    # sqlglot costs 100 ms to import, and contracts without SQL rules never need it.
    from lakegate.contract.sql.query import read_query

    return read_query(query, fields, property_name=property_name, object_name=object_name)
