"""The native readers, value by value, against the Python that specifies them."""

from __future__ import annotations

import json
import random
import zoneinfo
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from types import ModuleType

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.unit.gate.native.stored import stored

from lakegate.contract.temporal_format import FormatError, compile_format
from lakegate.contract.type import (
    DateType,
    DecimalType,
    IntegerType,
    NumberType,
    TimestampType,
    TimeType,
    Type,
)
from lakegate.gate.json_text import Float, Integer
from lakegate.gate.native.bound import miss_texts, reader_plan
from lakegate.gate.value import Mismatch, reader

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
SEEDS = st.integers(0, (1 << 32) - 1).map(random.Random)
LAW = settings(max_examples=25, deadline=None)


def outcome(type_: Type, value: str) -> tuple[str, str] | str | None:
    """What the reference reads: a value, or a rule and what it expected."""
    try:
        return stored(reader(type_)(value), type_)
    except Mismatch as miss:
        return miss.rule, miss.expected


def assert_reads(kernels: ModuleType, type_: Type, values: Iterable[str]) -> None:
    values = list(values)
    answers = kernels._read(json.dumps(reader_plan(type_)), [str(value) for value in values])
    assert answers is not None, f"{type_} is not covered"
    texts = miss_texts(type_)
    for value, (text, miss) in zip(values, answers, strict=True):
        found = text if text is not None else texts[miss]
        assert found == outcome(type_, value), (type_, str(value)[:200])


def token(text: str) -> Integer | Float:
    return Float(text) if set(text) & set(".eE") else Integer(text)


EDGES = [
    *[
        "0",
        "-0",
        "7",
        "127",
        "128",
        "-128",
        "-129",
        "255",
        "256",
        "65535",
        "2147483648",
        "5.0",
        "1e2",
        "1E400",
        "-1E400",
        "1e-400",
        "-1e-400",
        "9223372036854775807",
        "9223372036854775808",
        "-9223372036854775808",
        "-9223372036854775809",
        "18446744073709551615",
        "18446744073709551616",
        "-1",
        "5e-324",
        "2.4703282292062327e-324",
        "0.1",
        "1.005",
        "2.4703282292062328e-324",
        "1.7976931348623157e308",
        "1.7976931348623159e308",
        "1.500",
        "-0.00",
        "1e3",
        "12345.678",
        "1e4",
        "15e-1",
        "15e-3",
        "0E999999999999999999999999",
        "99999999.99",
        "9007199254740993",
        "1E999999999999999999999999",
        "1E-999999999999999999999999",
        "1e65536",
        "1e-65537",
        "1e23",
        "8.5e22",
        "9007199254740993.0000000000000000000000000001",
        "100000000e-8",
        "3.5e-22",
        "123e-0",
        "1e22",
        "1e-22",
        "8.98846567431158e307",
        "4.4501477170144023e-308",
        "0.30000000000000004",
        "1e+5",
        "1e05",
        "10e-001",
    ],
    *("9" * 10_000, "0." + "1" * 10_000, "1" * 400, "9" * 38, "1" + "0" * 38, "1" + "0" * 37),
    *("0." + "0" * 37 + "1", "0." + "9" * 38, "0." + "0" * 70_000 + "25e70001"),
    "25" + "0" * 70_000 + "e-70000",
]
NUMERIC = [
    *(IntegerType(size, signed=signed) for size in (8, 16, 32, 64) for signed in (True, False)),
    *(NumberType(), DecimalType(6, 2), DecimalType(38, 0), DecimalType(38, 38), DecimalType(1, 0)),
    *(DecimalType(18, 9), DecimalType(20, 2), DecimalType(19, 19), DecimalType(38, 10)),
]


@pytest.mark.parametrize("type_", NUMERIC, ids=str)
def test_numbers_at_their_limits(kernels: ModuleType, type_: Type) -> None:
    assert_reads(kernels, type_, map(token, EDGES))


def any_number(source: random.Random) -> str:
    def digits() -> str:
        return "".join(source.choices("0123456789", k=source.choice((1, 2, 3, 8, 17, 19, 20, 40))))

    if source.random() < 0.3:
        return repr(source.choice((source.random(), source.uniform(-1e300, 1e300), 1.5)))
    text = source.choice(("", "-")) + (digits().lstrip("0") or "0")
    if source.random() < 0.6:
        text += "." + source.choice((digits(), digits(), "0", "500"))
    if source.random() < 0.4:
        powers = ("0", "+5", "-05", "22", "-22", "23", "0000000001", str(source.randint(-400, 400)))
        text += source.choice("eE") + source.choice((*powers, "9" * 23, "-10000"))
    return text


@LAW
@given(SEEDS)
def test_numbers(kernels: ModuleType, source: random.Random) -> None:
    tokens = [token(any_number(source)) for _ in range(40)]
    for type_ in NUMERIC:
        assert_reads(kernels, type_, tokens)


