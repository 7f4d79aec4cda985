"""Dates, times and timestamps: tables, and strictness against independent readings."""

from __future__ import annotations

import datetime as dt
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lakegate.contract.temporal import (
    MAX_TIMESTAMP_US,
    MIN_TIMESTAMP_US,
    FormatError,
    TemporalError,
    format_date,
    format_local_timestamp,
    format_time,
    format_timestamp,
    parse_date,
    parse_local_timestamp,
    parse_time,
    parse_timestamp,
)
from lakegate.contract.temporal_format import compile_format

EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
MICROSECOND = dt.timedelta(microseconds=1)


def micros(*parts: int) -> int:
    return (dt.datetime(*parts, tzinfo=dt.UTC) - EPOCH) // MICROSECOND


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1970-01-01T00:00:00Z", 0),
        ("1985-04-12T23:20:50.52Z", micros(1985, 4, 12, 23, 20, 50, 520000)),  # RFC 3339, 5.8
        ("1996-12-19T16:39:57-08:00", micros(1996, 12, 20, 0, 39, 57)),
        ("1937-01-01T12:00:27.87+00:20", micros(1937, 1, 1, 11, 40, 27, 870000)),
        ("2024-02-29t00:00:00z", micros(2024, 2, 29)),
        ("2024-01-01T00:00:00-00:00", micros(2024, 1, 1)),
        ("2024-01-01T00:00:00+23:59", micros(2023, 12, 31, 0, 1)),
        ("2024-01-01T00:00:00.1234569Z", micros(2024, 1, 1, 0, 0, 0, 123456)),
        ("0001-01-01T00:00:00Z", MIN_TIMESTAMP_US),
        ("9999-12-31T23:59:59.9999999Z", MAX_TIMESTAMP_US),
    ],
)
def test_timestamps(text: str, value: int) -> None:
    assert parse_timestamp(text) == value


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("2024-01-01 00:00:00Z", "timestamp.format"),
        ("2024-01-01T00:00:00", "timestamp.zone"),
        ("2024-01-01T00:00:00+24:00", "timestamp.zone"),
        ("2024-01-01T00:00:00+0200", "timestamp.format"),
        ("2024-01-01T00:00:00.Z", "timestamp.format"),
        ("2024-01-01T00:00Z", "timestamp.format"),
        ("2024-01-01T00:00:00Z\n", "timestamp.format"),
        ("٢٠٢٤-01-01T00:00:00Z", "timestamp.format"),
        ("2024-01-01", "timestamp.format"),
        ("", "timestamp.format"),
        ("2023-02-29T00:00:00Z", "timestamp.range"),
        ("2024-01-01T24:00:00Z", "timestamp.range"),
        ("0000-01-01T00:00:00Z", "timestamp.range"),
        ("0001-01-01T00:00:00+00:01", "timestamp.range"),
        ("9999-12-31T23:59:59-00:01", "timestamp.range"),
        ("2016-12-31T23:59:60Z", "timestamp.leapSecond"),
    ],
)
def test_what_is_no_timestamp(text: str, rule: str) -> None:
    with pytest.raises(TemporalError) as caught:
        parse_timestamp(text)
    assert caught.value.rule == rule
    assert caught.value.expected in str(caught.value)


@pytest.mark.parametrize(
    ("parse", "text", "rule"),
    [
        (parse_date, "2024-1-1", "date.format"),
        (parse_date, "20240101", "date.format"),
        (parse_date, "2024-02-30", "date.range"),
        (parse_date, "0000-01-01", "date.range"),
        (parse_time, "1:00:00", "time.format"),
        (parse_time, "10:00", "time.format"),
        (parse_time, "10:00:00Z", "time.format"),
        (parse_time, "24:00:00", "time.range"),
        (parse_time, "2400", "time.format"),
        (parse_time, "23:59:60", "time.leapSecond"),
    ],
)
def test_what_is_no_date_or_time(parse: object, text: str, rule: str) -> None:
    with pytest.raises(TemporalError) as caught:
        parse(text)
    assert caught.value.rule == rule


