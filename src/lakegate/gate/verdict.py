"""The verdict: what the gate says of a batch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import pyarrow as pa

from lakegate.contract.stream import ContractRef
from lakegate.contract.type import Severity

__all__ = ["Failure", "Noted", "Rejected", "Verdict", "joined"]


@dataclass(frozen=True, slots=True)
class Failure:
    """One reason: what was found at ``path`` (JSONPath with indices) and what ``rule`` wanted.

    ``rule`` is a stable code (docs/reference/rules.md). ``observed`` is at most 80 characters of
    the value as JSON; it may hold data, so it never goes into logs, metrics or alerts.
    """

    path: str
    rule: str
    expected: str
    observed: str
    severity: Severity = Severity.ERROR

    def __str__(self) -> str:
        return f"expected {self.expected}, got {self.observed} - at {self.path} [{self.rule}]"


@dataclass(frozen=True, slots=True)
class Rejected:
    """A record that may not pass: its position in the input, its bytes, and every failure.

    ``failures`` are in document order of the contract: record-level first, then fields as declared,
    then unknown fields, then rules over the whole record. At least one has a severity that rejects.
    """

    index: int
    value: bytes | None
    failures: tuple[Failure, ...]

    @property
    def critical(self) -> bool:
        """Whether any failure pauses the stream."""
        return any(failure.severity is Severity.CRITICAL for failure in self.failures)


@dataclass(frozen=True, slots=True)
class Noted:
    """An accepted record with failures of severity info or warning only."""

    index: int
    failures: tuple[Failure, ...]


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the gate says of one batch.

    ``accepted`` has one row per accepted record, in input order, in the contract's exact types
    (:func:`lakegate.gate.schema.arrow_schema`); ``accepted_index`` is the int64 position of each of
    its rows in the input. ``rejected`` is in input order. ``tombstones`` are positions of null
    values that have a key. Together the three partition the input. ``unknown_paths`` are the paths
    (with ``[*]`` for indices) of undeclared fields seen in accepted records. ``references`` are the
    relationships that were judged, each with the snapshot whose keys it was judged by.
    """

    contract: ContractRef
    accepted: pa.Table
    accepted_index: pa.Array
    rejected: Sequence[Rejected]
    noted: Sequence[Noted] = ()
    tombstones: Sequence[int] = ()
    unknown_paths: frozenset[str] = field(default=frozenset())
    references: Mapping[str, int] = field(default_factory=dict)


def joined(parts: Sequence[tuple[int, Verdict]]) -> Verdict:
    """The verdict on a batch from those on its consecutive parts, each with where it starts."""
    index = [np.asarray(part.accepted_index, dtype=np.int64) + start for start, part in parts]
    return Verdict(
        contract=parts[0][1].contract,
        accepted=pa.concat_tables([part.accepted for _, part in parts]),
        accepted_index=pa.array(np.concatenate(index)),
        rejected=[replace(r, index=r.index + start) for start, p in parts for r in p.rejected],
        noted=[replace(n, index=n.index + start) for start, p in parts for n in p.noted],
        tombstones=[index + start for start, part in parts for index in part.tombstones],
        unknown_paths=frozenset().union(*(part.unknown_paths for _, part in parts)),
        references=parts[0][1].references,
    )
