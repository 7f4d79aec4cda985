"""Row rules, record by record: the reference evaluation of a :class:`RowRule`.

Values come as the reference gate decodes them: int, float, Decimal, str, bool; ``date`` for dates;
int microseconds of the day for times; int UTC microseconds for timestamps; list for arrays; dict
for objects; None for null and absent. Arithmetic of integers and decimals is exact: where DuckDB
would stop with an overflow, the gate knows the answer. Doubles follow IEEE 754, with NaN equal to
itself and above all else, as DuckDB orders them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import date
from typing import Any, TypeAlias

from lakegate.contract.sql.comparison import order
from lakegate.contract.sql.function import Infinite, Undefined
from lakegate.contract.sql.rule import (
    Column,
    Expression,
    Form,
    Kind,
    Literal,
    Parameter,
    RowRule,
    SqlType,
)

__all__ = ["compile_expression", "evaluate", "evaluate_exactly"]

_Value: TypeAlias = Any
_Row: TypeAlias = Mapping[str, Any]
_Items: TypeAlias = tuple[Any, ...]
_Step: TypeAlias = Callable[[_Row, _Items], _Value]
_EPOCH_ORDINAL = date(1970, 1, 1).toordinal()
_MOST = 1024


def evaluate(rule: RowRule, row: Mapping[str, Any]) -> bool | None:
    """Whether the rule's predicate holds of one record; None when it is null. True rejects.

    True also where DuckDB would stop with an error, as a cast of a text that is no number does:
    the audit could not go past such a record either. ``row`` maps the names of the object's fields
    to their decoded values.
    """
    try:
        return evaluate_exactly(rule, row)
    except Undefined:
        return True


# By identity: to compare rules would cost more than to judge a record. The rule is kept beside, so
# that its id is not given to another.
_COMPILED: dict[int, tuple[RowRule, _Step]] = {}


def evaluate_exactly(rule: RowRule, row: Mapping[str, Any]) -> bool | None:
    """As :func:`evaluate`.

    Raises:
        Undefined: DuckDB would stop with an error, or its answer is not known.
    """
    found = _COMPILED.get(id(rule))
    if found is None:
        if len(_COMPILED) >= _MOST:
            _COMPILED.clear()
        found = _COMPILED[id(rule)] = (rule, compile_expression(rule.expression))
    result = found[1](row, ())
    return None if result is None else bool(result)


def compile_expression(expression: Expression) -> Callable[[_Row, _Items], Any]:
    """The expression as a function of a record, and of the items its lambdas look at."""
    if isinstance(expression, Literal):
        value = expression.value
        return lambda _row, _items: value
    if isinstance(expression, Column):
        return _column(expression)
    if isinstance(expression, Parameter):
        depth = expression.depth
        return lambda _row, items: items[depth]
    steps = [compile_expression(arg) for arg in expression.args]
    if isinstance(expression.what, Form):
        return _FORMS[expression.what](*steps)
    return _strict(expression.what.record, steps)


def _strict(record: Callable[..., _Value], steps: list[_Step]) -> _Step:
    """A function of values, null when one of them is."""
    if len(steps) == 1:
        (only,) = steps

        def one(row: _Row, items: _Items) -> _Value:
            value = only(row, items)
            return None if value is None else record(value)

        return one
    if len(steps) == 2:
        first, second = steps

        def two(row: _Row, items: _Items) -> _Value:
            try:
                left = first(row, items)
            except Infinite:
                if second(row, items) is None:
                    return None
                raise
            try:
                right = second(row, items)
            except Infinite:
                if left is None:
                    return None
                raise
            return None if left is None or right is None else record(left, right)

        return two

    def several(row: _Row, items: _Items) -> _Value:
        values = [step(row, items) for step in steps]
        return None if None in values else record(*values)

    return several


def _column(column: Column) -> _Step:
    name, *rest = column.path
    type_ = column.type
    converts = type_.kind in (Kind.DATE, Kind.LIST, Kind.STRUCT)

    def read(row: _Row, _items: _Items) -> _Value:
        value = row.get(name)
        for step in rest:
            if value is None:
                return None
            value = value.get(step)
        return _held(value, type_) if converts else value

    return read


def _held(value: Any, type_: SqlType) -> _Value:
    """A decoded value as expressions hold it: days for dates, in lists as well."""
    if value is None:
        return None
    if type_.kind is Kind.DATE and isinstance(value, date):
        return value.toordinal() - _EPOCH_ORDINAL
    if type_.kind is Kind.LIST and type_.item is not None:
        return [_held(item, type_.item) for item in value]
    if type_.kind is Kind.STRUCT:
        return {name: _held(value.get(name), member) for name, member in type_.members}
    return value


def _decided(decisive: bool) -> Callable[..., _Step]:
    """AND and OR: one side decides whatever the other is, even where that has no answer."""

    def form(*steps: _Step) -> _Step:
        def step(row: _Row, items: _Items) -> bool | None:
            failure: Undefined | None = None
            null = False
            for side in steps:
                try:
                    value = side(row, items)
                except Undefined as cause:
                    failure = cause
                    continue
                if value is decisive:
                    return bool(value)
                null = null or value is None
            if failure is not None:
                raise failure
            return None if null else not decisive

        return step

    return form


def _is_null(value: _Step) -> _Step:
    def step(row: _Row, items: _Items) -> bool:
        try:
            return value(row, items) is None
        except Infinite:
            return False

    return step


def _distinct(first: _Step, second: _Step) -> _Step:
    def step(row: _Row, items: _Items) -> bool:
        left, right = first(row, items), second(row, items)
        if left is None or right is None:
            return left is not right
        return bool(order(left) != order(right))

    return step


def _case(*steps: _Step) -> _Step:
    pairs = list(zip(steps[0:-1:2], steps[1::2], strict=False))
    last = steps[-1]

    def step(row: _Row, items: _Items) -> _Value:
        for condition, value in pairs:
            if condition(row, items) is True:
                return value(row, items)
        return last(row, items)

    return step


def _coalesce(*steps: _Step) -> _Step:
    def step(row: _Row, items: _Items) -> _Value:
        values = (each(row, items) for each in steps)
        return next((value for value in values if value is not None), None)

    return step


def _chosen(choose: Callable[..., _Value]) -> Callable[..., _Step]:
    def form(*steps: _Step) -> _Step:
        def step(row: _Row, items: _Items) -> _Value:
            values = [each(row, items) for each in steps]
            here = [value for value in values if value is not None]
            return choose(here, key=order) if here else None

        return step

    return form


def _in(value: _Step, *options: _Step) -> _Step:
    wanted = frozenset(option({}, ()) for option in options)

    def step(row: _Row, items: _Items) -> bool | None:
        found = value(row, items)
        return None if found is None else found in wanted

    return step


def _member(struct: _Step, name: _Step) -> _Step:
    member = name({}, ())

    def step(row: _Row, items: _Items) -> _Value:
        value = struct(row, items)
        return None if value is None else value.get(member)

    return step


def _filter(of: _Step, test: _Step) -> _Step:
    def step(row: _Row, items: _Items) -> _Value:
        values = of(row, items)
        if values is None:
            return None
        return [value for value in values if test(row, (*items, value)) is True]

    return step


def _transform(of: _Step, body: _Step) -> _Step:
    def step(row: _Row, items: _Items) -> _Value:
        values = of(row, items)
        return None if values is None else [body(row, (*items, value)) for value in values]

    return step


_FORMS: dict[Form, Callable[..., _Step]] = {
    Form.AND: _decided(False),
    Form.OR: _decided(True),
    Form.IS_NULL: _is_null,
    Form.DISTINCT: _distinct,
    Form.CASE: _case,
    Form.COALESCE: _coalesce,
    Form.GREATEST: _chosen(max),
    Form.LEAST: _chosen(min),
    Form.IN: _in,
    Form.MEMBER: _member,
    Form.FILTER: _filter,
    Form.TRANSFORM: _transform,
}
