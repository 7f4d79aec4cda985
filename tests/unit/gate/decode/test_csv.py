"""Rows of CSV: RFC 4180, strictly, and what a text means by the contract's type."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from tests.unit.gate.corpus import EVERYTHING

from lakegate.contract.record_format import CsvDialect, FormatName, RecordFormat
from lakegate.contract.stream import ContractRef, Stream, UnknownFields
from lakegate.contract.type import (
    AnyType,
    ArrayType,
    BooleanType,
    Field,
    IntegerType,
    NumberType,
    StringType,
)
from lakegate.gate import compile  # noqa: A004 - as users write it
from lakegate.gate.decode.csv_format import CsvFormat
from lakegate.gate.decode.csv_row import split
from lakegate.gate.json_text import Malformed

_USUAL = CsvDialect()


@pytest.mark.parametrize(
    ("row", "texts"),
    [
        ("a,b", ["a", "b"]),
        ("a,b\r\n", ["a", "b"]),
        ("a,b\n", ["a", "b"]),
        (",", ["", ""]),
        (' a ,"b"', [" a ", "b"]),
        ('"a,b","c\r\nd"', ["a,b", "c\r\nd"]),
        ('"""a""",""', ['"a"', ""]),
        ("a\tb,\x00", ["a\tb", "\x00"]),
        ("é,😀", ["é", "😀"]),
        ('"",","', ["", ","]),
    ],
)
def test_a_row_is_taken_apart(row: str, texts: list[str]) -> None:
    assert split(row, _USUAL, 2) == texts
    assert split(row, _USUAL, None) == texts


@pytest.mark.parametrize(
    ("row", "rule", "expected", "observed"),
    [
        ("a", "csv.fields", "2 values", "1 values"),
        ("", "csv.fields", "2 values", "1 values"),
        ("a,b,", "csv.fields", "2 values", "3 values"),
        ('"a","b","c","d"', "csv.fields", "2 values", "4 values"),
        ('a,b"c', "csv.quote", "quotes around all of a value", '"\\"c" at character 3'),
        ('a, "b"', "csv.quote", "quotes around all of a value", '"\\"b\\"" at character 3'),
        ('"a"b,c', "csv.quote", "a delimiter after the closing quote", '"b,c" at character 3'),
        ('"a" ,c', "csv.quote", "a delimiter after the closing quote", '" ,c" at character 3'),
        ('a,"b', "csv.unclosedQuote", 'a closing "', '"\\"b" at character 2'),
        ('a,"b""', "csv.unclosedQuote", 'a closing "', '"\\"b\\"\\"" at character 2'),
        ('a,"b\n', "csv.unclosedQuote", 'a closing "', '"\\"b" at character 2'),
        ("a,b\r", "csv.lineBreak", "one row", '"\\r" at character 3'),
        ("a,b\nc,d", "csv.lineBreak", "one row", '"\\nc,d" at character 3'),
        ('"a"\n,"b"', "csv.lineBreak", "one row", '"\\n,\\"b\\"" at character 3'),
        ("a,b\r\n\r\n", "csv.lineBreak", "one row", '"\\r\\n" at character 3'),
    ],
)
def test_what_is_wrong_is_said(row: str, rule: str, expected: str, observed: str) -> None:
    with pytest.raises(Malformed) as caught:
        split(row, _USUAL, 2)
    found = caught.value
    assert (found.rule, found.expected, found.observed) == (rule, expected, observed)


def test_the_dialect_is_obeyed() -> None:
    assert split("'a;''b';\"", CsvDialect(delimiter=";", quote="'"), 2) == ["a;'b", '"']
    assert split("\"a'\t'", CsvDialect(delimiter="\t", quote=""), 2) == ["\"a'", "'"]


def _stream(dialect: CsvDialect = _USUAL, **types: object) -> Stream:
    fields = tuple(Field(name, type_, f"$.{name}") for name, type_ in types.items())  # type: ignore[arg-type]
    return Stream(
        ContractRef("rows", "1.0.0", "0"),
        "rows",
        "rows",
        fields,
        format=RecordFormat(FormatName.CSV, dialect),
    )


@pytest.mark.parametrize(
    ("type_", "text", "stored"),
    [
        (IntegerType(), "-0", 0),
        (IntegerType(), "007", None),
        (IntegerType(), "5.0", None),
        (IntegerType(), " 5", None),
        (IntegerType(), "9223372036854775807", 2**63 - 1),
        (IntegerType(), "9223372036854775808", None),
        (IntegerType(8), "127", 127),
        (IntegerType(8), "128", None),
        (BooleanType(), "TRUE", True),
        (BooleanType(), "tRuE", True),
        (BooleanType(), "yes", None),
        (StringType(), "5", "5"),
        (StringType(), '" "', " "),
        (AnyType(), "5.00", "5.00"),
        (AnyType(), "[draft", '"[draft"'),
        (AnyType(), '"{""a"":[1]}"', '{"a":[1]}'),
        (AnyType(), '"{""a"":1,""a"":2}"', None),
        (AnyType(), "NaN", '"NaN"'),
        (ArrayType(Field("element", IntegerType(), "$.x[*]")), '"[1,2]"', [1, 2]),
        (ArrayType(Field("element", IntegerType(), "$.x[*]")), "1", None),
    ],
)
@pytest.mark.parametrize("decoder", ["fast", "reference"])
def test_the_type_says_what_a_text_is(
    type_: object, text: str, stored: object, decoder: str
) -> None:
    gate = compile(_stream(x=type_), decoder=decoder)  # type: ignore[arg-type]
    verdict = gate([text.encode()] * 64)
    found = verdict.accepted.column("x").to_pylist()
    assert found == ([] if stored is None else [stored] * 64)


def test_empty_and_null() -> None:
    usual = compile(_stream(a=StringType(), b=StringType()))([b',""'] * 70)
    assert usual.accepted.to_pylist()[0]["a"] is usual.accepted.to_pylist()[69]["b"] is None
    named = _stream(CsvDialect(nulls=frozenset({"NULL"})), a=StringType(), b=StringType())
    (row, *_) = compile(named)([b'NULL,""'] * 70).accepted.to_pylist()
    assert (row["a"], row["b"]) == (None, "")
    (row, *_) = compile(named)([b'"NULL",'] * 70).accepted.to_pylist()
    assert (row["a"], row["b"]) == (None, "")


@pytest.mark.parametrize("unknown", UnknownFields)
@pytest.mark.parametrize("decoder", ["fast", "reference"])
def test_columns_nobody_declared_and_properties_without_column(
    unknown: UnknownFields, decoder: str
) -> None:
    dialect = CsvDialect(columns=("extra", "b"))
    stream = replace(_stream(dialect, a=StringType(), b=IntegerType()), unknown_fields=unknown)
    verdict = compile(stream, decoder=decoder)([b'"x ""y""",1', b",2"] * 40)  # type: ignore[arg-type]
    if unknown is UnknownFields.REJECT:
        (failure,) = verdict.rejected[0].failures
        assert (failure.path, failure.rule) == ("$.extra", "unknownField")
        return
    first, second, *_ = verdict.accepted.to_pylist()
    assert (first["a"], first["b"], second["b"]) == (None, 1, 2)
    if unknown is UnknownFields.KEEP:
        assert first["_unknown_fields"] == '{"$.extra":"x \\"y\\""}'
        assert second["_unknown_fields"] == '{"$.extra":null}'
        assert verdict.unknown_paths == {"$.extra"}


