"""Status: the books of every stream, proven, and what is paused."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from lakegate.contract.stream import Stream
from lakegate.errors import StateError
from lakegate.lake.append import conformed
from lakegate.lake.branch import head
from lakegate.lake.reading import scan, verify
from lakegate.lake.snapshot import OFFSETS, parse_offsets
from lakegate.ledger.books import StreamProof
from lakegate.ledger.proof import prove
from lakegate.ledger.seal import SealBook
from lakegate.pipeline.reopening import reopened_windows
from lakegate.topic.base import TopicPartition

if TYPE_CHECKING:
    from pyiceberg.table import Table

    from lakegate.lake import Lake
    from lakegate.pipeline.project import Project

__all__ = ["LakeTables", "Status", "status_of"]


@dataclass(frozen=True, slots=True)
class Status:
    """The proof of each stream, sentences on paused ones, and how long the proving took.

    ``decisions`` are sentences on what is published in spite of a failed rule, and on windows whose
    result was final until late rows were published.
    """

    proofs: tuple[StreamProof, ...]
    pauses: tuple[str, ...]
    seconds: float
    decisions: tuple[str, ...] = ()

    @property
    def proven(self) -> bool:
        """Whether every equation of every stream holds."""
        return all(proof.proven for proof in self.proofs)

    def document(self) -> dict[str, Any]:
        """As plain data, for ``--format json``."""
        return {
            "proven": self.proven,
            "seconds": round(self.seconds, 3),
            "streams": [
                {
                    "stream": proof.stream,
                    "proven": proof.proven,
                    "gaps": list(proof.gaps),
                    "partitions": [
                        {
                            **{
                                name: value
                                for name, value in asdict(books).items()
                                if name != "source"
                            },
                            "topic": books.source.topic,
                            "partition": books.source.partition,
                        }
                        for books in proof.partitions
                    ],
                }
                for proof in self.proofs
            ],
            "paused": list(self.pauses),
            "decisions": list(self.decisions),
        }


@dataclass(frozen=True, slots=True)
class LakeTables:
    """The lake as the proof wants to read it.

    A table is read by its metadata of the moment a snapshot was last asked for: what expires or is
    renamed meanwhile stays as it was, and files are there for as long as the sweep leaves them.
    """

    lake: Lake
    _seen: dict[str, Table] = field(default_factory=dict)  # by stream

    def snapshot(self, stream: Stream, branch: str) -> int | None:
        """The newest snapshot of a branch, or None if the table is not there yet."""
        if not self.lake.exists(stream):
            self._seen.pop(stream.name, None)
            return None
        table = self._seen[stream.name] = self.lake.table(stream)
        newest = head(table, branch)
        return None if newest is None else newest.snapshot_id

    def kept(self, stream: Stream, snapshot_id: int) -> bool:
        """Whether the table still has that snapshot now: if not, its files may go."""
        if not self.lake.exists(stream):
            return False
        return self.lake.table(stream).metadata.snapshot_by_id(snapshot_id) is not None

    def landed(self, stream: Stream, branch: str) -> Mapping[TopicPartition, int]:
        """Next offset of each validated partition, by the newest snapshot that records it."""
        for snapshot in self.lake.history(stream, branch):
            if OFFSETS in snapshot.properties:
                return parse_offsets(snapshot.properties[OFFSETS])
        return {}

    def quarantined(self, stream: Stream, branch: str) -> Mapping[TopicPartition, int]:
        """Per dead letter partition: below which offset the quarantined are off the branch."""
        newest = self.lake.head(stream, branch)
        if newest is None:
            return {}
        return self.lake.quarantined(stream, snapshot_id=newest.snapshot_id)

    def count(self, stream: Stream, branch: str) -> int:
        """Rows of a branch, as its metadata says."""
        newest = self.lake.head(stream, branch)
        return 0 if newest is None else newest.rows

    def rows(
        self, stream: Stream, snapshot_id: int, *, since: Mapping[int, int]
    ) -> Iterator[pa.RecordBatch]:
        """Rows of that snapshot with ``_offset >= since[_source_partition]``."""
        return scan(self._seen[stream.name], snapshot_id=snapshot_id, since=since)

    def damage(self, stream: Stream, snapshot_id: int) -> Iterator[str]:
        """A sentence per data file of that snapshot that is not what was written, to the byte."""
        return verify(self._seen[stream.name], snapshot_id=snapshot_id)

    def conform(self, stream: Stream, rows: pa.RecordBatch) -> pa.RecordBatch:
        """Validated rows under the names the table gives their columns.

        Rows that cannot have landed in the table as it is come back as they are.
        """
        metadata = rows.schema.metadata or {}
        table = self._seen.get(stream.name)
        is_newest = metadata.get(b"lakegate.contract.digest") == stream.contract.digest.encode()
        if is_newest or table is None:
            return rows
        found = conformed(table, stream, pa.Table.from_batches([rows]))
        return found.combine_chunks().to_batches()[0]


def status_of(project: Project, chosen: Sequence[Stream], *, full: bool) -> Status:
    """Prove the chosen streams."""
    started = time.monotonic()
    tables = LakeTables(project.lake)
    seals = SealBook(project.state_folder / "ledger")
    after = timedelta(seconds=project.config.ledger.seal_after_s)
    proofs = tuple(
        prove(project.log, tables, stream, seals=seals, seal_after=after, full=full)
        for stream in chosen
    )
    pauses = []
    for stream in chosen:
        pause = project.brake.paused(stream.name)
        if pause is not None:
            pauses.append(
                f"{stream.name} is paused since {pause.at:%Y-%m-%d %H:%M:%S} at {pause.source} "
                f"offset {pause.next_offset}: {pause.reason}; `lakegate resume {stream.name} "
                "--reason …`"
            )
    decisions = tuple(
        said
        for stream in chosen
        for said in (*_decisions(project, stream, tables), *_unreferred(project, stream))
    )
    return Status(proofs, tuple(pauses), time.monotonic() - started, decisions)


def _unreferred(project: Project, stream: Stream) -> Iterator[str]:
    from lakegate.pipeline.referring import said_of

    if not (project.state_folder / "state.db").exists():
        return
    try:
        yield from said_of(project, stream)
    except StateError as error:
        yield f"{stream.name}: by what relationships are judged cannot be read: {error}"


def _decisions(project: Project, stream: Stream, tables: LakeTables) -> Iterator[str]:
    main = tables.snapshot(stream, "main")
    if main is None or not (project.state_folder / "state.db").exists():
        return
    try:
        accepted = project.quarantines.acceptances(stream.name, snapshot_id=main)
        reopened = list(reopened_windows(project, stream))
    except StateError as error:  # no data is in it: the proof stands without
        yield f"{stream.name}: what was accepted or reopened cannot be read: {error}"
        return
    for one in accepted:
        yield (
            f"{stream.name} is published in spite of {one.rule}: {one.by} accepted it on "
            f"{one.at:%Y-%m-%d %H:%M:%S}: {one.reason}"
        )
    yield from reopened
