"""The native checks, value by value, against the rules that specify them."""

from __future__ import annotations

import json
import random
from collections.abc import Iterable
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from functools import lru_cache
from types import ModuleType
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.unit.gate.native.stored import kind_of, stored

from lakegate.contract.pattern import PatternError
from lakegate.contract.string_format import FORMATS
from lakegate.contract.type import (
    AnyType,
    ArrayType,
    BooleanType,
    DateType,
    DecimalType,
    Field,
    IntegerType,
    NumberType,
    ObjectType,
    StringType,
    TimestampType,
    TimeType,
    Type,
)
from lakegate.gate.native.bound import check_plan
from lakegate.gate.rules import RULES

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
SEEDS = st.integers(0, (1 << 32) - 1).map(random.Random)
LAW = settings(max_examples=25, deadline=None)


@lru_cache(maxsize=64)
def prepare(rule: str, bound: Any, type_: Type) -> Any:
    return RULES[rule].prepare(bound, type_)


def assert_checks(
    kernels: ModuleType, rule: str, bound: Any, type_: Type, values: Iterable[Any]
) -> None:
    values = list(values)
    plan = check_plan(rule, bound, type_)
    assert plan is not None, (rule, bound, type_)
    texts = [stored(value, type_) for value in values]
    answers = kernels._check(rule, json.dumps(plan), kind_of(type_), texts)
    assert answers is not None, (rule, bound, type_)
    prepared = prepare(rule, bound, type_)
    for value, answer in zip(values, answers, strict=True):
        if value is None and not RULES[rule].judges_null:
            assert answer is None
        else:
            assert answer == RULES[rule].check(value, prepared), (rule, bound, type_, value)


def text(source: random.Random, letters: str, longest: int) -> str:
    return "".join(source.choices(letters, k=source.randint(0, longest)))


@LAW
@given(SEEDS)
def test_lengths(kernels: ModuleType, source: random.Random) -> None:
    texts = [text(source, "abé😀\n", 16) for _ in range(40)]
    for rule in ("minLength", "maxLength"):
        assert_checks(kernels, rule, source.randint(0, 12), StringType(), [*texts, None])
        assert_checks(kernels, rule, 10**30, StringType(), texts)


PATTERNS = [
    *("^a$", "a", r"^\d$", r"^\w$", r"^\W$", r"\bab\b", r"a\Bb", r"\B", r"^\s$", r"^\S$", "."),
    *("[]", "^[^]$", r"^\u0041\x42\u{43}\cJ\0\t\/\-\.$", "^😀$", r"^[\u{1F600}-\u{1F64F}]$", ""),
    *(r"^[\b]$", r"^[\w-]+$", r"^[\d-x]$", r"^[a\]]$", r"^[^\s\d]$", r"^[&&]$", "^a{2,3}?$"),
    *("^a{2}$", "^(?<year>\\d{4})-(?:x|y)$", "^{.*}$", "]", "^(a|)+$", "^", "$", "x*", "(a*)*"),
    *(r"^\p{Lu}\P{Lu}$", r"^\p{Letter}\p{gc=Nd}$", r"^[\p{Script=Greek}]+$", "^[0-9a-f]{32}$"),
    *("^N[0-9]+$", "^[A-Z]{3}-[0-9]{6}$", "^[A-Z]{2}[0-9]*$", "^(EUR|USD)$", "^a|b$", "[^a]"),
    *("^[a-z]+@[a-z]+$", "^ab?c$", "^a{0}$", "^(?:ab){3}$", "^[01234-79]{2,4}x$", "^é[0-9]$"),
    *(r"^[A-Za-z0-9_.\-]{1,20}$", "^.{3}$", "^[a-c]{0,3}$", "^-?[0-9]+$", r"^\d{3}$|^\d{5}$"),
    *("^[^,]*$", "^(?:)$", "^$", "^(?:^a|b$)", "a$b", "^[é]$", "^[a-é]$", r"\b", r"^\B$", "[^]"),
]
SUBJECTS = [
    *("", "a", "b", "ab", "aa", "aaa", "a\n", "b\na", "7", "\u0667", "é", "éabé", "a\u2028"),
    *("\u0085", "A", "😀", "😁", "\b", "a-b", "-", "]", "&", "2024-y", "{a}", "Éé", "é7", "αβγ"),
    *("ABC\n\0\t/-.", "x", "0123456789abcdef" * 2, "0123456789abcdeg" * 2, "N12", "N", "N1\n"),
    *("AB", "ABC-123456", "ABC-12345é", "EUR", "USD ", "ab@cd", "abab", "ababab", "12x", "127x"),
    *("18x", "é1", "aéb", "\ufeff", "\u00a0", "\u3000", "\u200b", "1234", "12345", "123", "-5"),
    *("--5", "a" * 21, ",", "a,b"),
]


