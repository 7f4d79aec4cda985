"""The typed parts of a row rule: columns, comparisons, choices, and what is known of a divisor."""

from __future__ import annotations

import difflib
from collections.abc import Iterator

from sqlglot import exp

from lakegate.contract.sql.function import call
from lakegate.contract.sql.literal import MAX_PRECISION, Unsupported, unify
from lakegate.contract.sql.rule import (
    Call,
    Expression,
    Form,
    Kind,
    Literal,
    SqlRuleError,
    SqlType,
)
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

__all__ = [
    "BOOLEAN",
    "Fact",
    "choice",
    "compare",
    "facts",
    "find_field",
    "is_nonnegative",
    "is_nonzero",
    "is_text",
    "logical",
    "negate",
    "sql_of",
    "type_of",
]

BOOLEAN = SqlType(Kind.BOOLEAN)
_INTEGER_DIGITS = {8: 3, 16: 5, 32: 10, 64: 20}
_NONNEGATIVE = frozenset({"abs", "length", "strlen", "bit_length", "sqrt", "list_unique"})
# What is known of an expression: it is not zero, it is not negative.
Fact = tuple[Expression, str]


def logical(form: Form, *args: Expression) -> Call:
    """A test of its arguments."""
    return Call(form, args, BOOLEAN)


def negate(condition: Expression) -> Expression:
    """NOT."""
    return call("not", condition)


def sql_of(node: exp.Expression) -> str:
    """A node as SQL, cut for a message."""
    return node.sql(dialect="duckdb")[:80]


def is_text(node: exp.Expression | None) -> bool:
    """Whether a node is a text literal."""
    return isinstance(node, exp.Literal) and bool(node.is_string)


def find_field(name: str, fields: tuple[Field, ...], whole: str) -> Field:
    """The field of that name: exactly, else whatever the case, as DuckDB looks names up."""
    found = [field for field in fields if field.name.casefold() == name.casefold()]
    if len(found) > 1:
        raise Unsupported(f"`{whole}`: names that differ only in case")
    if found:
        return found[0]
    near = difflib.get_close_matches(name, [field.name for field in fields], n=1, cutoff=0.5)
    hint = f"did you mean `{near[0]}`?" if near else "name a declared property"
    raise SqlRuleError(f"SQL rule: there is no column `{whole}`; {hint}")


def type_of(declared: Type) -> SqlType:
    """How the values of a declared type are held while a rule is evaluated."""
    match declared:
        case StringType():
            return SqlType(Kind.STRING)
        case IntegerType(bits=bits):
            return SqlType(Kind.INTEGER, _INTEGER_DIGITS[bits])
        case NumberType():
            return SqlType(Kind.DOUBLE)
        case DecimalType(precision=precision, scale=scale):
            return SqlType(Kind.DECIMAL, precision, scale)
        case BooleanType():
            return BOOLEAN
        case DateType():
            return SqlType(Kind.DATE)
        case TimeType():
            return SqlType(Kind.TIME)
        case TimestampType():
            return SqlType(Kind.TIMESTAMP)
        case ArrayType(item=item):
            return SqlType(Kind.LIST, item=type_of(item.type))
        case ObjectType(fields=fields):
            members = tuple((field.name, type_of(field.type)) for field in fields)
            return SqlType(Kind.STRUCT, members=members)
        case MapType() | AnyType():
            return SqlType(Kind.OPAQUE)


def compare(operator: str, left: Expression, right: Expression) -> Expression:
    """A comparison of two values made alike: ``=``, ``<``, ``<=`` or ``is distinct from``.

    Raises:
        Unsupported: no common kind is certain.
    """
    pair = unify((left, right), "a comparison")
    if operator == Form.DISTINCT:
        return logical(Form.DISTINCT, *pair)
    return call(operator, *pair)


def choice(form: Form, args: tuple[Expression, ...], values: tuple[Expression, ...]) -> Call:
    """A form whose result is one of ``values``, all of one kind."""
    kinds = [value.type for value in values if value.type.precision or value.type.scale]
    scale = max((kind.scale for kind in kinds), default=0)
    whole = max((kind.precision - kind.scale for kind in kinds), default=0)
    kind = values[0].type.kind
    return Call(form, args, SqlType(kind, min(whole + scale, MAX_PRECISION), scale))


