"""Functions that read their arguments in a way of their own, and syntax that stands for functions.

Everything else that looks like ``name(arguments)`` is in the tables of :mod:`.function`.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from sqlglot import exp

from lakegate.contract.sql.cast_syntax import as_text
from lakegate.contract.sql.function import call
from lakegate.contract.sql.literal import Unsupported, convert, unify
from lakegate.contract.sql.literal import interval as read_interval
from lakegate.contract.sql.moment import PARTS, UNITS_US
from lakegate.contract.sql.refusal import reason
from lakegate.contract.sql.rule import (
    Call,
    Expression,
    Form,
    Kind,
    Literal,
    Parameter,
    SqlRuleError,
    SqlType,
)
from lakegate.contract.sql.typed import choice, compare, is_text, sql_of

if TYPE_CHECKING:
    from lakegate.contract.sql.expression import Builder

__all__ = ["NAMED", "any_of_list", "bracket", "function", "interval", "refused"]

_STRING = SqlType(Kind.STRING)
_MONTH_US = 30 * 86_400_000_000
_INDEX = re.compile(r"\[(-?[0-9]{1,9})\]$")
_OF_ITEM = frozenset({
    "list_contains", "array_contains", "list_has", "array_has", "contains", "list_position",
    "array_position", "list_indexof",
})  # fmt: skip
_OF_ITEMS = frozenset({"list_has_any", "array_has_any", "list_has_all", "array_has_all", "&&"})
_FILTERS = frozenset({"list_filter", "array_filter", "filter"})
_TRANSFORMS = frozenset({"list_transform", "array_transform", "list_apply", "array_apply", "apply"})
_SPANS = {f"to_{unit}s": unit for unit in UNITS_US}


def function(builder: Builder, node: exp.Expression) -> Expression:
    """``name(arguments)``.

    Raises:
        Unsupported: nobody knows it, or it is not judged at the gate.
    """
    name = str(node.this).lower()
    why = reason(name)
    if why is not None:
        raise Unsupported(f"`{sql_of(node)}`: {why}")
    own = _FUNCTIONS.get(name)
    if own is not None:
        return own(builder, node)
    args = [builder.build(arg) for arg in node.expressions]
    if args and args[0].type.kind is Kind.LIST and len(args) == 2:
        if name in _OF_ITEM:
            args[1] = _as_item(args[0], args[1], node)
        if name in _OF_ITEMS:
            args[1] = _as_items(args[0], args[1], node)
    return builder.named(name, args, node)


def refused(name: str) -> Callable[[Builder, exp.Expression], Expression]:
    """Syntax that stands for a function which is not judged at the gate."""

    def refuse(_builder: Builder, node: exp.Expression) -> Expression:
        raise Unsupported(f"`{sql_of(node)}`: {reason(name)}")

    return refuse


def _args(builder: Builder, node: exp.Expression, least: int, most: int) -> list[Expression]:
    if not least <= len(node.expressions) <= most:
        raise Unsupported(f"`{sql_of(node)}`: {len(node.expressions)} arguments")
    return [builder.build(arg) for arg in node.expressions]


def _chosen(
    form: Form, least: int = 1, most: int = 1000
) -> Callable[[Builder, exp.Expression], Expression]:
    def build(builder: Builder, node: exp.Expression) -> Expression:
        args = unify(_args(builder, node, least, most), form.value.upper())
        if form is not Form.COALESCE and args[0].type.kind is Kind.BOOLEAN:
            raise Unsupported(f"`{sql_of(node)}` of booleans")
        return choice(form, args, args)

    return build


def _nullif(builder: Builder, node: exp.Expression) -> Expression:
    value, other = _args(builder, node, 2, 2)
    if value.type.kind is Kind.NULL:
        raise Unsupported(f"`{sql_of(node)}`")
    nothing = Literal(None, value.type)
    return Call(Form.CASE, (compare("=", value, other), nothing, value), value.type)


def _concat(builder: Builder, node: exp.Expression) -> Expression:
    """concat skips nulls: each becomes the empty text."""
    empty = Literal("", _STRING)
    texts = [
        Call(Form.COALESCE, (as_text(arg), empty), _STRING)
        for arg in _args(builder, node, 1, 100)
        if arg.type.kind is not Kind.NULL
    ]
    return call("||", *texts) if texts else empty


def _date_part(builder: Builder, node: exp.Expression) -> Expression:
    """date_part('unit', x)."""
    if len(node.expressions) != 2 or not is_text(node.expressions[0]):
        raise Unsupported(f"`{sql_of(node)}`: the part must be a literal")
    return _part(node.expressions[0].name, builder.operand(node.expressions[1]), node)


def _extract(builder: Builder, node: exp.Expression) -> Expression:
    """EXTRACT(unit FROM x)."""
    return _part(node.this.name, builder.operand(node.expression), node)


def _part(name: str, value: Expression, node: exp.Expression) -> Expression:
    known = PARTS.get(name.lower())
    if known is None:
        raise Unsupported(f"`{sql_of(node)}`: parts are {', '.join(sorted(set(PARTS.values())))}")
    return call(f"part {known}", value)


def _trim(builder: Builder, node: exp.Expression) -> Expression:
    position = str(node.args.get("position") or "BOTH").upper()
    name = {"BOTH": "trim", "LEADING": "ltrim", "TRAILING": "rtrim"}[position]
    args = [node.this, node.expression] if node.args.get("expression") else [node.this]
    return call(name, *(builder.operand(arg) for arg in args))


def _by_keys(name: str, *keys: str) -> Callable[[Builder, exp.Expression], Expression]:
    def build(builder: Builder, node: exp.Expression) -> Expression:
        return call(name, *(builder.operand(node.args[key]) for key in keys if node.args.get(key)))

    return build


def _span(unit: str) -> Callable[[Builder, exp.Expression], Expression]:
    def build(builder: Builder, node: exp.Expression) -> Expression:
        (count,) = _args(builder, node, 1, 1)
        return call("interval", count, Literal(UNITS_US[unit], SqlType(Kind.INTEGER, 19)))

    return build


def _months_and_rest(builder: Builder, node: exp.Expression) -> tuple[int, Expression]:
    """Months, and the rest as an interval of fixed length."""
    unit = str(node.args.get("unit") or "").lower()
    amount = node.this.unnest() if node.this is not None else None
    if isinstance(amount, exp.Neg) and isinstance(amount.this, exp.Literal):
        amount = exp.Literal.string(f"-{amount.this.name}")
    if isinstance(amount, exp.Literal):
        months, micros = read_interval(amount.name, unit)
        return months, Literal(micros, SqlType(Kind.INTERVAL))
    if isinstance(node.this, exp.Column | exp.Identifier):
        written = f"INTERVAL ({sql_of(node.this)})"
        raise SqlRuleError(f"SQL rule: `{sql_of(node)}`: DuckDB wants parentheses, {written} ...")
    fixed = unit.rstrip("s")
    if amount is None or fixed not in UNITS_US:
        raise Unsupported(f"`{sql_of(node)}`: its length differs from month to month")
    step = Literal(UNITS_US[fixed], SqlType(Kind.INTEGER, 19))
    return 0, call("interval", builder.operand(amount), step)


def interval(builder: Builder, node: exp.Expression) -> Expression:
    """A moment plus or minus an interval: its months first, then the rest."""
    left, right = node.this, node.expression
    if isinstance(left, exp.Interval) and isinstance(node, exp.Add):
        left, right = right, left
    if not isinstance(right, exp.Interval) or not isinstance(node, exp.Add | exp.Sub):
        raise Unsupported(f"`{sql_of(node)}`")
    return _shifted(builder, builder.operand(left), right, isinstance(node, exp.Sub), node)


def _shifted(
    builder: Builder, moment: Expression, span: exp.Expression, back: bool, node: exp.Expression
) -> Expression:
    months, rest = _months_and_rest(builder, span)
    if moment.type.kind not in (Kind.DATE, Kind.TIMESTAMP):
        raise Unsupported(f"`{sql_of(node)}` of {moment.type}")
    if months:
        count = Literal(-months if back else months, SqlType(Kind.INTEGER, 19))
        moment = call("+ months", moment, count)
    if isinstance(rest, Literal) and rest.value == 0:
        converted = convert(moment, Kind.TIMESTAMP, exact=False)
        return moment if converted is None else converted
    return call("-" if back else "+", moment, rest)


def _date_add(builder: Builder, node: exp.Expression) -> Expression:
    if len(node.expressions) != 2 or not isinstance(node.expressions[1], exp.Interval):
        raise Unsupported(f"`{sql_of(node)}`: write x + INTERVAL ...")
    moment = builder.operand(node.expressions[0])
    return _shifted(builder, moment, node.expressions[1], False, node)


def _length_of_interval(builder: Builder, node: exp.Expression) -> Expression:
    """An interval that is compared: a month is 30 days."""
    months, rest = _months_and_rest(builder, node)
    if isinstance(rest, Literal):
        return Literal(rest.value + months * _MONTH_US, SqlType(Kind.INTERVAL))
    return rest


def _at_time_zone(builder: Builder, node: exp.Expression) -> Expression:
    value = builder.operand(node.this)
    zone = node.args["zone"]
    if not is_text(zone) or zone.name.upper() not in ("UTC", "ETC/UTC", "GMT"):
        raise Unsupported(f"`{sql_of(node)}`: zones other than UTC change with their database")
    found = convert(value, Kind.TIMESTAMP, exact=True)
    if found is None:
        raise Unsupported(f"`{sql_of(node)}` of {value.type}")
    return found


def _as_item(items: Expression, value: Expression, node: exp.Expression) -> Expression:
    wanted = items.type.item
    found = None if wanted is None else convert(value, wanted.kind, exact=False)
    if wanted is None or found is None:
        raise Unsupported(f"`{sql_of(node)}`: a {value.type} in a list of {wanted}")
    if isinstance(found, Literal) and found.value is None:
        return Literal(None, wanted)
    return found


def _as_items(items: Expression, wanted: Expression, node: exp.Expression) -> Expression:
    if not isinstance(wanted, Literal) or wanted.type.item is None:
        raise Unsupported(f"`{sql_of(node)}`: the list looked for must be a constant")
    if items.type.item is None or wanted.type.item.kind is not items.type.item.kind:
        raise Unsupported(f"`{sql_of(node)}`: lists of two types")
    return wanted


def _array(builder: Builder, node: exp.Expression) -> Expression:
    """``[1, 2]``, or ``[f(x) FOR x IN list IF condition]``."""
    if len(node.expressions) == 1 and isinstance(node.expressions[0], exp.Comprehension):
        return _comprehension(builder, node.expressions[0])
    items = unify([builder.operand(item) for item in node.expressions], "a list")
    if not all(isinstance(item, Literal) for item in items):
        raise Unsupported(f"`{sql_of(node)}`: a list of other than constants")
    values = tuple(item.value for item in items if isinstance(item, Literal))
    return Literal(values, SqlType(Kind.LIST, item=items[0].type))


def _comprehension(builder: Builder, node: exp.Expression) -> Expression:
    name = node.expression.name
    items = builder.operand(node.args["iterator"])
    if node.args.get("condition") is not None:
        items = _over(builder, Form.FILTER, items, name, node.args["condition"], node)
    if isinstance(node.this, exp.Column) and node.this.name.casefold() == name.casefold():
        return items
    return _over(builder, Form.TRANSFORM, items, name, node.this, node)


def _lambda(form: Form) -> Callable[[Builder, exp.Expression], Expression]:
    def build(builder: Builder, node: exp.Expression) -> Expression:
        items, test = (*node.expressions, None, None)[:2]
        if len(node.expressions) != 2 or not isinstance(test, exp.Lambda):
            raise Unsupported(f"`{sql_of(node)}`: write it with lambda x: ...")
        names = [parameter.name for parameter in test.expressions]
        if len(names) != 1:
            raise Unsupported(f"`{sql_of(node)}`: a lambda of one parameter only")
        return _over(builder, form, builder.operand(items), names[0], test.this, node)

    return build


def _over(
    builder: Builder, form: Form, items: Expression, name: str, body: Any, node: exp.Expression
) -> Expression:
    if items.type.kind is not Kind.LIST or items.type.item is None:
        raise Unsupported(f"`{sql_of(node)}` of {items.type}")
    before, known = builder.parameters, builder.known
    parameter = Parameter(len(before), items.type.item)
    builder.parameters = {**before, name.casefold(): parameter}
    try:
        built = builder.condition(body) if form is Form.FILTER else builder.build(body)
    finally:
        builder.parameters, builder.known = before, known
    item = items.type.item if form is Form.FILTER else built.type
    return Call(form, (items, built), SqlType(Kind.LIST, item=item))


def any_of_list(builder: Builder, node: exp.Expression) -> Expression:
    """``x = ANY(list)`` and ``x <> ALL`` are refused with what to write instead."""
    raise Unsupported(f"`{sql_of(node)}`; of a list ask list_contains(list, value)")


def bracket(builder: Builder, node: exp.Expression) -> Expression:
    """``list[1]`` and ``struct['member']``."""
    value = builder.build(node.this)
    index = node.expressions[0] if len(node.expressions) == 1 else None
    if value.type.kind is Kind.STRUCT and is_text(index) and index is not None:
        return builder.member(value, index.name, node)
    # sqlglot shifts the index by one; its text is as it was written.
    written = _INDEX.search(node.sql(dialect="duckdb"))
    if value.type.kind is not Kind.LIST or written is None:
        raise Unsupported(f"`{sql_of(node)}`: an index of a list must be a constant; "
                          "or write list_extract(list, index)")  # fmt: skip
    return call("list_extract", value, Literal(int(written[1]), SqlType(Kind.INTEGER, 19)))


def _struct_extract(builder: Builder, node: exp.Expression) -> Expression:
    value, name = _args(builder, node, 2, 2)
    if not isinstance(name, Literal) or not isinstance(name.value, str):
        raise Unsupported(f"`{sql_of(node)}`: the member must be a literal")
    return builder.member(value, name.value, node)


_FUNCTIONS: dict[str, Callable[[Builder, exp.Expression], Expression]] = {
    "coalesce": _chosen(Form.COALESCE),
    "ifnull": _chosen(Form.COALESCE, 2, 2),
    "greatest": _chosen(Form.GREATEST),
    "least": _chosen(Form.LEAST),
    "nullif": _nullif,
    "concat": _concat,
    "date_part": _date_part,
    "datepart": _date_part,
    "date_add": _date_add,
    "struct_extract": _struct_extract,
    **dict.fromkeys(_FILTERS, _lambda(Form.FILTER)),
    **dict.fromkeys(_TRANSFORMS, _lambda(Form.TRANSFORM)),
    **{name: _span(unit) for name, unit in _SPANS.items()},
}
_ONE, _TWO = frozenset({"this"}), frozenset({"this", "expression"})
NAMED: dict[type[exp.Expression], tuple[Any, frozenset[str]]] = {
    exp.Extract: (_extract, _TWO),
    exp.Trim: (_trim, _TWO | {"position"}),
    exp.Substring: (_by_keys("substring", "this", "start", "length"),
                    _ONE | {"start", "length"}),
    exp.StrPosition: (_by_keys("strpos", "this", "substr"), _ONE | {"substr"}),
    exp.Interval: (_length_of_interval, _ONE | {"unit"}),
    exp.AtTimeZone: (_at_time_zone, _ONE | {"zone"}),
    exp.Array: (_array, frozenset({"expressions", "bracket_notation", "value_constructor"})),
    **dict.fromkeys(
        (exp.CurrentDate, exp.CurrentTimestamp, exp.CurrentTime, exp.CurrentDatetime),
        (refused("now"), _ONE),
    ),
}  # fmt: skip
