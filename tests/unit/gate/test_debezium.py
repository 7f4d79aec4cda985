"""The gate of change events: rows judged by the contract, envelopes by what Debezium documents."""

from __future__ import annotations

import json
import pickle
import re
from datetime import UTC, date, datetime, time
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lakegate import gate as gates
from lakegate.contract import loads
from lakegate.contract.stream import Stream
from lakegate.gate import Verdict
from lakegate.gate.debezium.gate import ChangeGate
from lakegate.gate.native.choice import native_module
from lakegate.testing.change import debezium_event

_DOCUMENT = Path(__file__).parents[3] / "docs" / "reference" / "cdc.md"
_CONTRACT = """
apiVersion: v3.1.0
kind: DataContract
id: orders
version: 1.0.0
status: active
schema:
  - name: orders
    logicalType: object
    properties:
      - {{name: id, logicalType: integer, primaryKey: true, logicalTypeOptions: {{minimum: 1}}}}
      - {{name: name, logicalType: string, required: true, logicalTypeOptions: {{maxLength: 5}}}}
      - {{name: total, logicalType: number, physicalType: "decimal(10,2)"}}
      - {{name: day, logicalType: date}}
      - {{name: at, logicalType: timestamp}}
      - {{name: clock, logicalType: time}}
      - name: doc
        logicalType: object
        properties: [{{name: a, logicalType: integer}}]
    quality:
      - {{type: sql, query: "SELECT COUNT(*) FROM {{object}} WHERE name = 'bad'", mustBe: 0}}
    customProperties:
      - {{property: lakegate.cdc, value: debezium}}
{more}
"""
_SAID = {"decimal": "base64", "date": "days", "time": "micros", "timestamp": "millis"}


def stream(*, more: str = "", **said: str) -> Stream:
    kinds = said or _SAID
    settings_ = "".join(
        f"      - {{property: lakegate.cdc.{kind}, value: {how}}}\n" for kind, how in kinds.items()
    )
    return loads(_CONTRACT.format(more=settings_ + more)).streams[0]


GATE = gates.compile(stream())


def judge(
    *events: bytes | None, gate: Any = GATE, keys: list[bytes | None] | None = None
) -> Verdict:
    return gate(list(events), keys=keys)


def failures(verdict: Verdict) -> list[tuple[str, str]]:
    return [
        (failure.path, failure.rule) for record in verdict.rejected for failure in record.failures
    ]


def created(**row: Any) -> bytes:
    return debezium_event("c", after={"id": 1, "name": "a"} | row)


def test_a_row_is_decoded_as_the_contract_says() -> None:
    event = created(
        total="SZYC0g==", day=19_782, at=1_709_251_199_123, clock=47_655_678_901, doc='{"a": 1}'
    )
    (row,) = judge(event).accepted.to_pylist()
    assert row["total"] == Decimal("12345678.90")
    assert row["day"] == date(2024, 2, 29)
    assert row["at"] == datetime(2024, 2, 29, 23, 59, 59, 123_000, tzinfo=UTC)
    assert row["clock"] == time(13, 14, 15, 678_901)
    assert row["doc"] == {"a": 1}
    assert (row["_op"], row["_source_position"], row["_transaction"]) == ("c", "1", "1")
    assert (row["_source_table"], row["_unavailable"]) == ("public.t", None)
    assert row["_source_ts"] == datetime(2025, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("how", "sent", "meant"),
    [
        ({"decimal": "string"}, {"total": "-0012.50"}, {"total": Decimal("-12.50")}),
        ({"decimal": "string"}, {"total": "1.5E+1"}, {"total": Decimal("15.00")}),
        ({"decimal": "base64"}, {"total": "/w=="}, {"total": Decimal("-0.01")}),
        (
            {"decimal": "base64"},
            {"total": {"scale": 1, "value": "Dw=="}},
            {"total": Decimal("1.50")},
        ),
        ({"decimal": "number"}, {"total": 1.25}, {"total": Decimal("1.25")}),
        ({"date": "string"}, {"day": "2024-02-29"}, {"day": date(2024, 2, 29)}),
        ({"date": "days"}, {"day": -719_162}, {"day": date(1, 1, 1)}),
        ({"time": "millis"}, {"clock": 1}, {"clock": time(0, 0, 0, 1_000)}),
        ({"time": "nanos"}, {"clock": 1_999}, {"clock": time(0, 0, 0, 1)}),
        (
            {"timestamp": "nanos"},
            {"at": -1},
            {"at": datetime(1969, 12, 31, 23, 59, 59, 999_999, UTC)},
        ),
        ({"timestamp": "micros"}, {"at": 1}, {"at": datetime(1970, 1, 1, 0, 0, 0, 1, UTC)}),
    ],
)
def test_encodings(how: dict[str, str], sent: dict[str, Any], meant: dict[str, Any]) -> None:
    gate = gates.compile(stream(**(_SAID | how)))
    verdict = judge(created(**sent), gate=gate)
    assert failures(verdict) == []
    (row,) = verdict.accepted.to_pylist()
    assert {name: row[name] for name in meant} == meant


