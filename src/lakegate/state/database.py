"""Opening the operational database: one file in the project, or a PostgreSQL by URL."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event, insert, inspect, select, update
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, OperationalError
from sqlalchemy.pool import NullPool

from lakegate.errors import NewerState, StateError
from lakegate.state.schema import MIGRATIONS, VERSION, version

__all__ = ["Database", "open_database"]

_BUSY_S = 10
# Before 3.51.3 SQLite can lose a page when several connections reset the WAL (sqlite.org/wal.html).
_WAL_IS_SAFE = sqlite3.sqlite_version_info >= (3, 51, 3)


class Database:
    """A migrated database; several processes may have it open and write at once.

    No connection is kept between calls with SQLite, so it may be used from any thread and survives
    a fork. Every error of the database is a :class:`StateError` that says what to do.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self.name = engine.url.render_as_string(hide_password=True)

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """One transaction that sees what it writes about: readers wait for nothing."""
        with (
            _translated(self.name),
            self._engine.execution_options(lakegate_write=True).begin() as c,
        ):
            yield c

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """One consistent view; works on a read-only file too."""
        with _translated(self.name), self._engine.begin() as connection:
            yield connection

    def close(self) -> None:
        """Let go of pooled connections."""
        self._engine.dispose()


def open_database(url: str) -> Database:
    """Open and, when it is new or older, migrate the database at an SQLAlchemy URL.

    Raises:
        NewerState: a newer Lakegate wrote it.
        StateError: it cannot be opened, is damaged, locked or read-only.
    """
    try:
        parsed = make_url(url)
        engine = _sqlite(parsed) if parsed.get_backend_name() == "sqlite" else create_engine(parsed)
    except (ArgumentError, ImportError) as error:
        raise StateError(
            f"the operational database cannot be opened: {error}; give a URL such as "
            "sqlite:///state.db or postgresql+psycopg://host/name, its driver installed"
        ) from error
    database = Database(engine)
    if _version(database) != VERSION:
        _migrate(database)
    return database


def _sqlite(url: URL) -> Engine:
    engine = create_engine(url, poolclass=NullPool, connect_args={"timeout": _BUSY_S})

    @event.listens_for(engine, "connect")
    def configure(connection: Any, _record: object) -> None:
        connection.isolation_level = None  # transactions are begun below, not by sqlite3
        connection.execute("PRAGMA foreign_keys = ON")
        connection.execute("PRAGMA synchronous = FULL")
        if _WAL_IS_SAFE:
            try:
                connection.execute("PRAGMA journal_mode = WAL")
            except sqlite3.OperationalError as error:
                if "readonly" not in str(error):
                    raise

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        writes = connection.get_execution_options().get("lakegate_write", False)
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")

    return engine


def _version(database: Database) -> int:
    """The version found; 0 for a database without our tables."""
    with database.read() as connection:
        found = _version_in(connection)
    if found > VERSION:
        raise NewerState(
            f"{database.name} has version {found}, this Lakegate knows up to {VERSION}; "
            "install the newer Lakegate that wrote it, or open a copy made before it was upgraded"
        )
    return found


def _version_in(connection: Connection) -> int:
    if not inspect(connection).has_table(version.name):
        return 0
    return connection.execute(select(version.c.version)).scalar() or 0


def _migrate(database: Database) -> None:
    with database.write() as connection:
        if connection.dialect.name == "postgresql":  # so that two processes migrate in turn
            connection.exec_driver_sql("SELECT pg_advisory_xact_lock(7241955)")
        found = _version_in(connection)
        for migration in MIGRATIONS[found:]:
            migration(connection)
        if found == 0:
            connection.execute(insert(version).values(version=VERSION))
        else:
            connection.execute(update(version).values(version=VERSION))


@contextmanager
def _translated(name: str) -> Iterator[None]:
    try:
        yield
    except DBAPIError as error:
        raise StateError(f"{name}: {_advice(error)}") from error


def _advice(error: DBAPIError) -> str:
    """What happened and what to do, without the parameters: they may hold data."""
    text = str(error.orig).split("\n", maxsplit=1)[0]
    causes = {
        "database is locked": f"another process has held it for more than {_BUSY_S} s; "
        "wait for it or end it, then try again",
        "readonly": "it, or the folder it stands in, is read-only; make it writable",
        "malformed": "the file is damaged; restore it from a backup, or move it away and let a new "
        "one be made (audit history and publication records are lost, no data is)",
        "not a database": "the file is no database; move it away, or give another path",
        "unable to open": "the file cannot be opened; create its folder, or check its permissions",
        "disk is full": "the disk is full; make room, nothing of this was written",
        "disk I/O error": "the disk failed or is full; nothing of this was written",
    }
    for sign, advice in causes.items():
        if sign in text:
            return f"{text}; {advice}"
    kind = "cannot be reached or refused" if isinstance(error, OperationalError) else "refused"
    return f"{kind}: {text}; check the database, then try again"