def test_the_decoder_takes_rows_of_every_kind_in_one_batch() -> None:
    names = ("string", "integer", "number", "decimal", "boolean", "date", "timestamp")
    dialect = CsvDialect(columns=names)
    stream = replace(EVERYTHING, format=RecordFormat(FormatName.CSV, dialect))
    good = b"%s,5,1.5,2.25,true,2026-03-01,2026-03-01T10:00:00Z"
    rows = [good % (b'"a,b"' if n % 3 == 0 else b"\xc3\xa9") for n in range(99)]
    rows[10] = b"too,short"
    rows[20] = b"\xff" + rows[20]
    rows[30] += b"\r\n"
    rows[40] = rows[40].replace(b"5,1.5", b"x,1.5")
    decoder = CsvFormat(stream).decoder()
    assert decoder is not None
    decoded = decoder.decode(rows)
    assert sorted(set(range(99)) - set(decoded.index.tolist())) == [10, 20]
    assert decoded.unread == {40: [1]}
    rejected = {one.index: one.failures[0].rule for one in compile(stream)(rows).rejected}
    assert rejected == {10: "csv.fields", 20: "csv.utf8", 40: "type"}


def test_no_properties_no_columns() -> None:
    assert [r.failures[0].rule for r in compile(_stream())([b"", b"a"] * 40).rejected][:2] == [
        "csv.fields",
        "csv.fields",
    ]


