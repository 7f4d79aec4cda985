"""What a snapshot says of itself: the properties Lakegate writes into each, and reads back.

========================== =========================================================================
snapshot property          meaning
========================== =========================================================================
``lakegate.kind``          ``create``, ``land``, ``compact`` or ``quarantine``
``lakegate.offsets``       JSON ``{topic: {partition: next offset}}`` of everything landed so far;
                           carried forward by every commit, so the newest snapshot tells all
``lakegate.contract.*``    ``id``, ``version``, ``digest`` of the contract that judged the rows
``lakegate.quarantined``   JSON like ``lakegate.offsets``, of the dead letter topic: the quarantined
                           ones below are off the table; carried forward by every commit
``lakegate.quarantine``    on the snapshot that took rows off: the ids of the quarantines it did
========================== =========================================================================
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from lakegate.contract.stream import ContractRef
from lakegate.errors import LakeError
from lakegate.topic.base import TopicPartition

__all__ = [
    "CONTRACT_ID",
    "KIND",
    "MAIN",
    "OFFSETS",
    "QUARANTINE",
    "QUARANTINED",
    "STAGED",
    "Kind",
    "SnapshotInfo",
    "contract_properties",
    "format_offsets",
    "parse_offsets",
]

MAIN = "main"
STAGED = "staged"

KIND = "lakegate.kind"
OFFSETS = "lakegate.offsets"
QUARANTINED = "lakegate.quarantined"
QUARANTINE = "lakegate.quarantine"
CONTRACT_ID = "lakegate.contract.id"
CONTRACT_VERSION = "lakegate.contract.version"
CONTRACT_DIGEST = "lakegate.contract.digest"


class Kind(StrEnum):
    """Why Lakegate made a snapshot (property ``lakegate.kind``)."""

    CREATE = "create"  # the empty one a table begins with
    LAND = "land"  # rows appended, or offsets advanced
    COMPACT = "compact"  # the same rows in fewer files
    QUARANTINE = "quarantine"  # rows taken off; they are dead letters
    MERGE = "merge"  # of a merged table: changes applied (lakegate.lake.merge)


@dataclass(frozen=True, slots=True)
class SnapshotInfo:
    """One snapshot of a table. ``rows`` is the total, ``committed_at`` aware UTC.

    ``properties`` is the snapshot's whole summary (Iceberg spec, "Snapshots"), ours included.
    """

    snapshot_id: int
    parent_id: int | None
    committed_at: datetime
    operation: str
    rows: int
    properties: Mapping[str, str]


def format_offsets(offsets: Mapping[TopicPartition, int]) -> str:
    """The value of ``lakegate.offsets``: JSON, sorted, so that equal offsets give equal text."""
    topics: dict[str, dict[str, int]] = {}
    for source in sorted(offsets):
        topics.setdefault(source.topic, {})[str(source.partition)] = offsets[source]
    return json.dumps(topics, separators=(",", ":"))


def parse_offsets(text: str) -> dict[TopicPartition, int]:
    """The next offset of every partition in a ``lakegate.offsets`` value.

    Raises:
        LakeError: the text is not what :func:`format_offsets` writes.
    """
    try:
        return {
            TopicPartition(topic, int(partition)): int(offset)
            for topic, partitions in json.loads(text).items()
            for partition, offset in partitions.items()
        }
    except (ValueError, AttributeError, TypeError) as error:
        raise LakeError(
            f"snapshot property {OFFSETS} is not readable: expected "
            f'{{"topic": {{"0": 12}}}}, got {text[:80]!r}; Lakegate did not write this, or '
            "it was changed; roll the branch back to the snapshot before it"
        ) from error


def contract_properties(contract: ContractRef) -> dict[str, str]:
    """The three ``lakegate.contract.*`` properties."""
    return {
        CONTRACT_ID: contract.id,
        CONTRACT_VERSION: contract.version,
        CONTRACT_DIGEST: contract.digest,
    }
