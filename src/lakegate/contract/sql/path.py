"""Names in a row rule: columns, members of objects, and what a lambda calls an item."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

from sqlglot import exp

from lakegate.contract.sql.dialect import is_keyword
from lakegate.contract.sql.literal import Unsupported
from lakegate.contract.sql.rule import (
    Call,
    Column,
    Expression,
    Form,
    Kind,
    Literal,
    Parameter,
    SqlRuleError,
    SqlType,
)
from lakegate.contract.sql.typed import find_field, sql_of, type_of
from lakegate.contract.type import Field, ObjectType

__all__ = ["Paths"]


class Paths(ABC):
    """The names that are known: ``fields`` of the object, ``tables`` that may stand before them."""

    def __init__(self, fields: tuple[Field, ...], tables: frozenset[str]) -> None:
        self.fields = fields
        self.tables = tables
        self.parameters: dict[str, Parameter] = {}

    @abstractmethod
    def build(self, node: exp.Expression) -> Expression:
        """Any expression."""

    def column(self, node: exp.Expression) -> Expression:
        """A column, a member of an object, or what a lambda calls an item."""
        if isinstance(node, exp.Dot):
            return self.dotted(node)
        parts = list(node.parts) if isinstance(node, exp.Column) else [node]
        if not all(isinstance(part, exp.Identifier) for part in parts):
            raise Unsupported(f"`{sql_of(node)}`")
        self.quoted(parts[0])
        return self.path([part.name for part in parts], node)

    def quoted(self, name: Any) -> None:
        """Refuse a name that DuckDB would read as a keyword."""
        if is_keyword(name):
            word = name.name
            raise SqlRuleError(f'SQL rule: `{word}` is a keyword of DuckDB\'s; quote it: "{word}"')

    def dotted(self, node: exp.Dot) -> Expression:
        """``a.b.c``: as a path when all of it is names, else a member of what comes before."""
        names: list[str] = []
        inner: exp.Expression = node
        while isinstance(inner, exp.Dot) and isinstance(inner.expression, exp.Identifier):
            names.insert(0, inner.expression.name)
            inner = inner.this
        if isinstance(inner, exp.Dot):
            raise Unsupported(f"`{sql_of(node)}`")
        if isinstance(inner, exp.Identifier | exp.Column):
            parts = [inner] if isinstance(inner, exp.Identifier) else inner.parts
            self.quoted(parts[0])
            return self.path([*(part.name for part in parts), *names], node)
        built = self.build(inner)
        for name in names:
            built = self.member(built, name, node)
        return built

    def path(self, names: list[str], node: exp.Expression) -> Expression:
        """What a list of names stands for."""
        parameter = self.parameters.get(names[0].casefold())
        if parameter is not None:
            built: Expression = parameter
            for name in names[1:]:
                built = self.member(built, name, node)
            return built
        if len(names) > 1 and names[0].casefold() in self.tables:
            names = names[1:]
        return self.field(names, node)

    def field(self, names: list[str], node: exp.Expression) -> Expression:
        """A declared field, found by its path."""
        fields, path = self.fields, []
        for depth, name in enumerate(names):
            field = find_field(name, fields, ".".join(names))
            path.append(field.name)
            if depth == len(names) - 1:
                return Column(tuple(path), type_of(field.type))
            if not isinstance(field.type, ObjectType):
                raise SqlRuleError(
                    f"SQL rule: `{'.'.join(names)}`: `{'.'.join(path)}` is not an object; "
                    "name a declared property"
                )
            fields = field.type.fields
        raise Unsupported(f"`{sql_of(node)}`")

    def member(self, of: Expression, name: str, node: exp.Expression) -> Expression:
        """A member of a struct."""
        found = [(n, t) for n, t in of.type.members if n.casefold() == name.casefold()]
        if of.type.kind is not Kind.STRUCT or len(found) != 1:
            if of.type.kind is Kind.STRUCT:
                raise SqlRuleError(f"SQL rule: `{sql_of(node)}`: there is no member `{name}`")
            raise Unsupported(f"`{sql_of(node)}`: a member of {of.type}")
        exact, type_ = found[0]
        if isinstance(of, Column):
            return Column((*of.path, exact), type_)
        return Call(Form.MEMBER, (of, Literal(exact, SqlType(Kind.STRING))), type_)
