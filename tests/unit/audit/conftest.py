"""A lake, books and a store in memory, and a stream to audit."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

import pyarrow as pa
import pytest

from lakegate.audit.base import Counts, Published
from lakegate.audit.evaluate import audit
from lakegate.contract.stream import ContractRef, Place, QualityRule, RuleKind, Stream
from lakegate.contract.type import (
    ArrayType,
    DecimalType,
    Field,
    IntegerType,
    NumberType,
    ObjectType,
    Severity,
    StringType,
    TimestampType,
)
from lakegate.errors import PublishRefused

START = datetime(2026, 11, 1, tzinfo=UTC)
REF = ContractRef("orders", "1.0.0", "a" * 64)


def of(name, kind, path=None):
    return Field(name, kind, path or f"$.{name}")


FIELDS = (
    of("id", IntegerType()),
    of("state", StringType()),
    of("price", DecimalType(10, 2)),
    of("weight", NumberType()),
    of("at", TimestampType()),
    of("address", ObjectType((of("city", StringType(), "$.address.city"),))),
    of(
        "lines",
        ArrayType(
            of(
                "element",
                ObjectType((of("qty", IntegerType(), "$.lines[*].qty"),)),
                "$.lines[*]",
            )
        ),
    ),
)

SCHEMA = pa.schema(
    [
        ("id", pa.int64()),
        ("state", pa.string()),
        ("price", pa.decimal128(10, 2)),
        ("weight", pa.float64()),
        ("at", pa.timestamp("us", tz="UTC")),
        ("address", pa.struct([("city", pa.string())])),
        ("lines", pa.list_(pa.struct([("qty", pa.int64())]))),
        ("_topic", pa.string()),
        ("_source_partition", pa.int32()),
        ("_offset", pa.int64()),
        ("_ingested_at", pa.timestamp("us", tz="UTC")),
    ]
)


def table(rows, *, first=0):
    """Rows as dicts; coordinates and times an hour apart are added where missing."""
    full = [
        {
            "_topic": "orders.raw",
            "_source_partition": 0,
            "_offset": first + index,
            "_ingested_at": START + timedelta(hours=first + index, minutes=5),
            "at": START + timedelta(hours=first + index),
            **row,
        }
        for index, row in enumerate(rows)
    ]
    return pa.Table.from_pylist(full, schema=SCHEMA)


def orders(**parts):
    return Stream(REF, "orders", "orders", FIELDS, event_time="at", **parts)


def metric(name, *properties, operator="mustBe", bounds=(0,), **parts):
    from decimal import Decimal

    parts = {"place": Place.AUDIT, "severity": Severity.ERROR, **parts}
    return QualityRule(
        name=name,
        kind=RuleKind.METRIC,
        reason="",
        metric=parts.pop("metric", name),
        properties=properties,
        operator=operator,
        bounds=tuple(Decimal(str(bound)) for bound in bounds),
        **parts,
    )


def sql(query, *properties, operator="mustBe", bounds=(0,), **parts):
    from decimal import Decimal

    parts = {"place": Place.AUDIT, "severity": Severity.ERROR, **parts}
    return QualityRule(
        name="sql",
        kind=RuleKind.SQL,
        reason="",
        query=query,
        properties=properties,
        operator=operator,
        bounds=tuple(b if isinstance(b, bool) else Decimal(str(b)) for b in bounds),
        **parts,
    )


@dataclass(frozen=True)
class FakeSnapshot:
    snapshot_id: int
    rows: int


@dataclass
class FakeLake:
    """Snapshots are tables; a branch is a snapshot's number."""

    snapshots: dict = field(default_factory=dict)  # (stream, id) -> table
    branches: dict = field(default_factory=dict)  # (stream, branch) -> id
    pins: dict = field(default_factory=dict)  # (stream, name) -> id

    def land(self, rows, *, stream="orders", publish=False):
        number = 1 + max((n for s, n in self.snapshots if s == stream), default=0)
        before = self.snapshots.get((stream, number - 1))
        new = table(rows, first=before.num_rows if before is not None else 0)
        whole = pa.concat_tables([before, new]) if before is not None else new
        self.snapshots[stream, number] = whole
        self.branches[stream, "staged"] = number
        if publish:
            self.branches[stream, "main"] = number
        return number

    def exists(self, stream):
        return any(name == stream.name for name, _ in self.snapshots)

    def pin(self, stream, *, snapshot_id, name):
        self.pins[stream.name, name] = snapshot_id

    def head(self, stream, branch):
        number = self.branches.get((stream.name, branch))
        if number is None:
            return None
        return FakeSnapshot(number, self.snapshots[stream.name, number].num_rows)

    def relation(self, connection, stream, *, snapshot_id, name):
        self._view(connection, self.snapshots[stream.name, snapshot_id], name)

    def added(self, connection, stream, *, since, until, name):
        skip = self.snapshots[stream.name, since].num_rows if since is not None else 0
        self._view(connection, self.snapshots[stream.name, until].slice(skip), name)

    def _view(self, connection, rows, name):
        connection.register(f"arrow_{name}", rows)
        connection.execute(f'CREATE VIEW "{name}" AS SELECT * FROM "arrow_{name}"')

    def publish(self, stream, *, snapshot_id, expected_main):
        if self.branches.get((stream.name, "main")) != expected_main:
            raise PublishRefused("main has moved")
        self.branches[stream.name, "main"] = snapshot_id


