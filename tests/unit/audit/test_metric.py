from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

import pytest

from lakegate.audit.result import Status
from lakegate.contract.stream import Place, Scope
from lakegate.contract.type import Severity

NAN = float("nan")


@pytest.mark.parametrize(
    ("rows", "properties", "parts", "offending"),
    [
        ([{"state": None}, {"state": ""}], ["state"], {"metric": "nullValues"}, 1),
        (
            [{"state": None}, {"state": ""}, {"state": "N/A"}, {"state": "x"}],
            ["state"],
            {"metric": "missingValues", "missing_values": ("", "N/A", None)},
            3,
        ),
        (
            [{"state": None}, {"state": ""}],
            ["state"],
            {"metric": "missingValues", "missing_values": ("",)},
            1,
        ),
        ([{"state": None}, {"state": ""}], ["state"], {"metric": "missingValues"}, 1),
        (
            [{"state": "new"}, {"state": "odd"}, {"state": None}],
            ["state"],
            {"metric": "invalidValues", "valid_values": ("new", "paid")},
            1,
        ),
        (
            [{"state": "N1"}, {"state": "xN1"}, {"state": "N1\n"}, {"state": None}],
            ["state"],
            {"metric": "invalidValues", "pattern": "^N[0-9]$"},
            2,
        ),
        (
            [{"state": "N1"}, {"state": "N2"}, {"state": "M1"}],
            ["state"],
            {"metric": "invalidValues", "pattern": "^N", "valid_values": ("N1", "M1")},
            2,
        ),
        (
            [{"price": Decimal("1.50")}, {"price": Decimal("1.51")}],
            ["price"],
            {"metric": "invalidValues", "valid_values": ("1.5", "1.515", "x")},
            1,
        ),
        (
            [{"id": 1}, {"id": 2}],
            ["id"],
            {"metric": "invalidValues", "valid_values": ("1.0", "2.5", "NaN")},
            1,
        ),
        (
            [{"weight": 0.1}, {"weight": NAN}, {"weight": None}],
            ["weight"],
            {"metric": "invalidValues", "valid_values": ("0.1",)},
            1,
        ),
        (
            [{}, {}],
            ["at"],
            {"metric": "invalidValues", "valid_values": ("2026-11-01T01:00:00+01:00",)},
            1,
        ),
        ([{"id": 1}, {"id": 1}, {"id": 1}, {"id": None}, {"id": None}], ["id"], {}, 2),
        ([{"weight": NAN}, {"weight": NAN}, {"weight": 0.0}, {"weight": -0.0}], ["weight"], {}, 2),
        (
            [{"id": 1, "state": "a"}, {"id": 1, "state": "b"}, {"id": 1, "state": "a"}],
            ["id", "state"],
            {},
            1,
        ),
        ([{"id": 1, "state": None}, {"id": 1, "state": None}], ["id", "state"], {}, 0),
        (
            [{"address": None}, {"address": {"city": None}}, {"address": {"city": "x"}}],
            ["address.city"],
            {"metric": "nullValues"},
            1,
        ),
        (
            [{"lines": [{"qty": 1}, {"qty": None}]}, {"lines": []}, {"lines": None}],
            ["$.lines[*].qty"],
            {"metric": "nullValues"},
            1,
        ),
        (
            [{"lines": [{"qty": 1}, {"qty": 1}]}, {"lines": [{"qty": 1}]}],
            ["lines.element.qty"],
            {},
            2,
        ),
    ],
)
def test_offending(room, rows, properties, parts, offending):
    parts = {"metric": "duplicateValues", **parts}
    (result,) = room.judge(rows, room.metric("rule", *properties, **parts))
    assert (result.observed, result.offending) == (offending, offending), result.message
    assert result.status is (Status.PASSED if offending == 0 else Status.FAILED)
    assert len(result.samples) == offending


def test_percent_is_exact(room):
    rows = [{"id": None}] + [{"id": n} for n in range(2)]
    tight = room.metric(
        "tight", "id", metric="nullValues", unit="percent", operator="mustBeLessOrEqualTo",
        bounds=("33.3333333333",),
    )  # fmt: skip
    loose = room.metric(
        "loose", "id", metric="nullValues", unit="percent", operator="mustBeLessThan",
        bounds=("33.3333333334",),
    )  # fmt: skip
    first, second = room.judge(rows, tight, loose)
    assert (first.status, second.status) == (Status.FAILED, Status.PASSED)
    assert first.observed == Decimal("33.333333333333")
    assert first.sentence() == (
        "tight: failed (error); expected at most 33.3333333333 percent, "
        "observed 33.33 percent; 1 of 3 rows"
    )


