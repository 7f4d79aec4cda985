from __future__ import annotations

from lakegate.audit.result import Frequent, Status
from lakegate.contract.stream import Reference, Stream


def target(room, name="places"):
    orders = room.orders()
    return Stream(orders.contract, name, name, orders.fields)


def refer(*columns, to="places", to_columns=("state",)):
    return Reference("to_places", columns, to, to_columns)


def test_dangling_rows_with_counts_by_value(room):
    room.lake.land([{"state": "JFK"}, {"state": "LGA"}], stream="places", publish=True)
    room.lake.land([{"state": "BQN"}], stream="places")  # landed, not published
    room.lake.land([{"state": s} for s in ("JFK", "BQN", None, "SJU", "BQN")])
    report = room.audit(room.orders(references=(refer("state"),)), targets={"places": target(room)})
    (result,) = report.results
    assert (result.status, result.offending, result.total) == (Status.FAILED, 3, 5)
    assert [s.offset for s in result.samples] == [1, 3, 4]
    assert result.frequent == (Frequent(("BQN",), 2), Frequent(("SJU",), 1))
    assert result.sentence() == (
        "to_places: failed (error); expected every value in places(state), observed 3 rows; "
        "3 of 5 rows"
    )
    assert not report.passed


def test_several_columns_must_stand_in_one_row(room):
    room.lake.land(
        [{"id": 1, "state": "a"}, {"id": 2, "state": "b"}], stream="places", publish=True
    )
    room.lake.land([{"id": 1, "state": "a"}, {"id": 1, "state": "b"}, {"id": 3, "state": None}])
    reference = refer("id", "state", to_columns=("id", "state"))
    report = room.audit(room.orders(references=(reference,)), targets={"places": target(room)})
    assert [s.offset for s in report.results[0].samples] == [1]


def test_a_target_without_published_rows(room):
    room.lake.land([{"state": "JFK"}], stream="places")
    room.lake.land([{"state": "JFK"}])
    stream = room.orders(references=(refer("state"),))
    (result,) = room.audit(stream, targets={"places": target(room)}).results
    assert (result.status, result.message) == (
        Status.ERROR,
        "places has no published rows; audit and publish it first",
    )
    (result,) = room.audit(stream).results
    assert result.message == "the project has no stream 'places'"


def test_a_stream_that_refers_to_itself_is_judged_on_the_same_snapshot(room):
    room.lake.land([{"id": 1, "state": "x"}, {"id": 2, "weight": 1.0}, {"id": 3, "weight": 9.0}])
    reference = refer("weight", to="orders", to_columns=("id",))
    (result,) = room.audit(room.orders(references=(reference,))).results
    assert result.offending == 1


def test_columns_that_are_not_there(room):
    room.lake.land([{"state": "x"}], stream="places", publish=True)
    room.lake.land([{"state": "x"}])
    stream = room.orders(references=(refer("state", to_columns=("nope",)),))
    (result,) = room.audit(stream, targets={"places": target(room)}).results
    assert "no property 'nope'" in result.message
