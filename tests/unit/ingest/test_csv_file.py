"""CSV rows as JSON, typed by the contract, nothing guessed."""

from __future__ import annotations

import io
from dataclasses import replace

import pytest

from lakegate.contract.record_format import CsvDialect, FormatName, RecordFormat
from lakegate.contract.stream import ContractRef, Stream
from lakegate.contract.type import (
    ArrayType,
    BooleanType,
    DecimalType,
    Field,
    IntegerType,
    NumberType,
    StringType,
    TimestampType,
)
from lakegate.ingest.csv_file import csv_records, headed, stream_rows
from lakegate.ingest.file import DamagedFile

TYPES = {
    "i": IntegerType(),
    "n": NumberType(),
    "d": DecimalType(10, 2),
    "b": BooleanType(),
    "s": StringType(),
    "t": TimestampType(),
    "l": ArrayType(Field("element", IntegerType(), "$.l[*]")),
}
STREAM = Stream(
    ContractRef("orders", "1.0.0", "0"),
    "orders",
    "orders",
    tuple(Field(name, type_, f"$.{name}") for name, type_ in TYPES.items()),
)


def rows(text, nulls=frozenset({""})):
    data = text if isinstance(text, bytes) else text.encode()
    return [row.decode() for row in csv_records(io.BytesIO(data), STREAM, nulls=nulls)]


@pytest.mark.parametrize(
    ("column", "text", "value"),
    [
        ("i", "5", "5"),
        ("i", "-12345678901234567890123", "-12345678901234567890123"),
        ("i", "007", '"007"'),
        ("i", "5.0", '"5.0"'),
        ("i", " 5", '" 5"'),
        ("n", "1e5", "1e5"),
        ("n", "NaN", '"NaN"'),
        ("n", ".5", '".5"'),
        ("d", "12.30", "12.30"),
        ("d", "1,5", '"1,5"'),
        ("b", "True", "true"),
        ("b", "yes", '"yes"'),
        ("s", "12", '"12"'),
        ("s", 'a "b"\n\\', '"a \\"b\\"\\n\\\\"'),
        ("t", "2026-03-01T00:00:00Z", '"2026-03-01T00:00:00Z"'),
        ("l", "[1,2]", "[1,2]"),
        ("l", "[1", '"[1"'),
        ("other", "5", '"5"'),
        ("i", "", "null"),
        ("s", "", "null"),
    ],
)
def test_values(column, text, value):
    quoted = text.replace('"', '""')
    assert rows(f'{column}\r\n"{quoted}"\r\n') == [f'{{"{column}":{value}}}']


def test_what_is_null_can_be_said():
    assert rows("s,i\n,NULL\n", frozenset({"NULL"})) == ['{"s":"","i":null}']


def test_a_byte_order_mark_and_blank_lines_are_no_data():
    assert rows("\ufeffi,s\n\n1,a\n\n") == ['{"i":1,"s":"a"}']


def test_bytes_that_are_not_utf8_reach_the_gate_as_they_are():
    (row,) = csv_records(io.BytesIO(b"s\n\xff\n"), STREAM, nulls=frozenset())
    assert row == b'{"s":"\xff"}'


@pytest.mark.parametrize(
    ("text", "whole", "said"),
    [
        ("i,s\n1,a\n2\n", 1, "line 3 has 1 values, the header has 2"),
        ("i\n1,2\n", 0, "line 2 has 2 values"),
        ('i,s\n1,"a\nb"\n2,"open\n3,x\n', 1, "line 5"),
        ('s\n"a"b\n', 0, "line 2"),
        ("", 0, "no header"),
        ("i,i\n1,2\n", 0, "twice"),
    ],
)
def test_broken_structure_names_the_line(text, whole, said):
    found = []
    with pytest.raises(DamagedFile, match=said):
        found.extend(csv_records(io.BytesIO(text.encode()), STREAM, nulls=frozenset()))
    assert len(found) in (0, whole)


def test_json_keeps_its_bytes_and_what_the_gate_refuses_reaches_it():
    assert rows('l\n"{""a"": 1,""a"": 1}"\n"[1,  2]"\n') == [
        '{"l":{"a": 1,"a": 1}}',
        '{"l":[1,  2]}',
    ]


def test_the_dialect_of_the_contract_is_that_of_its_files():
    dialect = CsvDialect(delimiter=";", quote="'", nulls=frozenset({"-"}))
    stream = replace(STREAM, format=RecordFormat(csv=dialect))
    data = b"s;i\n'a;''b';-\n;5\n"
    found = [row.decode() for row in csv_records(io.BytesIO(data), stream, nulls=None)]
    assert found == ['{"s":"a;\'b","i":null}', '{"s":"","i":5}']


def test_one_bad_row_does_not_take_its_neighbours_along():
    text = b'i,s\n1,a"b\n2,"x"y\n3,"two\nlines, ""and"" more"\n\n4,"",5\r\n5,"open\nand\n'
    form, found = headed(io.BytesIO(text), STREAM)
    assert form.columns == ("i", "s")
    assert [(row.first, row.last, row.value) for row in found] == [
        (2, 2, b'1,a"b'),
        (3, 3, b'2,"x"y'),
        (4, 5, b'3,"two\nlines, ""and"" more"'),
        (7, 7, b'4,"",5'),
        (8, 9, b'5,"open\nand'),
    ]


def test_a_quote_that_is_never_closed_is_no_bomb(monkeypatch):
    monkeypatch.setattr("lakegate.ingest.csv_file._ROW_BYTES", 100)
    with pytest.raises(DamagedFile, match=r"the row in line 3 is longer.*quotes do not match"):
        rows('i,s\n1,a\n2,"open\n' + "3,x\n" * 100)
    with pytest.raises(DamagedFile, match=r"the row in line 2 is longer than 100 bytes$"):
        rows("i,s\n1," + "x" * 200)


def test_a_stream_of_rows_takes_them_as_they_are():
    dialect = CsvDialect(columns=("i", "s"))
    stream = replace(STREAM, format=RecordFormat(FormatName.CSV, dialect))
    data = b'i,s\r\n1,"a"\r\n2\r\n\xff,b'
    rows_of_stream = stream_rows(io.BytesIO(data), stream)[1]
    assert [row.value for row in rows_of_stream] == [b'1,"a"', b"2", b"\xff,b"]
    with pytest.raises(DamagedFile, match=r"names s, i, and the stream's rows are i, s"):
        stream_rows(io.BytesIO(b"s,i\na,1\n"), stream)