def test_percent_of_no_rows_is_zero(room):
    (result,) = room.judge([], room.metric("nullValues", "id", unit="percent"))
    assert (result.status, result.observed, result.total) == (Status.PASSED, 0, 0)


def test_row_count(room):
    few = room.metric("rowCount", operator="mustBeBetween", bounds=(3, 4))
    (result,) = room.judge([{}, {}], few)
    assert (result.observed, result.offending, result.status) == (2, None, Status.FAILED)


def test_samples_are_the_first_by_coordinates_and_duplicates_spare_the_first(room):
    rows = [{"id": 7, "_offset": 9 - n, "state": "x" * 100} for n in range(10)]
    twice, text = room.judge(
        rows,
        room.metric("duplicateValues", "id"),
        room.metric("invalidValues", "state", valid_values=()),
    )
    assert [s.offset for s in twice.samples] == [0, 1, 2, 3, 4]
    assert twice.offending == 9
    assert text.samples[0].values == (("state", "x" * 80),)


def test_the_first_of_duplicates_is_the_earliest_ingested(room):
    late = room.START + timedelta(days=2)
    rows = [{"id": 7, "_ingested_at": late}, {"id": 7}]
    (result,) = room.judge(rows, room.metric("duplicateValues", "id"))
    assert [s.offset for s in result.samples] == [0]


def test_increment_looks_at_unpublished_rows(room):
    room.lake.land([{"id": None}], publish=True)
    (result,) = room.judge([{"id": 1}, {"id": None}], room.metric("nullValues", "id",
                           scope=Scope.INCREMENT))  # fmt: skip
    assert (result.offending, result.total) == (1, 2)


def test_gate_rules_are_checked_again_on_the_increment(room):
    room.lake.land([{"id": None}], publish=True)
    rule = room.metric("nullValues", "id", place=Place.GATE)
    (good,) = room.judge([{"id": 1}], rule)
    assert (good.status, good.place, good.total) == (Status.PASSED, Place.GATE, 1)
    (bad,) = room.judge([{"id": None}], rule)
    assert bad.sentence().endswith("the gate let it pass, or judged it by an older contract")


@pytest.mark.parametrize(
    ("rule", "says"),
    [
        ({"metric": "freshness"}, "'freshness' is not one of nullValues"),
        ({"metric": "invalidValues"}, "nothing says what is valid"),
        ({"metric": "invalidValues", "pattern": "(?=x)"}, "(?="),
        ({"metric": "nullValues", "unit": "bytes"}, "unit 'bytes' is not measured"),
        ({"metric": "rowCount", "unit": "percent"}, "rowCount counts rows"),
        ({"metric": "nullValues", "operator": "mustBeBetween"}, "takes 2 bound(s)"),
    ],
)
def test_what_cannot_be_judged_is_an_error_and_holds_main(room, rule, says):
    (result,) = room.judge([{}], room.metric("rule", "state", **rule))
    assert result.status is Status.ERROR
    assert says in result.message
    assert result.holds_back


@pytest.mark.parametrize(
    ("properties", "says"),
    [
        (["nope"], "no property 'nope'"),
        (["state.x"], "no property 'state.x'"),
        (["id", "lines.element.qty"], "inside a list"),
        (["lines.qty"], "no property 'lines.qty'"),
        (["id.element"], "no property 'id.element'"),
        ([], "names no property"),
    ],
)
def test_properties_that_are_not_there(room, properties, says):
    (result,) = room.judge([{}], room.metric("duplicateValues", *properties))
    assert says in result.message


def test_a_failed_warning_does_not_hold_main(room):
    room.lake.land([{"id": None}])
    rule = room.metric("nullValues", "id", severity=Severity.WARNING)
    report = room.audit(room.orders(rules=(rule,)))
    assert report.passed
    assert [result.name for result in report.failures] == ["nullValues"]
