"""Audits and publishing, wired: the lake's snapshots, the ledger's counts, the state's memory."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from lakegate.audit.accept import accept as accept_rules
from lakegate.audit.base import Clock, Counts, Published, WallClock
from lakegate.audit.evaluate import audit
from lakegate.audit.publish import publish
from lakegate.audit.result import AuditReport
from lakegate.contract.stream import Stream
from lakegate.errors import PublishRefused
from lakegate.pipeline.current import reader_of
from lakegate.pipeline.quarantining import finish, finish_held, publishing
from lakegate.runner.lineage import who
from lakegate.topic.base import TopicLog

if TYPE_CHECKING:
    from lakegate.pipeline.project import Project

__all__ = ["Audited", "audit_stream", "publish_last"]


@dataclass(frozen=True, slots=True)
class Audited:
    """One audit, and what may be done with it."""

    project: Project
    stream: Stream
    report: AuditReport

    @property
    def passed(self) -> bool:
        """Whether the snapshot may be published."""
        return self.report.passed

    def publish(
        self, *, accept: Sequence[str] = (), reason: str | None = None, by: str | None = None
    ) -> Published:
        """Move ``main`` to exactly the snapshot that was audited.

        ``accept`` names failed rules to publish in spite of, for this audit only and for a
        ``reason``; both are kept with ``by`` (whoever runs this, if not given).

        Raises:
            PublishRefused: a rule holds it back, or ``main`` has moved; says which and what to do.
        """
        by = who() if by is None else by
        accepted = accept_rules(self.report, accept, reason=reason, by=by) if accept else ()
        with publishing(self.project, self.stream):
            finish_held(self.project, self.stream)
            return publish(
                self.stream,
                self.report,
                publisher=self.project.lake,
                store=self.project.audits,
                by=by,
                accepted=accepted,
                acceptances=self.project.quarantines,
            )


@dataclass(frozen=True, slots=True)
class _Books:
    """The ledger's counts of a stream."""

    log: TopicLog

    def counts(self, stream: Stream, *, snapshot_id: int) -> Counts | None:
        accepted = rejected = tombstones = 0
        for entry in self.log.ledger(stream.name):
            accepted += entry.accepted
            rejected += entry.rejected
            tombstones += entry.tombstones
        return Counts(accepted, rejected, tombstones)


def audit_stream(project: Project, stream: Stream, *, clock: Clock | None = None) -> Audited:
    """Judge the newest staged snapshot and keep the report.

    Raises:
        AuditError: nothing has landed yet.
    """
    finish(project, stream)
    report = audit(
        stream,
        reader=reader_of(project, stream),
        ledger=_Books(project.log),
        clock=WallClock() if clock is None else clock,
        targets={name: found.stream for name, found in project.found.items()},
        windows=project.windows,
    )
    project.audits.record(report)
    project.windows.record(report)
    return Audited(project, stream, report)


def publish_last(
    project: Project,
    stream: Stream,
    *,
    accept: Sequence[str] = (),
    reason: str | None = None,
    by: str | None = None,
) -> Published:
    """Publish by the newest audit of the stream; see :meth:`Audited.publish`.

    Raises:
        PublishRefused: nothing was audited, a rule holds it back, or ``main`` has moved.
    """
    report = project.audits.latest(stream.name)
    if report is None:
        message = f"{stream.name} was never audited; run `lakegate audit {stream.name}` first"
        raise PublishRefused(message)
    return Audited(project, stream, report).publish(accept=accept, reason=reason, by=by)