def test_local_times_that_are_not_clear() -> None:
    assert parse_local_timestamp("2024-07-01T12:00:00", "Europe/Vienna") == micros(2024, 7, 1, 10)
    # Lord Howe moves by half an hour.
    with pytest.raises(TemporalError, match="twice in Australia/Lord_Howe"):
        parse_local_timestamp("2024-04-07T01:45:00", "Australia/Lord_Howe")
    for text, what in (("2024-03-31T02:30:00", "not exist"), ("2024-10-27T02:30:00", "twice")):
        with pytest.raises(TemporalError, match=what) as caught:
            parse_local_timestamp(text, "Europe/Vienna")
        assert caught.value.rule == "timestamp.local"
    with pytest.raises(TemporalError) as caught:
        parse_local_timestamp("2024-07-01T12:00:00Z", "UTC")
    assert caught.value.rule == "timestamp.zone"
    with pytest.raises(FormatError, match="Mars/Phobos"):
        parse_local_timestamp("2024-07-01T12:00:00", "Mars/Phobos")


@settings(max_examples=200, deadline=None)
@given(st.text("0123456789-:.TZtz+ ", max_size=30) | st.datetimes().map(lambda d: f"{d:%FT%T}Z"))
def test_timestamps_are_those_of_an_independent_reading(text: str) -> None:
    form = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)"
    try:
        expected = (dt.datetime.fromisoformat(text.upper()) - EPOCH) // MICROSECOND
        in_range = MIN_TIMESTAMP_US <= expected <= MAX_TIMESTAMP_US
        valid = in_range and re.fullmatch(form, text, re.IGNORECASE | re.ASCII) is not None
    except (ValueError, TypeError, OverflowError):
        valid = False
    try:
        assert parse_timestamp(text) == expected
        assert valid
    except TemporalError:
        assert not valid


@settings(deadline=None)
@given(st.integers(MIN_TIMESTAMP_US, MAX_TIMESTAMP_US))
def test_what_is_written_is_read_back(value: int) -> None:
    assert parse_timestamp(format_timestamp(value)) == value
    assert parse_local_timestamp(format_local_timestamp(value, "UTC"), "UTC") == value
    of_day = value % 86_400_000_000
    assert parse_time(format_time(of_day)) == of_day
    day = (EPOCH + value * MICROSECOND).date()
    assert parse_date(format_date(day)) == day
    for source in ("yyyy-MM-ddTHH:mm:ss.SSSSSSZ", "EEEE d MMMM uuuu h:mm:ss.SSSSSSSSS a XXX"):
        compiled = compile_format(source, "timestamp")
        assert compiled.parse(compiled.write(value)) == value


@pytest.mark.parametrize(
    ("source", "kind", "text", "value"),
    [
        # the standard's own examples
        ("yyyy-MM-ddTHH:mm:ssZ", "timestamp", "2024-01-02T03:04:05Z", micros(2024, 1, 2, 3, 4, 5)),
        ("YYYY-MM-DDTHH:mm:ss.SSSZ", "timestamp", "2024-01-02T00:00:00.500Z",
         micros(2024, 1, 2, 0, 0, 0, 500000)),
        ("HH:mm:ss", "time", "00:00:01", 1_000_000),
        ("yyyy-MM-dd", "date", "2024-02-29", dt.date(2024, 2, 29)),
        # the JDK's letters
        ("yyyyMMdd", "date", "20240229", dt.date(2024, 2, 29)),
        ("d.M.yy", "date", "1.12.24", dt.date(2024, 12, 1)),
        ("EEE, dd MMM yyyy", "date", "Thu, 29 Feb 2024", dt.date(2024, 2, 29)),
        ("h:mm a", "time", "12:30 am", 1_800_000_000),
        ("hh:mm a", "time", "12:30 PM", 45_000_000_000),
        ("yyyy-MM-dd HH:mm:ssx", "timestamp", "2024-01-01 02:00:00+02", micros(2024, 1, 1)),
        ("yyyy-MM-dd HH:mm:ssXX", "timestamp", "2024-01-01 02:00:00+0200", micros(2024, 1, 1)),
        ("yyyy-MM-dd'T'HH:mm:ss'Z'", "timestamp", "2024-01-01T00:00:00Z", micros(2024, 1, 1)),
        ("yyyy.MM.dd 'o''clock' HH", "timestamp", "2024.01.01 o'clock 05", micros(2024, 1, 1, 5)),
    ],
)  # fmt: skip
def test_formats(source: str, kind: str, text: str, value: object) -> None:
    compiled = compile_format(source, kind)
    assert compiled.parse(text) == value
    assert compiled.parse(compiled.write(value)) == value


