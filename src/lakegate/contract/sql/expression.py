"""From sqlglot's tree to the typed expression of a row rule: only what means exactly one thing.

Function calls come as they were written (:mod:`.query` reads them so) and are looked up
by name; the nodes below are syntax. A node with an argument that is not expected is refused rather
than read without it.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import contextmanager
from dataclasses import replace
from decimal import Decimal
from typing import Any

from sqlglot import exp

from lakegate.contract.sql.cast_syntax import as_text, cast
from lakegate.contract.sql.function import call
from lakegate.contract.sql.literal import Unsupported, number
from lakegate.contract.sql.named import (
    NAMED,
    any_of_list,
    bracket,
    function,
    interval,
    refused,
)
from lakegate.contract.sql.path import Paths
from lakegate.contract.sql.rule import (
    Expression,
    Form,
    Kind,
    Literal,
    SqlRuleError,
    SqlType,
)
from lakegate.contract.sql.typed import (
    BOOLEAN,
    Fact,
    choice,
    compare,
    facts,
    is_nonnegative,
    is_nonzero,
    logical,
    negate,
    sql_of,
)
from lakegate.contract.type import Field

__all__ = ["Builder", "build_condition"]

_COMPARISONS: dict[type[exp.Expression], tuple[str, bool, bool]] = {
    # operation, operands swapped, result negated
    exp.EQ: ("=", False, False),
    exp.NEQ: ("=", False, True),
    exp.LT: ("<", False, False),
    exp.LTE: ("<=", False, False),
    exp.GT: ("<", True, False),
    exp.GTE: ("<=", True, False),
    exp.NullSafeEQ: (Form.DISTINCT, False, True),
    exp.NullSafeNEQ: (Form.DISTINCT, False, False),
}
_OPERATORS: dict[type[exp.Expression], str] = {
    exp.Add: "+", exp.Sub: "-", exp.Mul: "*", exp.Div: "/", exp.IntDiv: "//", exp.Mod: "%",
    exp.BitwiseAnd: "&", exp.BitwiseOr: "|", exp.DPipe: "||",
    exp.StartsWith: "^@", exp.SimilarTo: "similar to",
    exp.ArrayOverlaps: "&&",
}  # fmt: skip
# Of these DuckDB and sqlglot disagree on how tight they bind.
_LOOSE = (
    exp.Pow, exp.BitwiseAnd, exp.BitwiseOr, exp.DPipe, exp.StartsWith, exp.RegexpLike,
    exp.SimilarTo, exp.ArrayOverlaps,
)  # fmt: skip


def build_condition(
    node: exp.Expression, fields: tuple[Field, ...], tables: frozenset[str]
) -> Expression:
    """A predicate of DuckDB's dialect over the fields of one object; ``tables`` qualify a column.

    Raises:
        Unsupported: a construct that is left to the audit.
        SqlRuleError: a column that is not declared.
    """
    return Builder(fields, tables).condition(node)


class Builder(Paths):
    """One method per construct, found through ``_NODES``."""

    def __init__(self, fields: tuple[Field, ...], tables: frozenset[str]) -> None:
        super().__init__(fields, tables)
        self.known: frozenset[Fact] = frozenset()

    @contextmanager
    def where(self, known: frozenset[Fact]) -> Any:
        """What is built inside is evaluated only where these facts hold."""
        before, self.known = self.known, self.known | known
        yield
        self.known = before

    def condition(self, node: exp.Expression) -> Expression:
        """A predicate; NULL is one."""
        built = self.build(node)
        if built.type.kind is Kind.NULL:
            return Literal(None, BOOLEAN)
        if built.type.kind is not Kind.BOOLEAN:
            raise Unsupported(f"`{sql_of(node)}` as a condition; compare it with something")
        return built

    def build(self, node: exp.Expression) -> Expression:
        """Any expression."""
        if type(node) in _COMPARISONS:
            return self.comparison(node)
        if type(node) in _OPERATORS:
            return self.operator(node)
        entry = _NODES.get(type(node))
        if entry is None:
            raise Unsupported(f"`{sql_of(node)}`")
        method, expected = entry
        _refuse_extra(node, expected)
        return method(self, node)

    def operand(self, node: exp.Expression) -> Expression:
        """An operand of a comparison: DuckDB and sqlglot may group a chain of them differently."""
        if isinstance(node, exp.Predicate | exp.Not | exp.Escape | exp.Connector):
            raise Unsupported(f"`{sql_of(node)}` as an operand without parentheses")
        return self.build(node)

    def literal(self, node: exp.Expression) -> Expression:
        """A number or a text."""
        return Literal(node.name, SqlType(Kind.STRING)) if node.is_string else number(node.name)

    def connector(self, node: exp.Expression) -> Expression:
        """AND and OR; the right side knows what the left one tells."""
        form, truth = (Form.AND, True) if isinstance(node, exp.And) else (Form.OR, False)
        left = self.condition(node.this)
        with self.where(facts(left, truth)):
            return logical(form, left, self.condition(node.expression))

    def comparison(self, node: exp.Expression) -> Expression:
        """``= <> < <= > >=`` and IS [NOT] DISTINCT FROM."""
        _refuse_extra(node, _TWO)
        name, swapped, negated = _COMPARISONS[type(node)]
        if isinstance(node.expression, exp.Any):
            return any_of_list(self, node)
        left, right = self.operand(node.this), self.operand(node.expression)
        built = compare(name, right, left) if swapped else compare(name, left, right)
        return negate(built) if negated else built

    def is_(self, node: exp.Expression) -> Expression:
        """IS NULL, IS TRUE, IS FALSE."""
        value = self.operand(node.this)
        if isinstance(node.expression, exp.Null):
            built: Expression = logical(Form.IS_NULL, value)
        elif isinstance(node.expression, exp.Boolean) and value.type.kind is Kind.BOOLEAN:
            wanted = Literal(bool(node.expression.this), BOOLEAN)
            built = negate(logical(Form.DISTINCT, value, wanted))
        else:
            raise Unsupported(f"`{sql_of(node)}`")
        return negate(built) if node.args.get("negate") else built

    def in_(self, node: exp.Expression) -> Expression:
        """IN a list of expressions."""
        options = [self.operand(option) for option in node.expressions]
        if not options:
            raise Unsupported(f"`{sql_of(node)}`; of a list ask list_contains(list, value)")
        value, *rest = unified(self.operand(node.this), *options)
        whole = value.type.kind not in (Kind.DOUBLE, Kind.DECIMAL, Kind.BOOLEAN)
        if whole and all(isinstance(o, Literal) and o.value is not None for o in rest):
            built: Expression = logical(Form.IN, value, *rest)
        else:
            built = _balanced([call("=", value, option) for option in rest])
        return negate(built) if node.args.get("negate") else built

    def between(self, node: exp.Expression) -> Expression:
        """BETWEEN, bounds included."""
        value, low, high = unified(
            *(self.operand(node.args[key]) for key in ("this", "low", "high"))
        )
        built = logical(Form.AND, compare("<=", low, value), compare("<=", value, high))
        return negate(built) if node.args.get("negate") else built

    def escape(self, node: exp.Expression) -> Expression:
        """LIKE with ESCAPE."""
        if not isinstance(node.this, exp.Like | exp.ILike) or len(node.expression.name) != 1:
            raise Unsupported(f"`{sql_of(node)}`")
        return self.like(node.this, escape=node.expression.name)

    def like(self, node: exp.Expression, *, escape: str | None = None) -> Expression:
        """LIKE and ILIKE; the simplest patterns become comparisons."""
        from lakegate.contract.sql.regex import plain_like

        _refuse_extra(node, _TWO | {"negate"})
        text, pattern = self.operand(node.this), self.operand(node.expression)
        if isinstance(node, exp.ILike):
            text, pattern = call("lower", text), call("lower", pattern)
        built = self.matched(text, pattern, escape, plain_like)
        return negate(built) if node.args.get("negate") else built

    def matched(self, text: Expression, pattern: Expression, escape: str | None, plain: Any) -> Any:
        """A text against a pattern of LIKE."""
        if escape is not None:
            return call("like", text, pattern, Literal(escape, SqlType(Kind.STRING)))
        simple = (
            plain(pattern.value)
            if isinstance(pattern, Literal) and isinstance(pattern.value, str)
            else None
        )
        if simple is None or text.type.kind is not Kind.STRING:
            return call("like", text, pattern)
        return call(simple[0], text, Literal(simple[1], SqlType(Kind.STRING)))

    def case(self, node: exp.Expression) -> Expression:
        """CASE in both forms, and IF."""
        if isinstance(node, exp.If) and node.args.get("false") is None:
            raise SqlRuleError(f"SQL rule: `{sql_of(node)}`: DuckDB's IF has three arguments")
        subject = node.this if isinstance(node, exp.Case) else None
        branches = node.args["ifs"] if isinstance(node, exp.Case) else [node]
        default = node.args.get("default" if isinstance(node, exp.Case) else "false")
        conditions: list[Expression] = []
        values: list[Expression] = []
        passed: frozenset[Fact] = frozenset()
        subject_built = None if subject is None else self.operand(subject)
        for branch in branches:
            with self.where(passed):
                if subject_built is None:
                    condition = self.condition(branch.this)
                else:
                    condition = compare("=", subject_built, self.operand(branch.this))
                with self.where(facts(condition, True)):
                    values.append(self.build(branch.args["true"]))
            conditions.append(condition)
            passed |= facts(condition, False)
        with self.where(passed):
            values.append(
                Literal(None, SqlType(Kind.NULL)) if default is None else self.build(default)
            )
        return cases(conditions, values)

    def operator(self, node: exp.Expression) -> Expression:
        """A binary operator."""
        expected = _TWO | ({"safe"} if isinstance(node, exp.DPipe) else frozenset())
        _refuse_extra(node, expected | {"typed", "safe"} if isinstance(node, exp.Div) else expected)
        sides = (node.this, node.expression)
        for side in sides:
            mixed = isinstance(side, exp.Binary | exp.Neg) and type(side) is not type(node)
            if mixed and (isinstance(node, _LOOSE) or isinstance(side, _LOOSE)):
                raise Unsupported(f"`{sql_of(side)}` as an operand without parentheses")
        if isinstance(node.this, exp.Interval) or isinstance(node.expression, exp.Interval):
            return interval(self, node)
        return self.named(_OPERATORS[type(node)], [self.operand(side) for side in sides], node)

    def named(self, name: str, args: list[Expression], node: exp.Expression) -> Expression:
        """A function or operator by its name."""
        if name == "||":
            args = [as_text(arg) if not _is_text(arg) else arg for arg in args]
        if name in ("//", "%", "mod") and len(args) == 2:
            floats = Kind.DOUBLE in (args[0].type.kind, args[1].type.kind)
            if name == "//" and {arg.type.kind for arg in args} != {Kind.INTEGER}:
                raise Unsupported(f"`{sql_of(node)}` of other than integers; round it yourself")
            if not floats and not is_nonzero(args[1], self.known):
                raise Unsupported(
                    f"`{sql_of(node)}`: the divisor may be zero, which is an error or null by "
                    "DuckDB's version: divide by NULLIF(x, 0), or only where x <> 0"
                )
        if name == "sqrt" and len(args) == 1 and not is_nonnegative(args[0], self.known):
            raise Unsupported(
                f"`{sql_of(node)}`: the root of a negative number is an error or NaN by DuckDB's "
                "version: ask it only where x >= 0, or of greatest(x, 0)"
            )
        return call(name, *args)

    def minus(self, node: exp.Expression) -> Expression:
        """A negative number, or the negation of one."""
        if isinstance(node.this, _LOOSE):
            raise Unsupported(f"`{sql_of(node)}` without parentheses")
        value = self.operand(node.this)
        if isinstance(value, Literal) and isinstance(value.value, int | float | Decimal):
            number_ = value.value
            zero = number_.copy_negate() if isinstance(number_, Decimal) else -number_
            return replace(value, value=zero)
        return call("negate", value)


def _is_text(value: Expression) -> bool:
    return value.type.kind in (Kind.STRING, Kind.NULL)


def _refuse_extra(node: exp.Expression, expected: frozenset[str]) -> None:
    extra = [key for key, value in node.args.items() if value and key not in expected]
    if extra:
        raise Unsupported(f"`{sql_of(node)}` ({extra[0]})")


def unified(*expressions: Expression) -> tuple[Expression, ...]:
    """The expressions as one kind."""
    from lakegate.contract.sql.literal import unify

    return unify(expressions, "a comparison")


def _balanced(tests: list[Expression]) -> Expression:
    """OR as a balanced tree, or a list of a thousand values would nest a thousand deep."""
    while len(tests) > 1:
        tests = [
            logical(Form.OR, *tests[at : at + 2]) if at + 1 < len(tests) else tests[at]
            for at in range(0, len(tests), 2)
        ]
    return tests[0]


def cases(conditions: list[Expression], values: list[Expression]) -> Expression:
    """CASE of built parts; there is one value more than conditions."""
    from lakegate.contract.sql.literal import unify

    *results, last = unify(values, "CASE")
    pairs = (part for pair in zip(conditions, results, strict=True) for part in pair)
    return choice(Form.CASE, (*pairs, last), (*results, last))


_Method = Callable[[Builder, exp.Expression], Expression]
_ONE, _TWO = frozenset({"this"}), frozenset({"this", "expression"})
_NULL = Literal(None, SqlType(Kind.NULL))
_NODES: dict[type[exp.Expression], tuple[_Method, frozenset[str]]] = {
    exp.Column: (Builder.column, frozenset({"this", "table", "db", "catalog"})),
    exp.Dot: (Builder.column, _TWO),
    exp.Identifier: (Builder.column, frozenset({"this", "quoted"})),
    exp.Literal: (Builder.literal, frozenset({"this", "is_string"})),
    exp.Boolean: (lambda _builder, node: Literal(bool(node.this), BOOLEAN), _ONE),
    exp.Null: (lambda _builder, _node: _NULL, frozenset()),
    exp.Paren: (lambda builder, node: builder.build(node.this), _ONE),
    exp.And: (Builder.connector, _TWO),
    exp.Or: (Builder.connector, _TWO),
    exp.Not: (lambda builder, node: negate(builder.condition(node.this)), _ONE),
    exp.Is: (Builder.is_, _TWO | {"negate"}),
    exp.In: (Builder.in_, frozenset({"this", "expressions", "negate", "field"})),
    exp.Between: (Builder.between, frozenset({"this", "low", "high", "negate"})),
    exp.Escape: (Builder.escape, _TWO),
    exp.Like: (Builder.like, _TWO | {"negate"}),
    exp.ILike: (Builder.like, _TWO | {"negate"}),
    exp.Case: (Builder.case, frozenset({"this", "ifs", "default"})),
    exp.If: (Builder.case, frozenset({"this", "true", "false"})),
    exp.Neg: (Builder.minus, _ONE),
    exp.RegexpLike: (refused("~"), _TWO),
    exp.RegexpFullMatch: (refused("~"), _TWO),
    exp.Pow: (refused("power"), _TWO),
    exp.Cast: (cast, frozenset({"this", "to"})),
    exp.TryCast: (cast, frozenset({"this", "to", "safe"})),
    exp.Bracket: (bracket, frozenset({"this", "expressions", "offset", "safe"})),
    **{node: (method, expected) for node, (method, expected) in NAMED.items()},
    exp.Anonymous: (function, frozenset({"this", "expressions"})),
}
