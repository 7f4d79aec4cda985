"""Maps: JSON objects whose names are data, with rules on keys and on values."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from lakegate.contract import loads
from lakegate.contract.coverage import Where, coverage
from lakegate.contract.stream import Stream
from lakegate.gate import Verdict, compile  # noqa: A004 - as users write it
from lakegate.gate.native.choice import native_module
from lakegate.ingest.arrow_json import row_texts
from lakegate.lake import Lake
from lakegate.ledger.content import row_hash
from lakegate.testing.adversarial import adversarial
from lakegate.testing.sample import sample, to_json
from lakegate.topic.base import TopicPartition
from lakegate.topic.schema import validated_schema

CONTRACT = """
apiVersion: v3.2.0
kind: DataContract
id: maps
name: maps
version: 1.0.0
status: active
schema:
  - name: things
    properties:
      - {name: id, logicalType: integer, required: true, primaryKey: true}
      - name: attrs
        logicalType: map
        map:
          key: {logicalType: string, logicalTypeOptions: {pattern: '^[a-z]{1,4}$', maxLength: 3}}
          value: {logicalType: integer, required: true, logicalTypeOptions: {minimum: 1}}
      - name: parts
        logicalType: map
        map:
          key: {logicalType: string}
          value:
            logicalType: object
            properties:
              - {name: price, logicalType: number, physicalType: "decimal(6,2)", required: true}
              - {name: day, logicalType: date}
              - name: tags
                logicalType: map
                map: {key: {logicalType: string}, value: {logicalType: boolean}}
      - name: list
        logicalType: array
        items: {logicalType: map, map: {key: {logicalType: string}, value: {logicalType: string}}}
