"""What a quarantine says of itself: in its dead letters and in the state."""

from __future__ import annotations

from datetime import datetime

import msgspec

__all__ = ["QuarantineNote", "RuleRows"]


class RuleRows(msgspec.Struct, frozen=True):
    """How many rows one rule took off ``staged``, and how many it left because they are on main."""

    rule: str
    rows: int
    published: int


class QuarantineNote(msgspec.Struct, frozen=True):
    """One quarantine: of which audit and snapshot, for which rules, why, by whom, when (UTC).

    ``rows`` is the number of rows taken off (a row that offends two rules once), ``rebuilt`` how
    many of their dead letters were built from the row because retention took the original.
    """

    id: str
    stream: str
    audit_id: str
    snapshot_id: int
    rules: tuple[RuleRows, ...]
    reason: str | None
    by: str
    at: datetime
    rows: int
    rebuilt: int = 0

    @property
    def published(self) -> int:
        """Rows that offend and stay, because they are on ``main``; summed over the rules."""
        return sum(rule.published for rule in self.rules)

    def with_rebuilt(self, count: int) -> QuarantineNote:
        """The same note, knowing how many dead letters were built from the row."""
        return msgspec.structs.replace(self, rebuilt=count)

    def encode(self) -> bytes:
        """As JSON, for the metadata of the dead letters."""
        return msgspec.json.encode(self)

    @classmethod
    def decode(cls, text: bytes) -> QuarantineNote:
        """From what :meth:`encode` wrote."""
        return msgspec.json.decode(text, type=cls)
