"""Records on their way: workers and the lander, until idle or for ever."""

from __future__ import annotations

import logging
import os
import random
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, nullcontext
from functools import partial
from typing import TYPE_CHECKING, Literal

from lakegate.contract.stream import Stream
from lakegate.errors import CommitConflict, ContractError, LakegateError
from lakegate.gate import Gate
from lakegate.gate import compile as compile_gate
from lakegate.pipeline.contracts import ContractWatch, StreamFile
from lakegate.pipeline.crew import Task, run_crew
from lakegate.pipeline.current import check_source
from lakegate.runner.base import GATE_GROUP, Progress
from lakegate.runner.embedded import Worker
from lakegate.runner.share import FileShare
from lakegate.topic.base import TopicPartition
from lakegate.topic.embedded import EmbeddedLog

if TYPE_CHECKING:
    from lakegate.lake.landing import Lander
    from lakegate.pipeline.project import Project

__all__ = ["land_all", "land_waiting", "new_lander", "run_forever", "run_until_idle", "watch"]

_log = logging.getLogger("lakegate.pipeline")

Tell = Callable[[str, Progress], None]

_LANDING_LOOK_S = 0.02
_FEWEST = 8  # beside the gate, a commit has at least this part of `[landing] max_rows`
_LOST_RACES = 5  # after which a landing says that another one is always quicker


def watch(project: Project, found: StreamFile) -> ContractWatch:
    """The contract in force of a stream, as its worker and its lander both see it.

    Under ``lakegate up`` one that is refused from the start leaves the last good one in force.
    """
    from lakegate.state.contract_registry import claim as claim_version

    database, in_force = project.state, project.in_force

    def claim(stream: Stream) -> None:
        check_source(project.log, stream)
        claim_version(database, stream.contract, draft=stream.draft)
        if in_force is not None:
            in_force.keep(project.config, found.file, stream.contract.digest)

    try:
        return ContractWatch(found, claim)
    except ContractError as error:
        if in_force is None:
            raise
        kept = in_force.kept(project.config, found.file).stream(found.stream.object_name)
        _log.warning(
            "%s cannot be used; version %s stays in force: %s",
            found.file,
            kept.contract.version,
            error,
        )
        return ContractWatch(StreamFile(kept, found.file, found.stamp), claim)


def run_until_idle(
    project: Project,
    chosen: Sequence[StreamFile],
    *,
    land: bool,
    stopped: Callable[[], bool],
    tell: Tell,
    workers: int = 1,
) -> dict[str, Progress]:
    """Judge each stream until nothing is left, in this thread or by a crew; land it beside."""
    done: dict[str, Progress] = {}
    workers = _useful(project, chosen, workers)
    if workers > 1:
        with ExitStack() as landing:
            for found in chosen if land else ():
                landing.enter_context(_landing_beside(project, found, stopped))
            return run_crew(
                _task(project, chosen, "idle"), workers=workers, stopped=stopped, tell=tell
            )
    for found in chosen:
        name, source = found.stream.name, watch(project, found)
        with _landing_beside(project, found, stopped) if land else nullcontext():
            done[name] = _worker(project, name, source, project.log).run(
                until_idle=True, stopped=stopped, on_commit=partial(tell, name)
            )
    return done


def _useful(project: Project, chosen: Sequence[StreamFile], workers: int) -> int:
    """As many workers as the stream with the most partitions has, at most."""
    workers = workers or os.cpu_count() or 1
    there = project.log.topics()
    most = max((there.get(found.stream.topic("raw"), 1) for found in chosen), default=1)
    if workers > most:
        _log.info("%d workers are enough: no stream has more partitions (`[log] partitions`)", most)
    return max(1, min(workers, most))


def _task(project: Project, chosen: Sequence[StreamFile], until: Literal["idle"] | None) -> Task:
    names = tuple(found.stream.name for found in chosen)
    return Task(str(project.root), project.config, names, until, os.getpid())


