"""Change events as Debezium writes them, for tests and demonstrations."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Literal

__all__ = ["debezium_event"]


def debezium_event(
    op: Literal["c", "r", "u", "d", "t"],
    *,
    before: Mapping[str, Any] | None = None,
    after: Mapping[str, Any] | None = None,
    table: str = "public.t",
    lsn: int = 1,
    transaction: int = 1,
    ts_ms: int = 1_735_689_600_000,
    schema: Mapping[str, Any] | None = None,
) -> bytes:
    """One event as Debezium Server's HTTP sink posts it for a PostgreSQL table, compact JSON.

    ``before`` and ``after`` are rows with values as the connector would encode them (a date as days
    since 1970-01-01, say). ``lsn`` and ``transaction`` are where the change stands in the source's
    log: the same change sent again has the same. ``ts_ms`` is when it was made. With ``schema`` (a
    Kafka Connect schema of the envelope) the event is wrapped in ``schema`` and ``payload``.

    >>> debezium_event("d", before={"id": 7})[:31]
    b'{"before":{"id":7},"after":null'
    """
    namespace, _, name = table.rpartition(".")
    payload = {
        "before": before,
        "after": after,
        "source": {
            "version": "3.6.0.Final",
            "connector": "postgresql",
            "name": "app",
            "ts_ms": ts_ms,
            "snapshot": "true" if op == "r" else "false",
            "db": "postgres",
            "ts_us": ts_ms * 1_000,
            "schema": namespace or "public",
            "table": name,
            "txId": transaction,
            "lsn": lsn,
        },
        "transaction": None,
        "op": op,
        "ts_ms": ts_ms,
    }
    event = payload if schema is None else {"schema": schema, "payload": payload}
    return json.dumps(event, ensure_ascii=False, separators=(",", ":")).encode()
