"""Records on their way: workers and the lander, until idle or for ever."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING

from lakegate.contract.stream import Stream
from lakegate.errors import LakegateError
from lakegate.gate import compile as compile_gate
from lakegate.pipeline.contracts import ContractWatch, StreamFile
from lakegate.runner.base import Progress
from lakegate.runner.embedded import Worker
from lakegate.runner.lease import FileLease
from lakegate.topic.base import TopicLog

if TYPE_CHECKING:
    from lakegate.pipeline.project import Project

__all__ = ["land_waiting", "run_forever", "run_until_idle", "worker"]

_log = logging.getLogger("lakegate.pipeline")

Tell = Callable[[str, Progress], None]


def worker(project: Project, found: StreamFile, log: TopicLog) -> Worker:
    """The worker of a stream, on that view of the log."""
    from lakegate.state.contract_registry import claim as claim_version

    database, config = project.state, project.config.gate

    def claim(stream: Stream) -> None:
        claim_version(database, stream.contract, draft=stream.draft)

    name = found.stream.name.replace("/", ".")
    return Worker(
        log,
        ContractWatch(found, claim),
        compile_gate,
        lease=FileLease(project.state_folder / "locks" / f"{name}.gate"),
        brake=project.brake,
        batch_records=config.batch_records,
        batch_bytes=config.batch_bytes,
    )


def run_until_idle(
    project: Project,
    chosen: Sequence[StreamFile],
    *,
    land: bool,
    stopped: Callable[[], bool],
    tell: Tell,
) -> dict[str, Progress]:
    """Judge each stream until nothing is left, then land it, in this thread."""
    done: dict[str, Progress] = {}
    for found in chosen:
        name = found.stream.name

        def on_commit(progress: Progress, name: str = name) -> None:
            tell(name, progress)

        done[name] = worker(project, found, project.log).run(
            until_idle=True, stopped=stopped, on_commit=on_commit
        )
        if land and not stopped():
            land_waiting(project, found.stream)
    return done


def land_waiting(project: Project, stream: Stream, *, log: TopicLog | None = None) -> int:
    """Land what is waiting of one stream, commit by commit; return the number of rows."""
    from lakegate.lake.landing import Lander

    lander = Lander(
        project.log if log is None else log,
        project.lake,
        lambda: stream,
        max_rows=project.config.landing.max_rows,
    )
    total = lander.run_once()  # first of all, since it finishes a table cut short in the making
    while lander.waiting():
        total += lander.run_once()
    return total


def run_forever(
    project: Project,
    chosen: Sequence[StreamFile],
    *,
    land: bool,
    stopped: Callable[[], bool],
    tell: Tell,
) -> dict[str, Progress]:
    """A thread per worker and one for the lander, until ``stopped()`` or one of them fails."""
    failed: list[LakegateError] = []
    over = threading.Event()
    done: dict[str, Progress] = {}

    def should_stop() -> bool:
        return over.is_set() or stopped()

    def guard(work: Callable[[], None]) -> None:
        try:
            work()
        except LakegateError as error:
            failed.append(error)
            over.set()

    def judge(found: StreamFile) -> None:
        log = project.open_log()
        try:
            hired = worker(project, found, log)
            done[found.stream.name] = hired.progress
            name = found.stream.name
            hired.run(stopped=should_stop, on_commit=lambda progress: tell(name, progress))
        finally:
            log.close()

    jobs = [partial(judge, found) for found in chosen]
    if land:
        jobs.append(partial(_land_forever, project, chosen, should_stop))
    threads = [threading.Thread(target=guard, args=(job,), daemon=True) for job in jobs]
    for thread in threads:
        thread.start()
    for thread in threads:
        while thread.is_alive():
            thread.join(0.2)
    if failed:
        raise failed[0]
    return done


def _land_forever(
    project: Project, chosen: Sequence[StreamFile], should_stop: Callable[[], bool]
) -> None:
    log = project.open_log()
    try:
        while not should_stop():
            for found in chosen:
                try:
                    land_waiting(project, found.stream, log=log)
                except LakegateError as error:
                    if not error.transient:
                        raise
                    _log.warning("%s; trying again", error)
            deadline = time.monotonic() + project.config.landing.interval_s
            while time.monotonic() < deadline and not should_stop():
                time.sleep(0.1)
    finally:
        log.close()