ZONES = ("UTC", "Europe/Vienna", "America/New_York", "Australia/Lord_Howe", "Asia/Kolkata")
LOCAL = [TimestampType(zoned=False, default_timezone=zone) for zone in ZONES]
DECLARED = [
    *(DateType("yyyyMMdd"), DateType("d.M.yy"), DateType("EEE, dd MMM yyyy"), TimeType("h:mm a")),
    *(DateType("EEEE d MMMM uuuu"), TimeType("H:m:s"), TimeType("HHmmss.SSSSSSSSS"), TimeType("H")),
    *(TimestampType(format=f"yyyy-MM-dd HH:mm:ss{x}") for x in ("X", "XX", "XXX", "x", "xx", "Z")),
    *(TimestampType(format="yyyy-MM-dd'T'HH:mm:ss.SSS'Z'"), TimestampType(format="MM/dd/yyyy H1z")),
    TimestampType(zoned=False, format="dd/MM/yyyy HH:mm", default_timezone="Europe/Vienna"),
    TimestampType(zoned=False, format="yyyy-MM-dd HH:mm:ssZ", default_timezone="Europe/Vienna"),
    *(TimestampType(format="yyyy-MM-dd HH:mm"), TimestampType(format="h 'o''clock' a, d.M.yyyy")),
]
TEMPORAL = [DateType(), TimeType(), TimestampType(), *LOCAL, *DECLARED]
TIMES = [
    *[
        "T",
        "2026-11-23",
        "2024-02-29",
        "2026-02-29",
        "1900-02-29",
        "2026-13-01",
        "2026-00-01",
        "0001-01-01",
        "0000-01-01",
        "9999-12-31",
        "10000-01-01",
        "2026-1-1",
        "24:00",
        "23:59:59.999999",
        "00:00:00",
        "10:00:00.1234567",
        "24:00:00",
        "23:60:00",
        "23:59:60",
        "10:00",
        "10:00:00Z",
        "10:00:00.",
        "é",
        "2026-11-23T10:00:00é",
        "10:00:61",
        "9:5:7",
        "0:0:60",
        "1985-04-12T23:20:50.52Z",
        "1996-12-19T16:39:57-08:00",
        "1937-01-01T12:00:27.87+00:20",
        "20240229",
        "2024-02-29t00:00:00z",
        "2024-01-01T00:00:00-00:00",
        "2024-01-01T00:00:00+23:59",
        "111",
        "1",
        "0",
        "01",
        "2024-01-01T00:00:00.1234569Z",
        "0001-01-01T00:00:00Z",
        "9999-12-31T23:59:59.9999999Z",
        "1.12.24",
        "2024-01-01T00:00:00",
        "2024-01-01T00:00:00+24:00",
        "2024-01-01T00:00:00+0200",
        "31.2.24",
        "2024-01-01T00:00:00.Z",
        "2024-01-01T00:00Z",
        "2024-01-01T",
        "2023-02-29T00:00:00Z",
        "2024-01-01T24:00:00Z",
        "0000-01-01T00:00:00Z",
        "0001-01-01T00:00:00",
        "0001-01-01T00:00:00+00:01",
        "9999-12-31T23:59:59-00:01",
        "2016-12-31T23:59:60Z",
        "2024-99-99T99:99:99+99:99",
        "2024-99-99T99:99:99",
        "2016-12-31T23:59:60",
        "2024-03-31T02:30",
        "2024-03-31T02:30:00",
        "2024-10-27T02:30:00",
        "2024-04-07T01:45:00",
        "1893-03-31T23:54:30",
        "9999-12-31T23:59:59.999999",
        "9999-07-01T00:00:00",
        "2400-07-01T12:00:00",
        "2024-01-01T00:00:00.000Z",
        "235959.999999999",
        "235960.000000000",
        "240000.000000000",
    ],
    *("", "2026-11-23\n", "2024-01-01 00:00:00Z", "٢٠٢٦-11-23", "Thu, 29 Feb 2024", "0:00 am"),
    *("Mon, 29 Feb 2024", "Thursday 29 February 2024", "Thursday 29 Feb 2024", "12:30 am"),
    *("12:30 PM", "13:00 PM", "00:00 aM", "05 o'clock", "12 o'clock PM, 1.2.2024"),
    *("3 o'clock am, 31.12.0001", "2024-01-01 02:00:00+02", "2024-01-01 02:00:00+0200"),
    *("2024-01-01 02:00:00+02:00", "2024-01-01 02:00:00Z", "2024-01-01 02:00:00-24"),
    *("2024-01-01 02:00:00UTC", "01/02/2024 11Z", "01/02/2024 111GMT", "01/02/2024 91+0100"),
    *("31/03/2024 02:30", "27/10/2024 02:30", "01/07/2024 12:00", "2024-01-01 02:00"),
    "9999-12-31 23:59:59-0001",
]


