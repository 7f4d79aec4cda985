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
from decimal import Decimal
from fractions import Fraction

from lakegate.audit.base import Counts, Unjudgeable
from lakegate.audit.result import duration_text
from lakegate.audit.session import Session, identifier
from lakegate.contract.stream import SlaRule, Stream
from lakegate.contract.type import DateType, TimestampType

__all__ = ["Level", "Service", "level"]

_MICROSECOND = timedelta(microseconds=1)
_INGESTED = "_ingested_at"


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


@dataclass(frozen=True, slots=True)
class Level:
    """A level observed, or ``observed`` None and in ``how`` the reason why not."""

    expected: str
    observed: Fraction | None
    unit: str
    passed: bool
    how: str
    offending: int | None = None
    total: int | None = None


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
        return _unmeasured("", f"{rule.name} cannot be told from a table and its ledger")
    return measure(service, rule)


def _latency(service: Service, rule: SlaRule) -> Level:
    limit = _duration(rule)
    expected = f"at most {duration_text(limit)}"
    since = _column(service, rule)
    if since is None:
        return _unmeasured(expected, "the stream names no event time; set `element` to a timestamp")
    if service.event_clock:
        until = (
            f"max({since}) OVER (PARTITION BY _topic, _source_partition ORDER BY _offset "
            "ROWS UNBOUNDED PRECEDING)"
        )
        how = f"longest wait of {since} behind the watermark of the row's partition"
    else:
        until = _moment(service.now)
        how = f"longest time from {since} to now, over the rows to be published"
    total, longest, offending = service.session.row(
        f"SELECT count(waited), max(waited), "
        f"count(*) FILTER (WHERE waited > {limit // _MICROSECOND}) "
        f"FROM (SELECT epoch_us({until}) - epoch_us({since}) AS waited "
        f"FROM {identifier(service.increment)})"
    )
    if longest is None:
        return _unmeasured(expected, "no row waits to be published")
    passed = longest <= limit // _MICROSECOND
    return Level(expected, _seconds(longest), "s", passed, how, offending, total)


def _frequency(service: Service, rule: SlaRule) -> Level:
    limit = _duration(rule)
    expected = f"a new row at least every {duration_text(limit)}"
    column = _column(service, rule, otherwise=None if service.event_clock else _INGESTED)
    if column is None:
        return _unmeasured(expected, "the stream names no event time; set `element` to a timestamp")
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
            (FROM waiting UNION ALL FROM before UNION ALL SELECT {_moment(service.now)})
            WHERE t IS NOT NULL
        )
        SELECT max(gap) FROM (SELECT epoch_us(t) - epoch_us(lag(t) OVER (ORDER BY t)) AS gap
                              FROM arrivals)
        """
    )
    if longest is None:
        return _unmeasured(expected, "fewer than two moments to measure between")
    how = f"longest gap between successive {column} of rows to be published, the last up to now"
    passed = longest <= limit // _MICROSECOND
    return Level(expected, _seconds(longest), "s", passed, how)


def _retention(service: Service, rule: SlaRule) -> Level:
    limit = _duration(rule)
    expected = f"rows of the last {duration_text(limit)} are kept"
    column = _column(service, rule)
    if column is None:
        return _unmeasured(expected, "the stream names no event time; set `element` to a timestamp")
    wanted = _moment(service.now - limit)
    reach, rows, older = service.session.row(
        f"SELECT epoch_us({_moment(service.now)}) - epoch_us(min({column})), count(*), "
        f"count(*) FILTER (WHERE {column} < {wanted}) FROM {identifier(service.table)}"
    )
    if reach is None:
        return _unmeasured(expected, "no row has a time")
    landed = service.counts.landed if service.counts is not None else None
    how = f"from the oldest {column} to now; {older:,} rows are older than {duration_text(limit)}"
    if reach >= limit // _MICROSECOND:
        return Level(expected, _seconds(reach), "s", True, how)
    if landed is None:
        return _unmeasured(
            expected,
            f"the table reaches back {duration_text(timedelta(microseconds=reach))} only, and no "
            "ledger says whether rows were removed or the stream is young",
        )
    how += f"; {rows:,} of {landed:,} rows that ever landed are there"
    return Level(expected, _seconds(reach), "s", rows >= landed, how, max(0, landed - rows), landed)


def _error_rate(service: Service, rule: SlaRule) -> Level:
    limit = _number(rule)
    unit = (rule.unit or "").strip().casefold()
    percent = unit in ("%", "percent")
    if not percent and limit > 1:
        raise Unjudgeable(f"errorRate {limit} is no ratio; say `unit: percent`, or give 0 to 1")
    expected = f"at most {limit:f}{' percent' if percent else ''} rejected"
    if service.counts is None:
        return _unmeasured(expected, "no ledger for this stream")
    judged = service.counts.accepted + service.counts.rejected
    if judged == 0:
        return _unmeasured(expected, "no record was judged yet")
    observed = Fraction(service.counts.rejected * (100 if percent else 1), judged)
    how = "rejected of accepted and rejected records, from the ledger, since the beginning"
    return Level(
        expected,
        observed,
        "percent" if percent else "",
        observed <= Fraction(limit),
        how,
        service.counts.rejected,
        judged,
    )


def _throughput(service: Service, rule: SlaRule) -> Level:
    limit, per = _number(rule), _duration(rule)
    unit = f"{rule.unit or 'rows'} per {duration_text(per).removeprefix('1 ')}"
    expected = f"at least {limit:f} {unit}"
    column = _column(service, rule, otherwise=None if service.event_clock else _INGESTED)
    if column is None:
        return _unmeasured(expected, "the stream names no event time; set `element` to a timestamp")
    rows, span = service.session.row(
        f"SELECT count(*), epoch_us(max({column})) - epoch_us(min({column})) "
        f"FROM {identifier(service.increment)}"
    )
    if not span:
        return _unmeasured(expected, "the rows to be published span no time")
    observed = Fraction(rows * (per // _MICROSECOND), span)
    how = f"rows to be published over the time from their first to their last {column}"
    return Level(expected, observed, unit, observed >= Fraction(limit), how)


def _column(service: Service, rule: SlaRule, *, otherwise: str | None = None) -> str | None:
    """The time of a row as SQL: ``element``, else ``otherwise``, else the event time.

    A date is the midnight, UTC, it begins with.
    """
    name = rule.element or otherwise or service.stream.event_time
    if name is None:
        return None
    kinds = {field.name: field.type for field in service.stream.fields}
    if name == _INGESTED or isinstance(kinds.get(name), TimestampType):
        return identifier(name)
    if isinstance(kinds.get(name), DateType):
        return f"CAST({identifier(name)} AS TIMESTAMPTZ)"
    raise Unjudgeable(
        f"element {name!r} is no timestamp or date at the top level of this stream; name one"
    )


def _duration(rule: SlaRule) -> timedelta:
    if rule.duration is None:
        raise Unjudgeable(f"{rule.name} needs a duration; give `value` and a unit such as h or d")
    return rule.duration


def _number(rule: SlaRule) -> Decimal:
    if not isinstance(rule.value, Decimal):
        raise Unjudgeable(f"{rule.name} needs a number as `value`, the contract has {rule.value!r}")
    return rule.value


def _moment(when: datetime) -> str:
    text = when.astimezone(UTC).isoformat(sep=" ", timespec="microseconds")
    return f"TIMESTAMPTZ '{text}'"


def _seconds(microseconds: int) -> Fraction:
    return Fraction(microseconds, 1_000_000)


def _unmeasured(expected: str, reason: str) -> Level:
    return Level(expected, None, "", False, reason)
