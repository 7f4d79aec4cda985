"""The ledger's rows in the index: written inside the commit they describe, read in pages."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from lakegate.contract.stream import ContractRef
from lakegate.errors import TopicError
from lakegate.topic.base import LedgerEntry, TopicPartition
from lakegate.topic.index import Index, from_us, to_us

__all__ = ["account", "entries", "recent"]

_PAGE = 1_000
_64_BITS = (1 << 64) - 1
_COLUMNS = (
    "topic, partition, first_offset, rowid, next_offset, accepted, rejected, "
    "tombstones, accepted_checksum, rejected_checksum, tombstone_checksum, contract_id, "
    "contract_version, contract_digest, noted, observed, at_us"
)


def account(index: Index, entry: LedgerEntry, now_us: int) -> None:
    """Insert the entry, inside a transaction.

    Raises:
        TopicError: its counts do not add up to its offsets.
    """
    judged = entry.accepted + entry.rejected + entry.tombstones
    if judged != entry.next_offset - entry.first_offset:
        raise TopicError(
            f"ledger entry of {entry.stream} for {entry.source} offsets {entry.first_offset} to "
            f"{entry.next_offset} counts {judged} records; nothing of this commit happened"
        )
    index.execute(
        "INSERT INTO ledger VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        entry.stream,
        entry.source.topic,
        entry.source.partition,
        entry.first_offset,
        entry.next_offset,
        entry.accepted,
        entry.rejected,
        entry.tombstones,
        _signed(entry.accepted_checksum),
        _signed(entry.rejected_checksum),
        _signed(entry.tombstone_checksum),
        entry.contract.id,
        entry.contract.version,
        entry.contract.digest,
        entry.noted,
        int(entry.observed),
        now_us,
    )


def _signed(checksum: int) -> int:
    """The 64 bits as SQLite keeps integers."""
    return checksum - (1 << 64) if checksum >> 63 else checksum


def entries(index: Index, stream: str) -> Iterator[LedgerEntry]:
    """Every entry of the stream, by topic, partition, first offset and commit."""
    last: tuple[str, int, int, int] = ("", -1, -1, -1)
    while True:
        rows = index.all(
            f"SELECT {_COLUMNS} FROM ledger "  # noqa: S608, constants only
            "WHERE stream = ? AND (topic, partition, first_offset, rowid) > (?, ?, ?, ?) "
            "ORDER BY topic, partition, first_offset, rowid LIMIT ?",
            stream,
            *last,
            _PAGE,
        )
        for row in rows:
            yield _entry(stream, row)
        if len(rows) < _PAGE:
            return
        last = rows[-1][:4]


def recent(index: Index, after: int, since: datetime) -> tuple[list[LedgerEntry], int]:
    """Entries of all streams committed after a position and not before ``since``, in that order.

    Returns them with the position to go on from; position 0 is the beginning.
    """
    newest = int(index.one("SELECT coalesce(max(rowid), 0) FROM ledger")[0])
    rows = index.all(
        f"SELECT {_COLUMNS}, stream FROM ledger "  # noqa: S608, constants only
        "WHERE rowid > ? AND rowid <= ? AND at_us >= ? ORDER BY rowid",
        after,
        newest,
        to_us(since),
    )
    return [_entry(row[17], row) for row in rows], newest


def _entry(stream: str, row: Any) -> LedgerEntry:
    return LedgerEntry(
        stream=stream,
        source=TopicPartition(row[0], row[1]),
        first_offset=row[2],
        next_offset=row[4],
        accepted=row[5],
        rejected=row[6],
        tombstones=row[7],
        accepted_checksum=row[8] & _64_BITS,
        rejected_checksum=row[9] & _64_BITS,
        tombstone_checksum=row[10] & _64_BITS,
        contract=ContractRef(row[11], row[12], row[13]),
        noted=row[14],
        observed=bool(row[15]),
        at=from_us(row[16]),
    )


@dataclass(frozen=True, slots=True)
class LedgerTotals:
    """Sums over the entries of one stream and partition; ``next_offset`` is where they end."""

    accepted: int
    rejected: int
    tombstones: int
    next_offset: int


def totals(index: Index, stream: str, source: TopicPartition, *, since: int) -> LedgerTotals:
    """The sums of the entries that begin at offset ``since`` or later, in one indexed query."""
    row = index.one(
        "SELECT total(accepted), total(rejected), total(tombstones), max(next_offset) FROM ledger "
        "WHERE stream = ? AND topic = ? AND partition = ? AND first_offset >= ?",
        stream,
        source.topic,
        source.partition,
        since,
    )
    return LedgerTotals(int(row[0]), int(row[1]), int(row[2]), since if row[3] is None else row[3])
