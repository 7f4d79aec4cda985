"""The audit against the real lake and the real store: one flow, end to end."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest
from tests.unit.lake.sample import TP, orders, validated

from lakegate.audit.base import WallClock
from lakegate.audit.evaluate import audit
from lakegate.audit.publish import publish
from lakegate.audit.result import Status
from lakegate.contract.stream import Place, QualityRule, Reference, RuleKind, Scope
from lakegate.contract.type import Severity
from lakegate.errors import PublishRefused
from lakegate.lake import MAIN, STAGED, Lake
from lakegate.state.audit_store import AuditStore
from lakegate.state.database import open_database


class NoBooks:
    def counts(self, stream, *, snapshot_id):
        return None


def rule(name, kind=RuleKind.METRIC, **parts):
    parts = {"operator": "mustBe", "bounds": (Decimal(0),), **parts}
    return QualityRule(name, kind, Place.AUDIT, "", Severity.ERROR, **parts)


RULES = (
    rule("unique", metric="duplicateValues", properties=("id",)),
    rule("named", metric="nullValues", properties=("name",), unit="percent",
         operator="mustBeLessThan", bounds=(Decimal(40),)),
    rule("new", metric="rowCount", scope=Scope.INCREMENT, operator="mustBeGreaterThan"),
    rule("cheap", RuleKind.SQL, query="SELECT COUNT(*) FROM {object} WHERE total > 0.50"),
    rule("file", RuleKind.SQL, query="SELECT COUNT(*) FROM read_text('/etc/hostname')"),
    rule("qty", metric="invalidValues", properties=("lines.element.qty",),
         valid_values=("1", "2", "4")),
)  # fmt: skip


@pytest.fixture
def lake(tmp_path):
    opened = Lake(tmp_path / "lake")
    yield opened
    opened.close()


@pytest.fixture
def store(tmp_path):
    return AuditStore(open_database(f"sqlite:///{tmp_path / 'state.db'}"))


def land(lake, stream, first, after):
    lake.ensure(stream)
    lake.land(stream, validated(stream, first, after), offsets={TP: (first, after)})


def run(lake, store, stream, targets=()):
    report = audit(
        stream, reader=lake, ledger=NoBooks(), clock=WallClock(),
        targets={target.name: target for target in targets},
    )  # fmt: skip
    store.record(report)
    assert store.latest(stream.name) == report
    return report


def test_audit_and_publish_until_a_rule_holds_back(lake, store):
    stream = orders(rules=RULES[:4])
    land(lake, stream, 0, 30)
    land(lake, stream, 30, 51)
    report = run(lake, store, stream)
    assert report.passed, report.failures
    assert {r.name: r.observed for r in report.results} == {
        "unique": 0,
        "named": Decimal(100) / 3 // Decimal("1e-12") * Decimal("1e-12"),
        "new": 51,
        "cheap": 0,
    }
    land(lake, stream, 51, 60)  # after the audit
    publish(stream, report, publisher=lake, store=store, by="ada")
    assert lake.head(stream, MAIN).snapshot_id == report.snapshot_id
    assert lake.head(stream, STAGED).snapshot_id != report.snapshot_id

    second = run(lake, store, stream)
    found = {r.name: r for r in second.results}
    assert (found["new"].observed, found["cheap"].offending) == (9, 9)
    assert [s.offset for s in found["cheap"].samples] == [51, 52, 53, 54, 55]
    with pytest.raises(PublishRefused, match="cheap: failed"):
        publish(stream, second, publisher=lake, store=store, by="ada")
    assert lake.head(stream, MAIN).snapshot_id == report.snapshot_id
    assert [p.snapshot_id for p in store.publications(stream.name)] == [report.snapshot_id]


def test_lists_and_hostile_sql_on_parquet(lake, store):
    stream = orders(rules=RULES[4:])
    land(lake, stream, 0, 6)  # a third without lines; each list has a null item
    file, qty = run(lake, store, stream).results
    assert file.status is Status.ERROR
    assert (qty.status, qty.offending, qty.total) == (Status.FAILED, 1, 4), qty.message


def test_references_need_published_rows(lake, store):
    customers = replace(orders(table="customers"), name="customers", object_name="customers")
    stream = orders(references=(Reference("known", ("id",), "customers", ("id",)),))
    land(lake, stream, 0, 5)
    assert run(lake, store, stream, [customers]).results[0].status is Status.ERROR
    land(lake, customers, 0, 4)
    assert run(lake, store, stream, [customers]).results[0].status is Status.ERROR
    publish(customers, run(lake, store, customers), publisher=lake, store=store, by="ada")
    (result,) = run(lake, store, stream, [customers]).results
    assert (result.status, result.offending) == (Status.FAILED, 1)
    assert result.frequent[0].values == ("4",)
