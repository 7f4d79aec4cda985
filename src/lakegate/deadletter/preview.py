"""Preview: what a replay would do, judged by the very gate of the worker, and nothing changed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import msgspec
import pyarrow as pa

from lakegate.contract.stream import Stream
from lakegate.deadletter.path import generalised
from lakegate.deadletter.record import shown
from lakegate.deadletter.repairs import Ready, Selection, Tally, repairs
from lakegate.deadletter.step import Lookup
from lakegate.deadletter.triage import fold, partitions
from lakegate.gate.verdict import Rejected
from lakegate.runner.judge import JudgeGate
from lakegate.topic.base import TopicLog

__all__ = ["Example", "Preview", "StillFailing", "preview"]

_EXAMPLES = 3
_GROUPS = 1_000
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
class StillFailing:
    """Repaired records that would fail a rule at a path; ``observed`` is of ``sample``."""

    rule: str
    path: str
    expected: str
    observed: str
    sample: str
    count: int = 0


@dataclass(slots=True)
class Preview:
    """``passing`` of ``tally.matched`` open dead letters would pass; ``failing`` says why not.

    ``passing_by`` counts those that pass by the fixes that apply to them. A record that fails
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
        """Repaired, and refused by the gate."""
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
            "unmatched": tally.unmatched,
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
    groups: dict[tuple[str, str], StillFailing] = {}
    shown_of: Counter[tuple[Names, bool]] = Counter()
    for partition in range(partitions(log, stream)):
        states = fold(log, stream, partition)
        for ready in repairs(log, stream, states, selection, lookup, result.tally):
            _judge(gate, ready, selection, result, groups, shown_of)
    result.failing = sorted(groups.values(), key=lambda group: -group.count)
    return result


def _judge(
    gate: JudgeGate,
    ready: Ready,
    selection: Selection,
    result: Preview,
    groups: dict[tuple[str, str], StillFailing],
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
            _explain(rejected[index], _identity(ready, index), groups)
        if shown_of[names, passes] < _EXAMPLES:
            shown_of[names, passes] += 1
            result.examples.append(_example(ready, index, names, passes))


def _explain(record: Rejected, identity: str, groups: dict[tuple[str, str], StillFailing]) -> None:
    seen: set[tuple[str, str]] = set()
    for failure in record.failures:
        key = (failure.rule, generalised(failure.path))
        if key not in groups and len(groups) >= _GROUPS:
            key = ("others", "$")
        if key in seen:
            continue
        seen.add(key)
        if key not in groups:
            groups[key] = StillFailing(*key, failure.expected, failure.observed, identity)
        groups[key].count += 1


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
