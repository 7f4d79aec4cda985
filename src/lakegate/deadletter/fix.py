"""A fix: which dead letters it matches, and the steps that repair them."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from lakegate.contract.pattern import Pattern
from lakegate.deadletter.path import Path, generalised
from lakegate.deadletter.record import Record, StepFailed, scalar_text
from lakegate.deadletter.step import Lookup, Step
from lakegate.errors import LakeError
from lakegate.gate.json_text import canonical

__all__ = ["Condition", "Fix", "Matches", "Repair", "cause_id", "combined", "digest_of", "repair"]

Reasons = Sequence[Mapping[str, str]]


def cause_id(rule: str, path: str) -> str:
    """Eight hex digits for a rule at a path (indices as ``[*]``); the same for ever."""
    return hashlib.sha256(f"{rule}\0{generalised(path)}".encode()).hexdigest()[:8]


@dataclass(frozen=True, slots=True)
class Condition:
    """What a source value must be: one of some texts, or text in which a pattern is found."""

    path: Path
    values: frozenset[str] | None
    pattern: Pattern | None

    def holds(self, record: Record) -> bool:
        """Whether any value at the path is as wanted."""
        for place in record.places(self.path):
            value = place.value()
            text = scalar_text(value)
            text = canonical(value) if text is None else text
            if self.values is not None and text in self.values:
                return True
            if self.pattern is not None and self.pattern.search(text):
                return True
        return False


@dataclass(frozen=True, slots=True)
class Matches:
    """Which dead letters a fix is for: one reason that is all of this, and every condition.

    None stands for "any".
    """

    causes: frozenset[str] | None = None
    rules: frozenset[str] | None = None
    path: str | None = None
    observed: Pattern | None = None
    where: tuple[Condition, ...] = ()
    versions: frozenset[str] | None = None

    def reason(self, reasons: Reasons) -> bool:
        """Whether one of the reasons is meant."""
        wanted = (self.causes, self.rules, self.path, self.observed)
        if all(part is None for part in wanted):
            return True
        return any(_means(self, r["rule"], r["path"], r["observed"]) for r in reasons)

    def version(self, version: str) -> bool:
        """Whether dead letters of that contract version are meant."""
        return self.versions is None or version in self.versions


@lru_cache(maxsize=65_536)  # a million dead letters say few different things
def _means(matches: Matches, rule: str, path: str, observed: str) -> bool:
    """Whether a reason is all of what is asked for."""
    return (
        (matches.rules is None or rule in matches.rules)
        and (matches.path is None or generalised(path) == matches.path)
        and (matches.causes is None or cause_id(rule, path) in matches.causes)
        and (matches.observed is None or matches.observed.search(observed))
    )


@dataclass(frozen=True, slots=True)
class Fix:
    """One file of ``fixes/``; ``digest`` is SHA-256 of what it does, not of how it is written."""

    name: str
    stream: str
    description: str
    matches: Matches
    steps: tuple[Step, ...]
    digest: str
    file: str

    def concerns(self, reasons: Reasons, version: str) -> bool:
        """Whether it is for dead letters of those reasons and contract version."""
        return self.matches.version(version) and self.matches.reason(reasons)

    def fits(self, record: Record) -> bool:
        """Whether the record, as it came, is as the fix wants it."""
        return all(condition.holds(record) for condition in self.matches.where)


@dataclass(frozen=True, slots=True)
class Repair:
    """What fixes made of a record: its new bytes, or why it could not be done."""

    applied: tuple[int, ...]  # positions of the fixes that matched
    value: bytes | None
    problem: str | None = None  # names no values when grouped by; see `where`
    where: str = ""


def repair(
    fixes: Sequence[Fix], value: bytes | None, reasons: Reasons, version: str, lookup: Lookup
) -> Repair:
    """Apply every matching fix, in order; what matches is decided on the record as it came.

    Raises:
        LakeError: a table cannot be looked up in; says which step of which fix wants it.
    """
    meant = [number for number, fix in enumerate(fixes) if fix.concerns(reasons, version)]
    if not meant:
        return Repair((), None)
    try:
        if value is None or any(r["rule"].startswith(("json.", "record.")) for r in reasons):
            raise StepFailed("the record is no JSON object that the gate can read")
        record = Record(value)
    except StepFailed as error:
        return Repair((), None, str(error))
    applied = tuple(position for position in meant if fixes[position].fits(record))
    if not applied:
        return Repair((), None)
    for position in applied:
        fix = fixes[position]
        for number, step in enumerate(fix.steps, start=1):
            try:
                step.apply(record, lookup)
            except StepFailed as error:
                return Repair(applied, None, str(error), f"{fix.name} step {number}")
            except LakeError as error:
                raise LakeError(f"{fix.file}: step {number} of {fix.name}: {error}") from error
    return Repair(applied, record.encode())


def combined(fixes: Sequence[Fix]) -> str:
    """One digest for several fixes in their order; empty for none."""
    if not fixes:
        return ""
    return hashlib.sha256("\n".join(fix.digest for fix in fixes).encode()).hexdigest()


def digest_of(document: Mapping[str, Any]) -> str:
    """SHA-256 of a fix file's meaning: its stream, matches and steps, whatever their layout."""
    meaning = {key: document[key] for key in ("stream", "matches", "steps") if key in document}
    return hashlib.sha256(_canonical(meaning).encode()).hexdigest()


def _canonical(value: Any) -> str:
    if isinstance(value, Mapping):
        members = sorted((str(key), _canonical(held)) for key, held in value.items())
        return "{" + ",".join(f"{key!r}:{held}" for key, held in members) + "}"
    if isinstance(value, list):
        return "[" + ",".join(map(_canonical, value)) + "]"
    return f"{type(value).__name__}:{value}" if not isinstance(value, str) else repr(value)