"""
_PATHS = ["fast", "reference", *(["native"] if native_module() is not None else [])]


def _stream() -> Stream:
    return loads(CONTRACT).stream()


def _judge(path: Any, *records: str) -> Verdict:
    values = [record.encode() for record in records] * 70
    gate = compile(_stream(), decoder=path)
    assert gate.path == path
    return gate(values)


def _reasons(verdict: Verdict, at: int = 0) -> list[tuple[str, str, str]]:
    (record,) = [one for one in verdict.rejected if one.index == at]
    return [(one.path, one.rule, one.observed) for one in record.failures]


def test_the_column_is_a_map() -> None:
    schema = compile(_stream()).schema
    assert pa.types.is_map(schema.field("attrs").type)
    assert not schema.field("attrs").type.item_field.nullable
    assert pa.types.is_struct(schema.field("parts").type.item_type)


@pytest.mark.parametrize("path", _PATHS)
def test_entries_keep_their_order_and_their_types(path: Any) -> None:
    verdict = _judge(
        path,
        '{"id":1,"attrs":{"b":2,"a":1},"parts":{"x":{"price":1.50,"day":"2026-11-23",'
        '"tags":{"t":true,"n":null}},"":null},"list":[{},null,{"k":"v"}]}',
        '{"id":2,"attrs":null}',
    )
    assert verdict.accepted.num_rows == 140
    first, second = verdict.accepted.slice(0, 2).to_pylist()
    assert first["attrs"] == [("b", 2), ("a", 1)]
    assert [name for name, _ in first["parts"]] == ["x", ""]
    assert first["parts"][0][1]["tags"] == [("t", True), ("n", None)]
    assert first["list"] == [[], None, [("k", "v")]]
    assert second["attrs"] is None
    verdict.accepted.validate(full=True)


@pytest.mark.parametrize("path", _PATHS)
def test_keys_and_values_are_judged_where_they_stand(path: Any) -> None:
    verdict = _judge(
        path,
        '{"id":1,"attrs":{"a":0,"ab1":5,"abcd":null,"q q":"x"},'
        '"parts":{"x y":{"day":"2026-02-30"}}}',
    )
    assert _reasons(verdict) == [
        ("$.attrs.a", "minimum", "0"),
        ("$.attrs.ab1", "pattern", '"ab1"'),
        ("$.attrs.abcd", "maxLength", '"abcd"'),
        ("$.attrs.abcd", "required", "null"),
        ("$.attrs['q q']", "pattern", '"q q"'),
        ("$.attrs['q q']", "type", '"x"'),
        ("$.parts['x y'].price", "required", "absent"),
        ("$.parts['x y'].day", "date.range", '"2026-02-30"'),
    ]


@pytest.mark.parametrize("path", _PATHS)
def test_a_key_twice_and_what_is_no_object_are_refused(path: Any) -> None:
    verdict = _judge(path, '{"id":1,"attrs":{"a":1,"\\u0061":2}}', '{"id":1,"attrs":[["a",1]]}')
    assert _reasons(verdict) == [("$", "json.duplicateKey", '"a"')]
    assert _reasons(verdict, 1) == [("$.attrs", "type", '[["a",1]]')]


@pytest.mark.parametrize("path", _PATHS)
def test_undeclared_fields_inside_values_are_kept_by_their_path(path: Any) -> None:
    verdict = _judge(path, '{"id":1,"parts":{"x y":{"price":1,"extra":[1]},"z":{"price":2}}}')
    (text,) = set(verdict.accepted.column("_unknown_fields").to_pylist())
    assert json.loads(text) == {"$.parts['x y'].extra": [1]}
    assert verdict.unknown_paths == {"$.parts[*].extra"}


def test_samples_adversarial_records_and_rows_written_back() -> None:
    stream = _stream()
    gate = compile(stream)
    rows = gate(sample(stream, 80, seed=3)).accepted
    assert rows.num_rows == 80
    again = gate([to_json(row, stream) for row in rows.to_pylist()]).accepted
    assert again.equals(rows)
    types = {field.name: field.type for field in stream.fields}
    batch = rows.drop_columns(["_unknown_fields"]).combine_chunks().to_batches()[0]
    written = gate([*row_texts(batch, types)]).accepted
    assert written.drop_columns(["_unknown_fields"]).equals(rows.drop_columns(["_unknown_fields"]))
    cases = [case for seed in range(4) for case in adversarial(stream, seed=seed)]
    assert any("pattern" in case.rules for case in cases if case.path.startswith("$.attrs."))


def test_coverage_says_where_keys_and_values_are_judged() -> None:
    said = {(one.subject, one.key): one.where for one in coverage(loads(CONTRACT))}
    assert said["things.attrs", "logicalType"] is Where.GATE
    assert said["things.attrs.key", "pattern"] is Where.GATE
    assert said["things.attrs.value", "minimum"] is Where.GATE
    before = "key: {logicalType: string}, value: {logicalType: boolean}"
    text = CONTRACT.replace(before, before.replace("string", "integer"))
    untyped = {(one.subject, one.key): one.where for one in coverage(loads(text))}
    assert untyped["things.parts.value.tags", "key"] is Where.NONE


def test_a_map_is_a_json_cell_in_csv_and_a_plain_object_in_a_change() -> None:
    wide = "    customProperties: [{property: lakegate.format, value: csv}]\n"
    rows = CONTRACT.replace("  - name: things\n", f"  - name: things\n{wide}")
    row = '1,"{""a"":1,""b"":2}",,'
    (found,) = compile(loads(rows).stream())([row.encode()]).accepted.to_pylist()
    assert found["attrs"] == [("a", 1), ("b", 2)]

    wide = (
        "    customProperties:\n      - {property: lakegate.cdc, value: debezium}\n"
        "      - {property: lakegate.cdc.decimal, value: string}\n"
        "      - {property: lakegate.cdc.date, value: days}\n"
    )
    changes = CONTRACT.replace("  - name: things\n", f"  - name: things\n{wide}")
    event = {
        "op": "c",
        "after": {"id": 1, "attrs": {"a": 1}},
        "source": {"table": "things", "ts_ms": 1},
        "ts_ms": 1,
    }
    verdict = compile(loads(changes).stream())([json.dumps(event).encode()])
    assert verdict.accepted.to_pylist()[0]["attrs"] == [("a", 1)]


@pytest.mark.parametrize("path", _PATHS)
def test_maps_are_the_same_item_whatever_the_order_of_their_keys(path: Any) -> None:
    text = CONTRACT.replace("        items: {logicalType: map",
                            "        logicalTypeOptions: {uniqueItems: true}\n"
                            "        items: {logicalType: map")  # fmt: skip
    same = b'{"id":1,"list":[{"a":"1","b":"2"},{"b":"2","a":"1"}]}'
    others = b'{"id":1,"list":[{"a":"1","b":"2"},{"b":"1","a":"2"},{}]}'
    verdict = compile(loads(text).stream(), decoder=path)([same, others] * 40)
    assert verdict.accepted_index.to_pylist() == list(range(1, 80, 2))
    assert _reasons(verdict)[0][1] == "uniqueItems"


def test_the_hash_of_a_row_looks_at_keys_values_and_their_order() -> None:
    kind = pa.map_(pa.string(), pa.int64())
    rows = [[("a", 1), ("b", 2)], [("b", 2), ("a", 1)], [("a", 2), ("b", 1)], [("c", 1), ("b", 2)],
            [("a", 1), ("b", None)], [("a", 1)], [], None]  # fmt: skip
    column = pa.array(rows, kind)
    hashes = row_hash(pa.table({"m": column}), ["m"]).tolist()
    assert len(set(hashes)) == len(rows)
    sliced = row_hash(pa.table({"m": column.slice(3, 4)}), ["m"]).tolist()
    assert sliced == hashes[3:7]


def _validated(stream: Stream, first: int, count: int) -> pa.Table:
    rows = compile(stream)(sample(stream, count, seed=first)).accepted
    schema = validated_schema(rows.schema)
    n = rows.num_rows
    now = pa.scalar(0, pa.int64())
    added = [
        pa.nulls(n, schema.field("_key").type),
        pa.nulls(n, schema.field("_headers").type),
        pa.repeat(now, n).cast(schema.field("_timestamp").type),
        pa.repeat("things.raw", n),
        pa.repeat(pa.scalar(0, pa.int32()), n),
        pa.array(range(first, first + n)),
        pa.repeat(now, n).cast(schema.field("_ingested_at").type),
    ]
    return pa.table([*rows.columns, *added], schema=schema)


def test_a_table_has_iceberg_maps_which_duckdb_reads_and_which_follow_their_contract(
    tmp_path: Path,
) -> None:
    import duckdb

    lake, stream = Lake(tmp_path / "lake"), _stream()
    lake.ensure(stream)
    rows = _validated(stream, 0, 50)
    source = TopicPartition("things.validated", 0)
    lake.land(stream, rows, offsets={source: (0, 50)})
    table = lake.table(stream)
    assert str(table.schema().find_type("attrs")) == "map<string, long>"
    head = lake.head(stream, "staged")
    assert head is not None
    names = [name for name in rows.column_names if not name.startswith("_")]
    landed = pa.Table.from_batches(lake.scan(stream, snapshot_id=head.snapshot_id))
    assert landed.select(names).to_pylist() == rows.select(names).to_pylist()
    assert row_hash(landed, names).tolist() == row_hash(rows, names).tolist()

    text = CONTRACT.replace("1.0.0", "1.1.0").replace(
        "              - {name: day,", "              - {name: more, logicalType: string}\n"
        "              - {name: day,"
    )  # fmt: skip
    wider = loads(text).stream()
    lake.ensure(wider)
    lake.land(wider, _validated(wider, 50, 30), offsets={source: (50, 80)})
    head = lake.head(wider, "staged")
    assert head is not None
    both = pa.Table.from_batches(lake.scan(wider, snapshot_id=head.snapshot_id))
    assert both.num_rows == 80
    connection = duckdb.connect()
    lake.relation(connection, wider, snapshot_id=head.snapshot_id, name="things")
    query = "SELECT id, attrs, parts, list FROM things ORDER BY _offset"
    seen = connection.sql(query).to_arrow_table().to_pylist()
    kept = both.sort_by("_offset").select(["id", "attrs", "parts", "list"]).to_pylist()
    assert seen == kept
