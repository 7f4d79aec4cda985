"""What people decided is kept as it was, and once."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from lakegate.audit.accept import Acceptance
from lakegate.audit.late import WindowResult, WindowState
from lakegate.audit.quarantine_note import QuarantineNote, RuleRows
from lakegate.audit.result import AuditReport, Status
from lakegate.contract.stream import ContractRef
from lakegate.state.database import Database, open_database
from lakegate.state.quarantine_store import QuarantineStore
from lakegate.state.window_store import WindowStore

NOW = datetime(2026, 3, 1, 12, 30, 0, 123456, tzinfo=UTC)


@pytest.fixture
def database(tmp_path: Path) -> Database:
    return open_database(f"sqlite:///{tmp_path / 'state.db'}")


def test_a_quarantine_reads_back_and_is_kept_once(database: Database) -> None:
    store = QuarantineStore(database)
    note = QuarantineNote(
        "q1", "orders", "a1", 7, (RuleRows("unique", 3, 1),), None, "ada", NOW, rows=3, rebuilt=2
    )
    store.record(note)
    store.record(note)
    assert store.quarantines("orders") == (note,)
    assert QuarantineNote.decode(note.encode()) == note
    assert note.published == 1
    assert store.quarantines("others") == ()


def test_an_acceptance_reads_back_and_a_rule_is_kept_once_per_audit(database: Database) -> None:
    store = QuarantineStore(database)
    one = Acceptance("orders", "a1", 7, "unique", "unique: failed", 3, 9, "so be it", "ada", NOW)
    store.record_acceptances([one])
    store.record_acceptances([one])
    assert store.acceptances("orders", snapshot_id=7) == (one,)
    assert store.acceptances("orders", snapshot_id=8) == ()


@pytest.mark.parametrize("observed", [Decimal("1.5"), True, False, None])
def test_every_revision_of_a_window_is_kept(
    database: Database, observed: Decimal | bool | None
) -> None:
    store = WindowStore(database)
    hour = timedelta(hours=1)
    first = WindowResult(
        "hourly", NOW, NOW + hour, 1, WindowState.FINAL, Status.PASSED, observed, 3
    )
    late = WindowResult(
        "hourly", NOW, NOW + hour, 2, WindowState.REOPENED, Status.FAILED, observed, 5, 2
    )
    for window in (first, late, late):
        store.record(report(window))
    assert store.newest("orders", "hourly") == {NOW: late}
    assert [window for window, _, _ in store.history("orders")] == [late, first]


def report(window: WindowResult) -> AuditReport:
    return AuditReport(
        f"a{window.revision}", "orders", ContractRef("orders", "1.0.0", "d"), 7, None,
        NOW, NOW, "wall", NOW, 5, (), (window,),
    )  # fmt: skip
