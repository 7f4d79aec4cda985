"""The library metrics of ODCS as SQL: how many rows offend, out of how many.

What each counts is in docs/reference/audit.md. Null is never invalid and never a duplicate; NaN is
a value like any other, equal to itself.
"""

# ruff: noqa: S608 - names go through identifier(), texts through literal()

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from decimal import Decimal, InvalidOperation
from fractions import Fraction

from lakegate.audit.base import Unjudgeable
from lakegate.audit.result import Sample
from lakegate.audit.session import Session
from lakegate.audit.source import COORDINATES, Source, samples, source_of
from lakegate.contract.pattern import translate
from lakegate.contract.stream import QualityRule, Stream
from lakegate.contract.type import (
    BooleanType,
    DateType,
    DecimalType,
    IntegerType,
    NumberType,
    StringType,
    TimestampType,
    TimeType,
    Type,
)
from lakegate.errors import ContractError
from lakegate.lake.spelling import identifier, literal

__all__ = ["Measured", "condition_of", "measure"]


@dataclass(frozen=True, slots=True)
class Measured:
    """A metric's value in ``unit``, exact; the rows that offend, the rows there are, samples."""

    value: Fraction
    unit: str
    offending: int | None
    total: int
    samples: tuple[Sample, ...] = ()


def measure(session: Session, stream: Stream, rule: QualityRule, *, view: str) -> Measured:
    """Measure a library metric over the rows of the view.

    ``percent`` is of all rows looked at, those with null included; of none it is 0.

    Raises:
        Unjudgeable: an unknown metric or unit, a property that is not there, or DuckDB refuses.
    """
    if rule.unit not in ("rows", "percent"):
        raise Unjudgeable(f"unit {rule.unit!r} is not measured; write rows or percent")
    if rule.metric == "rowCount":
        return _row_count(session, rule, view)
    source = source_of(stream, rule.properties, view=view)
    if rule.metric == "duplicateValues":
        offending, total, found = _duplicates(session, source)
    else:
        condition = condition_of(rule, source)
        total, offending = session.row(
            f"SELECT count(*), count(*) FILTER (WHERE {condition}) FROM ({source.sql})"
        )
        found = samples(session, source, condition) if offending > 0 else ()
    value = Fraction(offending)
    if rule.unit == "percent":
        value = Fraction(100 * offending, total) if total > 0 else Fraction(0)
    return Measured(value, rule.unit, offending, total, found)


def _row_count(session: Session, rule: QualityRule, view: str) -> Measured:
    if rule.unit != "rows":
        raise Unjudgeable("rowCount counts rows; percent of what is not defined")
    (total,) = session.row(f"SELECT count(*) FROM {identifier(view)}")
    return Measured(Fraction(total), "rows", None, total)


def _duplicates(session: Session, source: Source) -> tuple[int, int, tuple[Sample, ...]]:
    """Rows beyond the first of each group of equal values; the first is the earliest ingested."""
    values = ", ".join(source.columns)
    present = " AND ".join(f"{column} IS NOT NULL" for column in source.columns)
    (total,) = session.row(f"SELECT count(*) FROM ({source.sql})")
    repeated = (
        f"SELECT {values}, count(*) AS n FROM ({source.sql}) WHERE {present} "
        f"GROUP BY {values} HAVING count(*) > 1"
    )
    (offending,) = session.row(f"SELECT coalesce(sum(n - 1), 0)::BIGINT FROM ({repeated})")
    if offending == 0:
        return 0, total, ()
    ranked = (
        f"SELECT *, row_number() OVER (PARTITION BY {values} ORDER BY _ingested_at, {COORDINATES}) "
        f"AS occurrence FROM ({source.sql}) SEMI JOIN ({repeated}) USING ({values})"
    )
    later = Source(ranked, source.properties, source.types)
    return offending, total, samples(session, later, "occurrence > 1")


def condition_of(rule: QualityRule, source: Source) -> str:
    """The condition on ``v0`` that is true (never null) for an offending value.

    Raises:
        Unjudgeable: the metric is not one of single values, or the rule does not fit the property.
    """
    kind = source.types[0]
    if len(source.properties) > 1:
        raise Unjudgeable(
            f"{rule.metric} looks at one property, the rule names {len(source.properties)}; "
            "write one rule for each"
        )
    if rule.metric == "nullValues":
        return "v0 IS NULL"
    if rule.metric == "missingValues":
        listed = rule.missing_values if rule.missing_values is not None else (None,)
        return _is_one_of(kind, listed)
    if rule.metric == "invalidValues":
        return f"v0 IS NOT NULL AND NOT ({_validity(rule, kind)})"
    raise Unjudgeable(
        f"{rule.metric!r} is not one of nullValues, missingValues, invalidValues, "
        "duplicateValues, rowCount; write one of them, or the rule in SQL"
    )


def _validity(rule: QualityRule, kind: Type) -> str:
    wanted = []
    if rule.valid_values is not None:
        wanted.append(_is_one_of(kind, tuple(v for v in rule.valid_values if v is not None)))
    if rule.pattern is not None:
        if not isinstance(kind, StringType):
            raise Unjudgeable("a pattern applies to text; write the rule in SQL for other types")
        try:
            pattern = translate(rule.pattern)
        except ContractError as error:
            raise Unjudgeable(str(error)) from error
        wanted.append(f"regexp_matches(v0, {literal(pattern)})")
    if len(wanted) == 0:
        raise Unjudgeable("nothing says what is valid; give validValues or a pattern")
    return " AND ".join(wanted)


def _is_one_of(kind: Type, texts: tuple[str | None, ...]) -> str:
    """True for a value equal to one of the texts, read as a value of its type."""
    given = (_literal(kind, text) for text in texts if text is not None)
    literals = [text for text in given if text is not None]
    value = "epoch_us(v0)" if isinstance(kind, TimestampType) else "v0"
    conditions = [f"coalesce({value} IN ({', '.join(literals)}), false)"] if literals else []
    if None in texts:
        conditions.append("v0 IS NULL")
    return f"({' OR '.join(conditions)})" if conditions else "false"


def _literal(kind: Type, text: str) -> str | None:
    """The text as an SQL literal of the type; None when no value of the type can equal it."""
    try:
        match kind:
            case IntegerType():
                return _integer(text)
            case DecimalType(precision, scale):
                return _decimal(text, precision, scale)
            case NumberType():
                return f"CAST({literal(repr(float(text)))} AS DOUBLE)"
            case BooleanType():
                return text.lower() if text.lower() in ("true", "false") else None
            case DateType():
                return f"DATE '{date.fromisoformat(text)}'"
            case TimeType():
                return f"TIME '{time.fromisoformat(text)}'"
            case TimestampType():
                moment = datetime.fromisoformat(text)
                moment = moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)
                seconds = moment - datetime(1970, 1, 1, tzinfo=UTC)
                return str((seconds.days * 86_400 + seconds.seconds) * 10**6 + seconds.microseconds)
            case _:
                return literal(text)
    except (ValueError, InvalidOperation):
        return None


def _integer(text: str) -> str | None:
    number = Decimal(text)
    whole = number.is_finite() and number == number.to_integral_value()
    return str(int(number)) if whole and abs(number) < 2**64 else None


def _decimal(text: str, precision: int, scale: int) -> str | None:
    number = Decimal(text)
    if not number.is_finite():
        return None
    scaled = Fraction(number) * 10**scale
    if scaled.denominator != 1 or abs(scaled) >= 10**precision:
        return None
    return f"CAST('{number:f}' AS DECIMAL({precision}, {scale}))"
