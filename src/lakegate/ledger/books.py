"""What the books say: the numbers of a stream, per partition, and every gap in them."""

from __future__ import annotations

from dataclasses import dataclass

from lakegate.topic.base import TopicPartition

__all__ = ["PartitionBooks", "StreamProof"]


@dataclass(frozen=True, slots=True)
class PartitionBooks:
    """One raw partition's records, by state; counts include what was sealed earlier.

    ``raw`` counts every record ever appended. Records below offset ``sealed`` were proven before
    and are carried by their seal; those from there on were read again for this proof.
    ``judged`` is the gate's next offset; ``observed`` of the judged ones were not acted on.
    """

    source: TopicPartition
    raw: int
    sealed: int
    judged: int
    observed: int
    accepted: int
    rejected: int
    tombstones: int
    landed: int
    published: int

    @property
    def waiting_to_judge(self) -> int:
        """The gate's lag, in records."""
        return self.raw - self.judged

    @property
    def waiting_to_land(self) -> int:
        """Accepted and not yet in the table."""
        return self.accepted - self.landed

    @property
    def waiting_to_publish(self) -> int:
        """In the table, on ``staged`` only."""
        return self.landed - self.published


@dataclass(frozen=True, slots=True)
class StreamProof:
    """The conservation equations of SEMANTICS "States of a record", for one stream.

    ``gaps`` is empty when they hold; else each sentence names what is missing, doubled or changed,
    and where. Of observed records only the judging can be proven: they have no outputs.
    """

    stream: str
    partitions: tuple[PartitionBooks, ...]
    gaps: tuple[str, ...]

    @property
    def proven(self) -> bool:
        """Whether every equation holds."""
        return not self.gaps

    def total(self, column: str) -> int:
        """The sum of one of the numbers of :class:`PartitionBooks` over all partitions."""
        return sum(int(getattr(books, column)) for books in self.partitions)

    @property
    def reread(self) -> int:
        """Raw records judged again for this proof, from the data itself."""
        return self.total("judged") - self.total("sealed")
