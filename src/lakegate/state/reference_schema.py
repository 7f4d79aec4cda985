"""The table of keys that gates judged relationships by: a row whenever they changed."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Connection, Index, Integer, MetaData, String, Table, Text

__all__ = ["create", "reference_keys"]

_metadata = MetaData()

reference_keys = Table(
    "reference_keys",
    _metadata,
    Column("number", Integer, primary_key=True),
    Column("stream", String, nullable=False),
    Column("reference", String, nullable=False),
    Column("target", String, nullable=False),
    Column("snapshot_id", BigInteger),
    Column("keys", BigInteger),
    Column("problem", Text),
    Column("at", String(32), nullable=False),
    Index("reference_keys_by_stream", "stream", "reference"),
)


def create(connection: Connection) -> None:
    """The migration that adds it."""
    _metadata.create_all(connection)
