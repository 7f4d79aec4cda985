"""Publishing: ``main`` moves to exactly the snapshot that was audited, or stays."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from lakegate.audit.accept import Acceptance, AcceptanceStore
from lakegate.audit.base import Published, Publisher, ResultStore
from lakegate.audit.result import AuditReport
from lakegate.contract.stream import Stream
from lakegate.errors import PublishRefused
from lakegate.fault import reach
from lakegate.wording import counted

__all__ = ["publish"]


def publish(
    stream: Stream,
    report: AuditReport,
    *,
    publisher: Publisher,
    store: ResultStore,
    by: str,
    accepted: Sequence[Acceptance] = (),
    acceptances: AcceptanceStore | None = None,
) -> Published:
    """Move ``main`` to the snapshot of ``report`` and record who did it.

    Rules ``accepted`` for this audit (:func:`lakegate.audit.accept.accept`) do not hold it back;
    that is kept before ``main`` moves, so that nothing is ever published in spite of a rule without
    a record of who took it upon themselves.

    Safe to repeat: when ``main`` stands there already it is recorded and nothing moves. Recording
    comes after the move, so a crash between the two is healed by publishing again.

    Raises:
        PublishRefused: a rule holds it back; the audit is not the newest one kept for that
            snapshot; the contract has changed since; or ``main`` is not where the audit saw it.
        CommitConflict: others kept committing to the table; ``main`` stays, try again.
        LakeError: the lake refused or failed; ``main`` stays.
    """
    _check_report(stream, report, store, frozenset(one.rule for one in accepted))
    if accepted and acceptances is not None:
        acceptances.record_acceptances(accepted)
    reach("publish.accepted")
    main = publisher.head(stream, "main")
    standing = main.snapshot_id if main is not None else None
    moved = standing != report.snapshot_id
    if moved:
        if standing != report.main_snapshot_id:
            raise _has_moved(stream, report, standing)
        publisher.publish(
            stream, snapshot_id=report.snapshot_id, expected_main=report.main_snapshot_id
        )
    published = Published(
        stream=stream.name,
        audit_id=report.audit_id,
        snapshot_id=report.snapshot_id,
        previous=report.main_snapshot_id,
        by=by,
        at=datetime.now(UTC),
        moved=moved,
    )
    store.record_publication(published)
    return published


def _check_report(
    stream: Stream, report: AuditReport, store: ResultStore, accepted: frozenset[str]
) -> None:
    where = f"stream {stream.name}, snapshot {report.snapshot_id}"
    if report.stream != stream.name:
        raise PublishRefused(
            f"the audit {report.audit_id} is of stream {report.stream}, not {stream.name}; "
            "publish with its own stream"
        )
    if report.contract != stream.contract:
        raise PublishRefused(
            f"{where}: audited under contract version {report.contract.version} "
            f"(digest {report.contract.digest[:12]}), now in force is {stream.contract.version} "
            f"({stream.contract.digest[:12]}); audit again"
        )
    newest = store.latest(stream.name, snapshot_id=report.snapshot_id)
    if newest is None or newest.audit_id != report.audit_id:
        kept = "none is kept" if newest is None else f"the newest is {newest.audit_id}"
        raise PublishRefused(
            f"{where}: audit {report.audit_id} is not the newest audit of it ({kept}); audit again"
        )
    holding = [r for r in newest.results if r.holds_back and r.name not in accepted]
    if len(holding) > 0:
        reasons = "\n".join(f"  {result.sentence()}" for result in holding)
        what = f"{counted(len(holding), 'rule')} {'holds' if len(holding) == 1 else 'hold'}"
        raise PublishRefused(
            f"{where}: {what} it back, main stays:\n{reasons}\n"
            "put the data or the contract right and audit again; take the rows off with `lakegate "
            f"quarantine {stream.name} --rule …`; or `lakegate publish {stream.name} --accept RULE "
            "--reason …`"
        )


def _has_moved(stream: Stream, report: AuditReport, standing: int | None) -> PublishRefused:
    return PublishRefused(
        f"stream {stream.name}: main is at snapshot {standing}, audit {report.audit_id} saw it at "
        f"{report.main_snapshot_id}; somebody else published; audit again"
    )
