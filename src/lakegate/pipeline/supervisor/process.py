"""One part as a process: started, listened to, ended."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import msgspec

from lakegate.pipeline.supervisor.heart import Beat
from lakegate.pipeline.supervisor.log import Lines, LogLine, parse

__all__ = ["PartProcess", "PartSpec"]

_CHILD = "lakegate.pipeline.supervisor.child"
_CHUNK = 1 << 16


@dataclass(frozen=True, slots=True)
class PartSpec:
    """What a part is: its ``role`` (a function of :mod:`~lakegate.pipeline.supervisor.child`).

    ``stage`` orders the drain: lower ones leave first. ``socket_fd`` is a listening socket that
    the supervisor holds, so that it outlives the part.
    """

    name: str
    role: str
    stage: int
    streams: tuple[str, ...] = ()
    socket_fd: int | None = None


class PartProcess:
    """A running part: its process and the pipes it talks through. Belongs to the main thread.

    It is started from the main thread, since Linux ties the life of a child to that of the thread
    that started it.
    """

    def __init__(self, spec: PartSpec, root: Path, state_folder: Path) -> None:
        """Start the process."""
        self.spec = spec
        self.started = time.monotonic()
        self.beat = Beat()
        self.heard = self.started
        beat_fd, beat_end = os.pipe()
        log_fd, log_end = os.pipe()
        keep = [beat_end, *([] if spec.socket_fd is None else [spec.socket_fd])]
        what = {
            "role": spec.role,
            "root": str(root),
            "state": str(state_folder),
            "streams": spec.streams,
            "beat_fd": beat_end,
            "socket_fd": spec.socket_fd,
            "parent": os.getpid(),
        }
        try:
            self._process = subprocess.Popen(  # noqa: S603, our own interpreter and module
                [sys.executable, "-m", _CHILD, json.dumps(what)],
                stdin=subprocess.DEVNULL,
                stdout=log_end,
                stderr=log_end,
                pass_fds=keep,
                start_new_session=True,  # Ctrl-C is for the supervisor, which drains in order
            )
        finally:
            os.close(beat_end)
            os.close(log_end)
        self._beats, self._said = _Pipe(beat_fd), _Pipe(log_fd)

    @property
    def pid(self) -> int:
        """Of the process."""
        return self._process.pid

    @property
    def fds(self) -> tuple[int, ...]:
        """Pipes that may have something to read."""
        return tuple(pipe.fd for pipe in (self._beats, self._said) if pipe.fd is not None)

    def listen(self) -> Iterator[LogLine]:
        """Take in what the part has written: beats, and what it says, which is returned."""
        for line in self._beats.lines():
            with contextlib.suppress(msgspec.DecodeError):
                self.beat = msgspec.json.decode(line, type=Beat)
                self.heard = time.monotonic()
        for line in self._said.lines():
            yield parse(self.spec.name, line)

    def ended(self) -> str | None:
        """How it ended, or None while it runs."""
        code = self._process.poll()
        if code is None:
            return None
        if code < 0:
            return f"ended by {signal.Signals(-code).name}"
        return f"ended with exit code {code}"

    def silent_s(self, now: float) -> float:
        """Seconds since all its loops were last seen to turn; since its start before that."""
        if self.beat.turn is None:
            return now - self.started
        return now - self.beat.turn

    @property
    def turning(self) -> bool:
        """Whether it has come so far as to do its work."""
        return self.beat.turn is not None

    def ask(self) -> None:
        """Let it finish what it has in hand and leave."""
        self._signal(signal.SIGTERM)

    def kill(self) -> None:
        """End it at once, stopped or not; all a part does survives that."""
        self._signal(signal.SIGKILL)

    def close(self) -> Iterator[LogLine]:
        """After its end: its last words, then the pipes are closed."""
        self._process.wait()
        yield from self.listen()
        for line in self._said.end():
            yield parse(self.spec.name, line)
        self._beats.close()
        self._said.close()

    def _signal(self, number: signal.Signals) -> None:
        with contextlib.suppress(ProcessLookupError):
            self._process.send_signal(number)


class _Pipe:
    """The reading end of a pipe that never blocks."""

    def __init__(self, fd: int) -> None:
        os.set_blocking(fd, False)
        self.fd: int | None = fd
        self._cut = Lines()

    def lines(self) -> Iterator[str]:
        while self.fd is not None:
            try:
                data = os.read(self.fd, _CHUNK)
            except BlockingIOError:
                return
            if not data:
                self.close()
                return
            yield from self._cut.feed(data)

    def end(self) -> Iterator[str]:
        yield from self._cut.end()

    def close(self) -> None:
        if self.fd is not None:
            os.close(self.fd)
            self.fd = None
