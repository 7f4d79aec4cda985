"""Judging a model by its tests, on the rows of one pinned snapshot."""

# ruff: noqa: S608 - names go through identifier(), texts through literal()

from __future__ import annotations

import time
from collections.abc import Iterator
from decimal import Decimal

from lakegate.audit.base import Unjudgeable
from lakegate.audit.session import Session
from lakegate.lake.spelling import identifier, literal
from lakegate.transform.model import Kind, Model, ModelTest, Value
from lakegate.transform.result import ModelTestResult, Verdict

__all__ = ["all_tests", "judge"]

_SAMPLES = 5
_LONGEST = 80


def all_tests(model: Model) -> Iterator[ModelTest]:
    """The declared tests, then that no part of the key is null (a merge could not find it)."""
    yield from model.tests
    checked = {test.columns for test in model.tests if test.kind is Kind.NOT_NULL}
    for name in model.key:
        if (name,) not in checked:
            place = model.place("key")
            yield ModelTest(f"not_null({name})", Kind.NOT_NULL, place, columns=(name,))


def judge(session: Session, model: Model) -> tuple[ModelTestResult, ...]:
    """Every test's verdict, in declared order; the session knows the model's rows by its name."""
    return tuple(_judge(session, model, test) for test in all_tests(model))


def _judge(session: Session, model: Model, test: ModelTest) -> ModelTestResult:
    started = time.monotonic()
    offending: int | None = None
    message: str | None = None
    samples: tuple[str, ...] = ()
    try:
        if test.kind is Kind.ROW_COUNT:
            verdict, message = _count(session, model, test)
        else:
            query = _offending(model, test)
            (offending,) = session.row(f"SELECT count(*) FROM (\n{query}\n)")
            verdict = Verdict.FAILED if offending else Verdict.PASSED
            if offending:
                samples = _samples(session, query)
    except Unjudgeable as error:
        verdict, message = Verdict.ERROR, str(error)
    return ModelTestResult(
        name=test.name,
        kind=test.kind.value,
        severity=test.severity,
        verdict=verdict,
        offending=offending,
        message=message,
        samples=samples,
        seconds=time.monotonic() - started,
    )


def _count(session: Session, model: Model, test: ModelTest) -> tuple[Verdict, str | None]:
    (rows,) = session.row(f"SELECT count(*) FROM {identifier(model.name)}")
    if test.at_least is not None and rows < test.at_least:
        return Verdict.FAILED, f"{rows:,} rows; at least {test.at_least:,} are expected"
    if test.at_most is not None and rows > test.at_most:
        return Verdict.FAILED, f"{rows:,} rows; at most {test.at_most:,} are expected"
    return Verdict.PASSED, None


def _offending(model: Model, test: ModelTest) -> str:
    """The query whose rows should not be there."""
    table = identifier(model.name)
    columns = [identifier(name) for name in test.columns]
    listed = ", ".join(columns)
    match test.kind:
        case Kind.NOT_NULL:
            return f"SELECT * FROM {table} WHERE {columns[0]} IS NULL"
        case Kind.UNIQUE:
            there = " AND ".join(f"{column} IS NOT NULL" for column in columns)
            return (
                f'SELECT {listed}, count(*) AS "rows" FROM {table} WHERE {there} '
                f"GROUP BY {listed} HAVING count(*) > 1"
            )
        case Kind.ACCEPTED_VALUES:
            values = ", ".join(_value(value) for value in test.values)
            return (
                f'SELECT {listed}, count(*) AS "rows" FROM {table} '
                f"WHERE {listed} NOT IN ({values}) GROUP BY {listed}"
            )
        case Kind.REFERENCES:
            other = (
                f"SELECT {identifier(test.to_column or '')} FROM {identifier(test.to_table or '')}"
            )
            return (
                f'SELECT {listed}, count(*) AS "rows" FROM {table} t WHERE {listed} IS NOT NULL '
                f"AND NOT EXISTS (SELECT 1 FROM ({other}) o(value) WHERE o.value = t.{listed}) "
                f"GROUP BY {listed}"
            )
        case _:
            return test.query or ""


def _value(value: Value) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | Decimal):
        return format(value, "f") if isinstance(value, Decimal) else str(value)
    return literal(value)


def _samples(session: Session, query: str) -> tuple[str, ...]:
    shown = session.connection.execute(f"SELECT * FROM (\n{query}\n) LIMIT {_SAMPLES}")
    names = [column[0] for column in shown.description or ()]
    return tuple(
        ", ".join(f"{name}={str(cell)[:_LONGEST]}" for name, cell in zip(names, row, strict=True))
        for row in shown.fetchall()
    )
