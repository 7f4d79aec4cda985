"""Relationships across tables: every non-null value exists in what the target has published."""

# ruff: noqa: S608 - names go through identifier(), texts through literal()

from __future__ import annotations

from dataclasses import dataclass

from lakegate.audit.result import Frequent, Sample
from lakegate.audit.session import Session
from lakegate.audit.source import SAMPLES, Source, samples, source_of
from lakegate.contract.stream import Reference, Stream
from lakegate.lake.spelling import identifier

__all__ = ["Dangling", "dangling"]


@dataclass(frozen=True, slots=True)
class Dangling:
    """Rows whose value is not in the target, out of those looked at; the values met most often."""

    offending: int
    total: int
    samples: tuple[Sample, ...] = ()
    frequent: tuple[Frequent, ...] = ()


def dangling(
    session: Session,
    stream: Stream,
    reference: Reference,
    *,
    view: str,
    target: Stream,
    target_view: str,
) -> Dangling:
    """Rows of ``view`` whose values, none of them null, do not all stand in one target row.

    Raises:
        Unjudgeable: a column is not there, or the two cannot be compared.
    """
    source = source_of(stream, reference.columns, view=view)
    wanted = source_of(target, reference.to_columns, view=target_view)
    present = " AND ".join(f"{column} IS NOT NULL" for column in source.columns)
    keys = ", ".join(source.columns)
    orphans = (
        f"SELECT * FROM ({source.sql}) ANTI JOIN (SELECT DISTINCT {keys} FROM ({wanted.sql})) "
        f"USING ({keys}) WHERE {present}"
    )
    (total,) = session.row(f"SELECT count(*) FROM {identifier(view)}")
    (offending,) = session.row(f"SELECT count(*) FROM ({orphans})")
    if offending == 0:
        return Dangling(0, total)
    texts = ", ".join(f"CAST({column} AS VARCHAR)" for column in source.columns)
    top = session.rows(
        f"SELECT {texts}, count(*) AS n FROM ({orphans}) GROUP BY ALL "
        f"ORDER BY n DESC, {texts} LIMIT {SAMPLES}"
    )
    return Dangling(
        offending,
        total,
        samples(session, Source(orphans, source.properties, source.types), "true"),
        tuple(Frequent(tuple(values), rows) for *values, rows in top),
    )