_BAD = [
    ("cdc.envelope", b"{}", "$.op"),
    ("cdc.envelope", b'{"op":"c","after":{"id":1},"source":null}', "$.source"),
    ("cdc.envelope", b'{"schema":{},"payload":7}', "$.payload"),
    ("cdc.op", created().replace(b'"op":"c"', b'"op":"x"'), "$.op"),
    ("cdc.row", debezium_event("u", before={"id": 1}), "$.after"),
    ("cdc.key", debezium_event("d"), "$.before"),
    ("cdc.decimal", created(total="*"), "$.after.total"),
    ("cdc.date", created(day="2024-02-29"), "$.after.day"),
    ("cdc.date", created(day=-622_191_234), "$.after.day"),
    ("cdc.time", created(clock=86_400_000_000), "$.after.clock"),
    ("cdc.timestamp", created(at="2024-02-29T00:00:00Z"), "$.after.at"),
    ("cdc.json", created(doc='{"a":1},"id":2'), "$.after.doc"),
    (
        "cdc.schema",
        b'{"schema":{"fields":[{"a":1,"a":2}]},"payload":' + created() + b"}",
        "$.schema",
    ),
]


@pytest.mark.parametrize(("rule", "event", "path"), _BAD)
def test_what_is_wrong_has_a_code_and_a_path(rule: str, event: bytes, path: str) -> None:
    verdict = judge(event)
    assert failures(verdict) == [(path, rule)]
    assert verdict.rejected[0].value == event


def test_events_of_another_table() -> None:
    gate = gates.compile(
        stream(more="      - {property: lakegate.cdc.table, value: public.t}\n", **_SAID)
    )
    assert failures(judge(created(), gate=gate)) == []
    other = debezium_event("c", after={"id": 1, "name": "a"}, table="public.u")
    assert failures(judge(other, gate=gate)) == [("$.source.table", "cdc.table")]


def test_an_event_without_the_schema_that_was_promised() -> None:
    gate = gates.compile(stream(schema="embedded"))
    assert failures(judge(created(), gate=gate)) == [("$", "cdc.schema")]


def test_the_document_lists_exactly_the_codes() -> None:
    listed = set(re.findall(r"^\| `(cdc\.\w+)` \|", _DOCUMENT.read_text("utf-8"), re.MULTILINE))
    assert listed == {rule for rule, _, _ in _BAD} | {"cdc.table"}


def test_all_failures_of_a_row_in_document_order() -> None:
    event = created(id=0, name="far too long", total="*", day="x", at=1)
    assert failures(judge(event)) == [
        ("$.after.id", "minimum"),
        ("$.after.name", "maxLength"),
        ("$.after.total", "cdc.decimal"),
        ("$.after.day", "cdc.date"),
    ]


def test_rules_over_the_row_lead_to_the_row() -> None:
    assert failures(judge(created(name="bad"))) == [("$.after", "sql")]