@pytest.mark.parametrize("source", PATTERNS)
def test_patterns_of_the_table(kernels: ModuleType, source: str) -> None:
    assert_checks(kernels, "pattern", source, StringType(), SUBJECTS)


PIECES = [
    r"a",
    r"b",
    r"c",
    r"A",
    r"1",
    r"_",
    r".",
    r"^",
    r"$",
    r"|",
    r"(",
    r")",
    r"[",
    r"]",
    r"-",
    r"*",
    r"+",
    r"?",
    r",",
    r"é",
    r"😀",
    r"}",
    r"{",
    r":",
    r"=",
    r"(?:",
    r"[^",
    r"*?",
    r"{2}",
    r"{1,2}",
    r"{0,}",
    r"[]",
    r"[^]",
    r"\B",
    r"\d",
    r"\D",
    r"\w",
    r"\W",
    r"\s",
    r"\S",
    r"\b",
    r"\t",
    r"\n",
    r"\.",
    r"\-",
    r"\/",
    r"\]",
    r"\u0061",
    r"\x62",
    r"\u{63}",
    r"\cJ",
    r"\0",
    r"(?<g>",
    r"\p{L}",
    r"\P{L}",
    r"[a-c]",
    r"[^a\d]",
    r"[\w-]",
    r"[\s\S]",
    r"\u00e9",
    r"^[a-c]{2}$",
    r"[0-9]+",
    r"[\p{Lu}x]",
    r"(a|b)",
    r"^",
    r"$",
    r"^[ac]+",
]


@settings(max_examples=40, deadline=None)
@given(SEEDS)
def test_patterns(kernels: ModuleType, source: random.Random) -> None:
    for _ in range(5):
        pattern = "".join(source.choices(PIECES, k=source.randint(0, 6)))
        texts = [text(source, "abcA1_.-é😀 \n\r\u2028\ufeff\t{}[]", 6) for _ in range(12)]
        try:
            prepare("pattern", pattern, StringType())
        except PatternError:
            continue
        assert_checks(kernels, "pattern", pattern, StringType(), texts)


def test_a_property_has_the_characters_that_re2_has(kernels: ModuleType) -> None:
    every = [chr(code) for code in range(0x110000) if not 0xD800 <= code <= 0xDFFF]
    for source in (r"^\p{Lu}$", r"^[\p{Script=Greek}\d]$"):
        searched = prepare("pattern", source, StringType()).compiled
        plan = json.dumps(check_plan("pattern", source, StringType()))
        answers = kernels._check("pattern", plan, "string", every)
        found = {one for one, answer in zip(every, answers, strict=True) if answer}
        sample = found | set(every[::97])
        assert found == {one for one in sample if searched.search(one.encode()) is not None}


def test_large_patterns(kernels: ModuleType) -> None:
    texts = ["a" + "é" * 300 + "x", "A" + "é" * 300 + "x", "a" * 400 + "x", ""]
    assert_checks(kernels, "pattern", "^[a-z]{1,50}.{300}x", StringType(), texts)


FORMAT_TEXTS = [
    *[
        "123e4567-e89b-12d3-a456-426614174000",
        "F81D4FAE-7DEC-11D0-A765-00A0C91E6BF6",
        "a@b",
        "x:",
        "first.last+tag@example.com",
        "!#$%&'*+/=?^_`{|}~-@example.org",
        "x@[127.0.0.1]",
        "a:b@c:d",
        "tel:+1-8",
        "x@[IPv6:2001:db8::1]",
        "ftp://ftp.is.co.za/rfc/rfc1808.txt",
        "http://u:p@h:80?q#f%20",
        "urn:a:b",
        "ldap://[2001:db8::7]/c=GB?objectClass?one",
        "mailto:John.Doe@example.com",
        "a://[v1.x:y]:1",
        "example.com",
        "xn--bcher-kva.ch",
        "127.0.0.1",
        "255.255.255.255",
        "256.1.1.1",
        "01.2.3.4",
        "1::2::3",
        "12345::",
        "ABCD:EF01:2345:6789:ABCD:EF01:2345:6789",
        "2001:DB8::8:800:200C:417A",
        "::1",
        "::",
        "1::",
        ":",
        "-a",
        "a_b",
        "0:0:0:0:0:0:13.1.68.3",
        "::FFFF:129.144.52.38",
        "1:2:3:4:5:6:7::",
        "1:2:3:4:5:6:7:8:9",
        "é.com",
        "::2:3:4:5:6:7:8",
        "1:2:3:4:5:6:7:8::",
        "::1.2.3",
        "Zg==",
        "Zm8=",
        "Zm9v",
        "Zm9vYg==",
        "+/+/",
        "Zh==",
        "Zm9=",
        "====",
        "a@b.",
        "@b",
        "a@",
        "a@[::1]",
        "a:%2",
        "a:^",
        "http://[::1",
        "x://@:/",
        "x://a@b@c",
        "x:?#",
        "x:##",
        "x://[]",
        "x://:",
        "x://[::]:",
    ],
    *("", '"john doe"@example.com', r'"a\"b@c"@example.com', "a b@c", '"a"b"@c', "Zm 9", '"@a'),
    *("a" * 64 + "@example.com", "a" * 65 + "@example.com", "a" * 63, ".".join(["a" * 63] * 4)),
    *("a@" + ".".join(["a" * 63] * 4), ".".join(["a" * 63] * 3 + ["a" * 61]), "anything\n\0"),
    *(
        "a@" + ".".join(["a" * 62] * 4),
        "1.2.3.\u0664",
        "a" * 64,
        "x." + "a" * 64 + ".x",
        "b@" + "a" * 64,
    ),
]


