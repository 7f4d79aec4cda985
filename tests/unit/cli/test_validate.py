"""``lakegate validate``: each kind of file by its name, and where in it a record stands."""

from __future__ import annotations

import gzip
import io
import json
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from lakegate.cli.validate import validate

_CONTRACT = """
apiVersion: v3.1.0
kind: DataContract
id: readings
version: 1.0.0
status: active
schema:
  - name: readings
    properties:
      - {{name: id, logicalType: integer, required: true}}
      - {{name: value, logicalType: number, physicalType: "decimal(6,2)"}}
      - {{name: note, logicalType: string, logicalTypeOptions: {{maxLength: 9}}}}
    customProperties:
      - {{property: lakegate.alertThreshold, value: 5}}
{more}
"""
_CSV = """id,value,note

1,2.50,"two
lines"
2,2.505,
x,1,"quote ""d"" too long"
3,1
4,"1"2,a
5,1,"never
closed
"""


def contract(folder: Path, **properties: str) -> Path:
    path = folder / "readings.odcs.yaml"
    more = "".join(
        f"      - {{property: lakegate.{name.replace('_', '.')}, value: {value}}}\n"
        for name, value in properties.items()
    )
    path.write_text(_CONTRACT.format(more=more))
    return path


def refusals(out: str) -> dict[int, list[tuple[str, str]]]:
    found = {}
    for line in out.splitlines():
        one = json.loads(line)
        found[one["record"]] = [(each["path"], each["rule"]) for each in one["failures"]]
    return found


def test_rows_are_judged_where_they_stand(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "a.CSV"
    path.write_text(_CSV)
    assert validate(contract(tmp_path), path, format="json") == 1
    assert refusals(capsys.readouterr().out) == {
        5: [("$.value", "decimal.scale")],
        6: [("$.id", "type"), ("$.note", "maxLength")],
        7: [("$", "csv.fields")],
        8: [("$", "csv.quote")],
        9: [("$", "csv.unclosedQuote")],
    }


def test_the_dialect_is_the_contracts_and_the_columns_the_headers(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes("\ufeffnote;id;Wert\r\nNULL;1;2,5\r\n;2;\r\n".encode())
    bound = contract(tmp_path, csv_delimiter="semicolon", csv_null='"NULL"', unknownFields="reject")
    assert validate(bound, path, format="json") == 1
    assert refusals(capsys.readouterr().out) == {
        2: [("$.Wert", "unknownField")],
        3: [("$.Wert", "unknownField")],
    }


@pytest.mark.parametrize(
    ("kind", "said"),
    [("json", ""), ("confluent-json", "takes none of"), ("csv", "takes rows of CSV")],
)
def test_a_stream_takes_the_files_that_load_takes(
    kind: str, said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bound = contract(tmp_path, format=kind)
    lines, array = tmp_path / "a.ndjson", tmp_path / "a.json"
    lines.write_text('{"id":1}\n\n{"id":2}')
    array.write_text('[{"id":1},{"id":2}]')
    assert validate(bound, lines, array) == (2 if said else 0)
    assert said in capsys.readouterr().err


def test_files_are_read_as_load_reads_them(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    one, zipped, table = tmp_path / "a.json", tmp_path / "a.csv.gz", tmp_path / "a.parquet"
    one.write_text('{\n "id": 1\n}')
    zipped.write_bytes(gzip.compress(b"id,note\n1,a\nx,b\n"))
    pq.write_table(pa.table({"id": [1, None]}), table)
    assert validate(contract(tmp_path), one, zipped, table, format="json") == 1
    assert refusals(capsys.readouterr().out) == {
        3: [("$.id", "type")],
        2: [("$.id", "required")],
    }


def test_a_bad_file_does_not_hide_the_others(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    good, empty, cut = tmp_path / "g.ndjson", tmp_path / "e.csv", tmp_path / "c.json"
    good.write_text('{"id":1}\n')
    empty.touch()
    cut.write_text('[{"id":1}, {"id"')
    assert validate(contract(tmp_path), empty, cut, good, tmp_path / "no.csv") == 2
    said = capsys.readouterr()
    assert "e.csv: there is no header" in said.err
    assert "element 2 is malformed or cut off" in said.err
    assert "cannot read" in said.err
    assert "3 of 4 files" in said.err
    assert "2 records: 2 accepted" in said.out


def test_standard_input_is_what_the_contract_says(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for kind, content in (
        ("csv", b"id,value,note\n1,,\nx,,\n"),
        ("json", b'{"id":1}\n\n{"id":"x"}\n'),
    ):
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(content)))
        assert validate(contract(tmp_path, format=kind), format="json") == 1
        assert refusals(capsys.readouterr().out) == {3: [("$.id", "type")]}


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "there is no header"),
        (b"id,id\n", "twice"),
        (b"id,\xff\n", "line 1: the header is not UTF-8"),
        (b'id,"note\n', "line 1: expected a closing"),
    ],
)
def test_a_header_that_is_none(
    tmp_path: Path, content: bytes, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes(content)
    assert validate(contract(tmp_path), path) == 2
    assert said in capsys.readouterr().err


def test_rows_are_no_change_events(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "a.csv"
    path.write_text("id\n1\n")
    bound = contract(tmp_path, cdc="debezium", cdc_decimal="string")
    bound.write_text(bound.read_text().replace("required: true", "primaryKey: true"))
    assert validate(bound, path) == 2
    assert "change events" in capsys.readouterr().err