@pytest.mark.parametrize(
    ("broken", "rule"),
    [
        (b"[]", "json.notObject"),
        (b"\xef\xbb\xbf{}", "json.bom"),
        (created().replace(b'"op":"c"', b'"op":"c","op":"d"'), "json.duplicateKey"),
        (created().replace(b'"lsn":1', b'"lsn":1,"lsn":2'), "json.duplicateKey"),
        (created().replace(b'"db":"postgres"', b'"db":"\xff"'), "json.utf8"),
        (created().replace(b'"db":"postgres"', b'"db":"\\ud800"'), "json.surrogate"),
        (created() + b"x", "json.trailing"),
        (created()[:-1], "json.truncated"),
        (
            debezium_event("d", before={"id": 1}).replace(b'"id":1', b'"id":1,"id":2'),
            "json.duplicateKey",
        ),
    ],
)
def test_events_are_read_strictly(broken: bytes, rule: str) -> None:
    assert [code for _, code in failures(judge(broken))] == [rule]


@pytest.mark.parametrize("twice", [b'"day":1,"day":2', b'"id":2,"day":2', b'"day":2,"day":2'])
def test_a_column_twice_is_found_although_values_are_rewritten(twice: bytes) -> None:
    event = created(day=2).replace(b'"day":2', twice)
    assert [code for _, code in failures(judge(event))] == ["json.duplicateKey"]


def test_too_large() -> None:
    gate = gates.compile(
        stream(more="      - {property: lakegate.sizeLimit, value: 100}\n", **_SAID)
    )
    assert failures(judge(created(), gate=gate)) == [("$", "record.size")]


def test_a_delete_is_judged_by_its_key_alone() -> None:
    event = debezium_event("d", before={"id": 7, "name": None, "total": None})
    (row,) = judge(event).accepted.to_pylist()
    assert (row["id"], row["name"], row["_op"]) == (7, None, "d")
    assert failures(judge(debezium_event("d", before={"id": "x"}))) == [("$.before.id", "type")]


@pytest.mark.parametrize("key", [b'{"id":7}', b'{"schema":{"type":"struct"},"payload":{"id":7}}'])
def test_the_key_of_a_delete_may_be_the_records(key: bytes) -> None:
    (row,) = judge(debezium_event("d"), keys=[key]).accepted.to_pylist()
    assert (row["id"], row["_op"]) == (7, "d")


def test_a_truncate_has_no_row() -> None:
    (row,) = judge(debezium_event("t")).accepted.to_pylist()
    assert (row["id"], row["_op"]) == (None, "t")


def test_what_is_about_no_row_passes_and_is_counted() -> None:
    gate = ChangeGate(stream())
    verdict = gate(
        [
            None,
            b'{"ts_ms":1}',
            b'{"schema":{},"payload":{"ts_ms":1}}',
            b'{"status":"BEGIN","id":"7","event_count":null}',
            b'{"source":{},"databaseName":"a","ddl":"create table t()"}',
            b'{"op":"m","message":{"prefix":"x"},"source":{}}',
            created(),
        ],
        keys=[b"k"] * 7,
    )
    assert list(verdict.tombstones) == [0, 1, 2, 3, 4, 5]
    assert verdict.accepted_index.to_pylist() == [6]
    assert gate.passed_over == {"heartbeat": 2, "transaction": 1, "schemaChange": 1, "message": 1}


def test_a_null_without_key_is_no_tombstone() -> None:
    assert failures(judge(None, keys=[None])) == [("$", "record.null")]


def test_an_unavailable_value_is_neither_null_nor_invalid() -> None:
    event = debezium_event("u", after={"id": 1, "name": "__debezium_unavailable_value", "day": 1})
    verdict = judge(event)
    assert failures(verdict) == []
    (row,) = verdict.accepted.to_pylist()
    assert (row["name"], row["day"], row["_unavailable"]) == (None, date(1970, 1, 2), ["name"])


def test_other_values_are_judged_beside_an_unavailable_one() -> None:
    event = debezium_event("u", after={"id": 0, "name": "__debezium_unavailable_value"})
    assert failures(judge(event)) == [("$.after.id", "minimum")]


def test_the_order_of_the_batch_is_kept() -> None:
    events = [
        created(id=1),
        debezium_event("t"),
        created(id=2, name="__debezium_unavailable_value"),
        b"{}",
        debezium_event("d", before={"id": 3}),
        created(id=4),
    ]
    verdict = judge(*events)
    assert verdict.accepted_index.to_pylist() == [0, 1, 2, 4, 5]
    assert verdict.accepted["id"].to_pylist() == [1, None, 2, 3, 4]
    assert [record.index for record in verdict.rejected] == [3]


