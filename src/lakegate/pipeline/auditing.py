"""Audits and publishing, wired: the lake's snapshots, the ledger's counts, the state's memory."""

from __future__ import annotations

import getpass
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

from lakegate.audit.base import Clock, Counts, Published, WallClock
from lakegate.audit.evaluate import audit
from lakegate.audit.publish import publish
from lakegate.audit.result import AuditReport
from lakegate.contract.stream import Stream
from lakegate.errors import PublishRefused
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

    def publish(self) -> Published:
        """Move ``main`` to exactly the snapshot that was audited.

        Raises:
            PublishRefused: a rule holds it back, or ``main`` has moved; says which and what to do.
        """
        return publish(
            self.stream,
            self.report,
            publisher=self.project.lake,
            store=self.project.audits,
            by=_who(),
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
    report = audit(
        stream,
        reader=project.lake,
        ledger=_Books(project.log),
        clock=WallClock() if clock is None else clock,
        targets={name: found.stream for name, found in project.found.items()},
    )
    project.audits.record(report)
    return Audited(project, stream, report)


def publish_last(project: Project, stream: Stream) -> Published:
    """Publish by the newest audit of the stream.

    Raises:
        PublishRefused: nothing was audited, a rule holds it back, or ``main`` has moved.
    """
    report = project.audits.latest(stream.name)
    if report is None:
        message = f"{stream.name} was never audited; run `lakegate audit {stream.name}` first"
        raise PublishRefused(message)
    return Audited(project, stream, report).publish()


def _who() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return f"uid {os.getuid()}"
