"""Replayed dead letters in the books: what the events say, against the records and rows there are.

Per partition, ``triage`` holding the events and ``replay`` the repaired records, as asked for::

    requested = the records of replay, one by one
    judged    = replayed + failed        each record of replay that the gate has read, once
    replayed  = rows of validated marked as replayed, by source offset
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from lakegate.contract.stream import Stream
from lakegate.deadletter.triage import State, event_states
from lakegate.errors import DamagedLog
from lakegate.ledger.compare import name_offsets
from lakegate.ledger.evidence import Offsets, Positions
from lakegate.runner.lineage import lineages
from lakegate.topic.base import LedgerEntry, TopicLog, TopicPartition
from lakegate.topic.checksum import offset_checksum

__all__ = ["Events", "late_of", "picked", "read_events", "replay_gaps", "without"]

_CHUNK = 50_000
_NONE = -1
# What may come before each event; a dead letter without an event is open.
_AFTER = {
    State.REQUESTED: (State.OPEN, State.FAILED),
    State.REPLAYED: (State.REQUESTED,),
    State.FAILED: (State.REQUESTED,),
    State.DISCARDED: (State.OPEN, State.FAILED),
    State.ERASED: tuple(State),
}


@dataclass(frozen=True, slots=True)
class Events:
    """The events of one triage partition, in order, up to triage offset ``end``.

    ``mine`` says which are about records of the raw topic that is proven.
    """

    letters: Offsets
    codes: npt.NDArray[np.int8]
    replay_offsets: Offsets
    sources: Offsets
    mine: npt.NDArray[np.bool_]
    end: int

    def upto(self, end: int) -> Events:
        """Those below a triage offset."""
        return Events(
            self.letters[:end],
            self.codes[:end],
            self.replay_offsets[:end],
            self.sources[:end],
            self.mine[:end],
            min(end, self.end),
        )

    def replayed(self, *, since: int = 0) -> Offsets:
        """Source offsets of the replayed events from triage offset ``since`` on, sorted."""
        chosen = (self.codes[since:] == State.REPLAYED) & self.mine[since:]
        return np.sort(self.sources[since:][chosen])

    def open(self, letters: Offsets) -> Offsets:
        """Those of the dead letters that nobody has dealt with, or not successfully."""
        reverse, first = np.unique(self.letters[::-1], return_index=True)
        settled = reverse[self.codes[len(self.letters) - 1 - first] != State.FAILED]
        return letters[~np.isin(letters, settled)]

    def count(self) -> dict[State, int]:
        """Dead letters of the raw topic by their last event."""
        last = np.zeros(0, np.int64)
        if len(self.letters):
            reverse, first = np.unique(self.letters[::-1], return_index=True)
            last = len(self.letters) - 1 - first
            del reverse
        codes = self.codes[last][self.mine[last]]
        return {state: int(np.count_nonzero(codes == state)) for state in State}


def read_events(log: TopicLog, stream: Stream, partition: int, damage: list[str]) -> Events:
    """Every event of a partition as of now; none where the stream has no triage topic."""
    source = TopicPartition(stream.topic("triage"), partition)
    batches: list[pa.RecordBatch] = []
    if source.topic in log.topics():
        _read(log, source, batches, damage)
    if not batches:
        nothing = np.zeros(0, np.int64)
        return Events(nothing, np.zeros(0, np.int8), nothing, nothing, np.zeros(0, bool), 0)
    rows = pa.Table.from_batches(batches)
    raw = pc.and_(
        pc.equal(rows["source_topic"], stream.topic("raw")),
        pc.equal(rows["source_partition"], partition),
    )
    return Events(
        rows["deadletter_offset"].to_numpy(),
        event_states(rows["event"]),
        pc.fill_null(rows["replay_offset"], _NONE).to_numpy(),
        rows["source_offset"].to_numpy(),
        raw.to_numpy(),
        rows.num_rows,
    )


def _read(
    log: TopicLog, source: TopicPartition, batches: list[pa.RecordBatch], damage: list[str]
) -> None:
    columns = [
        "deadletter_offset",
        "event",
        "replay_offset",
        "source_topic",
        "source_partition",
        "source_offset",
    ]
    offset = 0
    while True:
        last = offset
        try:
            for batch in log.read(source, offset, max_records=_CHUNK):
                batches.append(batch.rows.select(columns))
                offset = batch.next_offset
        except DamagedLog:
            damage.extend(log.verify(source))
            return
        if offset == last:
            return


def late_of(events: Events, *, sealed: int, since: int) -> Offsets:
    """Source offsets below a seal whose rows came later: replayed from triage offset ``since``."""
    replayed = events.replayed(since=since)
    return replayed[replayed < sealed]


def picked(rows: Positions, offsets: Offsets) -> Positions:
    """The rows at those offsets."""
    keep = np.isin(rows.offsets, offsets)
    return Positions(rows.offsets[keep], rows.hashes[keep])


def without(rows: Positions, offsets: Offsets) -> Positions:
    """The rows at other offsets."""
    if not len(offsets):
        return rows
    keep = ~np.isin(rows.offsets, offsets)
    return Positions(rows.offsets[keep], rows.hashes[keep])


def replay_gaps(
    log: TopicLog,
    stream: Stream,
    partition: int,
    events: Events,
    entries: Sequence[LedgerEntry],
) -> Iterator[str]:
    """What does not hold between events, records of the replay topic, and ledger.

    ``events`` were read after ``entries``.
    """
    letters = TopicPartition(stream.topic("deadletter"), partition)
    yield from _illegal(letters, events)
    beyond = events.letters[events.letters >= log.end_offset(letters)]
    if len(beyond):
        yield f"{letters}: {name_offsets(np.unique(beyond))} have events, but are not there"
    source = TopicPartition(stream.topic("replay"), partition)
    if source.topic not in log.topics():
        return
    requested = events.letters[events.codes == State.REQUESTED]
    damage: list[str] = []
    carried = _carried(log, source, damage)
    yield from damage
    if damage:
        return
    yield from _unasked(source, requested, carried)
    yield from _unjudged(source, events, entries, requested, carried)


def _illegal(letters: TopicPartition, events: Events) -> Iterator[str]:
    """Each event may follow the one before: nothing is replayed twice, or after a discard."""
    order = np.argsort(events.letters, kind="stable")
    codes, owners = events.codes[order], events.letters[order]
    before = np.zeros(len(codes), np.int8)
    same = owners[1:] == owners[:-1]
    before[1:][same] = codes[:-1][same]
    for state, allowed in _AFTER.items():
        wrong = (codes == state) & ~np.isin(before, np.array(allowed, np.int8))
        for earlier in np.unique(before[wrong]).tolist():
            named = name_offsets(np.unique(owners[wrong & (before == earlier)]))
            yield f"{letters}: {named} {state.name.lower()} when {State(earlier).name.lower()}"


def _carried(log: TopicLog, source: TopicPartition, damage: list[str]) -> Offsets:
    """The dead letter each record of a replay partition is, -1 for a stub or a stranger."""
    found: list[int] = []
    offset = log.start_offset(source)
    found += [_NONE] * offset
    while True:
        last = offset
        try:
            for batch in log.read(source, offset, max_records=_CHUNK):
                known = lineages(batch.rows.column("headers"))
                found += [_NONE if held is None else held[0].deadletter for held in known]
                offset = batch.next_offset
        except DamagedLog:
            damage.extend(log.verify(source))
            break
        if offset == last:
            break
    return np.array(found, dtype=np.int64)


def _unasked(source: TopicPartition, requested: Offsets, carried: Offsets) -> Iterator[str]:
    """The k-th record is the k-th dead letter asked for."""
    if len(carried) < len(requested):
        named = name_offsets(requested[len(carried) :])
        yield f"{source}: dead letters at {named} were asked for, but are not there"
    count = min(len(carried), len(requested))
    known = carried[:count] != _NONE
    other = np.flatnonzero(known & (carried[:count] != requested[:count]))
    if len(other):
        yield f"{source}: {name_offsets(other)} are other dead letters than were asked for"


def _unjudged(
    source: TopicPartition,
    events: Events,
    entries: Sequence[LedgerEntry],
    requested: Offsets,
    carried: Offsets,
) -> Iterator[str]:
    """Each record the gate has read came to one end, that of its own dead letter."""
    judged = entries[-1].next_offset if entries else 0
    if judged > len(requested):
        surplus = np.arange(len(requested), judged)
        yield f"{source}: {name_offsets(surplus)} judged, but never asked for"
        return
    ended = np.isin(events.codes, (State.REPLAYED, State.FAILED))
    at, owners = events.replay_offsets[ended], events.letters[ended]
    passed = events.codes[ended] == State.REPLAYED
    inside = (at >= 0) & (at < judged)
    ends = np.bincount(at[inside], minlength=judged)
    missing = np.flatnonzero((ends == 0) & (carried[:judged] != _NONE))
    if len(missing):
        yield f"{source}: {name_offsets(missing)} judged, but neither replayed nor failed"
    doubled = np.flatnonzero(ends > 1)
    if len(doubled):
        yield f"{source}: {name_offsets(doubled)} came to more than one end"
    strange = np.unique(at[inside][requested[at[inside]] != owners[inside]])
    if len(strange):
        yield f"{source}: {name_offsets(strange)} came to the end of another dead letter"
    for entry in entries:
        low, high = entry.first_offset, entry.next_offset
        good = at[inside & passed & (at >= low) & (at < high)]
        if len(good) != entry.accepted:
            yield (
                f"{source} offsets {low} to {high - 1}: the ledger says {entry.accepted:,} passed, "
                f"the events {len(good):,}"
            )
        elif offset_checksum(np.sort(good)) != entry.accepted_checksum:
            yield f"{source} offsets {low} to {high - 1}: others passed than the ledger counted"
