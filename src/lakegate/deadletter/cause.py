"""Causes: dead letters that fail one rule at one place are one problem, whatever their number."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from lakegate.contract.stream import Stream
from lakegate.deadletter.fix import cause_id
from lakegate.deadletter.letter import Piece, failed_reasons, pieces
from lakegate.deadletter.path import generalised
from lakegate.deadletter.triage import State, fold, partitions
from lakegate.topic.base import TopicLog

__all__ = ["MAX_CAUSES", "Cause", "Causes", "causes", "samples"]

MAX_CAUSES = 10_000
"""More than these are counted together: the names of undeclared fields come from outside."""

_MAX_NAMES = 5
_NEVER = datetime.max.replace(tzinfo=UTC)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_PRODUCER = ("lakegate.producer", "producer", "x-producer")


@dataclass(slots=True)
class Cause:
    """A rule that fails at a path (indices as ``[*]``), and what became of its dead letters.

    A dead letter with several reasons counts under each. One that was replayed and failed again
    counts under its new reasons, too. ``open`` includes the failed. ``expected``, ``observed`` and
    ``sample`` (an identity) are of the newest; ``producers`` and ``versions`` name at most five.
    """

    id: str
    rule: str
    path: str
    expected: str = ""
    observed: str = ""
    sample: str = ""
    producers: list[str] = field(default_factory=list)
    versions: list[str] = field(default_factory=list)
    first_seen: datetime = _NEVER
    last_seen: datetime = _EPOCH
    states: list[int] = field(default_factory=lambda: [0] * len(State))

    @property
    def count(self) -> int:
        """All of them."""
        return sum(self.states)

    @property
    def open(self) -> int:
        """Those that nobody has dealt with, or not successfully."""
        return self.states[State.OPEN] + self.states[State.FAILED]

    def document(self) -> dict[str, Any]:
        """As plain data."""
        return {
            "cause": self.id,
            "rule": self.rule,
            "path": self.path,
            "expected": self.expected,
            "observed": self.observed,
            "sample": self.sample,
            "producers": self.producers,
            "versions": self.versions,
            "first_seen": self.first_seen,
            "last_seen": self.last_seen,
            "count": self.count,
            "open": self.open,
            **{state.name.lower(): self.states[state] for state in State if state != State.OPEN},
        }


@dataclass(frozen=True, slots=True)
class Causes:
    """The causes of a stream, those with most open dead letters first.

    ``states`` counts dead letters, each once, by :class:`State`; ``beyond`` are reasons of causes
    after the first :data:`MAX_CAUSES`.
    """

    stream: str
    causes: tuple[Cause, ...]
    states: tuple[int, ...]
    beyond: int

    @property
    def total(self) -> int:
        """All dead letters."""
        return sum(self.states)


def causes(log: TopicLog, stream: Stream) -> Causes:
    """Group every dead letter of a stream; memory grows with causes, and 17 bytes a dead letter."""
    grouping = _Grouping()
    totals = np.zeros(len(State), np.int64)
    for partition in range(partitions(log, stream)):
        states = fold(log, stream, partition)
        for piece in pieces(log, stream, states):
            totals += np.bincount(piece.states, minlength=len(State))
            grouping.add(piece, piece.rows, np.arange(piece.rows.num_rows))
            failed = np.flatnonzero(piece.states == State.FAILED)
            if len(failed):
                again = failed_reasons(log, states, (failed + piece.base).tolist())
                rows = piece.rows.take(pa.array(failed))
                index = rows.schema.get_field_index("reasons")
                kind = rows.schema.field(index)
                fresh = [
                    _others(again.get(int(at + piece.base), ()), old)
                    for at, old in zip(failed, rows.column(index).to_pylist(), strict=True)
                ]
                rows = rows.set_column(index, kind, pa.array(fresh, kind.type))
                grouping.add(piece, rows, failed)
    found = sorted(grouping.causes, key=lambda c: (-c.open, -c.count, c.path, c.rule))
    return Causes(stream.name, tuple(found), tuple(totals.tolist()), grouping.beyond)


def _others(reasons: Iterable[dict[str, str]], old: list[dict[str, str]]) -> list[dict[str, str]]:
    """New reasons of causes that the dead letter does not count under already."""
    known = {(reason["rule"], generalised(reason["path"])) for reason in old}
    return [r for r in reasons if (r["rule"], generalised(r["path"])) not in known]


class _Grouping:
    """Causes by number, filled piece by piece."""

    def __init__(self) -> None:
        self.causes: list[Cause] = []
        self.beyond = 0
        self._numbers: dict[tuple[str, str], int] = {}

    def add(self, piece: Piece, rows: pa.RecordBatch, at: npt.NDArray[np.int64]) -> None:
        """Count rows, which are those of the piece at those positions."""
        reasons = rows.column("reasons")
        flat = reasons.flatten()
        if not len(flat):
            return
        owner = np.repeat(np.arange(len(at)), reasons.value_lengths().to_numpy())
        codes = self._codes(flat)
        self.beyond += int(np.count_nonzero(codes < 0))
        kept = np.flatnonzero(codes >= 0)
        if not len(kept):
            return
        width = len(self.causes)
        pairs, first = np.unique(owner[kept] * width + codes[kept], return_index=True)
        owners, numbers = np.divmod(pairs, width)
        counts = np.zeros((width, len(State)), np.int64)
        np.add.at(counts, (numbers, piece.states[at][owners]), 1)
        times = rows.column("rejected_at").cast(pa.int64()).to_numpy()[owners]
        order = np.lexsort((times, numbers))
        starts = np.flatnonzero(np.diff(numbers[order], prepend=-1))
        for low, high in zip(starts, [*starts[1:], len(order)], strict=True):
            number = int(numbers[order[low]])
            newest = order[high - 1]
            cause = self.causes[number]
            cause.states = [
                a + b for a, b in zip(cause.states, counts[number].tolist(), strict=True)
            ]
            cause.first_seen = min(cause.first_seen, _time(times[order[low]]))
            if _time(times[newest]) >= cause.last_seen:
                cause.last_seen = _time(times[newest])
                reason = flat[int(kept[first[newest]])].as_py()
                self._sample(
                    cause, piece, rows, int(owners[newest]), int(at[owners[newest]]), reason
                )

    def _sample(
        self,
        cause: Cause,
        piece: Piece,
        rows: pa.RecordBatch,
        row: int,
        position: int,
        reason: dict[str, str],
    ) -> None:
        cause.expected, cause.observed = reason["expected"], reason["observed"]
        source = piece.source
        cause.sample = f"{source.topic}:{source.partition}:{piece.base + position}"
        _note(cause.versions, rows.column("contract_version")[row].as_py())
        _note(cause.producers, _producer(rows, row))

    def _codes(self, flat: pa.Array) -> npt.NDArray[np.int64]:
        """The number of each reason's cause; -1 beyond the limit."""
        key = pc.binary_join_element_wise(flat.field("rule"), flat.field("path"), "\0")
        encoded = key.dictionary_encode()
        numbers = [self._number(*text.split("\0", 1)) for text in encoded.dictionary.to_pylist()]
        codes: npt.NDArray[np.int64] = np.array(numbers, np.int64)[encoded.indices.to_numpy()]
        return codes

    def _number(self, rule: str, path: str) -> int:
        key = (rule, generalised(path))
        number = self._numbers.get(key)
        if number is None:
            if len(self.causes) >= MAX_CAUSES:
                return -1
            number = self._numbers[key] = len(self.causes)
            self.causes.append(Cause(cause_id(*key), *key))
        return number


