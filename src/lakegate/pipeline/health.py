"""``/health``, ``/ready`` and ``/metrics``, answered by the supervisor from memory.

No request opens a store: parts tell what they count with their heartbeats, so that a scrape costs
the same with one stream as with a hundred, and works while a store does not.
"""

from __future__ import annotations

import os
import shutil
import socket
import tempfile
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lakegate.pipeline.metrics import exposition
from lakegate.pipeline.supervisor.board import Board, PartStatus

if TYPE_CHECKING:
    from starlette.applications import Starlette
    from starlette.requests import Request

__all__ = ["application", "hindrances", "serve"]

_PROBE_BYTES = 1 << 16
_TAKES_DATA = ("gateway", "gate")


def application(
    board: Callable[[], Board],
    facts: Callable[[], Mapping[str, Mapping[str, Any]]],
    log_folder: Path,
) -> Starlette:
    """The ASGI app over what the supervisor knows."""
    from starlette.applications import Starlette
    from starlette.responses import JSONResponse, Response
    from starlette.routing import Route

    from lakegate.pipeline.supervisor.heart import rss_bytes

    writable = _Writable(log_folder)

    def health(_request: Request) -> Response:
        found = board()
        body = {
            "status": found.status,
            "pid": found.pid,
            "uptime_s": round(time.time() - found.since_s, 1),
            "rss_bytes": rss_bytes(),
            "parts": {
                part.name: {
                    "status": part.status,
                    "pid": part.pid,
                    "restarts": part.restarts,
                    "ended": part.ended,
                    "rss_bytes": part.rss_bytes,
                    "troubles": part.troubles,
                }
                for part in found.parts
            },
        }
        return JSONResponse(body, status_code=503 if found.status == "down" else 200)

    def ready(_request: Request) -> Response:
        reasons = hindrances(board(), writable.why_not())
        return JSONResponse(
            {"ready": not reasons, "reasons": reasons}, status_code=503 if reasons else 200
        )

    def metrics(_request: Request) -> Response:
        page, kind = exposition(board(), facts())
        return Response(page, headers={"content-type": kind})

    return Starlette(
        routes=[Route("/health", health), Route("/ready", ready), Route("/metrics", metrics)]
    )


def hindrances(board: Board, log_trouble: str | None) -> list[str]:
    """Why data should not be sent here now; empty when it may."""
    found = ["draining"] if board.draining else []
    found += [
        f"{part.name} is {part.status}"
        for part in board.parts
        if part.role in _TAKES_DATA and part.status is not PartStatus.UP
    ]
    if log_trouble is not None:
        found.append(f"the log cannot be written: {log_trouble}")
    return found


class _Writable:
    """Whether the log's disk takes another 64 KiB; tried at most once a second."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._lock = threading.Lock()
        self._tried = float("-inf")
        self._why: str | None = None

    def why_not(self) -> str | None:
        with self._lock:
            if time.monotonic() - self._tried > 1.0:
                self._why, self._tried = self._try(), time.monotonic()
            return self._why

    def _try(self) -> str | None:
        try:
            if shutil.disk_usage(self._folder).free < _PROBE_BYTES:
                return "the disk is full"
            with tempfile.TemporaryFile(dir=self._folder) as probe:
                probe.write(bytes(_PROBE_BYTES))
                probe.flush()
        except OSError as error:
            return os.strerror(error.errno or 0)
        return None


def serve(app: Starlette, listening: socket.socket) -> Callable[[], None]:
    """Serve in a thread of its own; call what is returned to end it."""
    import uvicorn

    config = uvicorn.Config(
        app, log_config=None, access_log=False, lifespan="off", timeout_graceful_shutdown=2
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(
        target=server.run, kwargs={"sockets": [listening]}, name="health", daemon=True
    )
    thread.start()

    def end() -> None:
        server.should_exit = True
        thread.join(3)

    return end