@settings(max_examples=60, deadline=None)
@given(SEEDS)
def test_formats(kernels: ModuleType, source: random.Random) -> None:
    texts = list(FORMAT_TEXTS)
    for _ in range(40):
        letters = list(source.choice(FORMAT_TEXTS))
        for _ in range(source.randint(1, 3)):
            at = source.randint(0, len(letters))
            new = source.choices('aAfFgz09:./-_@%[]"\\ #?=+v~\n\u0661é', k=source.randint(0, 2))
            letters[at : at + source.randint(0, 2)] = new
        texts.append("".join(letters))
    for name in FORMATS:
        assert_checks(kernels, "format", name, StringType(), texts)


DECIMALS = [DecimalType(6, 2), DecimalType(38, 0), DecimalType(38, 38), DecimalType(20, 10)]
NUMERIC = [IntegerType(), IntegerType(64, signed=False), NumberType(), *DECIMALS]
BOUNDS = [
    *map(
        Decimal,
        [
            "0.1",
            "2.5",
            "-2.5",
            "1e400",
            "-1e400",
            "1e-400",
            "-1e-400",
            "9223372036854775808",
            "0",
            "99.99",
        ],
    )
]


def a_number(type_: Type, source: random.Random) -> Any:
    """A value that a column of the type can have."""
    size = source.choice((5, 200, 1 << 40, 10**39))
    match type_:
        case NumberType():
            cents = source.randint(-min(size, 1 << 40), min(size, 1 << 40)) / 100
            return source.choice((cents, source.uniform(-1e300, 1e300), 10.0**30)) + 0.0
        case DecimalType(precision=precision, scale=scale):
            units = source.randint(-size, size) % 10**precision
            return Decimal(f"{source.choice((units, -units))}E-{scale}")
        case IntegerType(signed=False):
            return Decimal(source.randint(0, size) % (1 << 64))
        case _:
            return source.randint(-size, size) % (1 << 63) * source.choice((1, -1))


@settings(max_examples=40, deadline=None)
@given(SEEDS)
def test_ranges_of_numbers(kernels: ModuleType, source: random.Random) -> None:
    for type_ in NUMERIC:
        values = [a_number(type_, source) for _ in range(5)]
        for bound in (Decimal(values[0]), source.choice(BOUNDS)):
            for rule in ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"):
                assert_checks(kernels, rule, bound, type_, values)


@LAW
@given(SEEDS)
def test_ranges_of_dates_and_times(kernels: ModuleType, source: random.Random) -> None:
    micros = source.randint(-(10**16), 10**17)
    moment = EPOCH + timedelta(microseconds=micros)
    clock = time(source.randint(0, 23), source.randint(0, 59), 7, source.randint(0, 999_999))
    of_day = ((clock.hour * 60 + clock.minute) * 60 + 7) * 1_000_000 + clock.microsecond
    near = (-1, 0, 1, source.randint(-99, 99))
    for rule in ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"):
        days = [moment.date() + timedelta(days=step) for step in near]
        assert_checks(kernels, rule, moment.date(), DateType(), days)
        assert_checks(kernels, rule, clock, TimeType(), [of_day + step for step in near])
        assert_checks(kernels, rule, moment, TimestampType(), [micros + step for step in near])


