"""Records on their way: workers and the lander, until idle or for ever."""

from __future__ import annotations

import logging
import random
import threading
import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING

from lakegate.contract.stream import Stream
from lakegate.errors import CommitConflict, LakegateError
from lakegate.gate import compile as compile_gate
from lakegate.pipeline.contracts import ContractWatch, StreamFile
from lakegate.pipeline.current import check_source
from lakegate.runner.base import Progress
from lakegate.runner.embedded import Worker
from lakegate.runner.lease import FileLease
from lakegate.topic.embedded import EmbeddedLog

if TYPE_CHECKING:
    from lakegate.lake.landing import Lander
    from lakegate.pipeline.project import Project

__all__ = ["land_once", "land_waiting", "new_lander", "run_forever", "run_until_idle", "watch"]

_log = logging.getLogger("lakegate.pipeline")

Tell = Callable[[str, Progress], None]

_LOST_RACES = 5  # after which a landing says that another one is always quicker


def watch(project: Project, found: StreamFile) -> ContractWatch:
    """The contract in force of a stream, as its worker and its lander both see it."""
    from lakegate.state.contract_registry import claim as claim_version

    database = project.state

    def claim(stream: Stream) -> None:
        check_source(project.log, stream)
        claim_version(database, stream.contract, draft=stream.draft)

    return ContractWatch(found, claim)


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
        name, source = found.stream.name, watch(project, found)
        done[name] = _worker(project, name, source, project.log).run(
            until_idle=True, stopped=stopped, on_commit=partial(tell, name)
        )
        if land and not stopped():
            _land_all(new_lander(project, source, project.log))
    return done


def land_waiting(project: Project, found: StreamFile) -> int:
    """Land what is waiting of one stream, commit by commit; return the number of rows."""
    return _land_all(new_lander(project, watch(project, found), project.log))


def _land_all(lander: Lander) -> int:
    """Commit by commit until nothing waits; return the number of rows."""
    total = land_once(lander)  # first of all, since it finishes a table cut short in the making
    while lander.waiting():
        total += land_once(lander)
    return total


def land_once(lander: Lander) -> int:
    """One commit; one that was lost to another lander is begun again. Returns the rows."""
    for attempt in range(_LOST_RACES):
        try:
            return lander.run_once()
        except CommitConflict as error:
            _log.debug("%s; trying again", error)
            time.sleep(random.uniform(0, 0.05 * 2**attempt))  # noqa: S311, no secret
    return lander.run_once()


def run_forever(
    project: Project,
    chosen: Sequence[StreamFile],
    *,
    land: bool,
    stopped: Callable[[], bool],
    tell: Tell,
) -> dict[str, Progress]:
    """A thread per worker and one for the landers, until ``stopped()`` or one of them fails."""
    failed: list[LakegateError] = []
    over = threading.Event()
    done: dict[str, Progress] = {}

    def should_stop() -> bool:
        return over.is_set() or stopped()

    def guard(work: Callable[[EmbeddedLog], None]) -> None:
        try:
            log = project.open_log()
            try:
                work(log)
            finally:
                log.close()
        except LakegateError as error:
            failed.append(error)
            over.set()

    def judge(name: str, source: ContractWatch, log: EmbeddedLog) -> None:
        hired = _worker(project, name, source, log)
        done[name] = hired.progress
        hired.run(stopped=should_stop, on_commit=partial(tell, name))

    sources = {found.stream.name: watch(project, found) for found in chosen}
    jobs: list[Callable[[EmbeddedLog], None]] = [
        partial(judge, name, source) for name, source in sources.items()
    ]
    if land:
        landing = [watch(project, found) for found in chosen]  # a watch belongs to one thread
        jobs.append(partial(_land_forever, project, landing, should_stop))
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
    project: Project,
    sources: Sequence[ContractWatch],
    should_stop: Callable[[], bool],
    log: EmbeddedLog,
) -> None:
    landers = [new_lander(project, source, log) for source in sources]
    while not should_stop():
        for lander in landers:
            try:
                _land_all(lander)
            except LakegateError as error:
                if not error.transient:
                    raise
                _log.warning("%s; trying again", error)
        deadline = time.monotonic() + project.config.landing.interval_s
        while time.monotonic() < deadline and not should_stop():
            time.sleep(0.1)


def _worker(project: Project, name: str, source: ContractWatch, log: EmbeddedLog) -> Worker:
    from lakegate.pipeline.alerting import remember_undeclared

    config = project.config.gate
    return Worker(
        log,
        source,
        compile_gate,
        lease=FileLease(project.state_folder / "locks" / f"{name.replace('/', '.')}.gate"),
        brake=project.brake,
        batch_records=config.batch_records,
        batch_bytes=config.batch_bytes,
        on_undeclared=partial(remember_undeclared, project.state),
    )


def new_lander(project: Project, source: ContractWatch, log: EmbeddedLog) -> Lander:
    """The lander of one stream, on a log of the caller's thread."""
    from lakegate.lake.landing import Lander

    return Lander(log, project.lake, source.current, max_rows=project.config.landing.max_rows)
