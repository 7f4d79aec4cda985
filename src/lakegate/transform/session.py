"""The DuckDB connection on which a model's SQL runs: pinned tables, nothing else, within limits.

Views of the pinned snapshots are made first; then the connection is closed to everything but their
files (:meth:`lakegate.audit.session.Session.lock`); models that are views are made last, so that
no text in them can open a file.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb

from lakegate.audit.base import Limits, Unjudgeable
from lakegate.audit.session import Session
from lakegate.lake.engine import duckdb_session
from lakegate.lake.reading import relation
from lakegate.lake.spelling import identifier
from lakegate.transform.failure import said
from lakegate.transform.model import Model

if TYPE_CHECKING:
    from pyiceberg.table import Table

__all__ = ["ModelSession", "Pinned", "PinnedTable", "Pins", "model_session"]


@dataclass(frozen=True, slots=True)
class PinnedTable:
    """A table at one snapshot, its schema that snapshot's."""

    table: Table
    snapshot_id: int

    @property
    def stamp(self) -> tuple[int, int]:
        """What changes when its rows or columns may have changed."""
        return self.snapshot_id, self.table.metadata.current_schema_id


@dataclass(slots=True)
class Pins:
    """What every name means for the whole of a run."""

    tables: dict[str, PinnedTable] = field(default_factory=dict)
    views: dict[str, Model] = field(default_factory=dict)
    needs: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def base(self, names: Iterable[str]) -> dict[str, PinnedTable]:
        """The tables behind these names, through views."""
        found: dict[str, PinnedTable] = {}
        for name in names:
            if name in self.views:
                found.update(self.base(self.reads(name)))
            elif name in self.tables:
                found[name] = self.tables[name]
        return found

    def views_in_order(self, names: Iterable[str]) -> dict[str, Model]:
        """The views among these names and behind them, each after those it reads."""
        found: dict[str, Model] = {}
        for name in names:
            if name in self.views:
                found.update(self.views_in_order(self.reads(name)))
                found[name] = self.views[name]
        return found

    def reads(self, name: str) -> list[str]:
        """What a model's SQL reads, spelt as it is known."""
        written = {use.name.casefold() for use in self.views[name].reads}
        return [need for need in self.needs[name] if need.casefold() in written]


Pinned = Mapping[str, PinnedTable]


class ModelSession(Session):
    """A session that says what its limits are."""

    def __init__(self, connection: duckdb.DuckDBPyConnection, limits: Limits) -> None:
        super().__init__(connection, limits)
        self.limits = limits

    def row(self, sql: str, parameters: tuple[Any, ...] = ()) -> tuple[Any, ...]:
        """The first row of the result, read to its end: views can be dropped and made after it.

        Raises:
            Unjudgeable: DuckDB refuses, or it takes longer than the limit.
        """
        timer = threading.Timer(self.limits.timeout_s, self.connection.interrupt)
        timer.daemon = True
        timer.start()
        try:
            found: list[tuple[Any, ...]] = self.connection.execute(sql, parameters).fetchall()
        except duckdb.Error as error:
            raise Unjudgeable(said(error)) from error
        finally:
            timer.cancel()
        return found[0]


@contextmanager
def model_session(
    pins: Pins,
    names: Iterable[str],
    *,
    limits: Limits,
    workspace: Path,
    extra: Pinned | None = None,
    bind: Callable[[duckdb.DuckDBPyConnection], None] = lambda _connection: None,
) -> Iterator[ModelSession]:
    """A locked session that sees these names, and ``extra`` tables by theirs.

    ``bind`` may make views of its own before the session is locked.
    What does not fit into memory spills into a directory of its own below ``workspace``.
    """
    wanted = list(names)
    with duckdb_session(
        memory=limits.memory, threads=limits.threads, workspace=workspace
    ) as connection:
        session = ModelSession(connection, limits)
        for name, pinned in {**pins.base(wanted), **(extra or {})}.items():
            relation(connection, pinned.table, snapshot_id=pinned.snapshot_id, name=name)
        bind(connection)
        session.lock()
        for name, model in pins.views_in_order(wanted).items():
            session.rows(f"CREATE TEMP VIEW {identifier(name)} AS {model.sql}\n")
        yield session
