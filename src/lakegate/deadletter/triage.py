"""The state of every dead letter, folded from the events of ``*.triage``; and who may add one.

Events of a partition are about the dead letters of the same partition. Whoever wants to change a
state (a replay, a discard) reads first how far group ``lakegate.triage`` is, then the events to
their end, and commits only if the group has not moved: of two that decide at once, one is fenced.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import IntEnum

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from lakegate.contract.stream import Stream
from lakegate.runner.lineage import Event
from lakegate.topic.base import TopicLog, TopicPartition, Transaction

__all__ = ["GROUP", "State", "States", "event_states", "fold", "partitions", "write"]

GROUP = "lakegate.triage"
_CHUNK = 50_000


class State(IntEnum):
    """Where a dead letter is; OPEN and FAILED may be replayed."""

    OPEN = 0
    REQUESTED = 1
    REPLAYED = 2
    FAILED = 3
    DISCARDED = 4
    ERASED = 5


_STATES = {
    Event.REQUESTED.value: State.REQUESTED,
    Event.REPLAYED.value: State.REPLAYED,
    Event.FAILED.value: State.FAILED,
    Event.DISCARDED.value: State.DISCARDED,
    Event.ERASED.value: State.ERASED,
}


@dataclass(slots=True)
class States:
    """The states of one partition's dead letters, by their offset.

    ``last`` is the triage offset of each one's last event, -1 for none. ``tried`` points into
    ``attempts``, the (fixes digest, contract digest) of its last request or failure, -1 for none.
    17 bytes a dead letter.
    """

    triage: TopicPartition
    group_at: int
    end: int
    states: npt.NDArray[np.int8]
    last: npt.NDArray[np.int64]
    tried: npt.NDArray[np.int32]
    attempts: list[tuple[str, str]] = field(default_factory=list)

    def attempt(self, offset: int) -> tuple[str, str] | None:
        """Under which fixes and contract a dead letter was tried last."""
        index = int(self.tried[offset])
        return None if index < 0 else self.attempts[index]

    def cover(self, newest: int) -> None:
        """Make room for dead letters that came since, up to offset ``newest``; they are open."""
        more = newest + 1 - len(self.states)
        if more > 0:
            self.states = np.concatenate([self.states, np.zeros(more, np.int8)])
            self.last = np.concatenate([self.last, np.full(more, -1, np.int64)])
            self.tried = np.concatenate([self.tried, np.full(more, -1, np.int32)])


def partitions(log: TopicLog, stream: Stream) -> int:
    """How many partitions the dead letters of a stream have; 0 if the stream has none."""
    there = log.topics()
    if stream.topic("triage") not in there:
        return 0
    return there.get(stream.topic("deadletter"), 0)


def fold(log: TopicLog, stream: Stream, partition: int) -> States:
    """The states as they are now."""
    triage = TopicPartition(stream.topic("triage"), partition)
    group_at = log.committed(GROUP, triage) or 0  # before the events: see the module
    letters = log.end_offset(TopicPartition(stream.topic("deadletter"), partition))
    found = States(
        triage,
        group_at,
        log.start_offset(triage),
        np.zeros(letters, np.int8),
        np.full(letters, -1, np.int64),
        np.full(letters, -1, np.int32),
    )
    known: dict[tuple[str, str], int] = {}
    while True:
        last = found.end
        for batch in log.read(triage, found.end, max_records=_CHUNK):
            _apply(found, batch.rows, known)
            found.end = batch.next_offset
        if found.end == last:
            return found


def _apply(found: States, rows: pa.RecordBatch, known: dict[tuple[str, str], int]) -> None:
    offsets = rows.column("deadletter_offset").to_numpy()
    found.cover(int(offsets.max(initial=-1)))
    states = event_states(rows.column("event"))
    # Assignment with repeated indices keeps the last one, which is the last event.
    found.states[offsets] = states
    found.last[offsets] = found.end + np.arange(len(offsets))
    tried = np.isin(states, (State.REQUESTED, State.FAILED))
    if tried.any():
        found.tried[offsets[tried]] = _attempts(found, rows.filter(pa.array(tried)), known)


def event_states(events: pa.Array | pa.ChunkedArray) -> npt.NDArray[np.int8]:
    """The state that each event of a triage column leads to."""
    names = events.combine_chunks() if isinstance(events, pa.ChunkedArray) else events
    if isinstance(names, pa.ChunkedArray):
        names = pa.concat_arrays(names.chunks)
    encoded = names.dictionary_encode()
    codes = np.array([_STATES[name] for name in encoded.dictionary.to_pylist()], np.int8)
    found: npt.NDArray[np.int8] = codes[encoded.indices.to_numpy()]
    return found


def _attempts(
    found: States, rows: pa.RecordBatch, known: dict[tuple[str, str], int]
) -> npt.NDArray[np.int32]:
    fixes = rows.column("fixes_digest").fill_null("").dictionary_encode()
    contracts = rows.column("contract_digest").fill_null("").dictionary_encode()
    pairs = fixes.indices.to_numpy().astype(np.int64) * (len(contracts.dictionary) or 1)
    pairs = pairs + contracts.indices.to_numpy()
    unique, inverse = np.unique(pairs, return_inverse=True)
    numbers = np.zeros(len(unique), np.int32)
    for position, pair in enumerate(unique.tolist()):
        fix, contract = divmod(pair, len(contracts.dictionary) or 1)
        key = (fixes.dictionary[fix].as_py(), contracts.dictionary[contract].as_py())
        if key not in known:
            known[key] = len(found.attempts)
            found.attempts.append(key)
        numbers[position] = known[key]
    return numbers[inverse]


def write(
    log: TopicLog,
    states: States,
    events: pa.RecordBatch,
    *,
    also: Callable[[Transaction], None] = lambda _: None,
) -> None:
    """Add events decided on ``states``, and whatever ``also`` appends, in one transaction.

    Afterwards ``states`` knows them, so that the next write of the same reader follows on.

    Raises:
        Fenced: somebody else decided first; nothing happened; fold again.
    """
    to = states.end + events.num_rows
    with log.transaction() as transaction:
        also(transaction)
        transaction.append(states.triage, events)
        transaction.advance(GROUP, states.triage, expected=states.group_at, to=to)
    states.group_at = to
    offsets = events.column("deadletter_offset").to_numpy()
    states.cover(int(offsets.max(initial=-1)))
    states.states[offsets] = [_STATES[name] for name in events.column("event").to_pylist()]
    states.end = to
