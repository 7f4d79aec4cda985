"""Frames whose columns have no plain type in Arrow, or none in JSON: judged exactly or refused."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, timedelta
from typing import Any

import duckdb
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc
import pytest

import lakegate as lg
from lakegate.contract import loads
from lakegate.contract.stream import Stream
from lakegate.errors import GateError

CONTRACT = """
apiVersion: v3.2.0
kind: DataContract
id: odd
name: odd
version: 1.0.0
status: active
schema:
  - name: odd
    logicalType: object
    properties:
      - {name: id, logicalType: integer, required: true, logicalTypeOptions: {minimum: 1}}
      - {name: code, logicalType: string}
      - name: prices
        logicalType: map
        map:
          key: {logicalType: string}
          value: {logicalType: number, physicalType: "decimal(9,2)"}
      - {name: tags, logicalType: array, items: {logicalType: string}}
      - name: inner
        logicalType: object
        properties: [{name: x, logicalType: integer}]
"""
STRICT = CONTRACT.replace(
    "    properties:\n      - {name: id",
    "    customProperties: [{property: lakegate.unknownFields, value: reject}]\n"
    "    properties:\n      - {name: id",
)


@pytest.fixture(scope="module")
def stream() -> Stream:
    return loads(CONTRACT).streams[0]


def _rules(verdict: Any) -> dict[int, list[str]]:
    return {row: [failure.rule for failure in found] for row, found in verdict.failures.items()}


def _unknown(verdict: Any) -> list[str]:
    frame = verdict.accepted
    if hasattr(frame, "to_arrow_table"):
        frame = frame.to_arrow_table()
    return list(pa.table(frame)["_unknown_fields"].to_pylist())


def test_a_map_has_the_keys_of_its_own_row_only(stream: Stream) -> None:
    frame = pd.DataFrame({"id": [1, 2], "prices": [{"EUR": 1.5}, {"USD": 2}]})
    accepted = lg.judge_frame(stream, frame).accepted
    assert [[key for key, _ in row] for row in accepted["prices"]] == [["EUR"], ["USD"]]


def test_a_row_is_not_rejected_for_the_key_of_another() -> None:
    strict = loads(STRICT).streams[0]
    frame = pd.DataFrame({"id": [1, 2], "inner": [{"x": 1}, {"x": 2, "bad": 3}]})
    assert _rules(lg.judge_frame(strict, frame)) == {1: ["unknownField"]}


@pytest.mark.parametrize("library", [pd.DataFrame, pl.DataFrame])
def test_an_undeclared_dict_is_kept_as_it_is(stream: Stream, library: Any) -> None:
    values = [{"a": 1, "c": [1, 2.5]}, {"b": "x"}]
    column = pl.Series(values, dtype=pl.Object) if library is pl.DataFrame else values
    verdict = lg.judge_frame(stream, library({"id": [1, 2], "zz": column}))
    assert _unknown(verdict) == ['{"$.zz":{"a":1,"c":[1,2.5]}}', '{"$.zz":{"b":"x"}}']


def test_nothing_in_a_dict_is_rounded(stream: Stream) -> None:
    value = {"t": pd.Timestamp("2026-01-01T00:00:00.123456789Z"), "d": pd.Timedelta(nanoseconds=7)}
    verdict = lg.judge_frame(stream, pd.DataFrame({"id": [1], "zz": [value]}))
    assert _unknown(verdict) == [
        '{"$.zz":{"t":"2026-01-01T00:00:00.123456789Z","d":"PT0.000000007S"}}'
    ]


def test_a_mixed_column_is_judged_value_by_value(stream: Stream) -> None:
    verdict = lg.judge_frame(stream, pd.DataFrame({"id": [1, "x", 2.5, 4.0]}))
    assert _rules(verdict) == {1: ["type"], 2: ["type"]}
    assert verdict.accepted["id"].tolist() == [1, 4]


def test_dates_beside_times_and_half_of_a_pair_stay_what_they_are(stream: Stream) -> None:
    mixed = pd.Series([date(2026, 1, 1), datetime(2026, 1, 1, 5, tzinfo=UTC)], dtype=object)
    verdict = lg.judge_frame(stream, pd.DataFrame({"id": [1, 2], "zz": mixed}))
    assert _unknown(verdict) == ['{"$.zz":"2026-01-01"}', '{"$.zz":"2026-01-01T05:00:00.000000Z"}']
    half = pd.DataFrame({"id": [1], "code": pd.Series(["\ud800"], dtype=object)})
    assert _rules(lg.judge_frame(stream, half)) == {0: ["json.surrogate"]}


LISTS = [
    pa.list_view(pa.string()),
    pa.large_list_view(pa.string_view()),
    pa.list_(pa.string_view()),
    pa.large_list(pa.string()),
]


@pytest.mark.parametrize("kind", LISTS, ids=str)
def test_lists_of_every_layout_are_lists(stream: Stream, kind: pa.DataType) -> None:
    tags = pa.array([["a", "b"], None, [], ["c"]], kind)
    table = pa.table({"id": [1, 2, 3, 4], "tags": tags}).slice(1)
    verdict = lg.judge_frame(stream, table)
    assert verdict.is_clean
    assert verdict.accepted["tags"].to_pylist() == [None, [], ["c"]]


def test_runs_and_dictionaries_are_their_values(stream: Stream) -> None:
    code = pa.array(["a", "a", None, "b", "b"])
    views = pa.DictionaryArray.from_arrays(
        pa.array([0, 0, None, 1, 1]), pa.array(["a", "b"], pa.string_view())
    )
    for column in (pc.run_end_encode(code), views):
        table = pa.table({"id": [1, 2, 3, 0, 5], "code": column}).slice(1)
        verdict = lg.judge_frame(stream, table)
        assert verdict.accepted["code"].to_pylist() == ["a", None, "b"]
        assert verdict.rejected["code"].to_pylist() == ["b"]


def test_structs_and_maps_of_views(stream: Stream) -> None:
    view = pa.string_view()
    zz = pa.array([None, {"a": ["b"]}, None], pa.struct([("a", pa.list_(view))]))
    prices = pa.array([[("X", 1)], [("Y", 2)], None], pa.map_(view, pa.int64()))
    verdict = lg.judge_frame(stream, pa.table({"id": [1, 2, 3], "zz": zz, "prices": prices})[1:])
    assert _unknown(verdict) == ['{"$.zz":{"a":["b"]}}', '{"$.zz":null}']
    assert [row and row[0][0] for row in verdict.accepted["prices"].to_pylist()] == ["Y", None]


def test_polars_categories_lists_and_wide_integers(stream: Stream) -> None:
    frame = pl.DataFrame(
        {
            "id": pl.Series([1, 0], dtype=pl.Int128),
            "code": pl.Series(["a", "b"], dtype=pl.Categorical),
            "tags": pl.Series([["a"], None], dtype=pl.List(pl.Enum(["a"]))),
        }
    )
    verdict = lg.judge_frame(stream, frame)
    assert verdict.accepted["code"].to_list() == ["a"]
    assert verdict.rejected.select(frame.columns).equals(frame[1:])


ODD = {
    "polars": lambda: pl.DataFrame({"id": [1], "zz": [timedelta(days=1, seconds=1.5)]}),
    "pandas": lambda: pd.DataFrame({"id": [1], "zz": [timedelta(days=1, seconds=1.5)]}),
    "duckdb": lambda: duckdb.sql("SELECT 1 AS id, INTERVAL '1 month 2 days 1.5 seconds' AS zz"),
}


@pytest.mark.parametrize(
    ("library", "text"),
    [("polars", "PT86401.5S"), ("pandas", "PT86401.5S"), ("duckdb", "P1M2DT1.5S")],
)
def test_durations_are_iso_8601(stream: Stream, library: str, text: str) -> None:
    assert _unknown(lg.judge_frame(stream, ODD[library]())) == [f'{{"$.zz":"{text}"}}']


NO_JSON = {
    "period": lambda: pd.DataFrame({"id": [1], "zz": pd.period_range("2026", periods=1)}),
    "complex": lambda: pd.DataFrame({"id": [1], "zz": [1j]}),
    "object": lambda: pl.DataFrame({"id": [1], "zz": pl.Series([object()], dtype=pl.Object)}),
    "bit": lambda: duckdb.sql("SELECT 1 AS id, '101'::BIT AS zz"),
}


@pytest.mark.parametrize("odd", NO_JSON)
def test_what_has_no_json_form_is_named(stream: Stream, odd: str) -> None:
    with pytest.raises(GateError, match=r"the column 'zz' .*: (?:make|cast) .* first"):
        lg.judge_frame(stream, NO_JSON[odd]())


def test_a_series_is_no_frame(stream: Stream) -> None:
    for series in (pd.Series([1]), pl.Series([1]), pa.chunked_array([[1]])):
        with pytest.raises(GateError, match="is no data frame: expected one of pandas"):
            lg.judge_frame(stream, series)


def test_pandas_rows_keep_their_index(stream: Stream) -> None:
    frame = pd.DataFrame({"id": [1, 0, 3]}, index=["a", "b", "c"])
    verdict = lg.judge_frame(stream, frame)
    assert list(verdict.accepted.index) == ["a", "c"]
    assert list(verdict.rejected.index) == ["b"]
    assert verdict.rejected.loc["b", "_reasons"][0]["rule"] == "minimum"


def test_a_column_named_as_the_reasons_is_refused(stream: Stream) -> None:
    with pytest.raises(GateError, match=r"'_reasons'.*rename it"):
        lg.judge_frame(stream, pa.table({"id": [1], "_reasons": ["x"]}))


WHEN = """
apiVersion: v3.2.0
kind: DataContract
id: when
name: when
version: 1.0.0
status: active
schema:
  - name: when
    logicalType: object
    properties:
      - {name: id, logicalType: integer}
      - {name: day, logicalType: date}
      - {name: due, logicalType: date, logicalTypeOptions: {format: dd/MM/yyyy}}
      - {name: hour, logicalType: time}
      - {name: at, logicalType: timestamp}
      - {name: name, logicalType: string, logicalTypeOptions: {minLength: 2}}