@contextmanager
def _landing_beside(
    project: Project, found: StreamFile, stopped: Callable[[], bool]
) -> Iterator[None]:
    """Land the stream in a thread of its own while it is judged, and at the end the rest.

    Commits begin small and end small, so that both threads have work from the first records to the
    last: each waits for as many rows as landed before it, or as are still to be judged if those are
    fewer. The rest stays where it is when the judging failed or was stopped.
    """
    from lakegate.lake.landing import GROUP as LANDING_GROUP

    source = watch(project, found)
    over, given_up = threading.Event(), threading.Event()
    failed: list[Exception] = []

    def work(log: EmbeddedLog) -> None:
        lander = new_lander(project, source, log)
        most, landed = project.config.landing.max_rows, 0
        while not over.wait(_LANDING_LOOK_S):
            waiting = _lag(log, found.stream.topic("validated"), LANDING_GROUP)
            enough = min(landed, _lag(log, found.stream.topic("raw"), GATE_GROUP))
            if waiting >= min(most, max(enough, most // _FEWEST, 1)):
                landed += _land_once(lander)
        if not given_up.is_set() and not stopped():
            land_all(lander)

    def run() -> None:
        try:
            log = project.open_log()
            try:
                work(log)
            finally:
                log.close()
        except Exception as error:  # it is raised where the thread was begun
            failed.append(error)

    thread = threading.Thread(target=run, name=f"land {found.stream.name}", daemon=True)
    with project.fresh.following(found.stream.topic("validated")):
        thread.start()
        try:
            yield
        except BaseException:
            given_up.set()
            raise
        finally:
            over.set()
            thread.join()
    if failed:
        raise failed[0]


def _lag(log: EmbeddedLog, topic: str, group: str) -> int:
    """How many records of a topic a consumer group has before it; cheap."""
    lag = 0
    for number in range(log.topics().get(topic, 0)):
        source = TopicPartition(topic, number)
        done = log.committed(group, source)
        lag += log.end_offset(source) - (log.start_offset(source) if done is None else done)
    return lag


def land_waiting(project: Project, found: StreamFile) -> int:
    """Land what is waiting of one stream, commit by commit; return the number of rows."""
    return land_all(new_lander(project, watch(project, found), project.log))


def land_all(lander: Lander, *, turn: Callable[[], None] = lambda: None) -> int:
    """Commit by commit, all that waits now, with a ``turn`` after each; return the number of rows.

    What comes meanwhile waits for the next interval.
    """
    ends = lander.ends()
    total = _land_once(lander)  # first of all, since it makes the table
    turn()
    while lander.waiting(ends):
        total += _land_once(lander)
        turn()
    lander.rest()
    return total


def _land_once(lander: Lander) -> int:
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
    workers: int = 1,
) -> dict[str, Progress]:
    """A thread per stream, or a crew, and a thread for the landers.

    Until ``stopped()`` or one of them fails.
    """
    workers = _useful(project, chosen, workers)
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

    jobs: list[Callable[[EmbeddedLog], None]] = []
    if workers == 1:
        sources = {found.stream.name: watch(project, found) for found in chosen}
        jobs += [partial(judge, name, source) for name, source in sources.items()]
    if land:
        landing = [watch(project, found) for found in chosen]  # a watch belongs to one thread
        jobs.append(partial(_land_forever, project, landing, should_stop))
    threads = [threading.Thread(target=guard, args=(job,), daemon=True) for job in jobs]
    for thread in threads:
        thread.start()
    try:
        if workers > 1:
            task = _task(project, chosen, None)
            done = run_crew(task, workers=workers, stopped=should_stop, tell=tell)
    finally:
        if workers > 1:
            over.set()
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
    with ExitStack() as following:
        for source in sources:
            topic = source.current().topic("validated")
            following.enter_context(project.fresh.following(topic))
        while not should_stop():
            for lander in landers:
                try:
                    land_all(lander)
                except LakegateError as error:
                    if not error.transient:
                        raise
                    _log.warning("%s; trying again", error)
            deadline = time.monotonic() + project.config.landing.interval_s
            while time.monotonic() < deadline and not should_stop():
                time.sleep(0.1)


def _worker(project: Project, name: str, source: ContractWatch, log: EmbeddedLog) -> Worker:
    from lakegate.pipeline.alerting import remember_undeclared
    from lakegate.pipeline.referring import References

    config = project.config.gate
    return Worker(
        log,
        source,
        partial(_gate, project),
        share=FileShare(project.state_folder / "locks", name),
        brake=project.brake,
        batch_records=config.batch_records,
        batch_bytes=config.batch_bytes,
        on_undeclared=partial(remember_undeclared, project.state),
        keys=References(project, remember=True),
    )


def _gate(project: Project, stream: Stream) -> Gate:
    """The gate of a stream; what one of changes passes over is counted for the project."""
    gate = compile_gate(stream)
    if stream.cdc is not None:
        from lakegate.gate.debezium.gate import ChangeGate

        if isinstance(gate, ChangeGate):
            gate.passed_over = project.passed_over.setdefault(stream.name, Counter())
    return gate


def new_lander(project: Project, source: ContractWatch, log: EmbeddedLog) -> Lander:
    """The lander of one stream, on a log of the caller's thread."""
    from lakegate.lake.landing import Lander

    return Lander(log, project.lake, source.current, max_rows=project.config.landing.max_rows)