@pytest.mark.parametrize("type_", TEMPORAL, ids=str)
def test_dates_and_times_of_the_tables(kernels: ModuleType, type_: Type) -> None:
    assert_reads(kernels, type_, TIMES)


def changed(text: str, source: random.Random, letters: str) -> str:
    pieces = list(text)
    for _ in range(source.randint(1, 3)):
        at = source.randint(0, len(pieces))
        new = source.choices(letters, k=source.randint(0, 2))
        pieces[at : at + source.randint(0, 2)] = new
    return "".join(pieces)


@LAW
@given(SEEDS)
def test_dates_and_times(kernels: ModuleType, source: random.Random) -> None:
    texts = [changed(source.choice(TIMES), source, "0123456789-:.TZtz+ ") for _ in range(40)]
    for type_ in TEMPORAL:
        assert_reads(kernels, type_, texts)


PIECES = [
    "yyyy",
    "yy",
    "MM",
    "M",
    "MMM",
    "MMMM",
    "dd",
    "d",
    "EEE",
    "EEEE",
    "HH",
    "H",
    "hh",
    "h",
    "a",
    "mm",
    "m",
    "ss",
    "s",
    "S",
    "SSS",
    "SSSSSSSSS",
    "X",
    "XX",
    "XXX",
    "x",
    "xx",
    "Z",
    "z",
    "1",
    "-",
    ":",
    "T",
    "'Z'",
    "'é'",
    "''",
    "'a''b'",
    ".",
    "/",
]
USUAL = ("yyyy-M-d H:m:s.S", "d/M/yy h:mmaX", "MMMM d yyyy HH:mm:ssz", "EEE d MMM yy", "hhammss")


@settings(max_examples=200, deadline=None)
@given(SEEDS)
def test_declared_formats(kernels: ModuleType, source: random.Random) -> None:
    form = source.choice(USUAL)
    for _ in range(source.randint(0, 3)):
        at = source.randint(0, len(form))
        form = form[:at] + source.choice(PIECES) + form[at + source.randint(0, 2) :]
    kind = source.choice(("date", "time", "timestamp", "timestamp"))
    try:
        compiled = compile_format(form, kind)
    except FormatError:
        return
    moment = EPOCH + timedelta(microseconds=source.randint(-(10**16), 10**17))
    micros = (moment - EPOCH) // timedelta.resolution
    value = {"date": moment.date(), "time": micros % 86_400_000_000}.get(kind, micros)
    written = compiled.write(value)
    texts = [written, *(changed(written, source, "0123456789 Z+-:apm") for _ in range(20))]
    type_ = {"date": DateType(form), "time": TimeType(form)}.get(kind, TimestampType(format=form))
    assert_reads(kernels, type_, texts)


@pytest.mark.slow
def test_every_zone_is_read_as_zoneinfo_reads_it(kernels: ModuleType) -> None:
    source = random.Random(7)
    for name in sorted(zoneinfo.available_timezones() - {"localtime"}):
        assert_zone(kernels, name, source, years=1)


def test_zones_are_read_as_zoneinfo_reads_them(kernels: ModuleType) -> None:
    source = random.Random(7)
    for name in ("Europe/Dublin", "Africa/Casablanca", "America/Nuuk", "Asia/Gaza", "Etc/GMT+5"):
        assert_zone(kernels, name, source, years=20)


def assert_zone(kernels: ModuleType, name: str, source: random.Random, *, years: int) -> None:
    """Local times all over, and around the changes of the clock of some years."""
    zone = zoneinfo.ZoneInfo(name)
    months = ((source.randint(1, 9999), source.randint(1, 12)) for _ in range(20))
    texts = [f"{year:04}-{month:02}-15T00:00:00" for year, month in months]
    for year in source.sample(range(1880, 2060), years):
        before = None
        for day in range(366):
            moment = datetime(year, 1, 1, tzinfo=UTC) + timedelta(days=day)
            local = moment.astimezone(zone)
            if before is not None and local.utcoffset() != before:
                wall = local.replace(tzinfo=None)
                moments = [wall + timedelta(minutes=15 * step) for step in range(-104, 16)]
                texts += [moment.isoformat(timespec="microseconds") for moment in moments]
            before = local.utcoffset()
    assert_reads(kernels, TimestampType(zoned=False, default_timezone=name), texts)


def test_what_is_not_covered(kernels: ModuleType) -> None:
    assert kernels._read('{"type":"timestamp","format":null,"tzif":""}', []) is None
    assert kernels._read('{"type":"date","format":"yyyy-QQ"}', []) is None
