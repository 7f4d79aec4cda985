"""Counts what the gateway answers, in the gateway's own process, for ``/metrics``."""

from __future__ import annotations

import time
from bisect import bisect_left
from collections.abc import Awaitable, Callable, MutableMapping
from dataclasses import dataclass, field
from typing import Any

__all__ = ["Meter"]

_Message = MutableMapping[str, Any]
_Receive = Callable[[], Awaitable[_Message]]
_Send = Callable[[_Message], Awaitable[None]]
_App = Callable[[_Message, _Receive, _Send], Awaitable[None]]

EDGES = (0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0)


@dataclass(slots=True)
class Meter:
    """An ASGI app around another one; counts what is asked of ``/v1/``.

    ``counts[i]`` is the number of answers within ``EDGES[i]`` seconds and beyond the edge before;
    the last one is of those beyond all edges. A request without an answer counts as ``lost``.
    """

    app: _App
    by_class: dict[str, int] = field(default_factory=dict)
    counts: list[int] = field(default_factory=lambda: [0] * (len(EDGES) + 1))
    seconds: float = 0.0

    async def __call__(self, scope: _Message, receive: _Receive, send: _Send) -> None:
        """Pass the request on, and count how it ends."""
        if scope["type"] != "http" or not scope["path"].startswith("/v1/"):
            await self.app(scope, receive, send)
            return
        began, outcome = time.perf_counter(), "lost"

        async def note(message: _Message) -> None:
            nonlocal outcome
            if message["type"] == "http.response.start":
                outcome = f"{int(message['status']) // 100}xx"
            await send(message)

        try:
            await self.app(scope, receive, note)
        finally:
            took = time.perf_counter() - began
            self.by_class[outcome] = self.by_class.get(outcome, 0) + 1
            self.counts[bisect_left(EDGES, took)] += 1
            self.seconds += took

    def facts(self) -> dict[str, Any]:
        """What was counted since the process began, as plain data."""
        return {
            "by_class": dict(self.by_class),
            "edges": list(EDGES),
            "counts": list(self.counts),
            "seconds": self.seconds,
        }
