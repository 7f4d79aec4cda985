"""Part ``watch``: looks at the stores for ``/metrics``, and at everything for alerts."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from typing import TYPE_CHECKING, Literal

import msgspec

from lakegate.pipeline.supervisor.board import Board, PartStatus, read_board
from lakegate.pipeline.supervisor.trouble import Persistent

if TYPE_CHECKING:
    from lakegate.pipeline.supervisor.child import Part

__all__ = ["changes", "play"]

_log = logging.getLogger("lakegate.up")

PartState = Literal["running", "stuck", "dead"]


def play(part: Part) -> None:
    """Look, until asked to leave. A channel that hangs does not keep the numbers from coming."""
    loops = (_count, _alert)
    part.heart.expect("numbers", "alerts")
    threads = [
        threading.Thread(target=loop, args=(part,), name=loop.__name__, daemon=True)
        for loop in loops
    ]
    for thread in threads:
        thread.start()
    while not part.leaving.wait(0.5):
        if not all(thread.is_alive() for thread in threads):
            raise SystemExit(3)
    for thread in threads:
        thread.join(5)


def _count(part: Part) -> None:
    """The numbers of the flow, every few seconds."""
    from lakegate.pipeline.numbers import Collector

    with part.open_project() as project:
        collector = Collector(project)
        persistent = Persistent("numbers", part.heart)

        def look() -> None:
            part.heart.facts["numbers"] = msgspec.to_builtins(collector.collect())

        while not part.leaving.is_set():
            persistent.attempt(look)
            part.heart.turn("numbers")
            part.pause(project.config.up.numbers_s, "numbers")


def _alert(part: Part) -> None:
    """Service levels, incidents and alerts, every few seconds; and what becomes of the parts."""
    from lakegate.pipeline.watching import Watch

    with part.open_project() as project, Watch(project, write=_say) as watch:
        told: dict[str, str] = {}
        while not part.leaving.is_set():
            board = read_board(project.state_folder)
            if board is not None and not board.draining:
                for name, state, reason in changes(board, told):
                    watch.report_part(name, state, reason)
            watch.tick()
            watch.deliver()
            part.heart.turn("alerts")
            part.pause(project.config.up.alert_s, "alerts")


def changes(board: Board, told: dict[str, str]) -> Iterator[tuple[str, PartState, str]]:
    """What to report of the parts since the last look, which ``told`` remembers.

    A part that died and is up again by now is reported dead first: a crash is never missed.
    """
    for part in board.parts:
        state: PartState = "running"
        if part.status in (PartStatus.WAITING, PartStatus.DOWN):
            state = "dead"
        ended = part.ended or ""
        before = told.get(part.name)
        now = f"{state} {part.restarts} {ended if state == 'dead' else ''}"
        if before == now:
            continue
        told[part.name] = now
        restarts = 0 if before is None else int(before.split(" ", maxsplit=2)[1])
        if state == "running" and part.restarts > restarts:
            yield part.name, _how(ended), ended
        yield part.name, _how(ended) if state == "dead" else "running", ended


def _say(text: str) -> None:
    """What an alert to standard output says belongs into the one log."""
    _log.warning("alert: %s", text.strip())


def _how(ended: str) -> PartState:
    return "stuck" if ended.startswith("killed: it did not move") else "dead"
