"""The tables of the operational database, and how older ones become newer ones.

Times are ISO 8601 text in UTC with microseconds, so they sort as text and read the same in SQLite
and PostgreSQL. Exact numbers are text. Lists (samples, frequent values) are JSON text.
"""

from __future__ import annotations

from collections.abc import Callable

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Connection,
    Float,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
)

from lakegate.state import alert_schema, model_schema, quarantine_schema, reference_schema

__all__ = [
    "MIGRATIONS",
    "VERSION",
    "audits",
    "contracts",
    "metadata",
    "publications",
    "results",
    "version",
]

metadata = MetaData()

version = Table("lakegate_version", metadata, Column("version", Integer, primary_key=True))

contracts = Table(
    "contracts",
    metadata,
    Column("id", String, primary_key=True),
    Column("version", String, primary_key=True),
    Column("digest", String(64), primary_key=True),
    Column("draft", Boolean, nullable=False),
    Column("first_seen", String(32), nullable=False),
)

audits = Table(
    "audits",
    metadata,
    Column("number", Integer, primary_key=True),  # in order of recording
    Column("audit_id", String, nullable=False, unique=True),
    Column("stream", String, nullable=False),
    Column("contract_id", String, nullable=False),
    Column("contract_version", String, nullable=False),
    Column("contract_digest", String(64), nullable=False),
    Column("snapshot_id", BigInteger, nullable=False),
    Column("main_snapshot_id", BigInteger),
    Column("started_at", String(32), nullable=False),
    Column("finished_at", String(32), nullable=False),
    Column("clock", String, nullable=False),
    Column("judged_at", String(32)),
    Column("rows", BigInteger, nullable=False),
    Column("passed", Boolean, nullable=False),
    Index("audits_by_stream", "stream", "snapshot_id"),
)

results = Table(
    "results",
    metadata,
    Column("audit_id", String, ForeignKey("audits.audit_id"), primary_key=True),
    Column("position", Integer, primary_key=True),  # in the contract's order, from 0
    Column("name", String, nullable=False),
    Column("kind", String, nullable=False),
    Column("severity", String, nullable=False),
    Column("status", String, nullable=False),
    Column("expected", Text, nullable=False),
    Column("observed", Text),  # a number, or true or false
    Column("unit", String, nullable=False),
    Column("offending", BigInteger),
    Column("total", BigInteger),
    Column("samples", Text, nullable=False),
    Column("frequent", Text, nullable=False),
    Column("message", Text),
    Column("place", String, nullable=False),
    Column("scope", String, nullable=False),
    Column("holds", Boolean, nullable=False),
    Column("seconds", Float, nullable=False),
    Index("results_by_name", "name"),
)

publications = Table(
    "publications",
    metadata,
    Column("number", Integer, primary_key=True),
    Column("stream", String, nullable=False),
    Column("audit_id", String, nullable=False),
    Column("snapshot_id", BigInteger, nullable=False),
    Column("previous", BigInteger),
    Column("by", String, nullable=False),
    Column("at", String(32), nullable=False),
    Column("moved", Boolean, nullable=False),
    UniqueConstraint("stream", "snapshot_id", "audit_id"),
)


def _first(connection: Connection) -> None:
    metadata.create_all(connection)


# Migration n takes version n to n + 1; what is here once released never changes, only grows.
MIGRATIONS: tuple[Callable[[Connection], None], ...] = (
    _first,
    alert_schema.create,
    quarantine_schema.create,
    model_schema.create,
    quarantine_schema.explain_windows,
    reference_schema.create,
    quarantine_schema.hold_windows,
)
VERSION = len(MIGRATIONS)
