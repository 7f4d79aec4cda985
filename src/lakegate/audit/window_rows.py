"""Rows by window of a time column, counted and looked at one window at a time."""

# ruff: noqa: S608 - names go through identifier()

from __future__ import annotations

from datetime import datetime, timedelta

from lakegate.audit.base import Unjudgeable
from lakegate.audit.late import EPOCH
from lakegate.audit.session import Session
from lakegate.lake.spelling import identifier

__all__ = ["MOST", "count_rows", "make_view", "start_sql"]

# Windows with rows that one rule is judged on, at most.
MOST = 100_000

_MICROSECOND = timedelta(microseconds=1)


def start_sql(moment: str, width: timedelta) -> str:
    """The start, in microseconds since 1970, of the window that the time ``moment`` (SQL) is in."""
    step = width // _MICROSECOND
    return f"epoch_us({moment}) - ((epoch_us({moment}) % {step}) + {step}) % {step}"


def count_rows(session: Session, moment: str, width: timedelta, view: str) -> dict[int, int]:
    """Rows by the start of their window; rows without a time are in none.

    Raises:
        Unjudgeable: there are too many windows, or DuckDB refuses.
    """
    found = session.rows(
        f"SELECT {start_sql(moment, width)} AS start, count(*) FROM {identifier(view)} "
        f"WHERE {moment} IS NOT NULL GROUP BY start",
        most=MOST + 1,
    )
    if len(found) > MOST:
        raise Unjudgeable(f"more than {MOST:,} windows; make `lakegate.window` longer")
    return dict(found)


def make_view(
    session: Session, view: str, table: str, column: str, start: datetime, end: datetime
) -> None:
    """The rows of one window of a timestamp column as a view; it opens no file its table does not.

    Raises:
        Unjudgeable: DuckDB refuses.
    """
    low, high = ((moment - EPOCH) // _MICROSECOND for moment in (start, end))
    moment = f"epoch_us({identifier(column)})"
    session.rows(
        f"CREATE OR REPLACE TEMP VIEW {identifier(view)} AS SELECT * FROM {identifier(table)} "
        f"WHERE {moment} >= {low} AND {moment} < {high}"
    )
