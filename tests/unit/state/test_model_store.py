"""What is read back of model runs equals what was recorded, the newest first."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from lakegate.contract.type import Severity
from lakegate.state.database import open_database
from lakegate.state.model_store import ModelStore
from lakegate.transform.result import Mode, ModelResult, ModelTestResult, Status, Verdict

AT = datetime(2026, 11, 23, 9, 0, 0, 123456, tzinfo=UTC)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[ModelStore]:
    database = open_database(f"sqlite:///{tmp_path / 'state.db'}")
    yield ModelStore(database)
    database.close()


def result(run: str, status: Status, *tests: ModelTestResult) -> ModelResult:
    end = AT + timedelta(seconds=2)
    return ModelResult(run, "totals", status, AT, end, Mode.KEY, "why", 2**62, 7, "ab", tests)


def test_what_is_kept_comes_back(store: ModelStore) -> None:
    test = ModelTestResult(
        "unique(a)", "unique", Severity.ERROR, Verdict.FAILED, 3, None, ("a=ö",), 0.25
    )
    kept = [result("r1", Status.FAILED, test), result("r2", Status.UP_TO_DATE)]
    for one in kept:
        store.record(one)
    assert store.history("totals") == tuple(reversed(kept))
    assert store.history(limit=1) == (kept[1],)
    assert store.history("other") == ()
    assert store.last_built("totals") == kept[0]
    assert store.last_built("other") is None
