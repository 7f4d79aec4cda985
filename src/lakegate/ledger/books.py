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
    ``landed`` counts rows that ever landed; ``quarantined`` of them are dead letters since.
    ``accepted`` counts those accepted at first; ``replayed`` dead letters passed later, repaired;
    ``requested`` ones are on their way to the gate again.
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
    quarantined: int = 0
    replayed: int = 0
    requested: int = 0
    discarded: int = 0
    erased: int = 0

    @property
    def deadletters(self) -> int:
        """Dead letters ever made of these records."""
        return self.rejected + self.quarantined

    @property
    def open(self) -> int:
        """Dead letters that nobody has dealt with, or not successfully."""
        return self.deadletters - self.replayed - self.requested - self.discarded - self.erased

    @property
    def waiting_to_judge(self) -> int:
        """The gate's lag, in records."""
        return self.raw - self.judged

    @property
    def waiting_to_land(self) -> int:
        """Accepted and not yet in the table."""
        return self.accepted + self.replayed - self.landed

    @property
    def waiting_to_publish(self) -> int:
        """In the table, on ``staged`` only."""
        return self.landed - self.published - self.quarantined


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
