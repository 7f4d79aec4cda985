"""Tables of incidents, alerts and service levels; spelt as :mod:`lakegate.state.schema` says."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Connection,
    Float,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    text,
)

__all__ = ["alerts", "create", "incidents", "service_levels", "undeclared"]

_metadata = MetaData()

incidents = Table(
    "incidents",
    _metadata,
    Column("number", Integer, primary_key=True),  # in order of opening
    Column("stream", String, nullable=False),  # empty: the project itself
    Column("kind", String, nullable=False),
    Column("rule", String, nullable=False),
    Column("severity", String, nullable=False),
    Column("status", String, nullable=False),
    Column("contract_id", String, nullable=False),
    Column("contract_version", String, nullable=False),
    Column("contract_digest", String(64), nullable=False),
    Column("records", BigInteger),
    Column("magnitude", Float, nullable=False),
    Column("summary", Text, nullable=False),
    Column("command", Text, nullable=False),
    Column("fields", Text),  # JSON; null: the record as a whole
    Column("opened_at", String(32), nullable=False),
    Column("updated_at", String(32), nullable=False),
    Column("closed_at", String(32)),
    Column("clear_since", String(32)),
    Column("reason", Text),  # of closing
    Column("held", Boolean, nullable=False),  # closed by a person while the breach goes on
    Column("alerted_at", String(32), nullable=False),
    Column("alerted_magnitude", Float, nullable=False),
    Column("alerted_severity", String, nullable=False),
    Column("events", Integer, nullable=False),
    Index(
        "incidents_open", "stream", "kind", "rule", unique=True,
        sqlite_where=text("status = 'open'"), postgresql_where=text("status = 'open'"),
    ),
    Index("incidents_by_status", "status", "stream"),
)  # fmt: skip

alerts = Table(
    "alerts",
    _metadata,
    Column("number", Integer, primary_key=True),  # in order of writing
    Column("incident", Integer, nullable=False),
    Column("event", String, nullable=False),
    Column("recipient", String, nullable=False),
    Column("channel", Text, nullable=False),  # JSON, variables not resolved
    Column("document", Text, nullable=False),  # JSON
    Column("state", String, nullable=False),  # waiting, delivered, expired
    Column("created_at", String(32), nullable=False),
    Column("due_at", String(32), nullable=False),
    Column("tries", Integer, nullable=False),
    Column("claimed_at", String(32)),
    Column("claimed_until", String(32)),
    Column("delivered_at", String(32)),
    Column("error", Text),
    Index("alerts_by_state", "state", "channel", "due_at"),
    Index("alerts_by_incident", "incident"),
)

service_levels = Table(
    "service_levels",
    _metadata,
    Column("number", Integer, primary_key=True),
    Column("stream", String, nullable=False),
    Column("name", String, nullable=False),
    Column("at", String(32), nullable=False),
    Column("clock", String, nullable=False),
    Column("status", String, nullable=False),
    Column("expected", Text, nullable=False),
    Column("observed", Text),
    Column("unit", String, nullable=False),
    Column("how", Text, nullable=False),
    Index("service_levels_by_name", "stream", "name", "number"),
)

undeclared = Table(
    "undeclared",
    _metadata,
    Column("stream", String, primary_key=True),
    Column("path", String, primary_key=True),
    Column("first_seen", String(32), nullable=False),
    Column("told", Boolean, nullable=False),
)


def create(connection: Connection) -> None:
    """The migration that makes them."""
    _metadata.create_all(connection)
