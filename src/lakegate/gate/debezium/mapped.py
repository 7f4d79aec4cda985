"""Verdicts on rows, told as verdicts on the events they come from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from lakegate.gate.debezium.sort import EventBatch
from lakegate.gate.verdict import Failure, Noted, Rejected, Verdict

__all__ = ["Mapped"]


class Mapped:
    """Verdicts on rows, told as verdicts on the events they come from."""

    def __init__(
        self, batch: EventBatch, path: str, positions: np.ndarray, order: dict[str, int]
    ) -> None:
        self._batch = batch
        self._path = path
        self.positions = positions
        self._order = {path + step[1:]: n for step, n in order.items()}

    def rejected(self, found: Verdict, records: Sequence[bytes | None]) -> list[Rejected]:
        """The refused ones, with their failures and what could not be decoded."""
        result = []
        for record in found.rejected:
            position = int(self.positions[record.index])
            failures = self._all(position, record.failures)
            result.append(Rejected(position, records[position], failures))
        return result

    def kept(
        self, found: Verdict, records: Sequence[bytes | None], noted: list[Noted]
    ) -> np.ndarray | None:
        """Which of the accepted rows stay so: None for all. Notes go to ``noted``."""
        notes = {int(self.positions[item.index]): item.failures for item in found.noted}
        refused: set[int] = set()
        for position in notes.keys() | (self._batch.undecoded.keys() & set(self._accepted(found))):
            failures = self._all(position, notes.get(position, ()))
            if any(failure.severity.rejects for failure in failures):
                refused.add(position)
                record = Rejected(position, records[position], failures)
                self._batch.rejected.append(record)
            else:
                noted.append(Noted(position, failures))
        if not refused:
            return None
        return np.array([at not in refused for at in self._accepted(found)], dtype=bool)

    def _accepted(self, found: Verdict) -> list[int]:
        if not self._batch.undecoded:
            return []
        at: list[int] = self.positions[np.asarray(found.accepted_index)].tolist()
        return at

    def _all(self, position: int, failures: Sequence[Failure]) -> tuple[Failure, ...]:
        mapped = [replace(item, path=self._path + item.path[1:]) for item in failures]
        undecoded = self._batch.undecoded.get(position)
        if undecoded is None:
            return tuple(mapped)
        known = {item.path for item in undecoded}
        others = [item for item in mapped if item.path not in known]
        return tuple(sorted([*others, *undecoded], key=self._place))

    def _place(self, failure: Failure) -> tuple[int, int]:
        """Document order: the row, fields as declared, undeclared fields."""
        if failure.rule == "reference":
            return 2, 0
        if failure.path == self._path:
            return (2 if failure.rule == "sql" else 0), 0
        for step, number in self._order.items():
            if failure.path == step or failure.path.startswith((f"{step}.", f"{step}[")):
                return 1, number
        return 1, len(self._order)