def test_a_wrapped_event_says_where() -> None:
    schema = {"type": "struct", "fields": [{"field": "after", "type": "struct", "fields": []}]}
    event = debezium_event("c", after={"id": 0, "name": "a"}, schema=schema)
    assert failures(judge(event)) == [("$.payload.after.id", "minimum")]


def test_the_embedded_schema_says_more_than_the_contract() -> None:
    fields = [
        {"field": "id", "type": "int64"},
        {"field": "name", "type": "string"},
        {"field": "total", "type": "string"},
        {"field": "day", "type": "int32", "name": "org.apache.kafka.connect.data.Date"},
        {"field": "at", "type": "int64", "name": "io.debezium.time.MicroTimestamp"},
        {"field": "clock", "type": "string", "name": "io.debezium.time.IsoTime"},
        {"field": "doc", "type": "string", "name": "io.debezium.data.Json"},
    ]
    schema = {"type": "struct", "fields": [{"field": "after", "type": "struct", "fields": fields}]}
    row = {
        "id": 1,
        "name": "a",
        "total": "1.5",
        "day": 1,
        "at": 1,
        "clock": "10:00:00Z",
        "doc": "{}",
    }
    verdict = judge(debezium_event("c", after=row, schema=schema))
    assert failures(verdict) == []
    (found,) = verdict.accepted.to_pylist()
    assert (found["total"], found["day"]) == (Decimal("1.50"), date(1970, 1, 2))
    assert (found["at"], found["clock"]) == (datetime(1970, 1, 1, 0, 0, 0, 1, UTC), time(10))


@pytest.mark.parametrize(
    ("source", "position", "transaction"),
    [
        ({"file": "binlog.7", "pos": 4, "row": 1, "gtid": "a:1"}, "binlog.7:4:1", "a:1"),
        (
            {"commit_lsn": "0:1:2", "change_lsn": "0:1:1", "event_serial_no": 2},
            "0:1:2:0:1:1:2",
            None,
        ),
        ({"scn": "5", "commit_scn": "7", "rs_id": "x", "ssn": 0, "txId": "9"}, "7:5:x:0", "9"),
        ({"cursor": 3, "shard": "a"}, 'cursor=3,shard="a"', None),
        ({}, "", None),
    ],
)
def test_positions_of_other_sources(
    source: dict[str, Any], position: str, transaction: str | None
) -> None:
    event = {
        "op": "c",
        "after": {"id": 1, "name": "a"},
        "source": source | {"db": "d", "table": "t"},
    }
    (row,) = judge(json.dumps(event).encode()).accepted.to_pylist()
    assert (row["_source_position"], row["_transaction"]) == (position, transaction)
    assert row["_source_table"] == "d.t"


_VALUES = st.one_of(st.none(), st.integers(-5, 20_000), st.text(max_size=6), st.booleans())


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.fixed_dictionaries({"id": _VALUES, "name": _VALUES, "total": _VALUES, "day": _VALUES}),
        max_size=4,
    ),
    st.booleans(),
)
def test_layout_and_batching_change_nothing(rows: list[dict[str, Any]], pretty: bool) -> None:
    """Compact text takes a shorter way than text with spaces; both give one verdict."""
    events = [debezium_event("c", after=row, lsn=n) for n, row in enumerate(rows)]
    spaced = [json.dumps(json.loads(e), indent=1 if pretty else None).encode() for e in events]
    one, other = judge(*events), judge(*spaced)
    assert one.accepted.equals(other.accepted)
    assert failures(one) == failures(other)
    apart = [judge(event) for event in events]
    assert [f for verdict in apart for f in failures(verdict)] == failures(one)


