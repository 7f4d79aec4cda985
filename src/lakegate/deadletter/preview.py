"""Preview: what a replay would do, judged by the very gate of the worker, and nothing changed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import msgspec
import pyarrow as pa

from lakegate.contract.stream import Stream
from lakegate.deadletter.record import shown
from lakegate.deadletter.repairs import (
    Ready,
    Refusals,
    Selection,
    StillFailing,
    Tally,
    repairs,
)
from lakegate.deadletter.step import Lookup
from lakegate.deadletter.triage import fold, partitions
from lakegate.gate.verdict import Rejected
from lakegate.runner.judge import JudgeGate
from lakegate.topic.base import TopicLog

__all__ = ["Example", "Preview", "preview"]

_EXAMPLES = 3
_members = msgspec.json.Decoder(dict[str, msgspec.Raw])

Names: TypeAlias = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Example:
    """One repaired record: the members that changed, as JSON; "" where there is none."""

    id: str
    fixes: Names
    passes: bool
    before: dict[str, str]
    after: dict[str, str]


@dataclass(slots=True)
class Preview:
    """``passing`` of ``tally.open`` dead letters would pass; the other ``still_failing`` would not.

    ``passing_by`` counts those that pass by the fixes that apply to them. ``failing`` says why the
    gate would refuse repaired ones, ``tally`` what else keeps the others back. A record that fails
    several rules counts under each.
    """

    stream: str
    tally: Tally = field(default_factory=Tally)
    passing: int = 0
    passing_by: Counter[Names] = field(default_factory=Counter)
    failing: list[StillFailing] = field(default_factory=list)
    examples: list[Example] = field(default_factory=list)

    @property
    def still_failing(self) -> int:
        """Open, and would stay so: refused again, not repaired, or matched by no fix."""
        return self.tally.open - self.passing

    @property
    def refused(self) -> int:
        """Repaired, and refused by the gate all the same."""
        return self.tally.ready - self.passing

    def document(self) -> dict[str, Any]:
        """As plain data."""
        tally = self.tally
        return {
            "stream": self.stream,
            "open": tally.open,
            "matched": tally.matched,
            "passing": self.passing,
            "still_failing": self.still_failing,
            "refused": self.refused,
            "unmatched": tally.unmatched,
            "unmatched_because": tally.unmatched_because.most_common(),
            "not_tried_again": tally.held,
            "unchanged": tally.unchanged,
            "not_repaired": [
                {"step": p.where, "problem": p.message, "sample": p.sample, "count": count}
                for p, count in tally.problems.most_common()
            ],
            "by_fixes": [
                {"fixes": names, "matched": count, "passing": self.passing_by[names]}
                for names, count in tally.by_fixes.most_common()
            ],
            "failing": self.failing,
            "examples": self.examples,
        }


def preview(
    log: TopicLog, stream: Stream, gate: JudgeGate, selection: Selection, lookup: Lookup
) -> Preview:
    """Repair and judge every open dead letter that the fixes match; write nothing."""
    result = Preview(stream.name)
    refusals = Refusals()
    shown_of: Counter[tuple[Names, bool]] = Counter()
    for partition in range(partitions(log, stream)):
        states = fold(log, stream, partition)
        for ready in repairs(log, stream, states, selection, lookup, result.tally):
            _judge(gate, ready, selection, result, refusals, shown_of)
    result.failing = refusals.most_common()
    return result


def _judge(
    gate: JudgeGate,
    ready: Ready,
    selection: Selection,
    result: Preview,
    refusals: Refusals,
    shown_of: Counter[tuple[Names, bool]],
) -> None:
    count = len(ready.values)
    verdict = gate(pa.array(ready.values, pa.binary()), keys=ready.rows().column("key"))
    result.passing += len(verdict.accepted_index)
    rejected: Mapping[int, Rejected] = {record.index: record for record in verdict.rejected}
    for index in range(count):
        names = tuple(selection.fixes[position].name for position in ready.applied[index])
        passes = index not in rejected
        if passes:
            result.passing_by[names] += 1
        else:
            reasons = [
                {
                    "rule": failure.rule,
                    "path": failure.path,
                    "expected": failure.expected,
                    "observed": failure.observed,
                }
                for failure in rejected[index].failures
            ]
            refusals.add(reasons, _identity(ready, index))
        if shown_of[names, passes] < _EXAMPLES:
            shown_of[names, passes] += 1
            result.examples.append(_example(ready, index, names, passes))


def _identity(ready: Ready, index: int) -> str:
    source = ready.piece.source
    return f"{source.topic}:{source.partition}:{ready.piece.base + ready.at[index]}"


def _example(ready: Ready, index: int, names: Names, passes: bool) -> Example:
    before = ready.piece.rows.column("value")[ready.at[index]].as_py()
    changed = list(_changed(_members.decode(before), _members.decode(ready.values[index])))
    return Example(
        id=_identity(ready, index),
        fixes=names,
        passes=passes,
        before={name: _shown(old) for name, old, _ in changed},
        after={name: _shown(new) for name, _, new in changed},
    )


def _shown(raw: bytes | None) -> str:
    return "" if raw is None else shown(raw)


def _changed(
    before: Mapping[str, msgspec.Raw], after: Mapping[str, msgspec.Raw]
) -> Iterator[tuple[str, bytes | None, bytes | None]]:
    names: Sequence[str] = [*before, *(name for name in after if name not in before)]
    for name in names:
        old = bytes(before[name]) if name in before else None
        new = bytes(after[name]) if name in after else None
        if old != new:
            yield name, old, new
