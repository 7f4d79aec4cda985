"""The row formats of the topics, as Arrow schemas (docs/reference/topics.md)."""

from __future__ import annotations

import pyarrow as pa

__all__ = [
    "DEADLETTER",
    "HEADERS",
    "QUARANTINE_NOTE",
    "REASONS",
    "RECORD",
    "SOURCE_COLUMNS",
    "TRIAGE",
    "validated_schema",
]

HEADERS = pa.list_(
    pa.struct([pa.field("key", pa.string(), nullable=False), pa.field("value", pa.binary())])
)

# `*.raw`, `*.cdc`: a record as the producer sent it.
RECORD = pa.schema(
    [
        pa.field("key", pa.binary()),
        pa.field("value", pa.binary()),
        pa.field("headers", HEADERS),  # null when there are none
        pa.field("timestamp", pa.timestamp("ms", tz="UTC"), nullable=False),
    ]
)

REASONS = pa.list_(
    pa.struct(
        [
            pa.field("path", pa.string(), nullable=False),
            pa.field("rule", pa.string(), nullable=False),
            pa.field("expected", pa.string(), nullable=False),
            pa.field("observed", pa.string(), nullable=False),
            pa.field("severity", pa.string(), nullable=False),
        ]
    )
)

# `*.deadletter`: the record byte for byte, where it came from, who judged it, and why.
DEADLETTER = pa.schema(
    [
        *RECORD,
        pa.field("source_topic", pa.string(), nullable=False),
        pa.field("source_partition", pa.int32(), nullable=False),
        pa.field("source_offset", pa.int64(), nullable=False),
        pa.field("contract_id", pa.string(), nullable=False),
        pa.field("contract_version", pa.string(), nullable=False),
        pa.field("contract_digest", pa.string(), nullable=False),
        pa.field("rejected_at", pa.timestamp("us", tz="UTC"), nullable=False),
        pa.field("reasons", REASONS, nullable=False),
    ]
)

# Metadata of a batch of `*.deadletter` that a quarantine made: which one, as JSON.
QUARANTINE_NOTE = b"lakegate.quarantine"

# `*.triage`: what happened to a dead letter, one row per event; the last one is its state.
TRIAGE = pa.schema(
    [
        pa.field("deadletter_partition", pa.int32(), nullable=False),
        pa.field("deadletter_offset", pa.int64(), nullable=False),
        pa.field("source_topic", pa.string(), nullable=False),
        pa.field("source_partition", pa.int32(), nullable=False),
        pa.field("source_offset", pa.int64(), nullable=False),
        pa.field("event", pa.string(), nullable=False),
        pa.field("replay_offset", pa.int64()),  # of replayed and failed: the record judged
        pa.field("fixes", pa.string()),  # JSON: name, digest, git commit and state of each
        pa.field("fixes_digest", pa.string()),  # of all that applied, in their order
        pa.field("contract_digest", pa.string()),  # of the contract in force
        pa.field("reasons", REASONS),  # of failed
        pa.field("who", pa.string()),
        pa.field("why", pa.string()),
        pa.field("at", pa.timestamp("us", tz="UTC"), nullable=False),
    ]
)

# Added to the contract's columns in `*.validated`; tables get all but key, headers and timestamp.
SOURCE_COLUMNS = pa.schema(
    [
        pa.field("_key", pa.binary()),
        pa.field("_headers", HEADERS),
        pa.field("_timestamp", pa.timestamp("ms", tz="UTC"), nullable=False),
        pa.field("_topic", pa.string(), nullable=False),
        pa.field("_source_partition", pa.int32(), nullable=False),
        pa.field("_offset", pa.int64(), nullable=False),
        pa.field("_ingested_at", pa.timestamp("us", tz="UTC"), nullable=False),  # appended to raw
    ]
)


def validated_schema(accepted: pa.Schema) -> pa.Schema:
    """The schema of a validated topic: the gate's accepted columns, then the source columns.

    ``accepted`` comes from :func:`lakegate.gate.schema.arrow_schema`. The contract (id, version,
    digest) is in the schema's metadata under ``lakegate.contract.*``, so a batch names its judge.
    """
    return pa.schema([*accepted, *SOURCE_COLUMNS], metadata=accepted.metadata)
