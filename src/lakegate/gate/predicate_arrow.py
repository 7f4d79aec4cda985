"""Row rules over columns: the vectorised evaluation, with the answers of the reference.

Where Arrow's kernels could answer otherwise than :mod:`lakegate.gate.predicate` (an overflow, a
decimal beyond 38 digits, a double that is no longer finite), :class:`NotVectorised` is raised and
nothing is answered: the caller then judges the rows of that batch one by one.

Inside, integers, dates, times and timestamps are int64; every operand is an array of the table's
length or a scalar.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import reduce
from typing import Any, TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from lakegate.contract.predicate import Column, Expression, Kind, Literal, Op, RowRule
from lakegate.gate.predicate import DATE_PARTS, SPACES

__all__ = ["NotVectorised", "evaluate_columns"]

_Array: TypeAlias = Any
_DAY_US = 86_400_000_000
_TYPES = {
    Kind.INTEGER: pa.int64(),
    Kind.DOUBLE: pa.float64(),
    Kind.STRING: pa.string(),
    Kind.BOOLEAN: pa.bool_(),
    Kind.DATE: pa.int64(),
    Kind.TIME: pa.int64(),
    Kind.TIMESTAMP: pa.int64(),
}


class NotVectorised(Exception):
    """The columns cannot answer exactly; the text says why."""


def evaluate_columns(rule: RowRule, table: pa.Table) -> pa.BooleanArray:
    """The rule's predicate for every row of a table of accepted columns, null where it is null.

    ``table`` has the columns of :func:`lakegate.gate.schema.arrow_schema`; others do not matter.

    Raises:
        NotVectorised: the answer would not be certain; ask the reference, row by row.
    """
    try:
        result = _Columns(table).evaluate(rule.expression)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError, pa.ArrowTypeError) as cause:
        raise NotVectorised(str(cause)) from cause
    if isinstance(result, pa.Scalar):
        return pa.array([result.as_py()] * table.num_rows, pa.bool_())
    return result


class _Columns:
    """The columns of one table, each converted once."""

    def __init__(self, table: pa.Table) -> None:
        self.table = table
        self.columns: dict[Column, _Array] = {}

    def evaluate(self, expression: Expression) -> _Array:
        if isinstance(expression, Literal):
            return _literal(expression)
        if isinstance(expression, Column):
            if expression not in self.columns:
                self.columns[expression] = _column(expression, self.table)
            return self.columns[expression]
        args = [self.evaluate(arg) for arg in expression.args]
        if expression.op is Op.CASE:
            return _case(args)
        if expression.op in DATE_PARTS:
            return _date_part(expression.op, args[0], expression.args[0].kind)
        if expression.op is Op.TO_DOUBLE:
            return _to_double(args[0], expression.args[0])
        if any(_is_double_nan(arg) for arg in args):
            raise NotVectorised("a double that is not a number")
        return _KERNELS[expression.op](*args)


def _literal(literal: Literal) -> pa.Scalar:
    if literal.kind is Kind.DECIMAL:
        return pa.scalar(literal.value, pa.decimal128(max(literal.precision, 1), literal.scale))
    return pa.scalar(literal.value, _TYPES[literal.kind])


def _column(column: Column, table: pa.Table) -> _Array:
    name, *rest = column.path
    if name not in table.schema.names:
        raise NotVectorised(f"there is no column {name}")
    array = table.column(name).combine_chunks()
    if isinstance(array, pa.ChunkedArray):
        array = pa.concat_arrays(array.chunks) if array.num_chunks else pa.array([], array.type)
    for step in rest:
        # struct_field carries the nulls of the struct down to its field.
        array = pc.struct_field(array, step)
    return _held(array, column)


def _held(array: _Array, column: Column) -> _Array:
    """The values as the kernels below hold them."""
    kind = column.kind
    if kind is Kind.OPAQUE:
        return array
    if kind is Kind.DATE:
        return array.cast(pa.date32()).cast(pa.int32()).cast(pa.int64())
    if kind in (Kind.TIME, Kind.TIMESTAMP):
        return array.cast(pa.int64())
    if kind is Kind.DECIMAL:
        return array
    return array.cast(_TYPES[kind])


def _is_double_nan(value: _Array) -> bool:
    return pa.types.is_floating(value.type) and bool(
        pc.any(pc.is_nan(value)).as_py()
        if isinstance(value, pa.Array)
        else pc.is_nan(value).as_py()
    )


def _to_double(value: _Array, source: Expression) -> _Array:
    if source.kind is Kind.INTEGER:
        return value.cast(pa.float64(), safe=False)
    # Arrow multiplies by 10**-scale, which rounds twice; unscaled value over power is exact.
    width = pa.decimal128(source.precision, source.scale)
    array = (value if isinstance(value, pa.Array) else pa.array([value.as_py()], value.type)).cast(
        width
    )
    low = np.frombuffer(array.buffers()[1], dtype=np.int64)[0::2]
    unscaled = low[array.offset : array.offset + len(array)]
    doubles = pa.array(unscaled / float(10**source.scale), mask=np.asarray(array.is_null()))
    return doubles if isinstance(value, pa.Array) else doubles[0]


def _case(args: list[_Array]) -> _Array:
    *pairs, result = args
    for at in range(len(pairs) - 2, -1, -2):
        condition = pc.fill_null(pairs[at], False)
        result = pc.if_else(condition, pairs[at + 1], result)
    return result


def _distinct(left: _Array, right: _Array) -> _Array:
    differ = pc.fill_null(pc.not_equal(left, right), True)
    both_null = pc.and_(pc.is_null(left), pc.is_null(right))
    return pc.and_(differ, pc.invert(both_null))


def _date_part(op: Op, value: _Array, kind: Kind) -> _Array:
    if kind is Kind.TIME:
        seconds = pc.divide(value, 1_000_000)
        divisor = {Op.HOUR: 3600, Op.MINUTE: 60, Op.SECOND: 1}[op]
        units = pc.divide(seconds, divisor)
        return units if op is Op.HOUR else _modulo(units, pa.scalar(60, pa.int64()))
    if kind is Kind.DATE:
        value = pc.multiply_checked(value, _DAY_US)
    moment = value.cast(pa.timestamp("us"))
    kernel = {
        Op.YEAR: pc.year, Op.MONTH: pc.month, Op.DAY: pc.day,
        Op.HOUR: pc.hour, Op.MINUTE: pc.minute, Op.SECOND: pc.second,
    }[op]  # fmt: skip
    return kernel(moment).cast(pa.int64())


def _modulo(left: _Array, right: _Array) -> _Array:
    return pc.subtract_checked(left, pc.multiply_checked(right, pc.divide_checked(left, right)))


def _to_day(micros: _Array) -> _Array:
    days = pc.divide(micros, _DAY_US)
    exact = pc.equal(pc.multiply(days, _DAY_US), micros)
    past = pc.and_(pc.less(micros, 0), pc.invert(exact))
    return pc.if_else(past, pc.subtract(days, 1), days)


def _substring(text: _Array, start: pa.Scalar, length: pa.Scalar | None = None) -> _Array:
    first = start.as_py() - 1
    stop = None if length is None else first + length.as_py()
    return pc.utf8_slice_codeunits(text, first, stop)


def _starts_with(text: _Array, part: pa.Scalar) -> _Array:
    return pc.starts_with(text, part.as_py())


def _ends_with(text: _Array, part: pa.Scalar) -> _Array:
    return pc.ends_with(text, part.as_py())


def _contains(text: _Array, part: pa.Scalar) -> _Array:
    return pc.match_substring(text, part.as_py())


def _matches(text: _Array, source: pa.Scalar) -> _Array:
    return pc.match_substring_regex(text, source.as_py())


def _fold(kernel: Callable[..., _Array]) -> Callable[..., _Array]:
    """A kernel of any number of arguments that skips nulls, by pairs, for text as well."""

    def choose(left: _Array, right: _Array) -> _Array:
        first = pc.fill_null(kernel(left, right), False)
        picked = pc.if_else(first, left, right)
        return pc.coalesce(pc.if_else(pc.is_valid(left), picked, right), left)

    def fold(*args: _Array) -> _Array:
        return reduce(choose, args)

    return fold


_KERNELS: dict[Op, Callable[..., _Array]] = {
    Op.AND: pc.and_kleene,
    Op.OR: pc.or_kleene,
    Op.NOT: pc.invert,
    Op.IS_NULL: pc.is_null,
    Op.EQ: pc.equal,
    Op.LT: pc.less,
    Op.LE: pc.less_equal,
    Op.DISTINCT: _distinct,
    Op.COALESCE: pc.coalesce,
    Op.GREATEST: _fold(pc.greater_equal),
    Op.LEAST: _fold(pc.less_equal),
    Op.ADD: pc.add_checked,
    Op.SUBTRACT: pc.subtract_checked,
    Op.MULTIPLY: pc.multiply_checked,
    Op.DIVIDE: pc.divide,
    Op.INTEGER_DIVIDE: pc.divide_checked,
    Op.MODULO: _modulo,
    Op.NEGATE: pc.negate_checked,
    Op.ABS: pc.abs_checked,
    Op.LENGTH: lambda text: pc.utf8_length(text).cast(pa.int64()),
    Op.LOWER: pc.utf8_lower,
    Op.TRIM: lambda text: pc.utf8_trim(text, SPACES),
    Op.SUBSTRING: _substring,
    Op.STARTS_WITH: _starts_with,
    Op.ENDS_WITH: _ends_with,
    Op.CONTAINS: _contains,
    Op.MATCHES: _matches,
    Op.TO_DECIMAL: lambda integers: integers.cast(pa.decimal128(19, 0)),
    Op.TO_TIMESTAMP: lambda days: pc.multiply_checked(days, _DAY_US),
    Op.TO_DATE: _to_day,
}
