"""Keys from values."""

from __future__ import annotations

import json

import pytest

from lakegate.contract.record_format import CsvDialect, FormatName, RecordFormat
from lakegate.contract.stream import ContractRef, Stream
from lakegate.contract.type import Field, IntegerType, StringType
from lakegate.gate.decode.choice import format_of
from lakegate.ingest.key import change_key, member_key, record_key


@pytest.mark.parametrize(
    ("fields", "value", "expected"),
    [
        (("id",), b'{"id": 7}', b"7"),
        (("id",), b'{"id": "a\\u00e9"}', "aé".encode()),
        (("id",), b'{"x": 1, "id": 7.50}', b"7.50"),
        (("id",), b'{"id": true}', b"true"),
        (("a", "b"), b'{"b": "x", "a": 1}', b'[1,"x"]'),
        (("a", "b"), b'{"a": 1}', None),
        (("id",), b'{"id": null}', None),
        (("id",), b"{}", None),
        (("id",), b"not json", None),
        (("id",), b"[1]", None),
        (("id",), b"", None),
        ((), b'{"id": 7}', None),
        (("with space-é",), '{"with space-é": 1}'.encode(), b"1"),
    ],
)
def test_record_key(fields, value, expected):
    assert record_key(fields)(value) == expected


def test_a_string_and_a_number_can_share_a_key_as_kafka_text_keys_do():
    key = record_key(("id",))
    assert key(b'{"id": 7}') == key(b'{"id": "7"}')


@pytest.mark.parametrize("wrap", [lambda event: event, lambda event: {"payload": event}])
@pytest.mark.parametrize(
    ("event", "expected"),
    [
        ({"before": None, "after": {"id": 1}, "op": "c"}, b"1"),
        ({"before": {"id": 2}, "after": None, "op": "d"}, b"2"),
        ({"op": "t", "before": None, "after": None}, None),
    ],
)
def test_change_key(wrap, event, expected):
    assert change_key(("id",))(json.dumps(wrap(event)).encode()) == expected


def test_change_key_of_what_is_no_event():
    assert change_key(("id",))(b"nonsense") is None
    assert change_key(("id",))(b'{"payload": 5}') is None


@pytest.mark.parametrize(
    ("fields", "row", "same"),
    [
        (("id",), b"7,x", b'{"id":7}'),
        (("name",), b'7,"a,b"', b'{"name":"a,b"}'),
        (("id", "name"), b"7,x", b'{"id":7,"name":"x"}'),
        (("id", "name"), b"7,", b'{"id":7}'),
        (("id",), b"broken", b"broken"),
        ((), b"7,x", b"{}"),
    ],
)
def test_the_key_of_a_row_is_that_of_the_same_record_in_json(fields, row, same):
    dialect = CsvDialect(columns=("id", "name"))
    stream = Stream(
        ContractRef("o", "1", "0"),
        "o",
        "o",
        (Field("id", IntegerType(), "$.id"), Field("name", StringType(), "$.name")),
        format=RecordFormat(FormatName.CSV, dialect),
    )
    assert member_key(format_of(stream), fields)(row) == record_key(fields)(same)
