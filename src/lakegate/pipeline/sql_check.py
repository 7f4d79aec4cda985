"""SQL rules tried out at check time: what DuckDB refuses of them needs no data to be known.

Each query runs as the audit runs it, fences included, over empty tables of the streams' columns.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from decimal import Decimal

import pyarrow as pa

from lakegate.audit.base import Limits, Unjudgeable
from lakegate.audit.session import Session, open_session
from lakegate.audit.statement import check_statement, expand
from lakegate.contract.problem import Level, Problem, Report
from lakegate.contract.stream import QualityRule, RuleKind, Stream
from lakegate.lake.schema import columns_of
from lakegate.lake.spelling import identifier

__all__ = ["sql_problems"]

_LIMITS = Limits(timeout_s=10.0, memory="1GB", threads=1)
_NUMBERS = (bool, int, float, Decimal)
_UNKNOWN_TABLE = "is not a table this rule may read"
_TEXTS = frozenset({"VARCHAR", "STRING"})


def sql_problems(
    streams: Sequence[Stream], problems: Sequence[Problem], *, others: Iterable[Stream] = ()
) -> list[Problem]:
    """The problems of the streams' SQL rules, by place: LG515, LG516 and LG517.

    ``problems`` are those the contracts have: where one is wrong otherwise than in its SQL, it is
    left out, and no table is called unknown. ``others`` are streams whose published rows the rules
    may look at too. A stream without SQL rules costs nothing.
    """
    report = Report()
    broken = {p.location.file for p in problems if p.level is Level.ERROR and p.code != "LG506"}
    known = {stream.name: stream for stream in (*others, *streams) if _file(stream) not in broken}
    for stream in streams:
        rules = [rule for rule in stream.rules if rule.kind is RuleKind.SQL and rule.query]
        if not rules or _file(stream) in broken:
            continue
        with _tables(stream, known.values()) as (session, views):
            for rule in rules:
                _try(session, stream, rule, views, report)
    return [one for one in report.sorted() if not (broken and one.code == "LG516")]


def _file(stream: Stream) -> str:
    return next((field.location.file for field in stream.fields if field.location), "")


@contextmanager
def _tables(stream: Stream, known: Iterable[Stream]) -> Iterator[tuple[Session, set[str]]]:
    """The views an audit of the stream has, all empty; named as :mod:`lakegate.audit` does."""
    views = {stream.object_name.casefold(): stream, f"{stream.object_name}__increment": stream}
    for other in known:
        if other.name != stream.name:
            name = other.object_name
            views[other.name if name.casefold() in views else name.casefold()] = other
    with open_session(_LIMITS) as session:
        for name, one in views.items():
            empty = pa.schema([(column.name, column.type) for column in columns_of(one)])
            session.connection.register("_empty", empty.empty_table())
            session.connection.execute(f"CREATE TABLE {identifier(name)} AS FROM _empty")
            session.connection.unregister("_empty")
        session.lock()
        yield session, set(views)


def _try(
    session: Session, stream: Stream, rule: QualityRule, views: set[str], report: Report
) -> None:
    at = rule.location
    if at is None:
        return
    column = rule.properties[0] if len(rule.properties) == 1 else None
    try:
        sql = expand(rule.query or "", view=stream.object_name, column=column).strip().rstrip(";")
        check_statement(session, sql, views=views)
        rows = session.rows(sql, most=2)
        described = session.connection.description or []
    except Unjudgeable as error:
        if _UNKNOWN_TABLE in str(error):
            advice = "check the contract it is in as well, or correct its name"
            report.add("LG516", at, str(error), advice=advice)
        else:
            advice = "the audit could not run it and would hold the table back: correct it"
            report.add("LG515", at, str(error), advice=advice)
        return
    if len(described) != 1:
        message = f"the query gives {len(described)} columns; it must give one number or boolean"
        report.add("LG515", at, message, advice="select one value")
    elif len(rows) != 1:
        found = "no row" if not rows else "several rows"
        message = f"of an empty table the query gives {found}; the audit needs exactly one"
        report.add("LG517", at, message, advice="select one number of the whole table")
    elif str(described[0][1]) in _TEXTS or not isinstance(rows[0][0], (*_NUMBERS, type(None))):
        message = f"the query gives a {described[0][1]}; it must give one number or boolean"
        report.add("LG515", at, message, advice="select a number, such as COUNT(*)")
