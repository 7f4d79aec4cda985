"""``lakegate up``, wired: the plan, the sockets, the supervisor and its health pages."""

from __future__ import annotations

import errno
import os
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from lakegate.errors import ProjectError
from lakegate.pipeline.config import Config, load_config
from lakegate.pipeline.supervisor.board import lease_of
from lakegate.pipeline.supervisor.log import LogLine
from lakegate.pipeline.supervisor.process import PartSpec
from lakegate.pipeline.supervisor.restart import RestartPolicy
from lakegate.pipeline.supervisor.supervise import Limits, Supervisor

__all__ = ["Plan", "parts_of", "plan", "up"]

_BACKLOG = 2048
_PLAN_S = 120


@dataclass(frozen=True, slots=True)
class Plan:
    """What the project has: its streams, and how many partitions each has."""

    streams: tuple[str, ...]
    partitions: dict[str, int] = field(default_factory=dict)


def up(root: Path, *, say: Callable[[LogLine], None]) -> None:
    """Run the project until SIGTERM or SIGINT, then drain and return. Needs the main thread.

    Raises:
        ProjectError: another ``up`` runs here (its pid is named), a port is taken, a contract or
            the configuration is wrong; nothing was started.
    """
    config = load_config(root)
    state_folder = root / config.project.state
    lease = lease_of(state_folder)
    while not lease.acquire(stopped=lambda: False, timeout_s=1):
        holder = lease.holder()
        if holder is not None:  # and not somebody who has looked whether one runs
            raise ProjectError(
                f"`lakegate up` already runs for {root}: pid {holder}; stop it first "
                f"(kill {holder}), or look at it with `lakegate status --watch`"
            )
    try:
        found = plan(root)
        with ExitStack() as stack:
            gateway = stack.enter_context(_listening(*_gateway_address(config), "[gateway] port"))
            monitor = stack.enter_context(_listening(config.up.host, config.up.port, "[up] port"))
            _supervise(root, config, found, (gateway, monitor), say)
    finally:
        lease.release()


def _supervise(
    root: Path,
    config: Config,
    found: Plan,
    sockets: tuple[socket.socket, socket.socket],
    say: Callable[[LogLine], None],
) -> None:
    from lakegate.pipeline.health import application, serve

    gateway, monitor = sockets
    state_folder = root / config.project.state

    def close_gateway() -> None:
        gateway.close()  # who comes now is refused, and not left waiting for an answer

    def down(spec: PartSpec) -> None:
        if spec.role == "gateway":
            close_gateway()

    supervisor = Supervisor(
        root,
        state_folder,
        parts_of(found, workers=config.up.workers, gateway_fd=gateway.fileno()),
        limits=limits_of(config),
        say=say,
        gateway=address_of(gateway),
        monitor=address_of(monitor),
        on_down=down,
        on_drain=close_gateway,
    )
    app = application(
        lambda: supervisor.board, lambda: supervisor.facts, state_folder / "log" / "segments"
    )
    end = serve(app, monitor)
    try:
        supervisor.run()
    finally:
        end()


def plan(root: Path) -> Plan:
    """Open the project once, in a process of its own, and see what it has.

    It is the check that everything can start: contracts, configuration, stores, models. In a
    process of its own because what it loads would stay in the supervisor.

    Raises:
        ProjectError: the project cannot be run; the message says all that is wrong.
    """
    try:
        done = subprocess.run(  # noqa: S603, our own interpreter and module
            [sys.executable, "-m", "lakegate.pipeline.supervisor.plan", str(root)],
            capture_output=True,
            check=False,
            timeout=_PLAN_S,
        )
    except subprocess.TimeoutExpired as error:
        raise ProjectError(
            f"the project in {root} could not be opened within {_PLAN_S} s; is its disk well, or "
            "does another process hold its stores?"
        ) from error
    if done.returncode:
        raise ProjectError(done.stderr.decode(errors="replace").strip())
    return msgspec.json.decode(done.stdout.splitlines()[-1], type=Plan)


def parts_of(found: Plan, *, workers: int, gateway_fd: int) -> list[PartSpec]:
    """The parts of a project, in the order in which they drain.

    Streams share at most ``workers`` gates (0: one per core), so that memory is bounded by the
    number of processes and not by the number of streams.
    """
    streams = found.streams
    shares = _shares(found, workers or os.cpu_count() or 1)
    count = len(shares)
    names = ["gate"] if count == 1 else [f"gate-{number + 1}" for number in range(count)]
    return [
        PartSpec("gateway", "gateway", 0, socket_fd=gateway_fd),
        *(
            PartSpec(name, "gate", 1, streams=share)
            for name, share in zip(names, shares, strict=True)
        ),
        PartSpec("lander", "lander", 2, streams=streams),
        PartSpec("jobs", "jobs", 3),
        PartSpec("watch", "watch", 4),
    ]


def _shares(found: Plan, workers: int) -> list[tuple[str, ...]]:
    """The streams of each gate: those with several partitions go to several gates, in turns."""
    sizes = {stream: found.partitions.get(stream, 1) for stream in found.streams}
    shares: list[list[str]] = [[] for _ in range(min(sum(sizes.values()), workers))]
    turn = 0
    for partition in range(max(sizes.values(), default=0)):
        for stream in (name for name, size in sizes.items() if size > partition):
            for gate in (*range(turn, len(shares)), *range(turn)):
                if stream not in shares[gate]:
                    shares[gate].append(stream)
                    turn = (gate + 1) % len(shares)
                    break
    return [tuple(share) for share in shares if share]


def limits_of(config: Config) -> Limits:
    """The limits of ``[up]``."""
    section = config.up
    return Limits(
        hang_s=section.hang_s,
        start_s=section.start_s,
        drain_s=section.drain_s,
        restart=RestartPolicy(section.restarts, section.restart_window_s),
    )


def address_of(listening: socket.socket) -> str:
    """``host:port`` of a listening socket."""
    host, port = listening.getsockname()[:2]
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


@contextmanager
def _listening(host: str, port: int, key: str) -> Iterator[socket.socket]:
    """A listening socket that parts inherit: a part that is started again loses no connection.

    Raises:
        ProjectError: the port is taken, or the address is not one of this machine.
    """
    try:
        family, _, _, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        listening = socket.socket(family, socket.SOCK_STREAM)
    except OSError as error:
        raise ProjectError(f"cannot listen on {host}: {error}; see {key}") from error
    with listening:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listening.bind(address)
            listening.listen(_BACKLOG)
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                raise ProjectError(
                    f"port {port} of {host} is taken by another process; end it, or choose another "
                    f"{key} in lakegate.toml (0 chooses a free one)"
                ) from error
            raise ProjectError(
                f"cannot listen on {host}:{port}: {error.strerror}; see {key}"
            ) from error
        listening.setblocking(False)
        yield listening


def _gateway_address(config: Config) -> tuple[str, int]:
    return config.gateway.host, config.gateway.port
