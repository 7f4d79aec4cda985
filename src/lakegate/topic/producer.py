"""What producers have sent, so that a retry after a lost answer appends nothing.

A producer numbers its records from 0, one numbering per partition (``append``) or per topic
(``send``). The log remembers how far each numbering has come and at which offsets, in the commit
that appended the records. A higher epoch fences the lower ones and begins again at 0, as in Kafka.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from lakegate.errors import Fenced, TopicError
from lakegate.topic.base import ProducerStamp
from lakegate.topic.index import Index

__all__ = ["Scope", "acknowledged", "remember"]


@dataclass(frozen=True, slots=True)
class Scope:
    """What a sequence numbers: ``id`` is a partition's number, or minus the topic's."""

    id: int
    name: str  # for messages


def acknowledged(
    index: Index, stamp: ProducerStamp, scope: Scope, targets: Sequence[tuple[int, int]]
) -> list[int] | None:
    """The first offset in each target if the records were taken before, or None if they are next.

    ``targets`` are (partition, count) in order.

    Raises:
        Fenced: a higher epoch of this producer has appended.
        TopicError: records before these are missing, or only some of these were taken before.
    """
    count = sum(count for _, count in targets)
    (epoch,) = index.one("SELECT max(epoch) FROM producer WHERE id = ?", stamp.producer_id)
    if epoch is not None and stamp.epoch < epoch:
        raise Fenced(
            f"producer {stamp.producer_id} has epoch {epoch}, this one has {stamp.epoch}: a newer "
            "instance took over; nothing was appended; stop this one"
        )
    due = _due(index, stamp, scope)
    if stamp.sequence == due:
        return None
    last = stamp.sequence + count - 1
    if stamp.sequence > due:
        raise TopicError(
            f"producer {stamp.producer_id} sent sequence {stamp.sequence} to {scope.name}, "
            f"expected {due}: {stamp.sequence - due} records are missing; nothing was appended; "
            "send those first, or begin a higher epoch at sequence 0"
        )
    bases = None if last >= due else _first_offsets(index, stamp, scope, targets)
    if bases is None:
        raise TopicError(
            f"producer {stamp.producer_id} sent sequences {stamp.sequence} to {last} to "
            f"{scope.name}, which differ from what it sent under these before (next is {due}); "
            "nothing was appended; a retry must repeat the batch unchanged"
        )
    return bases


def _due(index: Index, stamp: ProducerStamp, scope: Scope) -> int:
    row = index.one(
        "SELECT sequence FROM producer WHERE id = ? AND scope = ? AND epoch = ?",
        stamp.producer_id,
        scope.id,
        stamp.epoch,
    )
    return 0 if row is None else int(row[0])


def _first_offsets(
    index: Index, stamp: ProducerStamp, scope: Scope, targets: Sequence[tuple[int, int]]
) -> list[int] | None:
    if scope.id > 0:
        row = index.one(
            "SELECT sequence, base FROM produced WHERE id = ? AND scope = ? AND sequence <= ? "
            "ORDER BY sequence DESC LIMIT 1",
            stamp.producer_id,
            scope.id,
            stamp.sequence,
        )
        return [row[1] + stamp.sequence - row[0]]
    rows = index.all(
        "SELECT partition, count, base FROM produced WHERE id = ? AND scope = ? AND sequence = ?",
        stamp.producer_id,
        scope.id,
        stamp.sequence,
    )
    bases = {(partition, count): base for partition, count, base in rows}
    if bases.keys() != set(targets):
        return None
    return [bases[target] for target in targets]


def remember(
    index: Index,
    stamp: ProducerStamp,
    scope: Scope,
    appended: Sequence[tuple[tuple[int, int], int]],
) -> None:
    """Note, inside the commit, that ``appended`` ((partition, count), base) were taken."""
    due = _due(index, stamp, scope)
    if due == 0:
        index.execute(
            "DELETE FROM produced WHERE id = ? AND scope = ?", stamp.producer_id, scope.id
        )
    count = sum(count for (_, count), _ in appended)
    index.execute(
        "INSERT OR REPLACE INTO producer VALUES (?, ?, ?, ?)",
        stamp.producer_id,
        scope.id,
        stamp.epoch,
        due + count,
    )
    for (partition, count), base in appended:
        if scope.id > 0 and _extended(index, stamp, scope, count, base):
            continue
        index.execute(
            "INSERT INTO produced VALUES (?, ?, ?, ?, ?, ?)",
            stamp.producer_id,
            scope.id,
            stamp.sequence,
            partition,
            base,
            count,
        )


def _extended(index: Index, stamp: ProducerStamp, scope: Scope, count: int, base: int) -> bool:
    """Lengthen the last run if these records continue it, so that a lone producer needs one row."""
    row = index.one(
        "SELECT sequence, base, count FROM produced WHERE id = ? AND scope = ? "
        "ORDER BY sequence DESC LIMIT 1",
        stamp.producer_id,
        scope.id,
    )
    if row is None or row[1] + row[2] != base:
        return False
    index.execute(
        "UPDATE produced SET count = count + ? WHERE id = ? AND scope = ? AND sequence = ?",
        count,
        stamp.producer_id,
        scope.id,
        row[0],
    )
    return True
