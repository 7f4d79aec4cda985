"""``lakegate.format`` and ``lakegate.csv.…``: what a contract says of its records' bytes."""

from __future__ import annotations

from pathlib import Path

import pytest

from lakegate.contract import check, loads
from lakegate.contract.record_format import CsvDialect, FormatName, RecordFormat, columns, delimiter

_CONTRACT = """
apiVersion: v3.2.0
kind: DataContract
id: readings
version: 1.0.0
status: active
customProperties:
{wide}
servers:
  - {{server: live, type: kafka, host: "kafka:9092", format: {server}}}
  - {{server: lake, type: s3, location: "s3://a/b", format: parquet}}
schema:
  - name: readings
    properties:
      - {{name: id, logicalType: integer, required: true}}
      - {{name: note, logicalType: string}}
    customProperties:
{own}
"""


def text(own: dict[str, str], wide: dict[str, str] | None = None, server: str = "json") -> str:
    def entries(settings: dict[str, str], indent: str) -> str:
        given = {"sizeLimit": "64KiB"} | settings
        return "\n".join(
            f"{indent}- {{property: lakegate.{name}, value: {value}}}"
            for name, value in given.items()
        )

    return _CONTRACT.format(
        own=entries(own, "      "), wide=entries(wide or {}, "  "), server=server
    )


def format_of(own: dict[str, str], wide: dict[str, str] | None = None) -> RecordFormat:
    (stream,) = loads(text(own, wide)).streams
    return stream.format


def problems(tmp_path: Path, content: str) -> list[tuple[str, str]]:
    path = tmp_path / "a.odcs.yaml"
    path.write_text(content)
    return [(problem.code, f"{problem.message}; {problem.help}") for problem in check([path])]


def test_nothing_said_is_json() -> None:
    assert format_of({}) == RecordFormat(FormatName.JSON, CsvDialect())


def test_the_object_counts_more_than_the_contract() -> None:
    wide = {"format": "csv", "csv.delimiter": "tab", "csv.quote": "none"}
    found = format_of({"format": "confluent-json", "csv.delimiter": '";"'}, wide)
    assert found == RecordFormat(FormatName.CONFLUENT_JSON, CsvDialect(delimiter=";", quote=""))
    rows = format_of({"csv.null": '"NULL"', "csv.columns": '"id, note ,extra"'}, wide)
    assert rows.csv == CsvDialect("\t", "", frozenset({"NULL"}), ("id", "note", "extra"))


@pytest.mark.parametrize(
    ("written", "meant"),
    [(",", ","), ("semicolon", ";"), ("\t", "\t"), ("pipe", "|"), ("space", " "), ("~", "~")]
    + [(text, None) for text in ("", "a", "5", '"', "\n", "\r", ";;", "é", "\x01", "semi")],
)
def test_delimiters(written: str, meant: str | None) -> None:
    assert delimiter(written) == meant


def test_names_of_columns() -> None:
    assert columns("a") == ("a",)
    assert columns("a,,b") is columns("") is columns("a,") is None


@pytest.mark.parametrize(
    ("own", "code", "said"),
    [
        ({"format": "JSON-confluent"}, "LG802", "json, confluent-json or csv"),
        ({"format": "confluent_json"}, "LG802", "did you mean `confluent-json`?"),
        ({"format": "tsv"}, "LG802", "did you mean `csv`?"),
        ({"csv.delimiter": "semi"}, "LG802", "semicolon"),
        ({"csv.null": "NULL"}, "LG802", "`null` is no value of `lakegate.csv.null`"),
        ({"csv.delimeter": '";"'}, "LG801", "did you mean `lakegate.csv.delimiter`?"),
        ({"csv.delimiter": '"\'"', "csv.quote": "single"}, "LG808", "is their quote"),
        ({"csv.columns": '"id,note,id"'}, "LG808", "`id` twice"),
        ({"csv.columns": '"note,Id"'}, "LG808", "is it `Id`?"),
        ({"csv.columns": "note"}, "LG808", "add `id`"),
    ],
)
def test_what_cannot_be_meant_is_said(
    own: dict[str, str], code: str, said: str, tmp_path: Path
) -> None:
    ((found, message),) = problems(tmp_path, text(own))
    assert found == code
    assert said in message


@pytest.mark.parametrize(
    ("own", "server", "warns"),
    [
        ({}, "json", False),
        ({}, "JSON", False),
        ({"format": "confluent-json"}, "json", False),
        ({"format": "csv"}, "csv", False),
        ({}, "avro", True),
        ({"format": "csv"}, "json", True),
    ],
)
def test_a_kafka_server_that_says_otherwise(
    own: dict[str, str], server: str, warns: bool, tmp_path: Path
) -> None:
    found = [code for code, _ in problems(tmp_path, text(own, server=server))]
    assert found == (["LG809"] if warns else [])
