"""The tables of model runs and their tests; spelt as :mod:`lakegate.state.schema` says."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Column,
    Connection,
    Float,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
)

__all__ = ["create", "model_runs", "model_tests"]

metadata = MetaData()

model_runs = Table(
    "model_runs",
    metadata,
    Column("number", Integer, primary_key=True),  # in order of recording
    Column("run_id", String, nullable=False),
    Column("model", String, nullable=False),
    Column("status", String, nullable=False),
    Column("mode", String),
    Column("reason", Text, nullable=False),
    Column("snapshot_id", BigInteger),
    Column("rows", BigInteger),
    Column("digest", String(64), nullable=False),
    Column("started_at", String(32), nullable=False),
    Column("finished_at", String(32), nullable=False),
    Index("model_runs_by_model", "model", "number"),
)

model_tests = Table(
    "model_tests",
    metadata,
    Column("run_id", String, primary_key=True),
    Column("model", String, primary_key=True),
    Column("position", Integer, primary_key=True),  # in the header's order, from 0
    Column("name", String, nullable=False),
    Column("kind", String, nullable=False),
    Column("severity", String, nullable=False),
    Column("verdict", String, nullable=False),
    Column("offending", BigInteger),
    Column("message", Text),
    Column("samples", Text, nullable=False),
    Column("seconds", Float, nullable=False),
)


def create(connection: Connection) -> None:
    """The migration that makes them."""
    metadata.create_all(connection)
