"""How long to wait before a part is started again, and when to leave it down."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

__all__ = ["RestartPolicy"]

_FIRST_S = 0.25
_LONGEST_S = 30.0


@dataclass(frozen=True, slots=True)
class RestartPolicy:
    """At most ``limit`` restarts in any ``window_s`` seconds, each wait twice the one before."""

    limit: int = 10
    window_s: float = 600.0

    def recent(self, ends: Sequence[float], *, now: float) -> int:
        """How many of the ends (monotonic seconds) count."""
        return sum(end > now - self.window_s for end in ends)

    def delay_s(self, ends: Sequence[float], *, now: float) -> float | None:
        """Seconds to wait after the newest of ``ends``; None: the part stays down."""
        count = self.recent(ends, now=now)
        if count > self.limit:
            return None
        return float(min(_FIRST_S * 2 ** (max(count, 1) - 1), _LONGEST_S))
