"""What fixes would do to dead letters, piece by piece: preview and replay share it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa

from lakegate.contract.stream import Stream
from lakegate.deadletter.fix import Fix, Repair, combined, repair
from lakegate.deadletter.letter import Piece, failed_reasons, pieces
from lakegate.deadletter.path import generalised
from lakegate.deadletter.step import Lookup
from lakegate.deadletter.triage import State, States
from lakegate.topic.base import TopicLog

__all__ = ["Problem", "Ready", "Refusals", "Selection", "StillFailing", "Tally", "repairs"]

_GROUPS = 1_000


@dataclass(frozen=True, slots=True)
class Problem:
    """Why dead letters cannot be repaired: which step said what, and one of them."""

    where: str
    message: str
    sample: str


@dataclass(slots=True)
class StillFailing:
    """Dead letters that fail a rule at a path; expected and observed are those of ``sample``."""

    rule: str
    path: str
    expected: str
    observed: str
    sample: str
    count: int = 0


@dataclass(slots=True)
class Refusals:
    """Why dead letters do not pass: by rule and path; one that fails several counts under each."""

    groups: dict[tuple[str, str], StillFailing] = field(default_factory=dict)

    def add(self, reasons: Sequence[Mapping[str, str]], sample: str) -> None:
        """Count one; beyond a thousand different rules and paths, together."""
        seen: set[tuple[str, str]] = set()
        for reason in reasons:
            key = (reason["rule"], generalised(reason["path"]))
            if key not in self.groups and len(self.groups) >= _GROUPS:
                key = ("others", "$")
            if key in seen:
                continue
            seen.add(key)
            if key not in self.groups:
                expected, observed = reason["expected"], reason["observed"]
                self.groups[key] = StillFailing(*key, expected, observed, sample)
            self.groups[key].count += 1

    def most_common(self) -> list[StillFailing]:
        """Those with most dead letters first."""
        return sorted(self.groups.values(), key=lambda group: -group.count)


@dataclass(slots=True)
class Tally:
    """Open dead letters, each under one of these.

    ``ready`` are repaired; ``unmatched`` are matched by no fix, and ``unmatched_because`` says why
    they were refused; ``held`` failed before under the same fixes and contract; ``unchanged`` are
    matched, but not changed; ``problems`` counts those that a step could not repair.
    """

    open: int = 0
    ready: int = 0
    unmatched: int = 0
    unmatched_because: Refusals = field(default_factory=Refusals)
    held: int = 0
    unchanged: int = 0
    problems: Counter[Problem] = field(default_factory=Counter)
    by_fixes: Counter[tuple[str, ...]] = field(default_factory=Counter)

    @property
    def matched(self) -> int:
        """Those that a fix is for."""
        return self.open - self.unmatched

    def add_problem(self, problem: Problem) -> None:
        """Count one; beyond a thousand different ones, together."""
        for known in self.problems:
            if (known.where, known.message) == (problem.where, problem.message):
                self.problems[known] += 1
                return
        if len(self.problems) >= _GROUPS:
            problem = Problem("", "other problems", "")
        self.problems[problem] += 1


@dataclass(frozen=True, slots=True)
class Ready:
    """Repaired dead letters of one piece: ``at`` are their positions in it."""

    piece: Piece
    at: list[int]
    values: list[bytes]
    applied: list[tuple[int, ...]]  # positions in the fixes

    def rows(self) -> pa.RecordBatch:
        """The dead letters, as they came."""
        return self.piece.rows.take(pa.array(self.at, pa.int64()))


@dataclass(frozen=True, slots=True)
class Selection:
    """Which dead letters to take: those the fixes match, and how strictly.

    ``again``: those that failed under the same fixes and contract, too. ``unchanged``: those that
    no fix matches, too, as they came, if the contract has changed since, or if all they lack is a
    key that another table may have published meanwhile.
    """

    fixes: Sequence[Fix]
    again: bool = False
    unchanged: bool = False


def repairs(
    log: TopicLog,
    stream: Stream,
    states: States,
    selection: Selection,
    lookup: Lookup,
    tally: Tally,
) -> Iterator[Ready]:
    """The repaired dead letters of the partition of ``states``; everything else is counted."""
    for piece in pieces(log, stream, states):
        open_ = np.flatnonzero(np.isin(piece.states, (State.OPEN, State.FAILED)))
        if len(open_):
            ready = _piece(log, stream, states, selection, lookup, tally, piece, open_.tolist())
            if ready.at:
                yield ready


def _piece(
    log: TopicLog,
    stream: Stream,
    states: States,
    selection: Selection,
    lookup: Lookup,
    tally: Tally,
    piece: Piece,
    open_: list[int],
) -> Ready:
    rows = piece.rows.select(["value", "reasons", "contract_version", "contract_digest"]).take(
        pa.array(open_)
    )
    failed = np.flatnonzero(piece.states == State.FAILED) + piece.base
    again = failed_reasons(log, states, failed.tolist()) if len(failed) else {}
    ready = Ready(piece, [], [], [])
    tally.open += len(open_)
    digests: dict[tuple[int, ...], str] = {}
    counts: Counter[tuple[int, ...]] = Counter()
    for at, row in zip(open_, rows.to_pylist(), strict=True):
        value: bytes | None = row["value"]
        reasons = [*row["reasons"], *again.get(piece.base + at, ())]
        done = repair(selection.fixes, value, reasons, row["contract_version"], lookup)
        other_contract = row["contract_digest"] != stream.contract.digest or _wants_keys(reasons)
        if not done.applied and done.problem is None:
            if not (selection.unchanged and other_contract and value is not None):
                tally.unmatched += 1
                tally.unmatched_because.add(reasons, _identity(piece, at))
                continue
            done = Repair((), value)
        if done.applied not in digests:
            digests[done.applied] = combined([selection.fixes[at] for at in done.applied])
        counts[done.applied] += 1
        if done.value is None:
            problem = Problem(done.where, done.problem or "", _identity(piece, at))
            tally.add_problem(problem)
        elif done.value == value and not other_contract:
            tally.unchanged += 1
        elif (
            not selection.again
            and piece.base + at in again
            and _tried(states, piece.base + at, digests[done.applied], stream)
        ):
            tally.held += 1
        else:
            tally.ready += 1
            ready.at.append(at)
            ready.values.append(done.value)
            ready.applied.append(done.applied)
    for applied, count in counts.items():
        tally.by_fixes[tuple(selection.fixes[position].name for position in applied)] += count
    return ready


def _wants_keys(reasons: list[dict[str, str]]) -> bool:
    return all(reason["rule"] == "reference" for reason in reasons)


def _identity(piece: Piece, at: int) -> str:
    return f"{piece.source.topic}:{piece.source.partition}:{piece.base + at}"


def _tried(states: States, offset: int, digest: str, stream: Stream) -> bool:
    """The loop guard: a failed one was tried with just these fixes under this contract."""
    return states.attempt(offset) == (digest, stream.contract.digest)