@pytest.mark.parametrize(
    ("doc", "rule"),
    [
        ('{"a":1,"a":2}', "json.duplicateKey"),
        ('{"day":1,"day":2}', "json.duplicateKey"),
        ('{"\\ud800":1}', "json.surrogate"),
        ("[" * 100 + "]" * 100, "json.depth"),
        ("[" * 100_000 + "]" * 100_000, "cdc.json"),
        ('{"day":"x"}', "cdc.date"),
    ],
)
@pytest.mark.parametrize("as_text", [True, False])
def test_what_is_inside_a_json_column_is_read_strictly(doc: str, rule: str, as_text: bool) -> None:
    text = _CONTRACT.replace("name: a, logicalType: integer", "name: day, logicalType: date")
    kinds = "".join(
        f"      - {{property: lakegate.cdc.{kind}, value: {how}}}\n" for kind, how in _SAID.items()
    )
    gate = gates.compile(loads(text.format(more=kinds)).streams[0])
    event = created(doc=doc)
    if not as_text:
        event = created(doc=0).replace(b'"doc":0', b'"doc":' + doc.encode())
        rule = "json.depth" if rule == "cdc.json" else rule
    elif "ud800" in doc:
        rule = "cdc.json"  # the text of a string cannot be half a character
    if len(event) < gate.stream.size_limit_bytes:
        found = failures(judge(event, gate=gate))
        assert [code for _, code in found] == [rule]


_SAMPLES = Path(__file__).parents[2] / "contracts" / "debezium"


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("36_schema", {"schema": "embedded"}),
        ("27_default", _SAID),
        ("36_decstring_connect", _SAID | {"decimal": "string", "time": "millis"}),
    ],
)
def test_recorded_events_of_postgresql(name: str, said: dict[str, str]) -> None:
    text = (_SAMPLES / "t.odcs.yaml").read_text()
    kinds = "".join(
        f"      - {{property: lakegate.cdc.{kind}, value: {how}}}\n" for kind, how in said.items()
    )
    promised = "      - {property: lakegate.cdc.schema, value: embedded}\n"
    gate = gates.compile(loads(text.replace(promised, kinds)).streams[0])
    verdict = gate((_SAMPLES / f"{name}.ndjson").read_bytes().splitlines())
    assert failures(verdict) == []
    assert "".join(verdict.accepted["_op"].to_pylist()) == "rrcuudcdctccud"
    rows = verdict.accepted.to_pylist()
    assert rows[0]["tz"] == datetime(2024, 2, 29, 21, 59, 59, 123_456, UTC)
    assert rows[0]["un"] == Decimal("1234567890123456789.000100")
    assert [row["_unavailable"] for row in rows].count(["big"]) == 2
    assert [row["n"] for row in rows[2:5]] == [
        Decimal("12345678.90"),
        Decimal("1.10"),
        Decimal("2.20"),
    ]
    assert rows[-1]["_transaction"] == rows[-2]["_transaction"] == "740"


@pytest.mark.parametrize("ts_ms", [253_402_300_800_000, -62_135_596_800_001, 10**17])
def test_a_source_time_that_no_reader_could_show_is_null(ts_ms: int) -> None:
    accepted = judge(debezium_event("c", after={"id": 1, "name": "a"}, ts_ms=ts_ms)).accepted
    assert [row["_source_ts"] for row in accepted.to_pylist()] == [None]


def test_a_gate_of_changes_survives_pickling() -> None:
    again = pickle.loads(pickle.dumps(GATE))
    values = [b"{}", b'{"before":null,"after":{"id":0},"op":"c","source":{}}']
    assert isinstance(again, ChangeGate)
    assert again.path == GATE.path
    assert again(values) == GATE(values)
    assert len(again(values).rejected) == 2


@pytest.mark.parametrize("path", ["fast", "reference"])
def test_the_path_of_a_gate_of_changes_is_that_of_its_rows(path: Any) -> None:
    gate = gates.compile(stream(), decoder=path)
    assert gate.path == path
    assert gate.fallbacks == {}


def test_what_rows_fall_back_for_is_counted() -> None:
    if native_module() is None:
        pytest.skip("lakegate-native is not installed")
    gate = gates.compile(stream(), decoder="native")
    assert gate.path == "native"
    row = {"id": 1, "name": "bad", "total": "AA=="}
    gate([debezium_event("c", after=row)] * 100)
    assert sum(gate.fallbacks.values()) == 100