def _time(micros: Any) -> datetime:
    return _EPOCH + timedelta(microseconds=int(micros))


def _note(names: list[str], name: str) -> None:
    if name not in names and len(names) < _MAX_NAMES:
        names.append(name)


def _producer(rows: pa.RecordBatch, row: int) -> str:
    """Who sent it: a header that says so, else the topic it came by."""
    held = {header["key"]: header["value"] for header in rows.column("headers")[row].as_py() or ()}
    for name in _PRODUCER:
        if held.get(name):
            return str(held[name].decode("utf-8", "replace"))[:80]
    return str(rows.column("source_topic")[row].as_py())


def samples(log: TopicLog, stream: Stream, cause: str, limit: int) -> Iterator[dict[str, Any]]:
    """Up to ``limit`` open dead letters of a cause: ``value``, and ``reason``, the one meant."""
    for partition in range(partitions(log, stream)):
        states = fold(log, stream, partition)
        for piece in pieces(log, stream, states):
            open_ = np.isin(piece.states, (State.OPEN, State.FAILED))
            again = failed_reasons(
                log, states, (np.flatnonzero(piece.states == State.FAILED) + piece.base).tolist()
            )
            reasons = piece.rows.column("reasons").to_pylist()
            for at in np.flatnonzero(open_).tolist():
                for reason in [*reasons[at], *again.get(at + piece.base, ())]:
                    if cause_id(reason["rule"], reason["path"]) == cause:
                        yield {"value": piece.rows.column("value")[at].as_py(), "reason": reason}
                        limit -= 1
                        break
                if limit == 0:
                    return
