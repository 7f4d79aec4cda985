"""Moments as the tables keep them: UTC with microseconds, as text that sorts by time."""

from __future__ import annotations

from datetime import UTC, datetime

__all__ = ["time_of", "time_text"]


def time_text(moment: datetime) -> str:
    """A moment (aware) as the tables keep it: ISO 8601, 32 characters, sorting as text."""
    return moment.astimezone(UTC).isoformat(timespec="microseconds")


def time_of(text: str) -> datetime:
    """The moment :func:`time_text` was made of."""
    return datetime.fromisoformat(text)
