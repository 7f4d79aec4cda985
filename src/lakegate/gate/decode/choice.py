"""Which format a stream's records have. A new one is a name in the contract and a line here."""

from __future__ import annotations

from typing import assert_never

from lakegate.contract.record_format import FormatName
from lakegate.contract.stream import Stream
from lakegate.gate.decode.csv_format import CsvFormat
from lakegate.gate.decode.format import Format
from lakegate.gate.decode.frame import CONFLUENT
from lakegate.gate.decode.json_format import JsonFormat

__all__ = ["format_of"]


def format_of(stream: Stream) -> Format:
    """The format that ``lakegate.format`` names; of change events, that of the events."""
    match stream.format.name:
        case FormatName.JSON:
            return JsonFormat(stream)
        case FormatName.CONFLUENT_JSON:
            return JsonFormat(stream, CONFLUENT)
        case FormatName.CSV:
            return CsvFormat(stream)
        case _:
            assert_never(stream.format.name)
