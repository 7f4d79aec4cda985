"""Part ``jobs``: what runs on a schedule, one job after the other, so that memory is bounded."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from lakegate.contract.loading import contract_files
from lakegate.errors import LakegateError
from lakegate.pipeline.contracts import stamp_of

if TYPE_CHECKING:
    from lakegate.pipeline.agenda import Entry
    from lakegate.pipeline.project import Project
    from lakegate.pipeline.supervisor.child import Part

__all__ = ["play"]

_log = logging.getLogger("lakegate.up")


def play(part: Part) -> None:
    """Run the agenda until asked to leave; the job in hand is finished first."""
    from apscheduler.executors.pool import ThreadPoolExecutor
    from apscheduler.schedulers.background import BackgroundScheduler

    from lakegate.pipeline.agenda import entries
    from lakegate.pipeline.schedule import trigger

    with part.open_project() as project:
        config = project.config.schedule
        agenda = entries([found.stream for found in project.found.values()], config)
    scheduler = BackgroundScheduler(
        executors={"default": ThreadPoolExecutor(1)},
        job_defaults={"coalesce": True, "max_instances": 1, "misfire_grace_time": None},
        timezone="UTC",
    )
    desk = _Desk(part, scheduler, limit_s=config.limit_s)
    for entry in agenda:
        scheduler.add_job(desk.do, trigger(entry.schedule), [entry], id=f"{entry} {entry.schedule}")
    scheduler.start()
    while not part.leaving.wait(0.3):
        desk.look()
    scheduler.pause()
    while desk.busy and not desk.overdue():
        part.heart.turn("jobs")
        time.sleep(0.1)
    scheduler.shutdown(wait=False)


@dataclass(slots=True)
class _Desk:
    """Does one job at a time, in the scheduler's one thread, on a project that is kept open."""

    part: Part
    scheduler: Any
    limit_s: float
    busy: str = ""
    since: float = 0.0
    _project: Project | None = None
    _seen: object = None

    def look(self) -> None:
        """A turn of the heart, unless the job in hand takes too long."""
        if not self.overdue():
            self.part.heart.turn("jobs")

    def overdue(self) -> bool:
        """Whether the job in hand should have ended."""
        return bool(self.busy) and time.monotonic() - self.since > self.limit_s

    def do(self, entry: Entry) -> None:
        """Do one entry of the agenda."""
        from lakegate.pipeline import agenda

        project = self._open
        work: dict[str, Callable[[], object]] = {
            "audit": partial(self._audit, entry),
            "merge": lambda: agenda.merge(project(), entry.stream),
            "maintain": lambda: agenda.maintain(project(), entry.stream),
            "maintain_models": lambda: agenda.maintain_models(project()),
            "prove": lambda: agenda.prove(project()),
            "models": lambda: agenda.run_models(project()),
        }
        self._guarded(entry.name, work[entry.job])

    def _audit(self, entry: Entry) -> None:
        from lakegate.pipeline.agenda import Entry, audit_and_publish, has_models, merge

        project = self._open()
        config = project.config.schedule
        moved = audit_and_publish(
            project, entry.stream, always=entry.always, publish=config.publish
        )
        if moved and project.stream(entry.stream).cdc is not None:
            merge(project, entry.stream)
        if moved and config.models and has_models(project):
            models = Entry("models", "", "")
            # Under one id, so that the publications of several streams lead to one run.
            self.scheduler.add_job(self.do, args=[models], id="models", replace_existing=True)

    def _guarded(self, name: str, work: Callable[[], object]) -> None:
        troubles = self.part.heart.troubles
        self.busy, self.since = name, time.monotonic()
        try:
            work()
        except LakegateError as error:
            _log.log(logging.WARNING if error.transient else logging.ERROR, "%s: %s", name, error)
            troubles[name] = str(error).split("\n", maxsplit=1)[0][:300]
        except Exception as error:
            _log.exception("%s failed unexpectedly", name)
            troubles[name] = f"unexpected {type(error).__name__}; see the log"
        else:
            troubles.pop(name, None)
        finally:
            self.busy = ""

    def _open(self) -> Project:
        """The project, opened again after a contract has changed; a broken one changes nothing."""
        if self._project is None:
            self._project = self.part.open_project()
            self._seen = _stamp(self._project)
        elif self._seen != (stamp := _stamp(self._project)):
            self._seen = stamp
            try:
                fresh = self.part.open_project()
            except LakegateError as error:
                _log.warning("audits go on with the contracts as they were: %s", error)
            else:
                self._project.close()
                self._project = fresh
        return self._project


def _stamp(project: Project) -> object:
    folder = project.root / project.config.project.contracts
    return [(path, stamp_of(path)) for path in contract_files([folder])]
