"""Several processes that judge the same streams, each its share of the partitions.

The parent starts them, adds up what they tell, starts again who is killed, and ends them in order;
it does none of their work. Who judges which partition they settle among themselves
(:mod:`lakegate.runner.share`), so a worker needs nothing from the parent but to be told to leave.

``python -m lakegate.pipeline.crew`` is one worker; its task is a line of JSON on standard input,
what it has done are lines of JSON on standard output.
"""

from __future__ import annotations

import logging
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any, Literal

import msgspec

from lakegate.errors import LakegateError, RunnerError
from lakegate.pipeline.config import Config
from lakegate.pipeline.supervisor.heart import die_with_parent
from lakegate.pipeline.supervisor.restart import RestartPolicy
from lakegate.runner.base import Progress

__all__ = ["Task", "main", "run_crew"]

_log = logging.getLogger("lakegate.pipeline")
_LOOK_S = 0.1
_LEAVE_S = 60.0

Tell = Callable[[str, Progress], None]


class Task(msgspec.Struct, frozen=True):
    """What a worker is to do, and whose child it is."""

    root: str
    config: Config
    streams: tuple[str, ...]
    until: Literal["idle"] | None
    parent: int


class _Said(msgspec.Struct, frozen=True, omit_defaults=True):
    """What a worker says: how far it is with a stream, or why it cannot go on."""

    stream: str = ""
    done: dict[str, int] = {}
    error: str | None = None


@dataclass(slots=True)
class _Hired:
    """A place in the crew, through the lives of its process."""

    process: subprocess.Popen[bytes]
    listener: threading.Thread
    said: dict[str, Progress] = field(default_factory=dict)  # by this process
    before: list[dict[str, Progress]] = field(default_factory=list)  # by those before it
    ends: list[float] = field(default_factory=list)
    error: str | None = None


def run_crew(
    task: Task, *, workers: int, stopped: Callable[[], bool], tell: Tell
) -> dict[str, Progress]:
    """Work with that many processes until ``stopped()``, or until all have nothing left to do.

    A worker that is killed is started again; meanwhile the others have its partitions. Returns what
    all of them did per stream; ``tell`` is called as they commit. To be called in a thread that
    stays: on Linux the workers die with it.

    Raises:
        RunnerError: a worker cannot go on (it says why), or dies again and again. The others were
            ended; all that was committed stays.
    """
    crew: list[_Hired] = []
    lock = threading.Lock()

    def heard(hired: _Hired, said: _Said) -> None:
        with lock:
            if said.error is not None:
                hired.error = said.error
            else:
                hired.said[said.stream] = Progress(**said.done)
                tell(said.stream, _total(crew, said.stream))

    try:
        crew.extend(_hire(task, heard) for _ in range(workers))
        _attend(task, crew, heard, stopped)
    finally:
        _dismiss(crew)
    return {stream: _total(crew, stream) for stream in task.streams}


def _attend(
    task: Task,
    crew: list[_Hired],
    heard: Callable[[_Hired, _Said], None],
    stopped: Callable[[], bool],
) -> None:
    """Until nobody is left, or it is time to leave."""
    policy = RestartPolicy()
    left: set[int] = set()
    while len(left) < len(crew) and not stopped():
        time.sleep(_LOOK_S)
        for number, hired in enumerate(crew):
            code = hired.process.poll()
            if code is None or number in left:
                continue
            hired.listener.join()
            if code == 0 and task.until is not None:
                left.add(number)
                continue
            if hired.error is not None or code >= 0:
                raise RunnerError(hired.error or f"a worker ended with exit code {code}; see above")
            hired.ends.append(time.monotonic())
            delay = policy.delay_s(hired.ends, now=hired.ends[-1])
            name = signal.Signals(-code).name
            if delay is None:
                raise RunnerError(f"a worker was ended by {name} again and again; see the log")
            _log.warning("worker %d was ended by %s; starting it again", hired.process.pid, name)
            time.sleep(min(delay, 1.0))
            again = _hire(task, heard)
            again.before = [*hired.before, hired.said]
            again.ends = hired.ends
            crew[number] = again


def _hire(task: Task, heard: Callable[[_Hired, _Said], None]) -> _Hired:
    process = subprocess.Popen(
        [sys.executable, "-m", "lakegate.pipeline.crew"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        start_new_session=True,  # Ctrl-C is for the parent, which ends them in order
    )
    assert process.stdin is not None
    listener = threading.Thread(target=lambda: _listen(hired, heard), daemon=True)
    hired = _Hired(process, listener)
    listener.start()
    try:
        process.stdin.write(msgspec.json.encode(task))
        process.stdin.close()
    except BrokenPipeError:
        _log.debug("worker %d ended before it was told what to do", process.pid)
    return hired


def _listen(hired: _Hired, heard: Callable[[_Hired, _Said], None]) -> None:
    decoder = msgspec.json.Decoder(_Said)
    assert hired.process.stdout is not None
    with hired.process.stdout as lines:
        for line in lines:
            if line.endswith(b"\n"):  # a worker that is killed may leave half a line
                heard(hired, decoder.decode(line))


def _dismiss(crew: Sequence[_Hired]) -> None:
    """Let everybody commit what is in hand and leave; who does not is killed."""
    for hired in crew:
        if hired.process.poll() is None:
            hired.process.terminate()
    deadline = time.monotonic() + _LEAVE_S
    for hired in crew:
        try:
            hired.process.wait(max(0.0, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            hired.process.kill()
            hired.process.wait()
        hired.listener.join()


def _total(crew: Sequence[_Hired], stream: str) -> Progress:
    total = Progress()
    for hired in crew:
        for done in (*hired.before, hired.said):
            if stream in done:
                for each in fields(Progress):
                    more = getattr(total, each.name) + getattr(done[stream], each.name)
                    setattr(total, each.name, more)
    return total


def main() -> int:
    """Be a worker; return the exit code."""
    task = msgspec.json.decode(sys.stdin.buffer.read(), type=Task)
    die_with_parent(task.parent)
    logging.basicConfig(format="%(asctime)s %(levelname)s %(message)s", level=logging.INFO)
    leaving = threading.Event()
    signal.signal(signal.SIGTERM, lambda _number, _frame: leaving.set())
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        _work(task, leaving)
    except LakegateError as error:
        _say(_Said(error=str(error)))
        return 2
    return 0


def _work(task: Task, leaving: threading.Event) -> None:
    from lakegate.pipeline.project import open_project

    with open_project(Path(task.root), config=task.config) as project:
        done = project.run(
            *task.streams,
            until=task.until,
            land=False,
            stopped=leaving.is_set,
            on_progress=lambda stream, progress: _say(_Said(stream, asdict(progress))),
        )
    for stream, progress in done.items():
        _say(_Said(stream, asdict(progress)))


def _say(said: Any) -> None:
    data = msgspec.json.encode(said) + b"\n"
    while data:
        data = data[os.write(1, data) :]


if __name__ == "__main__":
    sys.exit(main())
