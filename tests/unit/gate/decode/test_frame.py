"""Confluent's header: found, refused with its own codes, and the schema's id behind it."""

from __future__ import annotations

from dataclasses import replace

import pytest
from tests.unit.gate.corpus import EVERYTHING
from tests.unit.gate.test_debezium import created, stream

from lakegate.contract.record_format import FormatName, RecordFormat
from lakegate.contract.stream import Stream
from lakegate.errors import GateError
from lakegate.gate import compile  # noqa: A004 - as users write it
from lakegate.gate.decode.csv_format import CsvFormat
from lakegate.gate.decode.frame import schema_id
from lakegate.testing.change import debezium_event

HEADER = b"\0\0\0\1\x02"


def framed(stream: Stream) -> Stream:
    return replace(stream, format=RecordFormat(FormatName.CONFLUENT_JSON))


@pytest.mark.parametrize(
    ("value", "rule", "observed"),
    [
        (b"", "confluent.truncated", "0 bytes"),
        (HEADER[:4], "confluent.truncated", "4 bytes"),
        (HEADER, "json.syntax", "end of text at character 0"),
        (HEADER + b"{", "json.truncated", "end of text at character 1"),
        (HEADER + b"\xff", "json.utf8", "byte 0xFF at offset 0"),
        (b"{}", "confluent.magic", "byte 0x7B at offset 0"),
        (b"\x01\0\0\0\1{}", "confluent.magic", "byte 0x01 at offset 0"),
        (HEADER + HEADER + b"{}", "json.magic", "a header of Confluent (schema 258)"),
    ],
)
def test_what_is_wrong_is_said(value: bytes, rule: str, observed: str) -> None:
    verdict = compile(framed(EVERYTHING))([HEADER + b"{}"] * 63 + [value])
    (failure,) = verdict.rejected[0].failures
    assert (failure.rule, failure.observed) == (rule, observed)
    assert verdict.accepted.num_rows == 63


def test_the_size_limit_is_of_header_and_body() -> None:
    bound = replace(framed(EVERYTHING), size_limit_bytes=30)
    fits = HEADER + b'{"string":"%s"}' % (b"x" * 12)
    verdict = compile(bound)([fits, fits.replace(b"x", b"xx", 1)] * 40)
    assert verdict.accepted.num_rows == 40
    assert {one.failures[0].rule for one in verdict.rejected} == {"record.size"}


def test_the_id_of_the_schema_stays_available() -> None:
    assert schema_id(HEADER + b"{}") == 258
    assert schema_id(HEADER) == 258
    assert schema_id(b"{}") is None
    assert schema_id(HEADER[:4]) is None


def test_change_events_and_their_keys_may_be_behind_it() -> None:
    events = [created(), debezium_event("d")]
    bare = compile(stream())(events, keys=[b"", b'{"id":1}'])
    gate = compile(framed(stream()))
    found = gate([HEADER + one for one in events], keys=[b"", HEADER + b'{"id":1}'])
    assert found.accepted.equals(bare.accepted)
    assert [one.failures for one in found.rejected] == [one.failures for one in bare.rejected]
    (refused,) = gate([created()]).rejected
    assert refused.failures[0].rule == "confluent.magic"


def test_change_events_are_no_rows_of_csv() -> None:
    with pytest.raises(GateError, match="JSON"):
        compile(stream(), format=CsvFormat(stream()))
