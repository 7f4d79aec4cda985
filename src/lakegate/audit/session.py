"""A DuckDB connection on which a contract's SQL may run: locked, limited, interruptible.

A contract is reviewed, but whoever writes one should not thereby read files of the machine that
audits it. Two fences, each enough alone: the statement is parsed by DuckDB itself and may only name
the audit's own views (:mod:`lakegate.audit.statement`), and the connection can open no file but
those the views read, change no setting, load no extension (docs/decisions/0003-audit.md).
"""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import duckdb

from lakegate.audit.base import Limits, Unjudgeable
from lakegate.lake.engine import duckdb_session
from lakegate.lake.spelling import literal

__all__ = ["Session", "open_session"]

_QUOTED = re.compile(r"'((?:[^']|'')*)'")
_ABOUT_DATA = (
    duckdb.DataError,
    duckdb.ConversionException,
    duckdb.InvalidInputException,
    duckdb.OutOfRangeException,
)
_VALUE = re.compile(r"'.*'|\".*\"", re.DOTALL)
_NUMBER = re.compile(r"(?<!\w)[-+]?\d[\w.+-]*")


class Session:
    """Runs queries within the limits; create one with :func:`open_session`.

    ``connection`` is for the reader to make its views on, before :meth:`lock`.
    """

    def __init__(self, connection: duckdb.DuckDBPyConnection, limits: Limits) -> None:
        self.connection = connection
        self._limits = limits

    def lock(self) -> None:
        """Close the connection to everything but the files its views name."""
        paths: set[str] = set()
        for (sql,) in self.connection.execute(
            "SELECT sql FROM duckdb_views() WHERE NOT internal"
        ).fetchall():
            texts = (text.replace("''", "'") for text in _QUOTED.findall(sql))
            paths.update(text for text in texts if "/" in text or "\\" in text)
        listed = ", ".join(literal(path) for path in sorted(paths))
        self.connection.execute(f"SET allowed_paths = [{listed}]")
        self.connection.execute("SET enable_external_access = false")
        self.connection.execute("SET lock_configuration = true")

    def rows(self, sql: str, parameters: tuple[Any, ...] = (), *, most: int = 1000) -> list[Any]:
        """At most ``most`` rows of the query's result.

        Raises:
            Unjudgeable: DuckDB refuses, or it takes longer than the limit.
        """
        timer = threading.Timer(self._limits.timeout_s, self.connection.interrupt)
        timer.start()
        try:
            return self.connection.execute(sql, parameters).fetchmany(most)
        except duckdb.InterruptException as error:
            raise Unjudgeable(
                f"stopped after {self._limits.timeout_s:g} s; "
                "make the query cheaper or raise the audit's time limit"
            ) from error
        except duckdb.Error as error:
            raise Unjudgeable(_first_line(error)) from error
        finally:
            timer.cancel()

    def row(self, sql: str, parameters: tuple[Any, ...] = ()) -> tuple[Any, ...]:
        """The only row of the result; raises as :meth:`rows` does."""
        found: tuple[Any, ...] = self.rows(sql, parameters, most=1)[0]
        return found


@contextmanager
def open_session(limits: Limits) -> Iterator[Session]:
    """A DuckDB of its own, within the limits."""
    with duckdb_session(memory=limits.memory, threads=limits.threads) as connection:
        yield Session(connection, limits)


def _first_line(error: duckdb.Error) -> str:
    """What DuckDB said, without the values that it quotes where it stumbled over data."""
    said = str(error)
    if isinstance(error, _ABOUT_DATA):
        said = _NUMBER.sub("…", _VALUE.sub("'…'", said))
    return said.split("\n", maxsplit=1)[0].strip()
