"""Service levels that a table and its ledger can tell (docs/reference/audit.md).

=============  =====================================================================================
latency        event time to published, the longest over the rows not yet on ``main``
frequency      the longest time without a new row, up to now
retention      how far back the table reaches
errorRate      rejected of all judged records, from the ledger
throughput     rows per unit of time, over the rows not yet on ``main``
=============  =====================================================================================
"""

# ruff: noqa: S608 - names go through identifier(), texts through literal()

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from lakegate.audit import level as meaning
from lakegate.audit.base import Counts
from lakegate.audit.level import INGESTED, NO_EVENT_TIME, Level
from lakegate.audit.result import duration_text
from lakegate.audit.session import Session
from lakegate.contract.stream import SlaRule, Stream
from lakegate.contract.type import TimestampType
from lakegate.lake.spelling import identifier

__all__ = ["Level", "Service", "instant_sql", "level", "time_sql"]

_MICROSECOND = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class Service:
    """Where service levels are read: two views of one snapshot, the books, the time it is.

    ``increment`` is the view of rows not yet on ``main``; ``event_clock`` whether ``now`` is the
    watermark.
    """

    session: Session
    stream: Stream
    table: str
    increment: str
    counts: Counts | None
    now: datetime
    event_clock: bool


def level(service: Service, rule: SlaRule) -> Level:
    """Measure one service level.

    Raises:
        Unjudgeable: the contract's statement lacks what measuring needs, or DuckDB refuses.
    """
    measures = {
        "latency": _latency,
        "frequency": _frequency,
        "retention": _retention,
        "errorrate": _error_rate,
        "throughput": _throughput,
    }
    measure = measures.get(rule.name.casefold())
    if measure is None:
        return meaning.unmeasured("", f"{rule.name} cannot be told from a table and its ledger")
    return measure(service, rule)


def _latency(service: Service, rule: SlaRule) -> Level:
    limit = meaning.limit_of(rule)
    since = time_sql(service, rule)
    if since is None:
        return meaning.unmeasured(f"at most {duration_text(limit)}", NO_EVENT_TIME)
    if service.event_clock:
        until = (
            f"max({since}) OVER (PARTITION BY _topic, _source_partition ORDER BY _offset "
            "ROWS UNBOUNDED PRECEDING)"
        )
        how = f"longest wait of {since} behind the watermark of the row's partition"
    else:
        until = instant_sql(service.now)
        how = f"longest time from {since} to now, over the rows to be published"
    total, longest, offending = service.session.row(
        f"SELECT count(waited), max(waited), "
        f"count(*) FILTER (WHERE waited > {limit // _MICROSECOND}) "
        f"FROM (SELECT epoch_us({until}) - epoch_us({since}) AS waited "
        f"FROM {identifier(service.increment)})"
    )
    return meaning.latency(rule, longest, how, offending=offending, total=total)


def _frequency(service: Service, rule: SlaRule) -> Level:
    column = time_sql(service, rule, otherwise=None if service.event_clock else INGESTED)
    if column is None:
        limit = duration_text(meaning.limit_of(rule))
        return meaning.unmeasured(f"a new row at least every {limit}", NO_EVENT_TIME)
    (longest,) = service.session.row(
        f"""
        WITH waiting AS (SELECT {column} AS t FROM {identifier(service.increment)}),
        before AS (
            SELECT max({column}) AS t FROM {identifier(service.table)}
            WHERE {column} < (SELECT min(t) FROM waiting)
               OR NOT EXISTS (SELECT 1 FROM waiting)
        ),
        arrivals AS (
            SELECT DISTINCT t FROM
            (FROM waiting UNION ALL FROM before UNION ALL SELECT {instant_sql(service.now)})
            WHERE t IS NOT NULL
        )
        SELECT max(gap) FROM (SELECT epoch_us(t) - epoch_us(lag(t) OVER (ORDER BY t)) AS gap
                              FROM arrivals)
        """
    )
    how = f"longest gap between successive {column} of rows to be published, the last up to now"
    return meaning.frequency(rule, longest, how)


def _retention(service: Service, rule: SlaRule) -> Level:
    limit = meaning.limit_of(rule)
    expected = f"rows of the last {duration_text(limit)} are kept"
    column = time_sql(service, rule)
    if column is None:
        return meaning.unmeasured(expected, NO_EVENT_TIME)
    wanted = instant_sql(service.now - limit)
    reach, rows, older = service.session.row(
        f"SELECT epoch_us({instant_sql(service.now)}) - epoch_us(min({column})), count(*), "
        f"count(*) FILTER (WHERE {column} < {wanted}) FROM {identifier(service.table)}"
    )
    if reach is None:
        return meaning.unmeasured(expected, "no row has a time")
    landed = service.counts.landed if service.counts is not None else None
    how = f"from the oldest {column} to now; {older:,} rows are older than {duration_text(limit)}"
    if reach >= limit // _MICROSECOND:
        return Level(expected, meaning.seconds(reach), "s", True, how)
    if landed is None:
        return meaning.unmeasured(
            expected,
            f"the table reaches back {duration_text(timedelta(microseconds=reach))} only, and no "
            "ledger says whether rows were removed or the stream is young",
        )
    how += f"; {rows:,} of {landed:,} rows that ever landed are there"
    missing = max(0, landed - rows)
    return Level(expected, meaning.seconds(reach), "s", rows >= landed, how, missing, landed)


def _error_rate(service: Service, rule: SlaRule) -> Level:
    counts = service.counts
    how = "rejected of accepted and rejected records, from the ledger, since the beginning"
    both = None if counts is None else (counts.accepted, counts.rejected)
    return meaning.error_rate(rule, both, how)


def _throughput(service: Service, rule: SlaRule) -> Level:
    column = time_sql(service, rule, otherwise=None if service.event_clock else INGESTED)
    if column is None:
        return meaning.unmeasured(meaning.throughput(rule, 0, None, "").expected, NO_EVENT_TIME)
    rows, span = service.session.row(
        f"SELECT count(*), epoch_us(max({column})) - epoch_us(min({column})) "
        f"FROM {identifier(service.increment)}"
    )
    how = f"rows to be published over the time from their first to their last {column}"
    return meaning.throughput(rule, rows, span, how)


def time_sql(service: Service, rule: SlaRule, *, otherwise: str | None = None) -> str | None:
    """The time of a row as SQL; a date is the midnight, UTC, it begins with.

    Raises:
        Unjudgeable: ``element`` is no timestamp or date.
    """
    name = meaning.time_column(service.stream, rule, otherwise=otherwise)
    if name is None:
        return None
    kinds = {field.name: field.type for field in service.stream.fields}
    if name == INGESTED or isinstance(kinds.get(name), TimestampType):
        return identifier(name)
    return f"CAST({identifier(name)} AS TIMESTAMPTZ)"


def instant_sql(when: datetime) -> str:
    """An aware time as SQL."""
    text = when.astimezone(UTC).isoformat(sep=" ", timespec="microseconds")
    return f"TIMESTAMPTZ '{text}'"
