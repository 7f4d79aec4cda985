"""Who may commit for a group on a partition: a number that only ever grows, kept in the index.

Taking a partition over adds one to its epoch. A commit names the epoch under which its work was
done, and is refused inside its own transaction if there is a newer one. So a worker that was
stopped, cut off or simply slow finds out at its next commit, and nothing depends on when that is:
no clock, no time-out, no promise of the operating system.
"""

from __future__ import annotations

from lakegate.errors import Fenced
from lakegate.topic.base import TopicPartition
from lakegate.topic.index import Index

__all__ = ["check_epoch", "claim"]

_SCHEMA = """
CREATE TABLE IF NOT EXISTS lease (
    name TEXT NOT NULL, partition INTEGER NOT NULL, epoch INTEGER NOT NULL,
    PRIMARY KEY (name, partition)
) STRICT, WITHOUT ROWID
"""


def claim(index: Index, group: str, source: TopicPartition) -> int:
    """Take the partition over for the group, durably; return its new epoch."""
    partition = index.partition_id(source)
    with index.immediate():
        index.execute(_SCHEMA)
        index.execute(
            "INSERT INTO lease VALUES (?, ?, 1) "
            "ON CONFLICT (name, partition) DO UPDATE SET epoch = epoch + 1",
            group,
            partition,
        )
        row = index.one(
            "SELECT epoch FROM lease WHERE name = ? AND partition = ?", group, partition
        )
    return int(row[0])


def check_epoch(index: Index, group: str, source: TopicPartition, epoch: int) -> None:
    """See that nobody has claimed the partition since; call inside the transaction.

    Raises:
        Fenced: somebody has.
    """
    row = index.one(
        "SELECT epoch FROM lease WHERE name = ? AND partition = ?",
        group,
        index.partition_id(source),
    )
    current = 0 if row is None else int(row[0])
    if current != epoch:
        raise Fenced(
            f"group {group} works on {source} under epoch {current} by now, this commit is of "
            f"epoch {epoch}: another worker has taken the partition over; nothing of this commit "
            "happened; let go of the partition and ask for a lease again"
        )
