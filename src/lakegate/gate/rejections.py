"""The rejected and the noted records of a batch, made when somebody looks at them.

The native path keeps failures as columns of codes. Most who get a verdict want to know how many
records there are, where they stood, and the reasons as an Arrow column for the dead letter
topic: none of them needs a Python object for each failure.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from operator import eq
from typing import Any, TypeVar, overload

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from lakegate.errors import GateError
from lakegate.gate.verdict import Failure, Noted, Rejected

__all__ = ["REASONS", "Notes", "Rejections", "reasons_of"]

REASONS = pa.list_(
    pa.struct(
        [
            pa.field(name, pa.string(), nullable=False)
            for name in ("path", "rule", "expected", "observed", "severity")
        ]
    )
)
"""The type of a column of reasons, as a dead letter has them."""

_Index = npt.NDArray[np.int64]


_Record = TypeVar("_Record")


class _Records(Sequence[_Record]):
    """Records in input order, each made when it is asked for; equal to a list of them.

    ``positions`` are theirs in the batch (int64, ascending). ``make`` makes a record by its
    position; ``known`` has those that exist already.
    """

    __hash__ = None  # type: ignore[assignment]  # as of a list

    def __init__(
        self, positions: _Index, known: Mapping[int, _Record], *, make: Callable[[int], _Record]
    ) -> None:
        self.positions = positions
        self._known = known
        self._make = make

    def __len__(self) -> int:
        return len(self.positions)

    @overload
    def __getitem__(self, at: int) -> _Record: ...

    @overload
    def __getitem__(self, at: slice) -> list[_Record]: ...

    def __getitem__(self, at: int | slice) -> _Record | list[_Record]:
        if isinstance(at, slice):
            return [self._at(position) for position in self.positions[at].tolist()]
        return self._at(int(self.positions[at]))

    def __iter__(self) -> Iterator[_Record]:
        return map(self._at, self.positions.tolist())

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Sequence):
            return NotImplemented
        return len(self) == len(other) and all(map(eq, self, other))

    def __repr__(self) -> str:
        return repr(list(self))

    def _at(self, position: int) -> _Record:
        known = self._known.get(position)
        return self._make(position) if known is None else known


class Notes(_Records[Noted]):
    """Accepted records with failures that do not reject, each made when it is asked for."""


class Rejections(_Records[Rejected]):
    """Rejected records in input order, each made when it is asked for; equal to a list of them.

    ``reasons`` makes a :data:`REASONS` array of the positions it is given, none of them in
    ``known``. ``is_critical`` says of those, at once, whether any failure pauses the stream.
    """

    def __init__(
        self,
        positions: _Index,
        known: Mapping[int, Rejected],
        *,
        make: Callable[[int], Rejected],
        reasons: Callable[[_Index], pa.Array],
        is_critical: bool,
    ) -> None:
        super().__init__(positions, known, make=make)
        self._reasons = reasons
        self._is_critical = is_critical

    @property
    def critical(self) -> bool:
        """Whether any failure pauses the stream."""
        return self._is_critical or any(found.critical for found in self._known.values())

    def reasons(self) -> pa.Array:
        """The failures of each record as a :data:`REASONS` array."""
        if not self._known:
            return self._reasons(self.positions)
        known = np.array(sorted(self._known), dtype=np.int64)
        others = np.setdiff1d(self.positions, known, assume_unique=True)
        both = pa.concat_arrays(
            [self._reasons(others), reasons_of([self._known[at] for at in known.tolist()])]
        )
        return both.take(pa.array(np.argsort(np.concatenate([others, known]), kind="stable")))


def reasons_of(rejected: Sequence[Rejected]) -> pa.Array:
    """The failures of each record as a :data:`REASONS` array.

    Raises:
        GateError: they are more than a column holds (2 GiB of text).
    """
    try:
        if isinstance(rejected, Rejections):
            return rejected.reasons()
        found = pa.array([list(map(_reason, record.failures)) for record in rejected], REASONS)
        if isinstance(found, pa.ChunkedArray):
            raise OverflowError
        return found
    except (OverflowError, pa.ArrowCapacityError) as error:
        raise GateError(
            f"the reasons of {len(rejected)} rejected records are more than the 2 GiB a column "
            "holds; judge fewer records at once (batch_records)"
        ) from error


def _reason(failure: Failure) -> dict[str, Any]:
    return {
        "path": failure.path,
        "rule": failure.rule,
        "expected": failure.expected,
        "observed": failure.observed,
        "severity": failure.severity.value,
    }