@pytest.mark.parametrize(
    ("value", "rule"),
    [
        (b"\x1f\x8b\x08", "csv.magic"),
        (b"\xef\xbb\xbf1,a", "csv.bom"),
        (b"1,\xff", "csv.utf8"),
        (b"1,a,b", "csv.fields"),
        (b'1,"a"b', "csv.quote"),
        (b'1,"a', "csv.unclosedQuote"),
        (b"1,a\n2,b", "csv.lineBreak"),
    ],
)
def test_the_document_says_what_is_said(value: bytes, rule: str) -> None:
    (record,) = compile(_stream(i=IntegerType(), s=StringType()))([value]).rejected
    (failure,) = record.failures
    text = (Path(__file__).parents[4] / "docs" / "reference" / "formats.md").read_text("utf-8")
    (row,) = [line for line in text.splitlines() if line.startswith(f"| `{rule}` |")]
    assert row.endswith(f"| {failure.expected} | `{failure.observed}` |")


_NASTY = (
    *(b"\xef\xbb\xbf1,2", b'\xef\xbb\xbf"1",2', b"1,2\xef\xbb\xbf", b"1,2\xff", b'"1",2\xff'),
    *(b"1,2\r", b"1\r,2", b"1,2\n", b"1,2\r\n", b"1,2\n\n", b'"1",2\n', b'"1"\n,2', b"\n", b"\r\n"),
    *(b"-0,-0", b"-0,-0.0", b"0,1e400", b"0,1e-400", b"0,0.1e2", b"00,.5", b"1,+5", b"1,Infinity"),
    *(b'1,"2', b'1,2"', b'"1,2"', b'"1""",2', b'"1"" ,2', b'1"",2', b'"",""', b'"1"x,2', b'"",'),
    *(b"1", b"1,2,", b",", b"", b"1,2\0", b"\0\0\0\0\7\2", b" 1,2", b"1, 2", b'1, "2"', b"1,'2'"),
    *(b"9223372036854775807,2", b"-9223372036854775809,2", b"1000000000000000000,2"),
    *("\u0661,2".encode(), "1,é".encode(), '"1","é"'.encode(), b"1,1_000", b"1,0x10", b"nan,nan"),
)


def test_both_paths_say_the_same_of_what_is_nasty() -> None:
    for types in ((IntegerType(), NumberType()), (StringType(), StringType())):
        stream = _stream(a=types[0], b=types[1])
        values = [*_NASTY, *(b"%d,%d" % (n, n) for n in range(40))]
        fast, reference = (compile(stream, decoder=one)(values) for one in ("fast", "reference"))
        assert fast.rejected == reference.rejected
        assert repr(fast.accepted.to_pylist()) == repr(reference.accepted.to_pylist())
