"""From sqlglot's tree to the typed expression of a row rule: only what means exactly one thing.

sqlglot gives several spellings one node and adds arguments as it learns dialects, so a node with an
argument that is not expected is refused rather than read without it.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from typing import TypeAlias

import re2
from sqlglot import exp

from lakegate.contract.predicate import Call, Expression, Kind, Literal, Op, SqlRuleError
from lakegate.contract.predicate_literal import (
    Unsupported,
    number,
    temporal,
    to_double,
    unify,
)
from lakegate.contract.predicate_typing import (
    calculate,
    calculate_date,
    choice,
    compare,
    find,
    is_text,
    is_within_the_calendar,
    like_to_re2,
    logical,
    sql_of,
    typed_column,
)
from lakegate.contract.type import (
    Field,
    ObjectType,
)

__all__ = ["build_condition"]

_NUMERIC = (Kind.INTEGER, Kind.DECIMAL, Kind.DOUBLE)
_INTERVAL_US = {
    "WEEK": 604_800_000_000, "DAY": 86_400_000_000, "HOUR": 3_600_000_000,
    "MINUTE": 60_000_000, "SECOND": 1_000_000,
}  # fmt: skip
_PARTS = {op.value: op for op in (Op.YEAR, Op.MONTH, Op.DAY, Op.HOUR, Op.MINUTE, Op.SECOND)}
_DATE_PARTS = (Op.YEAR, Op.MONTH, Op.DAY)
_COMPARISONS: dict[type[exp.Expression], tuple[Op, bool, bool]] = {
    # operation, operands swapped, result negated
    exp.EQ: (Op.EQ, False, False),
    exp.NEQ: (Op.EQ, False, True),
    exp.LT: (Op.LT, False, False),
    exp.LTE: (Op.LE, False, False),
    exp.GT: (Op.LT, True, False),
    exp.GTE: (Op.LE, True, False),
    exp.NullSafeEQ: (Op.DISTINCT, False, True),
    exp.NullSafeNEQ: (Op.DISTINCT, False, False),
}
_Ops: TypeAlias = dict[type[exp.Expression], Op]


def build_condition(
    node: exp.Expression, fields: tuple[Field, ...], tables: frozenset[str]
) -> Expression:
    """A predicate of DuckDB's dialect over the fields of one object; ``tables`` qualify a column.

    Raises:
        Unsupported: a construct that is left to the audit.
        SqlRuleError: a column that is not declared.
    """
    return _Builder(fields, tables).condition(node)


class _Builder:
    """One method per construct, found through ``_NODES``."""

    def __init__(self, fields: tuple[Field, ...], tables: frozenset[str]) -> None:
        self.fields = fields
        self.tables = tables

    def condition(self, node: exp.Expression) -> Expression:
        built = self.build(node)
        if built.kind is Kind.NULL:
            return Literal(None, Kind.BOOLEAN)
        if built.kind is not Kind.BOOLEAN:
            raise Unsupported(f"`{sql_of(node)}` as a condition")
        return built

    def build(self, node: exp.Expression) -> Expression:
        if type(node) in _COMPARISONS:
            return self.comparison(node)
        entry = _NODES.get(type(node))
        if entry is None:
            raise Unsupported(f"`{sql_of(node)}`")
        method, expected = entry
        extra = [key for key, value in node.args.items() if value and key not in expected]
        if extra:
            raise Unsupported(f"`{sql_of(node)}` ({extra[0]})")
        return method(self, node)

    def operand(self, node: exp.Expression) -> Expression:
        """An operand of a comparison: DuckDB and sqlglot may group a chain of them differently."""
        if isinstance(node, exp.Predicate | exp.Not | exp.Escape | exp.Connector):
            raise Unsupported(f"`{sql_of(node)}` as an operand without parentheses")
        return self.build(node)

    def column(self, node: exp.Expression) -> Expression:
        parts = [part.name for part in node.parts] if isinstance(node, exp.Column | exp.Dot) else []
        if not parts or any(not isinstance(part, exp.Identifier) for part in node.parts):  # type: ignore[attr-defined]
            raise Unsupported(f"`{sql_of(node)}`")
        if len(parts) > 1 and parts[0].casefold() in self.tables:
            parts = parts[1:]
        fields, path = self.fields, []
        for depth, name in enumerate(parts):
            field = find(name, fields, ".".join(parts))
            path.append(field.name)
            if depth == len(parts) - 1:
                return typed_column(tuple(path), field)
            if not isinstance(field.type, ObjectType):
                raise SqlRuleError(
                    f"SQL rule: `{'.'.join(parts)}`: `{'.'.join(path)}` is not an object; "
                    "name a declared property"
                )
            fields = field.type.fields
        raise Unsupported(f"`{sql_of(node)}`")

    def literal(self, node: exp.Expression) -> Expression:
        return Literal(node.name, Kind.STRING) if node.is_string else number(node.name)

    def boolean(self, node: exp.Expression) -> Expression:
        return Literal(bool(node.this), Kind.BOOLEAN)

    def null(self, _node: exp.Expression) -> Expression:
        return Literal(None, Kind.NULL)

    def paren(self, node: exp.Expression) -> Expression:
        return self.build(node.this)

    def connector(self, node: exp.Expression) -> Expression:
        op = Op.AND if isinstance(node, exp.And) else Op.OR
        return logical(op, self.condition(node.left), self.condition(node.right))  # type: ignore[attr-defined]

    def negation(self, node: exp.Expression) -> Expression:
        return logical(Op.NOT, self.condition(node.this))

    def comparison(self, node: exp.Expression) -> Expression:
        extra = [k for k, v in node.args.items() if v and k not in ("this", "expression")]
        if extra:
            raise Unsupported(f"`{sql_of(node)}` ({extra[0]})")
        op, swapped, negated = _COMPARISONS[type(node)]
        left, right = self.operand(node.this), self.operand(node.expression)
        built = compare(op, right, left) if swapped else compare(op, left, right)
        return logical(Op.NOT, built) if negated else built

    def is_(self, node: exp.Expression) -> Expression:
        value = self.operand(node.this)
        if isinstance(node.expression, exp.Null):
            built = logical(Op.IS_NULL, value)
        elif isinstance(node.expression, exp.Boolean) and value.kind is Kind.BOOLEAN:
            built = logical(
                Op.NOT,
                logical(Op.DISTINCT, value, Literal(bool(node.expression.this), Kind.BOOLEAN)),
            )
        else:
            raise Unsupported(f"`{sql_of(node)}`")
        return logical(Op.NOT, built) if node.args.get("negate") else built

    def in_(self, node: exp.Expression) -> Expression:
        options = [self.operand(option) for option in node.expressions]
        if not options:
            raise Unsupported(f"`{sql_of(node)}`")
        value, *rest = unify([self.operand(node.this), *options], "IN")
        # A balanced tree, or a list of a thousand values would nest a thousand deep.
        tests = [logical(Op.EQ, value, option) for option in rest]
        while len(tests) > 1:
            tests = [
                logical(Op.OR, *tests[at : at + 2]) if at + 1 < len(tests) else tests[at]
                for at in range(0, len(tests), 2)
            ]
        built = tests[0]
        return logical(Op.NOT, built) if node.args.get("negate") else built

    def between(self, node: exp.Expression) -> Expression:
        args = [self.operand(node.args[key]) for key in ("this", "low", "high")]
        value, low, high = unify(args, "BETWEEN")
        built = logical(Op.AND, compare(Op.LE, low, value), compare(Op.LE, value, high))
        return logical(Op.NOT, built) if node.args.get("negate") else built

    def escape(self, node: exp.Expression) -> Expression:
        if not isinstance(node.this, exp.Like | exp.ILike) or len(node.expression.name) != 1:
            raise Unsupported(f"`{sql_of(node)}`")
        return self.like(node.this, escape=node.expression.name)

    def like(self, node: exp.Expression, *, escape: str | None = None) -> Expression:
        extra = set(node.args) - {"this", "expression", "negate"}
        text, pattern = self.text(node.this), node.expression
        if any(node.args[key] for key in extra) or not is_text(pattern):
            raise Unsupported(f"`{sql_of(node)}`: the pattern must be a literal")
        source = pattern.name
        if isinstance(node, exp.ILike):
            if not source.isascii():
                raise Unsupported("ILIKE with a pattern beyond ASCII")
            # Letters whose case Unicode added lately are lower or not by version; ASCII never asks.
            text, source = Call(Op.LOWER, (text,), Kind.STRING), source.lower()
        regex = Literal(like_to_re2(source, escape, node), Kind.STRING)
        built = logical(Op.MATCHES, text, regex)
        return logical(Op.NOT, built) if node.args.get("negate") else built

    def text(self, node: exp.Expression) -> Expression:
        built = self.operand(node)
        if built.kind is Kind.NULL:
            return Literal(None, Kind.STRING)
        if built.kind is not Kind.STRING:
            raise Unsupported(f"`{sql_of(node)}` as text")
        return built

    def regex(self, node: exp.Expression) -> Expression:
        text, pattern = self.text(node.this), node.expression
        if not is_text(pattern):
            raise Unsupported(f"`{sql_of(node)}`: the pattern must be a literal")
        options = re2.Options()
        options.log_errors = False
        try:
            re2.compile(pattern.name, options)
        except re2.error as cause:
            raise SqlRuleError(
                f"SQL rule: `{pattern.name[:60]}` is no regular expression of RE2; correct it"
            ) from cause
        return logical(Op.MATCHES, text, Literal(pattern.name, Kind.STRING))

    def text_test(self, node: exp.Expression) -> Expression:
        op: _Ops = {
            exp.StartsWith: Op.STARTS_WITH,
            exp.EndsWith: Op.ENDS_WITH,
            exp.Contains: Op.CONTAINS,
        }
        if not is_text(node.expression):
            raise Unsupported(f"`{sql_of(node)}`: what is looked for must be a literal")
        return logical(
            op[type(node)], self.text(node.this), Literal(node.expression.name, Kind.STRING)
        )

    def text_function(self, node: exp.Expression) -> Expression:
        text = self.text(node.this)
        if isinstance(node, exp.Length):
            return Call(Op.LENGTH, (text,), Kind.INTEGER, precision=19)
        return Call(Op.TRIM, (text,), Kind.STRING)

    def substring(self, node: exp.Expression) -> Expression:
        bounds = [node.args.get("start"), node.args.get("length")]
        args = [self.build(bound) for bound in bounds if bound is not None]
        for arg, least in zip(args, (1, 0), strict=False):
            value = arg.value if isinstance(arg, Literal) else None
            if not isinstance(value, int) or not least <= value < 2**31:
                raise Unsupported(
                    f"`{sql_of(node)}`: bounds must be literals, the start at least 1"
                )
        if not args:
            raise Unsupported(f"`{sql_of(node)}`")
        return Call(Op.SUBSTRING, (self.text(node.this), *args), Kind.STRING)

    def case(self, node: exp.Expression) -> Expression:
        subject = node.this if isinstance(node, exp.Case) else None
        branches = node.args["ifs"] if isinstance(node, exp.Case) else [node]
        default = node.args.get("default" if isinstance(node, exp.Case) else "false")
        conditions = [self.condition(branch.this) for branch in branches] if subject is None else []
        if subject is not None:
            value, *options = unify(
                [self.operand(subject), *(self.operand(branch.this) for branch in branches)], "CASE"
            )
            conditions = [compare(Op.EQ, value, option) for option in options]
        values = [self.build(branch.args["true"]) for branch in branches]
        values.append(Literal(None, Kind.NULL) if default is None else self.build(default))
        *results, last = unify(values, "CASE")
        pairs = (part for pair in zip(conditions, results, strict=True) for part in pair)
        return choice(Op.CASE, (*pairs, last), (*results, last))

    def choice(self, node: exp.Expression) -> Expression:
        ops: _Ops = {exp.Coalesce: Op.COALESCE, exp.Greatest: Op.GREATEST, exp.Least: Op.LEAST}
        name = ops[type(node)]
        args = unify([self.operand(arg) for arg in (node.this, *node.expressions)], name.upper())
        if name is not Op.COALESCE and args[0].kind is Kind.BOOLEAN:
            raise Unsupported(f"`{sql_of(node)}` of booleans")
        return choice(name, args, args)

    def nullif(self, node: exp.Expression) -> Expression:
        value = self.operand(node.this)
        if value.kind is Kind.NULL:
            raise Unsupported(f"`{sql_of(node)}`")
        equal = compare(Op.EQ, value, self.operand(node.expression))
        nothing = Literal(None, value.kind)
        return choice(Op.CASE, (equal, nothing, value), (value,))

    def arithmetic(self, node: exp.Expression) -> Expression:
        if isinstance(node, exp.Div):
            return self.division(node)
        if isinstance(node.expression, exp.Interval) or isinstance(node.this, exp.Interval):
            return self.interval(node)
        left, right = self.operand(node.this), self.operand(node.expression)
        ops: _Ops = {
            exp.Add: Op.ADD, exp.Sub: Op.SUBTRACT, exp.Mul: Op.MULTIPLY,
            exp.IntDiv: Op.INTEGER_DIVIDE, exp.Mod: Op.MODULO,
        }  # fmt: skip
        op = ops[type(node)]
        if op in (Op.INTEGER_DIVIDE, Op.MODULO):
            if left.kind is not Kind.INTEGER or right.kind is not Kind.INTEGER:
                raise Unsupported(f"`{sql_of(node)}` of other than integers")
            self.check_divisor(node.expression, right)
            return Call(op, (left, right), Kind.INTEGER, precision=19)
        if Kind.DATE in (left.kind, right.kind):
            return calculate_date(op, left, right, node)
        if left.kind not in _NUMERIC or right.kind not in _NUMERIC:
            raise Unsupported(f"`{sql_of(node)}` of {left.kind} and {right.kind}")
        return calculate(op, left, right)

    def check_divisor(self, node: exp.Expression, built: Expression) -> None:
        """DuckDB 1.5 gives null, 2.0 infinity or an error for zero: the divisor must not be."""
        inner = node.unnest()
        if isinstance(built, Literal) and built.value:
            return
        zero = inner.expression if isinstance(inner, exp.Nullif) else None
        if not (isinstance(zero, exp.Literal) and not zero.is_string and zero.name == "0"):
            raise Unsupported(
                "a division whose divisor may be zero: divide by a number or by NULLIF(x, 0)"
            )

    def division(self, node: exp.Expression) -> Expression:
        left, right = self.operand(node.this), self.operand(node.expression)
        if left.kind not in _NUMERIC or right.kind not in _NUMERIC:
            raise Unsupported(f"`{sql_of(node)}` of {left.kind} and {right.kind}")
        self.check_divisor(node.expression, right)
        return Call(Op.DIVIDE, (to_double(left), to_double(right)), Kind.DOUBLE)

    def interval(self, node: exp.Expression) -> Expression:
        """A date or timestamp plus or minus a literal interval of fixed length."""
        left, right = node.this, node.expression
        if isinstance(left, exp.Interval) and isinstance(node, exp.Add):
            left, right = right, left
        if not isinstance(right, exp.Interval) or not isinstance(node, exp.Add | exp.Sub):
            raise Unsupported(f"`{sql_of(node)}`")
        unit = _INTERVAL_US.get(str(right.args.get("unit") or "").upper().rstrip("S"))
        amount = right.this.name if isinstance(right.this, exp.Literal) else ""
        if unit is None or re.fullmatch(r"-?[0-9]{1,6}", amount) is None:
            raise Unsupported(f"`{sql_of(right)}`: whole weeks, days, hours, minutes, seconds only")
        moment = self.operand(left)
        if moment.kind is Kind.DATE:
            moment = Call(Op.TO_TIMESTAMP, (moment,), Kind.TIMESTAMP)
        if moment.kind is not Kind.TIMESTAMP:
            raise Unsupported(f"`{sql_of(node)}` of {moment.kind}")
        op = Op.ADD if isinstance(node, exp.Add) else Op.SUBTRACT
        step = Literal(int(amount) * unit, Kind.TIMESTAMP)
        return Call(op, (moment, step), Kind.TIMESTAMP)

    def negate(self, node: exp.Expression) -> Expression:
        value = self.operand(node.this)
        if value.kind not in _NUMERIC:
            raise Unsupported(f"`{sql_of(node)}`")
        if (
            isinstance(value, Literal)
            and value.value is not None
            and not isinstance(value.value, str)
        ):
            return replace(
                value,
                value=value.value.copy_negate()
                if isinstance(value.value, Decimal)
                else -value.value,
            )
        return Call(Op.NEGATE, (value,), value.kind, value.precision, value.scale)

    def absolute(self, node: exp.Expression) -> Expression:
        value = self.operand(node.this)
        if value.kind not in _NUMERIC:
            raise Unsupported(f"`{sql_of(node)}`")
        return Call(Op.ABS, (value,), value.kind, value.precision, value.scale)

    def date_part(self, node: exp.Expression) -> Expression:
        if isinstance(node, exp.Extract):
            name, value = node.this.name.lower(), self.operand(node.expression)
        else:
            name, value = node.key.lower(), self.operand(node.this)
        op = _PARTS.get(name)
        allowed = (Kind.DATE, Kind.TIMESTAMP) if op in _DATE_PARTS else (Kind.TIME, Kind.TIMESTAMP)
        if op is None or value.kind not in allowed or not is_within_the_calendar(value):
            raise Unsupported(f"`{sql_of(node)}`")
        return Call(op, (value,), Kind.INTEGER, precision=19)

    def cast(self, node: exp.Expression) -> Expression:
        target = node.args["to"].sql(dialect="duckdb").upper()
        if is_text(node.this):
            kind = {"DATE": Kind.DATE, "TIME": Kind.TIME, "TIMESTAMP": Kind.TIMESTAMP,
                    "TIMESTAMPTZ": Kind.TIMESTAMP}.get(target)  # fmt: skip
            if kind is None:
                raise Unsupported(f"`{sql_of(node)}`")
            return temporal(node.this.name, kind, zoned=target == "TIMESTAMPTZ")
        value = self.build(node.this)
        if target == "DOUBLE" and value.kind in _NUMERIC:
            return to_double(value)
        same = {"BIGINT": Kind.INTEGER, "TEXT": Kind.STRING, "BOOLEAN": Kind.BOOLEAN,
                "DATE": Kind.DATE, "TIME": Kind.TIME, "TIMESTAMPTZ": Kind.TIMESTAMP,
                "TIMESTAMP": Kind.TIMESTAMP}.get(target)  # fmt: skip
        if same is not None and value.kind is same:
            return value
        if same is Kind.DATE and value.kind is Kind.TIMESTAMP:
            return Call(Op.TO_DATE, (value,), Kind.DATE)
        if same is Kind.TIMESTAMP and value.kind is Kind.DATE:
            return Call(Op.TO_TIMESTAMP, (value,), Kind.TIMESTAMP)
        raise Unsupported(f"`{sql_of(node)}`")


_Method = Callable[[_Builder, exp.Expression], Expression]
_ONE, _TWO = frozenset({"this"}), frozenset({"this", "expression"})
_NODES: dict[type[exp.Expression], tuple[_Method, frozenset[str]]] = {
    exp.Column: (_Builder.column, frozenset({"this", "table", "db", "catalog"})),
    exp.Dot: (_Builder.column, _TWO),
    exp.Literal: (_Builder.literal, frozenset({"this", "is_string"})),
    exp.Boolean: (_Builder.boolean, _ONE),
    exp.Null: (_Builder.null, frozenset()),
    exp.Paren: (_Builder.paren, _ONE),
    exp.And: (_Builder.connector, _TWO),
    exp.Or: (_Builder.connector, _TWO),
    exp.Not: (_Builder.negation, _ONE),
    exp.Is: (_Builder.is_, _TWO | {"negate"}),
    exp.In: (_Builder.in_, frozenset({"this", "expressions", "negate"})),
    exp.Between: (_Builder.between, frozenset({"this", "low", "high", "negate"})),
    exp.Escape: (_Builder.escape, _TWO),
    exp.Like: (_Builder.like, _TWO | {"negate"}),
    exp.ILike: (_Builder.like, _TWO | {"negate"}),
    exp.RegexpLike: (_Builder.regex, _TWO),
    exp.StartsWith: (_Builder.text_test, _TWO),
    exp.EndsWith: (_Builder.text_test, _TWO),
    exp.Contains: (_Builder.text_test, _TWO),
    exp.Trim: (_Builder.text_function, _ONE),
    exp.Length: (_Builder.text_function, _ONE),
    exp.Substring: (_Builder.substring, frozenset({"this", "start", "length"})),
    exp.Case: (_Builder.case, frozenset({"this", "ifs", "default"})),
    exp.If: (_Builder.case, frozenset({"this", "true", "false"})),
    exp.Coalesce: (_Builder.choice, frozenset({"this", "expressions"})),
    exp.Greatest: (_Builder.choice, frozenset({"this", "expressions", "ignore_nulls"})),
    exp.Least: (_Builder.choice, frozenset({"this", "expressions", "ignore_nulls"})),
    exp.Nullif: (_Builder.nullif, _TWO),
    exp.Add: (_Builder.arithmetic, _TWO),
    exp.Sub: (_Builder.arithmetic, _TWO),
    exp.Mul: (_Builder.arithmetic, _TWO),
    exp.IntDiv: (_Builder.arithmetic, _TWO),
    exp.Mod: (_Builder.arithmetic, _TWO),
    exp.Div: (_Builder.arithmetic, _TWO),
    exp.Neg: (_Builder.negate, _ONE),
    exp.Abs: (_Builder.absolute, _ONE),
    exp.Extract: (_Builder.date_part, _TWO),
    exp.Year: (_Builder.date_part, _ONE),
    exp.Month: (_Builder.date_part, _ONE),
    exp.Day: (_Builder.date_part, _ONE),
    exp.Hour: (_Builder.date_part, _ONE),
    exp.Minute: (_Builder.date_part, _ONE),
    exp.Second: (_Builder.date_part, _ONE),
    exp.Cast: (_Builder.cast, frozenset({"this", "to"})),
}
