"""The supervisor: keeps every part running, and ends them in order.

It holds no store open and imports nothing heavy: about 30 MB, so that it is the last to be hit when
memory is short. Everything a part does survives ``kill -9``, which is why killing one that hangs is
always safe, and why nothing needs to be handed over between a part and its successor.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from types import FrameType

from lakegate.pipeline.supervisor.board import Board, PartStatus, PartView, write_board
from lakegate.pipeline.supervisor.log import LogLine
from lakegate.pipeline.supervisor.process import PartProcess, PartSpec
from lakegate.pipeline.supervisor.restart import RestartPolicy

__all__ = ["Limits", "Supervisor"]

_TICK_S = 0.2
_NAME = "supervisor"


@dataclass(frozen=True, slots=True)
class Limits:
    """Seconds a part may be silent, may take to start, and all may take to drain."""

    hang_s: float = 60.0
    start_s: float = 120.0
    drain_s: float = 30.0
    restart: RestartPolicy = field(default_factory=RestartPolicy)


@dataclass(slots=True)
class _Part:
    """A part through its lives."""

    spec: PartSpec
    status: PartStatus = PartStatus.WAITING
    process: PartProcess | None = None
    since_s: float = 0.0
    due: float = 0.0  # monotonic: when it is to be started
    ends: list[float] = field(default_factory=list)
    restarts: int = 0
    ended: str | None = None
    killed: str | None = None  # why we killed it

    def view(self) -> PartView:
        beat = None if self.process is None else self.process.beat
        return PartView(
            name=self.spec.name,
            role=self.spec.role,
            status=self.status,
            pid=None if self.process is None else self.process.pid,
            since_s=self.since_s,
            restarts=self.restarts,
            ended=self.ended,
            rss_bytes=None if beat is None else beat.rss,
            troubles={} if beat is None else dict(beat.troubles),
        )


class Supervisor:
    """Runs parts until it is asked to stop. Its methods belong to the main thread.

    ``board`` and ``facts`` may be read from any thread: each is replaced, never changed.
    """

    def __init__(
        self,
        root: Path,
        state_folder: Path,
        specs: Sequence[PartSpec],
        *,
        limits: Limits,
        say: Callable[[LogLine], None],
        gateway: str | None = None,
        monitor: str | None = None,
        on_down: Callable[[PartSpec], None] = lambda _: None,
        on_drain: Callable[[], None] = lambda: None,
    ) -> None:
        self._root = root
        self._state_folder = state_folder
        self._limits = limits
        self._write = say
        self._on_down = on_down
        self._on_drain = on_drain
        self._parts = [_Part(spec) for spec in specs]
        self._where = (gateway, monitor)
        self._began_s = time.time()
        self._asked = 0
        self._deadline: float | None = None
        self._shown = 0.0
        self.facts: dict[str, dict[str, object]] = {}
        self.board = self._board()

    def stop(self) -> None:
        """Begin to drain; asked a second time, end everything at once. Safe in a signal handler."""
        self._asked += 1

    def run(self) -> None:
        """Start the parts, keep them running, and return once they were asked to leave and did.

        Drains on SIGTERM and SIGINT: parts of the lowest stage are asked first, the next stage
        once those have left. What is still there after ``drain_s``, or at a second signal, is
        killed.
        """
        self._show()
        with self._signals() as wake:
            while not self._over():
                self._listen(wake)
                now = time.monotonic()
                for part in self._parts:
                    self._look_after(part, now)
                self._drain(now)
                if now - self._shown >= 1.0:
                    self._show()
        self._show()
        self._say("INFO", "all parts have left")

    def _over(self) -> bool:
        return self._deadline is not None and all(part.process is None for part in self._parts)

    def _listen(self, wake: int) -> None:
        fds = [fd for part in self._parts if part.process is not None for fd in part.process.fds]
        waiting = select.poll()
        for fd in (*fds, wake):
            waiting.register(fd, select.POLLIN)
        waiting.poll(_TICK_S * 1000)
        with contextlib.suppress(BlockingIOError):
            os.read(wake, 512)
        for part in self._parts:
            if part.process is not None:
                for line in part.process.listen():
                    self._tell(line)

    def _look_after(self, part: _Part, now: float) -> None:
        if part.process is None:
            if part.status is PartStatus.WAITING and self._deadline is None and now >= part.due:
                self._start(part)
            return
        how = part.process.ended()
        if how is not None:
            self._ended(part, how, now)
            return
        if part.process.turning and part.status is PartStatus.STARTING:
            self._become(part, PartStatus.UP)
        limit = self._limits.hang_s if part.process.turning else self._limits.start_s
        silent = part.process.silent_s(now)
        if silent > limit and part.killed is None:
            part.killed = f"killed: it did not move for {silent:.0f} s"
            self._say("ERROR", f"{part.spec.name} (pid {part.process.pid}) has not moved for "
                      f"{silent:.0f} s; killing it")  # fmt: skip
            part.process.kill()

    def _start(self, part: _Part) -> None:
        part.killed = None
        try:
            part.process = PartProcess(part.spec, self._root, self._state_folder)
        except OSError as error:
            self._ended(part, f"cannot be started: {error.strerror}", time.monotonic())
            return
        part.restarts += bool(part.ends)
        self._become(part, PartStatus.STARTING)
        self._say("INFO", f"{part.spec.name} started, pid {part.process.pid}")
        self._show()

    def _ended(self, part: _Part, how: str, now: float) -> None:
        if part.process is not None:
            for line in part.process.close():
                self._tell(line)
            part.process = None
        self.facts = {name: facts for name, facts in self.facts.items() if name != part.spec.name}
        how = part.killed or how
        if self._deadline is not None:
            self._become(part, PartStatus.GONE)
            self._say("INFO", f"{part.spec.name} has left ({how})")
            return
        part.ended = how
        part.ends = [*part.ends, now][-1000:]
        delay = self._limits.restart.delay_s(part.ends, now=now)
        if delay is None:
            self._become(part, PartStatus.DOWN)
            limit, window = self._limits.restart.limit, self._limits.restart.window_s
            self._say(
                "CRITICAL",
                f"{part.spec.name} {how}; it ended more than {limit} times in {window:.0f} s and "
                "stays down: see what it said above, mend it, then start `lakegate up` again",
            )
            self._on_down(part.spec)
        else:
            part.due = now + delay
            self._become(part, PartStatus.WAITING)
            self._say("ERROR", f"{part.spec.name} {how}; starting it again in {delay:.2f} s")
        self._show()

    def _drain(self, now: float) -> None:
        if self._asked and self._deadline is None:
            self._deadline = now + self._limits.drain_s
            self._say("INFO", "draining: gateway first, then the gates, the lander, and the rest")
            self._on_drain()
            for part in self._parts:
                if part.process is None and part.status is PartStatus.WAITING:
                    self._become(part, PartStatus.GONE)
        if self._deadline is None:
            return
        left = [part for part in self._parts if part.process is not None]
        hurry = self._asked > 1 or now > self._deadline
        stage = min((part.spec.stage for part in left), default=0)
        for part in left:
            if hurry and part.killed is None and part.process is not None:
                part.killed = "killed: it was still there at the end of the drain"
                self._say("WARNING", f"{part.spec.name} is still there; killing it")
                part.process.kill()
            elif part.spec.stage == stage and part.status is not PartStatus.LEAVING:
                self._become(part, PartStatus.LEAVING)
                if part.process is not None:
                    part.process.ask()

    def _become(self, part: _Part, status: PartStatus) -> None:
        part.status, part.since_s = status, time.time()

    def _board(self) -> Board:
        views = tuple(part.view() for part in self._parts)
        draining = self._deadline is not None
        return Board(os.getpid(), self._began_s, draining, views, *self._where)

    def _show(self) -> None:
        """Publish the board and what the parts count."""
        self._shown = time.monotonic()
        self.board = self._board()
        self.facts = {
            part.spec.name: part.process.beat.facts
            for part in self._parts
            if part.process is not None and part.process.beat.facts
        }
        with contextlib.suppress(OSError):  # a full disk does not end the supervisor
            write_board(self._state_folder, self.board)

    def _tell(self, line: LogLine) -> None:
        with contextlib.suppress(OSError):  # nobody reads the log any more; the data flows on
            self._write(line)

    def _say(self, level: str, message: str) -> None:
        self._tell(LogLine(datetime.now(UTC), level, _NAME, message))

    @contextlib.contextmanager
    def _signals(self) -> Iterator[int]:
        """SIGTERM and SIGINT ask to stop, and wake the loop, as the end of a child does."""
        reading, writing = os.pipe()
        os.set_blocking(reading, False)
        os.set_blocking(writing, False)

        def ask(_number: int, _frame: FrameType | None) -> None:
            self.stop()

        def ignore(_number: int, _frame: FrameType | None) -> None:
            """The wake-up is all that is wanted."""

        handlers = {signal.SIGTERM: ask, signal.SIGINT: ask, signal.SIGCHLD: ignore}
        before = {number: signal.signal(number, call) for number, call in handlers.items()}
        woken = signal.set_wakeup_fd(writing, warn_on_full_buffer=False)
        try:
            yield reading
        finally:
            signal.set_wakeup_fd(woken)
            for number, handler in before.items():
                signal.signal(number, handler)
            os.close(reading)
            os.close(writing)
