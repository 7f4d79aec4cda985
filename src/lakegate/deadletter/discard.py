"""Discarding: an open dead letter that needs no fix is closed, with who and why."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime

import numpy as np
import pyarrow as pa

from lakegate.contract.stream import Stream
from lakegate.deadletter.fix import cause_id
from lakegate.deadletter.letter import Piece, coordinates, failed_reasons, find, pieces
from lakegate.deadletter.replay import RACES
from lakegate.deadletter.triage import State, States, fold, partitions, write
from lakegate.errors import Fenced, ProjectError
from lakegate.runner.lineage import Event, Lineage, Origin, who
from lakegate.runner.replay import triage_rows
from lakegate.topic.base import TopicLog

__all__ = ["discard", "note_erased"]


def discard(
    log: TopicLog,
    stream: Stream,
    *,
    identity: str | None = None,
    cause: str | None = None,
    reason: str,
) -> int:
    """Say that an open dead letter, or all of a cause, need no fix; return how many were open.

    Raises:
        ProjectError: neither or both are given, no reason, or it is not open.
        Fenced: others kept deciding on the same dead letters.
    """
    if (identity is None) == (cause is None):
        raise ProjectError("name a dead letter, or a cause with --cause, and not both")
    if not reason.strip():
        raise ProjectError("say why in --reason: it is kept with the dead letter")
    numbers = range(partitions(log, stream))
    if identity is not None:
        letter = find(log, stream, identity)
        if letter.state not in {"open", "failed"}:
            raise ProjectError(f"dead letter {letter.id} is {letter.state}, not open")
        _, partition, offset = coordinates(stream, letter.id)
        return _close(
            log, stream, partition, Event.DISCARDED, reason, lambda p, s: _only(p, offset)
        )
    return sum(
        _close(
            log,
            stream,
            number,
            Event.DISCARDED,
            reason,
            lambda p, s: _of_cause(log, s, p, str(cause)),
        )
        for number in numbers
    )


def note_erased(log: TopicLog, stream: Stream) -> int:
    """Write the event of open dead letters of which only a stub is left; return how many.

    Raises:
        Fenced: others kept deciding on the same dead letters.
    """
    return sum(
        _close(log, stream, number, Event.ERASED, None, _erased)
        for number in range(partitions(log, stream))
    )


def _erased(piece: Piece, states: States) -> list[int]:
    known = states.states[piece.base : piece.base + len(piece.states)]
    open_ = np.isin(known, (State.OPEN, State.FAILED))
    return [int(at) for at in np.flatnonzero(open_ & (piece.states == State.ERASED))]


def _only(piece: Piece, offset: int) -> list[int]:
    at = offset - piece.base
    return _open(piece, [at] if 0 <= at < len(piece.states) else [])


def _open(piece: Piece, chosen: Iterable[int]) -> list[int]:
    return [at for at in chosen if piece.states[at] in (State.OPEN, State.FAILED)]


def _of_cause(log: TopicLog, states: States, piece: Piece, cause: str) -> list[int]:
    failed = np.flatnonzero(piece.states == State.FAILED) + piece.base
    again = failed_reasons(log, states, failed.tolist()) if len(failed) else {}
    return _open(
        piece,
        (
            at
            for at, reasons in enumerate(piece.rows.column("reasons").to_pylist())
            if any(
                cause_id(reason["rule"], reason["path"]) == cause
                for reason in [*reasons, *again.get(at + piece.base, ())]
            )
        ),
    )


def _close(
    log: TopicLog,
    stream: Stream,
    partition: int,
    event: Event,
    reason: str | None,
    choose: Callable[[Piece, States], list[int]],
) -> int:
    total = 0
    for left in reversed(range(RACES)):
        states = fold(log, stream, partition)
        try:
            for count in _closing(log, stream, states, event, reason, choose):
                total += count
        except Fenced:
            if not left:
                raise
        else:
            return total
    return total


def _closing(
    log: TopicLog,
    stream: Stream,
    states: States,
    event: Event,
    reason: str | None,
    choose: Callable[[Piece, States], list[int]],
) -> Iterator[int]:
    note = Lineage("", (), who(), reason)
    for piece in pieces(log, stream, states):
        chosen = choose(piece, states)
        if not chosen:
            continue
        rows = piece.rows.take(pa.array(chosen))
        origins = [
            Origin(topic, number, offset, 0, piece.base + at)
            for topic, number, offset, at in zip(
                rows.column("source_topic").to_pylist(),
                rows.column("source_partition").to_pylist(),
                rows.column("source_offset").to_pylist(),
                chosen,
                strict=True,
            )
        ]
        events = triage_rows(
            [(origin, note) for origin in origins],
            [event] * len(origins),
            partition=piece.source.partition,
            contract_digest=stream.contract.digest,
            at=datetime.now(UTC),
        )
        write(log, states, events)
        yield len(chosen)
