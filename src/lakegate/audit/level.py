"""What a service level means: the limit a contract sets, and whether what was observed keeps to it.

Pure. The audit reads what is observed from a snapshot (:mod:`lakegate.audit.sla`), the watch reads
it from the log as data flows; both are judged here, so that they cannot disagree on the meaning.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from fractions import Fraction

from lakegate.audit.base import Unjudgeable
from lakegate.audit.result import duration_text
from lakegate.contract.stream import SlaRule, Stream
from lakegate.contract.type import DateType, TimestampType

__all__ = [
    "INGESTED",
    "NO_EVENT_TIME",
    "Level",
    "decimal",
    "error_rate",
    "frequency",
    "latency",
    "limit_of",
    "number_of",
    "seconds",
    "sla_name",
    "throughput",
    "time_column",
    "unmeasured",
]

INGESTED = "_ingested_at"
NO_EVENT_TIME = "the stream names no event time; set `element` to a timestamp"
_MICROSECOND = timedelta(microseconds=1)


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


def sla_name(rule: SlaRule) -> str:
    """What results and incidents call a service level: ``sla.latency``, ``sla.latency.at``.

    One with a window of an hour is ``sla.latency.1h``.
    """
    parts = ["sla", rule.name] + ([] if rule.element is None else [rule.element])
    return ".".join(parts + ([] if rule.window is None else [_brief(rule.window)]))


def _brief(length: timedelta) -> str:
    """``90m``, ``1h``, ``2d``: in the greatest unit that is exact."""
    for unit, size in (("d", 86_400), ("h", 3_600), ("m", 60)):
        if length % timedelta(seconds=size) == timedelta(0):
            return f"{length // timedelta(seconds=size)}{unit}"
    return f"{length / timedelta(seconds=1):g}s"


def latency(
    rule: SlaRule,
    longest_us: int | None,
    how: str,
    *,
    offending: int | None = None,
    total: int | None = None,
) -> Level:
    """The longest wait from event to published, in microseconds; None when nothing waits."""
    limit = limit_of(rule)
    expected = f"at most {duration_text(limit)}"
    if longest_us is None:
        return unmeasured(expected, "no row waits to be published")
    passed = longest_us <= limit // _MICROSECOND
    return Level(expected, seconds(longest_us), "s", passed, how, offending, total)


def frequency(rule: SlaRule, longest_us: int | None, how: str) -> Level:
    """The longest gap between arrivals up to now, in microseconds; None when there is none."""
    limit = limit_of(rule)
    expected = f"a new row at least every {duration_text(limit)}"
    if longest_us is None:
        return unmeasured(expected, "fewer than two moments to measure between")
    passed = longest_us <= limit // _MICROSECOND
    return Level(expected, seconds(longest_us), "s", passed, how)


def error_rate(rule: SlaRule, counts: tuple[int, int] | None, how: str) -> Level:
    """``counts`` of accepted and rejected records; None when there are no books.

    Raises:
        Unjudgeable: the limit is no ratio and no percentage.
    """
    limit = number_of(rule)
    unit = (rule.unit or "").strip().casefold()
    percent = unit in ("%", "percent")
    if not percent and limit > 1:
        raise Unjudgeable(f"errorRate {limit} is no ratio; say `unit: percent`, or give 0 to 1")
    expected = f"at most {limit:f}{' percent' if percent else ''} rejected"
    if counts is None:
        return unmeasured(expected, "no ledger for this stream")
    judged = sum(counts)
    if judged == 0:
        return unmeasured(expected, "no record was judged yet")
    observed = Fraction(counts[1] * (100 if percent else 1), judged)
    passed = observed <= Fraction(limit)
    return Level(expected, observed, "percent" if percent else "", passed, how, counts[1], judged)


def throughput(rule: SlaRule, rows: int, span_us: int | None, how: str) -> Level:
    """``rows`` over a span of microseconds; None or 0 when they span no time."""
    limit, per = number_of(rule), limit_of(rule)
    unit = f"{rule.unit or 'rows'} per {duration_text(per).removeprefix('1 ')}"
    expected = f"at least {limit:f} {unit}"
    if not span_us:
        return unmeasured(expected, "the rows to be published span no time")
    observed = Fraction(rows * (per // _MICROSECOND), span_us)
    return Level(expected, observed, unit, observed >= Fraction(limit), how)


def time_column(stream: Stream, rule: SlaRule, *, otherwise: str | None = None) -> str | None:
    """The column that tells a row's time: ``element``, else ``otherwise``, else the event time.

    Raises:
        Unjudgeable: it is no timestamp or date at the top level.
    """
    name = rule.element or otherwise or stream.event_time
    kinds = {field.name: field.type for field in stream.fields}
    if name is None or name == INGESTED or isinstance(kinds.get(name), TimestampType | DateType):
        return name
    raise Unjudgeable(
        f"element {name!r} is no timestamp or date at the top level of this stream; name one"
    )


def limit_of(rule: SlaRule) -> timedelta:
    """The duration a level sets.

    Raises:
        Unjudgeable: it has none.
    """
    if rule.duration is None:
        raise Unjudgeable(f"{rule.name} needs a duration; give `value` and a unit such as h or d")
    return rule.duration


def number_of(rule: SlaRule) -> Decimal:
    """The number a level sets.

    Raises:
        Unjudgeable: it has none.
    """
    if not isinstance(rule.value, Decimal):
        raise Unjudgeable(f"{rule.name} needs a number as `value`, the contract has {rule.value!r}")
    return rule.value


def decimal(value: Fraction) -> Decimal:
    """To 12 decimals, for display."""
    if value.denominator == 1:
        return Decimal(value.numerator)
    rounded = round(value, 12)
    return Decimal(rounded.numerator) / Decimal(rounded.denominator)


def seconds(microseconds: int) -> Fraction:
    """Microseconds as exact seconds."""
    return Fraction(microseconds, 1_000_000)


def unmeasured(expected: str, reason: str) -> Level:
    """A level that cannot be told, and why."""
    return Level(expected, None, "", False, reason)
