"""Where a worker's gate gets the keys that relationships are judged by."""

from __future__ import annotations

from typing import Protocol

from lakegate.runner.judge import JudgeGate

__all__ = ["KeySource", "no_keys"]


class KeySource(Protocol):
    """Keys of the tables that a stream's relationships point to; asked before each round.

    Never within one: all records of a round are judged by the same keys. Cheap when nothing has to
    be looked at, and it never raises: without keys a relationship is left to the audit.
    """

    def __call__(self, gate: JudgeGate) -> JudgeGate:
        """The gate with the keys in force; the same one while they are."""
        ...


def no_keys(gate: JudgeGate) -> JudgeGate:
    """No relationship is judged."""
    return gate
