"""Tables of what people decided after an audit: quarantines, accepted rules, windows reopened."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Connection,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
    false,
    inspect,
)

__all__ = [
    "acceptances",
    "create",
    "explain_windows",
    "hold_windows",
    "quarantines",
    "windows",
]

_metadata = MetaData()

quarantines = Table(
    "quarantines",
    _metadata,
    Column("number", Integer, primary_key=True),
    Column("id", String, nullable=False, unique=True),
    Column("stream", String, nullable=False),
    Column("audit_id", String, nullable=False),
    Column("snapshot_id", BigInteger, nullable=False),  # that was audited
    Column("rules", Text, nullable=False),  # JSON [[rule, rows, rows that stay on main], …]
    Column("reason", Text),
    Column("by", String, nullable=False),
    Column("at", String(32), nullable=False),
    Column("rows", BigInteger, nullable=False),
    Column("rebuilt", BigInteger, nullable=False),
    Index("quarantines_by_stream", "stream"),
)

acceptances = Table(
    "acceptances",
    _metadata,
    Column("number", Integer, primary_key=True),
    Column("stream", String, nullable=False),
    Column("audit_id", String, nullable=False),
    Column("snapshot_id", BigInteger, nullable=False),
    Column("rule", String, nullable=False),
    Column("result", Text, nullable=False),  # the sentence of the audit: figures, no values
    Column("offending", BigInteger),
    Column("total", BigInteger),
    Column("reason", Text, nullable=False),
    Column("by", String, nullable=False),
    Column("at", String(32), nullable=False),
    UniqueConstraint("audit_id", "rule"),
)

windows = Table(
    "windows",
    _metadata,
    Column("number", Integer, primary_key=True),
    Column("stream", String, nullable=False),
    Column("rule", String, nullable=False),
    Column("start", String(32), nullable=False),
    Column("end", String(32), nullable=False),
    Column("revision", Integer, nullable=False),
    Column("state", String, nullable=False),
    Column("status", String, nullable=False),
    Column("observed", Text),
    Column("rows", BigInteger, nullable=False),
    Column("late", BigInteger, nullable=False),
    Column("audit_id", String, nullable=False),
    Column("snapshot_id", BigInteger, nullable=False),
    Column("at", String(32), nullable=False),
    Column("unit", String, nullable=False, server_default=""),
    Column("reason", Text, nullable=False, server_default=""),
    Column("holds", Boolean, nullable=False, server_default=false()),
    UniqueConstraint("stream", "rule", "start", "end", "revision"),
)


def create(connection: Connection) -> None:
    """The migration that adds them."""
    _metadata.create_all(connection)


def explain_windows(connection: Connection) -> None:
    """The migration that adds to windows the unit of what was observed, and why they changed."""
    for name in ("unit", "reason"):
        _add(connection, name, "TEXT NOT NULL DEFAULT ''")


def hold_windows(connection: Connection) -> None:
    """The migration that adds to windows whether they hold ``main``."""
    _add(connection, "holds", "BOOLEAN NOT NULL DEFAULT FALSE")


def _add(connection: Connection, column: str, definition: str) -> None:
    """To a database of an older version; one made since has the column from the beginning."""
    there = {column["name"] for column in inspect(connection).get_columns(windows.name)}
    if column not in there:
        connection.exec_driver_sql(f"ALTER TABLE windows ADD COLUMN {column} {definition}")