@dataclass(frozen=True)
class FakeBooks:
    known: Counts | None = None

    def counts(self, stream, *, snapshot_id):
        return self.known


@dataclass
class FakeStore:
    reports: list = field(default_factory=list)
    publications: list = field(default_factory=list)

    def record(self, report):
        self.reports.append(report)

    def latest(self, stream, *, snapshot_id=None):
        for report in reversed(self.reports):
            if report.stream == stream and snapshot_id in (None, report.snapshot_id):
                return report
        return None

    def record_publication(self, published: Published):
        self.publications.append(published)


@dataclass
class FakeWindows:
    """Results of windows in the order they were found; ``main`` moved on some of the audits."""

    found: list = field(default_factory=list)  # (audit, result)
    moved: set = field(default_factory=set)
    settled: int = 0  # so many were found when main was last moved

    def keep(self, report, *, publish=False):
        self.found += [(report.audit_id, window) for window in report.windows]
        if publish:
            self.moved.add(report.audit_id)
            self.settled = len(self.found)

    def newest(self, stream, rule):
        return {
            one.start: replace(one, holds=one.holds and at >= self.settled)
            for at, (_, one) in enumerate(self.found)
            if one.rule == rule
        }

    def published(self, stream, rule):
        kept = [(audit, one) for audit, one in self.found if audit in self.moved]
        return {one.start: one for _, one in kept if one.rule == rule}


@dataclass(frozen=True)
class At:
    """A clock that stands."""

    time: datetime
    name: str = "wall"

    def now(self):
        return self.time


class Room:
    """Everything an audit needs, with the functions the tests speak in."""

    START, REF, At, FakeStore, FakeWindows = START, REF, At, FakeStore, FakeWindows
    orders, metric, sql = staticmethod(orders), staticmethod(metric), staticmethod(sql)

    def __init__(self):
        self.lake = FakeLake()

    def audit(self, stream, *, now=START + timedelta(days=1), clock=None, counts=None, **parts):
        return audit(
            stream,
            reader=self.lake,
            ledger=FakeBooks(counts),
            clock=clock if clock is not None else At(now),
            **parts,
        )

    def judge(self, rows, *rules, **parts):
        """The results of these rules over these rows."""
        self.lake.land(rows)
        return self.audit(orders(rules=rules), **parts).results


@pytest.fixture
def room():
    return Room()