"""
_FAR_DAY = 2_932_897  # 10000-01-01


def _numbers(values: list[int | None], kind: Any) -> Any:
    return pa.array(values, pa.int32() if kind.bit_width == 32 else pa.int64()).view(kind)


@pytest.mark.parametrize("beside", [{}, {"note": ["x", "y", "z"]}], ids=["typed", "as JSON"])
@pytest.mark.parametrize(
    ("column", "values", "rule", "observed"),
    [
        ("day", _numbers([0, _FAR_DAY, None], pa.date32()), "date.format", "10000-01-01"),
        ("day", _numbers([0, -719_163, None], pa.date32()), "date.range", "0000-12-31"),
        ("day", _numbers([0, (1 << 63) - 1, 1], pa.date64()), "date.format", "292278994-08-17"),
        ("due", _numbers([0, _FAR_DAY, None], pa.date32()), "date.format", "10000-01-01"),
        ("hour", _numbers([0, -5, 1], pa.time64("us")), "time.format", "-00:00:00.000005"),
        ("hour", _numbers([0, 86_400, 1], pa.time32("s")), "time.range", "24:00:00"),
        ("hour", _numbers([0, 1 << 47, 1], pa.time64("ns")), "time.range", "39:05:37.488355328"),
        (
            "at",
            _numbers([0, 1 << 62, None], pa.timestamp("s", "UTC")),
            "timestamp.format",
            "146138514283-06-19T07:45:04Z",
        ),
    ],
)  # fmt: skip
def test_a_moment_beyond_the_calendar_rejects_its_row_only(
    beside: dict[str, Any], column: str, values: Any, rule: str, observed: str
) -> None:
    verdict = lg.judge_frame(
        loads(WHEN).streams[0], pa.table({"id": [1, 2, 3], column: values, **beside})
    )
    ((failure,),) = verdict.failures.values()
    assert list(verdict.failures) == [1]
    assert (failure.path, failure.rule, failure.observed) == (f"$.{column}", rule, f'"{observed}"')
    assert verdict.accepted["id"].to_pylist() == [1, 3]


FAR = {
    "infinite": lambda: duckdb.sql("SELECT date 'infinity' AS day UNION ALL SELECT NULL"),
    "far": lambda: duckdb.sql("SELECT date '12000-01-01' AS day UNION ALL SELECT NULL"),
    "polars": lambda: pl.DataFrame({"day": [_FAR_DAY, None]}, {"day": pl.Int32}).cast(pl.Date),
}


@pytest.mark.parametrize("library", FAR)
def test_every_library_may_hold_such_a_day(library: str) -> None:
    assert _rules(lg.judge_frame(loads(WHEN).streams[0], FAR[library]())) == {0: ["date.format"]}


_RAW = pa.array([b"\xff\xfe", b"ab", None, b"a\xc3"])


@pytest.mark.parametrize("name", ["name", "undeclared"])
@pytest.mark.parametrize(
    "texts",
    [
        _RAW.view(pa.string()),
        _RAW.cast(pa.large_binary()).view(pa.large_string()),
        _RAW.cast(pa.binary_view()).view(pa.string_view()),
        pa.DictionaryArray.from_arrays(
            pa.array([0, 1, None, 2]), pa.array([b"\xff", b"ab", b"\xc3"]).view(pa.string())
        ),
    ],
    ids=lambda texts: str(texts.type).split("<")[0],
)
def test_text_that_is_no_utf_8_rejects_its_row_only(name: str, texts: Any) -> None:
    table = pa.table([[1, 2, 3, 4], texts], names=["id", name])
    verdict = lg.judge_frame(loads(WHEN).streams[0], table)
    assert _rules(verdict) == {0: ["json.utf8"], 3: ["json.utf8"]}
    assert verdict.accepted["id"].to_pylist() == [2, 3]
    assert verdict.rejected.num_rows == 2


def test_odd_values_inside_lists_maps_and_unions_are_shown(stream: Stream) -> None:
    days = _numbers([_FAR_DAY, 0], pa.date32())
    ends = pa.array([0, 1, 2], pa.int32())
    columns = {
        "list": pa.ListArray.from_arrays(ends, days),
        "struct": pa.StructArray.from_arrays([days], ["d"]),
        "map": pa.MapArray.from_arrays(ends, pa.array(["a", "b"]), days),
        "keys": pa.MapArray.from_arrays(ends, days, pa.array([1, 2])),
        "sparse": pa.UnionArray.from_sparse(pa.array([1, 0], pa.int8()), [pa.array([1, 2]), days]),
        "dense": pa.UnionArray.from_dense(
            pa.array([0, 1], pa.int8()), pa.array([0, 0], pa.int32()), [days, pa.array(["x"])]
        ),
    }
    for name, column in columns.items():
        for rows in (slice(0, 2), slice(1, 2)):
            ids = pa.array([1, 2])[rows]
            verdict = lg.judge_frame(stream, pa.table([ids, column[rows]], names=["id", "zz"]))
            assert len(_unknown(verdict)) == len(ids), name
    whole = lg.judge_frame(stream, pa.table({"id": [1, 2]} | columns))
    assert json.loads(_unknown(whole)[0]) == json.loads(
        '{"$.dense":"10000-01-01","$.keys":[{"key":"10000-01-01","value":1}],'
        '"$.list":["10000-01-01"],"$.map":[{"key":"a","value":"10000-01-01"}],'
        '"$.sparse":"10000-01-01","$.struct":{"d":"10000-01-01"}}'
    )
    part = lg.judge_frame(stream, pa.table({"id": [1, 2]} | columns).slice(1))
    found = json.loads(_unknown(part)[0])
    assert (found["$.sparse"], found["$.dense"]) == (2, "x")


def test_text_that_is_no_utf_8_in_a_union_rejects_its_row(stream: Stream) -> None:
    union = pa.UnionArray.from_sparse(
        pa.array([0, 1], pa.int8()), [_RAW.view(pa.string())[:2], pa.array([1, 2])]
    )
    assert _rules(lg.judge_frame(stream, pa.table({"id": [1, 2], "zz": union}))) == {
        0: ["json.surrogate"]
    }
