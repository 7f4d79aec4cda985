"""The project's HTTP gateway."""

from __future__ import annotations

import asyncio
import os
import socket
import threading
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import timedelta
from ipaddress import ip_address
from typing import TYPE_CHECKING, Any

from lakegate.gate import Gate
from lakegate.gate import compile as compile_gate
from lakegate.gate.verdict import Verdict
from lakegate.ingest.error import IngestError
from lakegate.ingest.gateway import Door, Limits, Traffic, application
from lakegate.ingest.intake import Intake, LagLimit
from lakegate.ingest.server import Server, Timing
from lakegate.ingest.token import Tokens
from lakegate.pipeline.config import GatewaySection
from lakegate.pipeline.flow import watch
from lakegate.pipeline.referring import References
from lakegate.runner.base import GATE_GROUP

if TYPE_CHECKING:
    from starlette.applications import Starlette
    from starlette.routing import BaseRoute

    from lakegate.pipeline.contracts import ContractWatch
    from lakegate.pipeline.project import Project

__all__ = ["Counts", "Gateway", "gateway_app", "open_intake", "refuse_open_door", "tokens_of"]


@dataclass(frozen=True, slots=True)
class Counts:
    """What the gateway has done so far. ``answers`` by HTTP status; ``bytes`` of bodies, inflated.

    ``duplicates``: requests whose idempotency key was known, and that therefore appended nothing.
    """

    answers: Mapping[int, int]
    records: int
    duplicates: int
    bytes: int
    commits: int
    connections: int


def open_intake(project: Project) -> Intake:
    """The writer of a gateway, not yet started; it has a log of its own."""
    config = project.config.gateway
    return Intake(
        project.open_log,
        window=timedelta(seconds=config.idempotency_window_s),
        lag=None if config.max_lag is None else LagLimit(GATE_GROUP, config.max_lag),
    )


def gateway_app(
    project: Project,
    *,
    intake: Intake,
    routes: Iterable[BaseRoute] = (),
    traffic: Traffic | None = None,
    stopping: threading.Event | None = None,
) -> Starlette:
    """The gateway as an ASGI application, with ``routes`` beside its own.

    ``intake`` (:func:`open_intake`) must be started before the first request, and be closed after
    the last. Streams and primary keys are those of now; a contract that changes is followed for
    judging only.

    Raises:
        IngestError: a token of ``[gateway] tokens`` cannot be had.
    """
    config = project.config.gateway
    return application(
        _doors(project),
        intake,
        tokens=tokens_of(project),
        limits=Limits(
            body_bytes=config.max_body_bytes,
            records=config.max_records,
            pending_bytes=config.max_pending_bytes,
            body_timeout_s=config.body_timeout_s,
        ),
        judge=_Judges(project),
        judge_all=config.judge,
        traffic=traffic,
        stopping=stopping.is_set if stopping is not None else lambda: False,
        routes=routes,
    )


def tokens_of(project: Project) -> Tokens:
    """Who may send.

    Raises:
        IngestError: a token of ``[gateway] tokens`` cannot be had.
    """
    tokens = project.config.gateway.tokens
    return Tokens.configured(tokens, folder=project.root, environment=os.environ)


def refuse_open_door(config: GatewaySection, host: str) -> None:
    """Refuse to take records from anybody, unless that is said.

    Raises:
        IngestError: it would be open to other machines without tokens.
    """
    if not config.tokens and not config.allow_anonymous and not _is_loopback(host):
        raise IngestError(
            f"the gateway would listen on {host} and take records from anybody: name tokens in "
            "[gateway.tokens] of lakegate.toml, or set allow_anonymous = true if something "
            "else guards it"
        )


class Gateway:
    """Serves the project's gateway from threads of its own."""

    def __init__(
        self,
        project: Project,
        *,
        host: str | None = None,
        port: int | None = None,
        routes: Sequence[BaseRoute] = (),
        listening: socket.socket | None = None,
        wrap: Callable[[Any], Any] = lambda app: app,
    ) -> None:
        """Bind; ``port`` 0 is any that is free. ``wrap`` puts an ASGI application around ours.

        A socket that is ``listening`` is used instead of a new one.

        Raises:
            IngestError: the address is taken, a token cannot be had, or it would be open to other
                machines without tokens.
        """
        config = project.config.gateway
        host = config.host if host is None else host
        refuse_open_door(config, host)
        self._intake = open_intake(project)
        self._traffic = Traffic()
        self._stopping = threading.Event()
        self._server = Server(
            wrap(
                gateway_app(
                    project,
                    intake=self._intake,
                    routes=routes,
                    traffic=self._traffic,
                    stopping=self._stopping,
                )
            ),
            listening=listening,
            host=host,
            port=config.port if port is None else port,
            timing=Timing(
                head_s=config.head_timeout_s,
                keep_alive_s=config.keep_alive_s,
                drain_s=config.drain_timeout_s,
                connections=config.max_connections,
            ),
        )
        self.host = self._server.host
        self.port = self._server.port

    @property
    def url(self) -> str:
        """Where it listens."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"http://{host}:{self.port}"

    @property
    def alive(self) -> bool:
        """Whether it serves and can write."""
        return self._server.alive and self._intake.alive

    @property
    def counts(self) -> Counts:
        """What it has done so far."""
        traffic = self._traffic
        return Counts(
            dict(traffic.answers),
            traffic.records,
            traffic.duplicates,
            traffic.bytes,
            self._intake.commits,
            self._server.connections,
        )

    def start(self) -> None:
        """Serve; requests are taken when this returns.

        Raises:
            LakegateError: the log cannot be opened, or the server does not start.
        """
        self._intake.start()
        self._server.start()

    def drain(self) -> None:
        """Accept nothing new, answer what is in hand (``drain_timeout_s`` at most), let go."""
        self._stopping.set()
        self._server.stop()
        self._intake.close()


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _doors(project: Project) -> dict[str, Door]:
    """Every stream by its name, its table's and its topics' prefix."""
    doors: dict[str, Door] = {}
    topics = project.log.topics()
    for file in project.found.values():
        stream = file.stream
        cdc = stream.topic("cdc") if stream.cdc is not None else None
        if cdc is not None and cdc not in topics:
            project.log.create(cdc, partitions=topics[stream.topic("raw")])
        door = Door(stream.name, stream.topic("raw"), cdc, stream.primary_key)
        for name in (stream.table, stream.topic_prefix):
            doors.setdefault(name, door)
    doors.update({door.stream: door for door in list(doors.values())})
    return doors


class _Judges:
    """Judges on arrival, by the newest good contract, in one thread beside the event loop."""

    def __init__(self, project: Project) -> None:
        self._project = project
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="lakegate-judge")
        self._watches: dict[str, ContractWatch] = {}
        self._gates: dict[str, tuple[str, Gate]] = {}
        self._keys: defaultdict[str, References] = defaultdict(lambda: References(project))

    async def __call__(
        self, stream: str, values: Sequence[bytes], keys: Sequence[bytes | None]
    ) -> Verdict:
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._thread, self._judge, stream, values, keys)

    def _judge(self, name: str, values: Sequence[bytes], keys: Sequence[bytes | None]) -> Verdict:
        if name not in self._watches:
            self._watches[name] = watch(self._project, self._project.found[name])
        stream = self._watches[name].current()
        digest, gate = self._gates.get(name, ("", None))
        if gate is None or digest != stream.contract.digest:
            gate = compile_gate(stream)
            self._gates[name] = (stream.contract.digest, gate)
        judged = self._keys[name](gate)
        return judged(values, keys=keys)
