"""Runs of models and their tests, kept for good."""

from __future__ import annotations

import json
from collections.abc import Sequence

from sqlalchemy import Row, insert, select

from lakegate.contract.type import Severity
from lakegate.state.database import Database
from lakegate.state.model_schema import model_runs, model_tests
from lakegate.state.moment import time_of, time_text
from lakegate.transform.result import Mode, ModelResult, ModelTestResult, Status, Verdict

__all__ = ["ModelStore"]


class ModelStore:
    """Keeps what became of each model in each run: what is read back equals what was recorded.

    Every method raises StateError when the database refuses or fails.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def record(self, result: ModelResult) -> None:
        """Keep a result with its tests, all or nothing."""
        with self._database.write() as connection:
            connection.execute(
                insert(model_runs).values(
                    run_id=result.run_id,
                    model=result.model,
                    status=result.status.value,
                    mode=None if result.mode is None else result.mode.value,
                    reason=result.reason,
                    snapshot_id=result.snapshot_id,
                    rows=result.rows,
                    digest=result.digest,
                    started_at=time_text(result.started_at),
                    finished_at=time_text(result.finished_at),
                )
            )
            rows = [
                {
                    "run_id": result.run_id,
                    "model": result.model,
                    "position": position,
                    "name": test.name,
                    "kind": test.kind,
                    "severity": test.severity.value,
                    "verdict": test.verdict.value,
                    "offending": test.offending,
                    "message": test.message,
                    "samples": json.dumps(list(test.samples), ensure_ascii=False),
                    "seconds": test.seconds,
                }
                for position, test in enumerate(result.tests)
            ]
            if rows:
                connection.execute(insert(model_tests), rows)

    def history(self, model: str | None = None, *, limit: int = 100) -> tuple[ModelResult, ...]:
        """Results of a model, or of all, the newest first."""
        query = select(model_runs).order_by(model_runs.c.number.desc()).limit(limit)
        if model is not None:
            query = query.where(model_runs.c.model == model)
        with self._database.read() as connection:
            found = connection.execute(query).all()
            return tuple(
                _result(
                    row,
                    connection.execute(
                        select(model_tests)
                        .where(model_tests.c.run_id == row.run_id, model_tests.c.model == row.model)
                        .order_by(model_tests.c.position)
                    ).all(),
                )
                for row in found
            )

    def last_built(self, model: str) -> ModelResult | None:
        """The newest result in which something was written or tested."""
        for result in self.history(model):
            if result.status in (Status.BUILT, Status.FAILED):
                return result
        return None


def _result(row: Row[tuple[object, ...]], tests: Sequence[Row[tuple[object, ...]]]) -> ModelResult:
    return ModelResult(
        run_id=row.run_id,
        model=row.model,
        status=Status(row.status),
        started_at=time_of(row.started_at),
        finished_at=time_of(row.finished_at),
        mode=None if row.mode is None else Mode(row.mode),
        reason=row.reason,
        snapshot_id=row.snapshot_id,
        rows=row.rows,
        digest=row.digest,
        tests=tuple(
            ModelTestResult(
                name=test.name,
                kind=test.kind,
                severity=Severity(test.severity),
                verdict=Verdict(test.verdict),
                offending=test.offending,
                message=test.message,
                samples=tuple(json.loads(test.samples)),
                seconds=test.seconds,
            )
            for test in tests
        ),
    )