def _bare(expression: Expression) -> Expression:
    """Without conversions that keep the sign and zero."""
    while isinstance(expression, Call) and not isinstance(expression.what, Form):
        if not expression.what.name.startswith("to "):
            break
        expression = expression.args[0]
    return expression


def _ordering(condition: Call, truth: bool) -> Iterator[Fact]:
    """What ``a < b``, ``a <= b`` or ``a = b`` tells when it is true, or false."""
    left, right = (_bare(arg) for arg in condition.args)
    name = getattr(condition.what, "name", "")
    if name == "=":
        for side, other in ((left, right), (right, left)):
            if isinstance(other, Literal) and other.value is not None:
                if (other.value == 0) != truth:
                    yield side, "nonzero"
                if truth and _is_number(other) and other.value >= 0:
                    yield side, "nonnegative"
        return
    strict = (name == "<") == truth
    low, high = (left, right) if truth else (right, left)
    if isinstance(low, Literal) and _is_number(low) and low.value >= 0:
        yield high, "nonnegative"
        if strict or low.value > 0:
            yield high, "nonzero"
    known = isinstance(high, Literal) and _is_number(high)
    if known and (high.value < 0 or (strict and high.value == 0)):  # type: ignore[union-attr]
        yield low, "nonzero"


def _is_number(literal: Literal) -> bool:
    numbers = (Kind.INTEGER, Kind.DECIMAL, Kind.DOUBLE)
    return literal.value is not None and literal.type.kind in numbers


def facts(condition: Expression, truth: bool) -> frozenset[Fact]:
    """What is known where a condition is true, or where it is false."""
    if not isinstance(condition, Call):
        return frozenset()
    name = condition.what if isinstance(condition.what, Form) else condition.what.name
    if name == "not":
        return facts(condition.args[0], not truth)
    if name in (Form.AND, Form.OR):
        parts = [facts(arg, truth) for arg in condition.args]
        every = (name == Form.AND) == truth
        return frozenset().union(*parts) if every else parts[0].intersection(*parts[1:])
    if name in ("=", "<", "<="):
        return frozenset(_ordering(condition, truth))
    return frozenset()


def _holds(expression: Expression, known: frozenset[Fact], fact: str) -> bool:
    expression = _bare(expression)
    if (expression, fact) in known:
        return True
    if isinstance(expression, Literal):
        value = expression.value
        return value is None or (value != 0 if fact == "nonzero" else value >= 0)
    if not isinstance(expression, Call):
        return False
    args = expression.args
    name = expression.what if isinstance(expression.what, Form) else expression.what.name
    if name == Form.CASE:
        passed = known
        for at in range(0, len(args) - 1, 2):
            if not _holds(args[at + 1], passed | facts(args[at], True), fact):
                return False
            passed |= facts(args[at], False)
        return _holds(args[-1], passed, fact)
    if name == Form.COALESCE or (name == Form.LEAST and fact == "nonnegative"):
        return all(_holds(arg, known, fact) for arg in args)
    if name == Form.GREATEST:
        positive = any(isinstance(arg, Literal) and (arg.value or 0) > 0 for arg in args)
        if fact == "nonzero":
            return positive
        return positive or any(
            isinstance(arg, Literal) and arg.value is not None and arg.value >= 0 for arg in args
        )
    if fact == "nonnegative":
        squares = name == "*" and args[0] == args[1]
        both = name in ("+", "*", "/") and all(_holds(arg, known, fact) for arg in args)
        return name in _NONNEGATIVE or squares or both
    return False


def is_nonzero(expression: Expression, known: frozenset[Fact]) -> bool:
    """Whether a value is certainly not zero, where it is not null."""
    return _holds(expression, known, "nonzero")


def is_nonnegative(expression: Expression, known: frozenset[Fact]) -> bool:
    """Whether a value is certainly not negative, where it is not null."""
    return _holds(expression, known, "nonnegative")
