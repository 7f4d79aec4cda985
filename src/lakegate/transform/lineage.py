"""Where every column comes from: through models, down to the fields of the topics.

Of values only: a column is made of those columns whose values can end up in it. What merely filters
or joins rows is not in it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from sqlglot import exp
from sqlglot.errors import SqlglotError
from sqlglot.lineage import Node, lineage

from lakegate.errors import ContractError
from lakegate.transform.binding import Columns
from lakegate.transform.graph import Graph
from lakegate.transform.model import Model
from lakegate.transform.statement import DIALECT

__all__ = ["ColumnName", "Lineage", "trace"]


@dataclass(frozen=True, slots=True, order=True)
class ColumnName:
    """A column of a model or of a stream's table."""

    table: str
    column: str

    def __str__(self) -> str:
        return f"{self.table}.{self.column}"


@dataclass(frozen=True, slots=True)
class Lineage:
    """``parents`` has every column of every model: what it is directly made of, in order.

    ``topics`` are the topics behind the streams' tables.
    """

    parents: Mapping[ColumnName, tuple[ColumnName, ...]]
    topics: Mapping[str, str] = field(default_factory=dict)

    def fields(self, column: ColumnName) -> tuple[str, ...]:
        """The fields of topics a column is made of, as ``flights.raw $.carrier``, sorted."""
        return tuple(sorted({self.field(leaf) for leaf in self._leaves(column, set())}))

    def field(self, column: ColumnName) -> str:
        """A column of a stream's table as a field of its topic."""
        topic = self.topics.get(column.table, column.table)
        of_record = column.column.startswith("_")
        return f"{topic} {column.column}" if of_record else f"{topic} $.{column.column}"

    def columns(self, model: str) -> list[ColumnName]:
        """The columns of a model, in order."""
        return [name for name in self.parents if name.table == model]

    def find(self, text: str) -> list[ColumnName]:
        """``model`` or ``model.column`` as columns.

        Raises:
            ContractError: there is none of that name.
        """
        table, _, column = text.partition(".")
        found = [
            name
            for name in self.parents
            if name.table.casefold() == table.casefold()
            and column.casefold() in ("", name.column.casefold())
        ]
        if not found:
            known = sorted({name.table for name in self.parents})
            raise ContractError(
                f"no model column is called {text}; name MODEL or MODEL.COLUMN, "
                f"with one of the models {', '.join(known) or '(none)'}"
            )
        return found

    def _leaves(self, column: ColumnName, seen: set[ColumnName]) -> Iterator[ColumnName]:
        if column not in self.parents:
            yield column
            return
        if column in seen:
            return
        seen.add(column)
        for parent in self.parents[column]:
            yield from self._leaves(parent, seen)


def trace(graph: Graph, columns: Mapping[str, Columns], topics: Mapping[str, str]) -> Lineage:
    """The lineage of every model that binds."""
    parents: dict[ColumnName, tuple[ColumnName, ...]] = {}
    for model in graph.models.values():
        if model.name in columns:
            parents.update(_of_model(model, columns))
    return Lineage(parents, dict(topics))


def _of_model(
    model: Model, columns: Mapping[str, Columns]
) -> Iterator[tuple[ColumnName, tuple[ColumnName, ...]]]:
    read = {use.name.casefold() for use in model.reads}
    spelt = {
        (table.casefold(), column.casefold()): ColumnName(table, column)
        for table, known in columns.items()
        if table.casefold() in read
        for column in known
    }
    schema = {
        table.casefold(): {column.casefold(): kind for column, kind in known.items()}
        for table, known in columns.items()
        if table.casefold() in read
    }
    for column in columns[model.name]:
        try:
            node = lineage(column.casefold(), model.canonical, schema=schema, dialect=DIALECT)
        except (SqlglotError, ValueError, KeyError):  # a construct sqlglot cannot see through
            found: tuple[ColumnName, ...] = ()
        else:
            assert isinstance(node, Node)
            found = tuple(dict.fromkeys(_parents(node, spelt)))
        yield ColumnName(model.name, column), found


def _parents(root: Node, spelt: Mapping[tuple[str, str], ColumnName]) -> Iterator[ColumnName]:
    for node in root.walk():
        if isinstance(node.expression, exp.Table) and not node.downstream:
            table = node.expression.name.casefold()
            column = node.name.rpartition(".")[2].strip('"').casefold()
            known = spelt.get((table, column))
            if known is not None:
                yield known