@pytest.mark.parametrize(
    ("source", "kind", "text", "rule"),
    [
        ("yyyy-MM-dd", "date", "2024-02-30", "date.range"),
        ("yyyy-MM-dd", "date", "2024-2-3", "date.format"),
        ("EEE yyyy-MM-dd", "date", "Mon 2024-02-29", "date.range"),
        ("HHmm", "time", "2400", "time.range"),
        ("hh:mm a", "time", "13:00 PM", "time.range"),
        ("HH:mm:ss", "time", "23:59:60", "time.leapSecond"),
        ("yyyy-MM-dd HH:mmX", "timestamp", "2024-01-01 00:00+24", "timestamp.zone"),
    ],
)
def test_formats_are_strict(source: str, kind: str, text: str, rule: str) -> None:
    with pytest.raises(TemporalError) as caught:
        compile_format(source, kind).parse(text)
    assert caught.value.rule == rule


def test_formats_without_a_zone_are_read_in_the_zone_given() -> None:
    compiled = compile_format("dd/MM/yyyy HH:mm", "timestamp")
    assert not compiled.zoned
    assert compiled.parse("01/07/2024 12:00", "Europe/Vienna") == micros(2024, 7, 1, 10)
    assert compiled.write(micros(2024, 7, 1, 10), "Europe/Vienna") == "01/07/2024 12:00"
    with pytest.raises(TemporalError) as caught:
        compiled.parse("31/03/2024 02:30", "Europe/Vienna")
    assert caught.value.rule == "timestamp.local"
    assert compile_format("yyyy-MM-dd HH:mm:ss'Z'", "timestamp").zoned


@pytest.mark.parametrize(
    ("source", "kind", "letter", "position"),
    [
        ("yyyy-MM-dd HH:mm VV", "timestamp", "VV", 17),
        ("yyyy-DDD", "date", "DDD", 5),
        ("YYYY-'W'ww", "date", "ww", 8),
        ("yyyy-MM-dd[ HH]", "date", "[", 10),
        ("yyyy-MM-dd at", "date", "t", 12),
        ("yyyyMd", "date", "M", 4),
        ("yyyy-MM-dd yyyy", "date", "yyyy", 11),
        ("yyyy-MM-dd HH", "date", "HH", 11),
        ("HH:mm X", "time", "X", 6),
        ("yyyy-MM-dd 'x", "date", "'", 11),
        ("yyyy-MM", "date", "", 0),
        ("hh:mm", "time", "", 0),
        ("mm:ss", "time", "", 0),
        ("HH:ss", "time", "", 0),
        ("", "date", "", 0),
    ],
)
def test_other_formats_are_lint_errors(source: str, kind: str, letter: str, position: int) -> None:
    with pytest.raises(FormatError) as caught:
        compile_format(source, kind)
    assert (caught.value.letter, caught.value.position) == (letter, position)
    assert f"`{source}`" in str(caught.value)