STEPS = [
    "1",
    "2",
    "5",
    "7",
    "10",
    "0.5",
    "0.01",
    "0.25",
    "1e3",
    "1e-9",
    "-3",
    "1.50",
    "123456789012345678901",
    "1e22",
    "1e-30",
    "3e-5",
    "0.1",
    "1e300",
    "1e-320",
    "1e-22",
    "1e-23",
    "999999999999999",
    "1000000000000000",
]


@settings(max_examples=100, deadline=None)
@given(SEEDS)
def test_multiples(kernels: ModuleType, source: random.Random) -> None:
    step = Decimal(source.choice(STEPS))
    for type_ in NUMERIC:
        values = [a_number(type_, source) for _ in range(5)]
        if isinstance(type_, NumberType):
            values += [float(step * source.randint(-999, 999)) + 0.0 for _ in range(5)]
        assert_checks(kernels, "multipleOf", step, type_, values)


TEXTS = (
    *("1", "-0", "1.0", "1e2", "0.1", "0.10", "true", "False", "x", "", "nan", "inf", None),
    *("2026-11-23", "10:00:00", "2026-11-23T10:00:00Z", "1.005", "9" * 40, "1_000", " 7"),
)
VALUES: list[tuple[Type, list[Any]]] = [
    (StringType(), ["", "x", "1", "X", None]),
    (AnyType(), ["1", "true", '"x"']),
    (IntegerType(), [1, 0, 100, 7, 1000, 2, None]),
    (IntegerType(64, signed=False), [Decimal(1), Decimal(0), Decimal(100), Decimal(1 << 63)]),
    (NumberType(), [1.0, 0.0, 100.0, 0.1, 1000.0, None]),
    (DecimalType(6, 2), [Decimal("1.00"), Decimal("0.10"), Decimal("0.00"), Decimal("1.01")]),
    (BooleanType(), [True, False, None]),
    (DateType(), [date(2026, 11, 23), date(2026, 11, 24)]),
    (TimeType(), [36_000_000_000, 0]),
    (TimestampType(), [1_795_428_000_000_000, 0, None]),
]


@pytest.mark.parametrize(("type_", "values"), VALUES)
def test_valid_and_missing_values(kernels: ModuleType, type_: Type, values: list[Any]) -> None:
    for bound in (TEXTS, TEXTS[:3], (), ("x", "y"), TEXTS[:-4]):
        assert_checks(kernels, "missingValues", bound, type_, values)
        known = [value for value in values if value is not None]
        assert_checks(kernels, "invalidValues", bound, type_, known)
        assert_checks(kernels, "nullValues", 0, type_, values)


@LAW
@given(SEEDS)
def test_sets_of_texts(kernels: ModuleType, source: random.Random) -> None:
    valid = tuple(text(source, "abé", 20) for _ in range(source.randint(0, 30)))
    texts = [text(source, "abé", 3) for _ in range(30)]
    assert_checks(kernels, "invalidValues", valid, StringType(), [*texts, *valid])


ITEMS = ArrayType(Field("element", IntegerType(), "$.x[*]"))


@LAW
@given(SEEDS)
def test_items_and_keys(kernels: ModuleType, source: random.Random) -> None:
    items = source.choices([None, *range(20)], k=source.randint(0, 14))
    plan = json.dumps(check_plan("uniqueItems", True, ITEMS))
    unique = RULES["uniqueItems"].check(items, True)
    assert kernels._check("uniqueItems", plan, "array", [json.dumps(items)]) == [unique]
    bound = source.randint(0, 14)
    for rule in ("minItems", "maxItems", "minProperties", "maxProperties"):
        of_items = rule.endswith("Items")
        plan = json.dumps(check_plan(rule, bound, ITEMS if of_items else ObjectType(())))
        kind = "array" if of_items else "object"
        answers = kernels._check(rule, plan, kind, [str(len(items))])
        assert answers == [RULES[rule].check(items, bound)]
    members = dict.fromkeys(source.sample("abcé", source.randint(0, 4)))
    for keys in (("a",), ("a", "é"), ()):
        plan = json.dumps(check_plan("requiredKeys", keys, ObjectType(())))
        answers = kernels._check("requiredKeys", plan, "object", [json.dumps(members)])
        assert answers == [RULES["requiredKeys"].check(members, keys)]


def test_what_is_not_covered(kernels: ModuleType) -> None:
    assert check_plan("multipleOf", Decimal(1), StringType()) is None
    assert check_plan("minimum", 1, DateType()) is None
    assert check_plan("sql", 1, StringType()) is None
    assert kernels._check("minLength", "null", "string", []) is None
    assert kernels._check("multipleOf", '{"step":"0","power":0,"scale":0}', "integer", []) is None
