"""The gateway's server: uvicorn, with bounds it does not have of its own.

Beyond uvicorn: a head must arrive within a time, connections beyond a number are told 503, and a
client whose body is refused can read why before the connection goes (a close with unread bytes
would reset it).
"""

from __future__ import annotations

import asyncio
import logging
import resource
import socket
import threading
from dataclasses import dataclass
from typing import Any

import h11
import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol, RequestResponseCycle

from lakegate.ingest.error import IngestError

__all__ = ["Server", "Timing"]

_log = logging.getLogger("lakegate.gateway")
_BACKLOG = 2048
_SPARE_FILES = 256  # for the log, and for connections that are told to go
_LINGER_S = 5.0
_BUSY = (
    b"HTTP/1.1 503 Service Unavailable\r\ncontent-type: application/problem+json\r\n"
    b"retry-after: 1\r\nconnection: close\r\ncontent-length: 79\r\n\r\n"
    b'{"title":"Service Unavailable","status":503,"detail":"too many connections"}   '
)
_SLOW = b"HTTP/1.1 408 Request Timeout\r\nconnection: close\r\ncontent-length: 0\r\n\r\n"


@dataclass(frozen=True, slots=True)
class Timing:
    """Bounds of a connection; times in seconds."""

    head_s: float = 10.0  # for the head of a request to arrive
    keep_alive_s: float = 30.0  # between requests
    drain_s: float = 10.0  # for requests in hand when it stops
    connections: int = 10_000


class Server:
    """Serves an application from a thread with an event loop of its own."""

    def __init__(
        self,
        app: Any,
        *,
        host: str,
        port: int,
        timing: Timing = Timing(),
        listening: socket.socket | None = None,
    ) -> None:
        """Bind, unless a socket that is ``listening`` is given."""
        self._timing = timing
        self._socket = _bound(host, port) if listening is None else listening
        self.host, self.port = self._socket.getsockname()[:2]
        self._thread = threading.Thread(target=self._run, name="lakegate-gateway", daemon=True)
        self._failure: BaseException | None = None
        self._uvicorn = uvicorn.Server(
            uvicorn.Config(
                app,
                http=_protocol(timing, _connections(timing.connections)),
                ws="none",
                loop="asyncio",
                lifespan="off",
                log_config=None,
                access_log=False,
                server_header=False,
                backlog=_BACKLOG,
                timeout_keep_alive=max(1, round(timing.keep_alive_s)),
                timeout_graceful_shutdown=max(1, round(timing.drain_s)),
            )
        )

    @property
    def alive(self) -> bool:
        """Whether it serves."""
        return self._thread.is_alive()

    @property
    def connections(self) -> int:
        """How many there are now."""
        return len(self._uvicorn.server_state.connections)

    def start(self) -> None:
        """Begin; connections are accepted when this returns.

        Raises:
            IngestError: it cannot.
        """
        self._thread.start()
        while not self._uvicorn.started:
            self._thread.join(0.005)
            if not self._thread.is_alive():
                raise IngestError(f"the gateway did not start: {self._failure}") from self._failure

    def stop(self) -> None:
        """Accept nothing new, answer what is in hand within the time for it, and end."""
        self._uvicorn.should_exit = True
        if self._thread.is_alive():
            self._thread.join()
        self._socket.close()

    def _run(self) -> None:
        try:
            asyncio.run(self._uvicorn.serve(sockets=[self._socket]))
        except BaseException as error:
            self._failure = error
            _log.exception("the gateway's server ended")


def _bound(host: str, port: int) -> socket.socket:
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        bound = socket.socket(family, kind, protocol)
        try:
            bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            bound.bind(address)
            bound.listen(_BACKLOG)
        except OSError:
            bound.close()
            raise
    except OSError as error:
        raise IngestError(
            f"the gateway cannot listen on {host}:{port}: {error.strerror or error}; "
            "choose another with --host and --port, or end what holds it"
        ) from error
    return bound


def _connections(wanted: int) -> int:
    """As many as wanted, or as this process may have open; its soft limit is raised to do so."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    needed = wanted + _SPARE_FILES
    if soft != resource.RLIM_INFINITY and soft < needed:
        soft = needed if hard == resource.RLIM_INFINITY else min(needed, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    if soft == resource.RLIM_INFINITY or soft >= needed:
        return wanted
    _log.warning(
        "this process may open %d files: at most %d connections, not gateway.max_connections=%d; "
        "raise the limit with `ulimit -n`",
        soft,
        soft - _SPARE_FILES,
        wanted,
    )
    return max(1, soft - _SPARE_FILES)


def _protocol(timing: Timing, connections: int) -> type[H11Protocol]:
    class Protocol(_BoundedProtocol):
        head_s = timing.head_s
        most = connections

    return Protocol


class _Lingering:
    """A transport whose ``close`` asks the protocol first."""

    def __init__(self, transport: asyncio.Transport, protocol: _BoundedProtocol) -> None:
        self._transport = transport
        self._protocol = protocol
        self.write = transport.write
        self.is_closing = transport.is_closing

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)

    def close(self) -> None:
        self._protocol.leave(self._transport)


class _BoundedProtocol(H11Protocol):
    head_s: float
    most: int
    _head_timer: asyncio.TimerHandle | None = None
    _leaving: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        if len(self.connections) >= self.most:
            self.transport = transport
            transport.write(_BUSY)
            self._linger(transport)
            return
        super().connection_made(_Lingering(transport, self))  # type: ignore[arg-type]
        self._expect_head()

    def connection_lost(self, exc: Exception | None) -> None:
        for timer in (self._head_timer, self._leaving):
            if timer is not None:
                timer.cancel()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self._leaving is not None:
            return
        if self._head_timer is None and not self._answering():
            self._expect_head()
        super().data_received(data)
        if self._head_timer is not None and self._answering():
            self._head_timer.cancel()
            self._head_timer = None

    def _answering(self) -> bool:
        """Whether a head has arrived whose answer is not complete."""
        cycle: RequestResponseCycle | None = self.cycle
        return cycle is not None and not cycle.response_complete

    def _expect_head(self) -> None:
        self._head_timer = self.loop.call_later(self.head_s, self._head_is_late)

    def _head_is_late(self) -> None:
        self._head_timer = None
        if not self.transport.is_closing():
            self.transport.write(_SLOW)
            self.transport.close()

    def leave(self, transport: asyncio.Transport) -> None:
        """Close; if the client is still sending, say no more and drop what comes for a while."""
        if self.conn.their_state is h11.SEND_BODY and not transport.is_closing():
            self._linger(transport)
        else:
            transport.close()

    def _linger(self, transport: asyncio.Transport) -> None:
        if self._leaving is None:
            self._leaving = self.loop.call_later(_LINGER_S, transport.abort)
            if transport.can_write_eof():
                transport.write_eof()
            transport.resume_reading()

    def shutdown(self) -> None:
        if self._leaving is not None:
            self.transport.abort()
            return
        super().shutdown()

    def _unsupported_upgrade_warning(self) -> None:
        """Debezium asks for h2c with every request; HTTP/1.1 is what it gets."""
