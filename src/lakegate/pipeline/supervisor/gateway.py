"""Part ``gateway``: takes records over HTTP, on a socket that the supervisor holds."""

from __future__ import annotations

import http.client
import socket
from typing import TYPE_CHECKING, Any

from lakegate.pipeline.supervisor.meter import Meter

if TYPE_CHECKING:
    from starlette.requests import Request

    from lakegate.pipeline.gateway import Gateway
    from lakegate.pipeline.supervisor.child import Part

__all__ = ["play"]

_PING = "/ping"
_PING_S = 5.0


def play(part: Part) -> None:
    """Serve until asked to leave; then take nothing new, answer what is in hand, and leave.

    Raises:
        IngestError: it cannot serve, or has ended by itself.
    """
    from starlette.responses import Response
    from starlette.routing import Route

    from lakegate.ingest.error import IngestError
    from lakegate.pipeline.gateway import Gateway

    def ping(_request: Request) -> Response:
        return Response(status_code=204)

    meters: list[Meter] = []

    def wrap(app: Any) -> Meter:
        meters.append(Meter(app))
        return meters[0]

    listening = socket.socket(fileno=part.socket_fd)
    with part.open_project() as project:
        gateway = Gateway(project, listening=listening, wrap=wrap, routes=[Route(_PING, ping)])
        gateway.start()
        try:
            while not part.leaving.wait(0.5):
                if not gateway.alive:
                    raise IngestError("the gateway ended by itself")
                if _answers(gateway):
                    part.heart.turn()
                part.heart.facts["requests"] = meters[0].facts()
        finally:
            gateway.drain()


def _answers(gateway: Gateway) -> bool:
    """Whether its event loop still turns, seen from where clients are."""
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(gateway.host, gateway.host)  # noqa: S104
    connection = http.client.HTTPConnection(host, gateway.port, timeout=_PING_S)
    try:
        connection.request("GET", _PING)
        connection.getresponse().read()
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()
    return True
