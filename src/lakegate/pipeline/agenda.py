"""What runs on a schedule, and doing it: audits that publish, models, merges, maintenance, proof.

Every job may be killed at any moment and begun again: an audit that passed and was not published is
published by the next one, and the rest starts over from what is committed.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from lakegate.contract.stream import Place, Stream
from lakegate.errors import PublishRefused
from lakegate.lake.snapshot import MAIN, STAGED, Kind
from lakegate.pipeline.schedule import check

if TYPE_CHECKING:
    from lakegate.audit.base import Published
    from lakegate.pipeline.config import ScheduleSection
    from lakegate.pipeline.project import Project

__all__ = [
    "Entry",
    "audit_and_publish",
    "entries",
    "has_models",
    "maintain",
    "maintain_models",
    "merge",
    "prove",
    "run_models",
]

_log = logging.getLogger("lakegate.up")


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of the agenda. ``always``: run even if nothing has moved since the last time."""

    job: str  # audit, merge, maintain, maintain_models or prove
    stream: str
    schedule: str
    always: bool = False

    @property
    def name(self) -> str:
        """For logs."""
        return f"{self.job} {self.stream}".strip()


def entries(streams: Iterable[Stream], schedule: ScheduleSection) -> list[Entry]:
    """The whole agenda.

    Schedules that a contract gives its rules or service levels replace ``[schedule] audit``; an
    audit judges all rules of its stream each time.

    Raises:
        ProjectError: a schedule of ``[schedule]`` is none.
    """
    for key in ("audit", "merge", "maintain", "maintain_models", "prove"):
        check(getattr(schedule, key), f"[schedule] {key}")
    found: list[Entry] = []
    for stream in streams:
        own = list(_schedules(stream))
        found += [Entry("audit", stream.name, text, always=True) for text in own]
        if not own and schedule.audit:
            found.append(Entry("audit", stream.name, schedule.audit))
        if stream.cdc is not None and schedule.merge:
            found.append(Entry("merge", stream.name, schedule.merge))
        if schedule.maintain:
            found.append(Entry("maintain", stream.name, schedule.maintain))
    if schedule.maintain_models:
        found.append(Entry("maintain_models", "", schedule.maintain_models))
    if schedule.prove:
        found.append(Entry("prove", "", schedule.prove))
    return found


def _schedules(stream: Stream) -> Iterator[str]:
    """The cron lines of the contract, each once."""
    seen: set[str] = set()
    audited = [rule.schedule for rule in stream.rules if rule.place is Place.AUDIT]
    audited += [level.schedule for level in stream.sla if level.place is Place.AUDIT]
    for schedule in audited:
        if schedule and schedule not in seen:
            seen.add(schedule)
            yield schedule


def audit_and_publish(project: Project, name: str, *, always: bool, publish: bool) -> bool:
    """Judge the newest staged snapshot, unless that has been done, and publish it if it passed.

    Returns whether ``main`` has moved. With ``always``, a snapshot judged before is judged again.

    Raises:
        LakegateError: the audit could not be carried out.
    """
    stream = project.stream(name)
    if not project.lake.exists(stream):
        return False
    staged, main = (project.lake.head(stream, branch) for branch in (STAGED, MAIN))
    if staged is None or staged.properties.get("lakegate.kind") == Kind.CREATE:
        return False
    published = main is not None and main.snapshot_id == staged.snapshot_id
    if published and not always:
        return False
    report = project.audits.latest(name, snapshot_id=staged.snapshot_id)
    if report is None or always:
        report = project.audit(name).report
        failed = [result.name for result in report.results if result.holds_back]
        if report.passed:
            _log.info("%s: the audit of snapshot %d passed", name, report.snapshot_id)
        else:
            _log.warning(
                "%s: the audit holds back snapshot %d: %s; see `lakegate audit %s --history`",
                name,
                report.snapshot_id,
                ", ".join(failed),
                name,
            )
    if not (publish and report.passed):
        return False
    return _publish(project, name)


def _publish(project: Project, name: str) -> bool:
    from lakegate.pipeline.auditing import publish_last

    try:
        done: Published = publish_last(project, project.stream(name))
    except PublishRefused as error:
        _log.warning("%s", error)
        return False
    if done.moved:
        _log.info("%s: main is at snapshot %d", name, done.snapshot_id)
    return done.moved


def run_models(project: Project) -> None:
    """Build every model.

    Raises:
        LakegateError: a model is wrong.
    """
    report = project.run_models()
    built = ", ".join(f"{result.model} {result.status}" for result in report.results)
    _log.info("models: %s", built)


def merge(project: Project, name: str) -> None:
    """Bring the current-state table of a CDC stream up to date."""
    project.merge(name)


def maintain(project: Project, name: str) -> None:
    """Compact, expire and sweep the table; apply retention to the topics."""
    if project.lake.exists(project.stream(name)):
        done = project.maintain(name)
        if done.compacted_files or done.expired_snapshots or done.deleted_files:
            _log.info(
                "%s: maintained; %d small files became %d, %d snapshots expired, %d files deleted",
                name, done.compacted_files, done.written_files, done.expired_snapshots,
                done.deleted_files,
            )  # fmt: skip


def maintain_models(project: Project) -> None:
    """Compact, expire and sweep the tables of models, if there are models, and publish that.

    Raises:
        ContractError: a model is wrong.
        ModelsBusy: a run of the models goes on; the next time will do.
    """
    if not has_models(project):
        return
    done = project.models().maintain()
    if done:
        _log.info("%s: maintained", ", ".join(done))


def has_models(project: Project) -> bool:
    """Whether there is a file of a model."""
    return any((project.root / project.config.models.folder).glob("**/*.sql"))


def prove(project: Project) -> None:
    """Prove all streams, and seal what is old enough; what is not proven is an error in the log.

    Dead letters that were erased meanwhile get their event first, so that they stay accounted for
    when they are sealed and not read again.
    """
    from lakegate.deadletter.discard import note_erased

    for found in project.found.values():
        note_erased(project.log, found.stream)
    status = project.status()
    for proof in status.proofs:
        for gap in proof.gaps:
            _log.error("%s is not proven: %s", proof.stream, gap)
    if status.proven:
        _log.info("proven, in %.1f s", status.seconds)
