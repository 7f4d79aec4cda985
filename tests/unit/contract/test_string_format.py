"""String formats: tables from their specifications; the regular expressions say the same."""

from __future__ import annotations

import pytest
import re2
from hypothesis import given, settings
from hypothesis import strategies as st

from lakegate.contract.string_format import FORMATS

LABEL63 = "a" * 63
VALID = {
    "uuid": ["123e4567-e89b-12d3-a456-426614174000", "F81D4FAE-7DEC-11D0-A765-00A0C91E6BF6"],
    "email": [
        "a@b",
        "first.last+tag@example.com",
        "!#$%&'*+/=?^_`{|}~-@example.org",
        '"john doe"@example.com',
        r'"a\"b@c"@example.com',
        "x@[127.0.0.1]",
        "x@[IPv6:2001:db8::1]",
        "a" * 64 + "@example.com",
    ],
    "uri": [
        # RFC 3986 section 1.1.2
        "ftp://ftp.is.co.za/rfc/rfc1808.txt",
        "http://www.ietf.org/rfc/rfc2396.txt",
        "ldap://[2001:db8::7]/c=GB?objectClass?one",
        "mailto:John.Doe@example.com",
        "news:comp.infosystems.www.servers.unix",
        "tel:+1-816-555-1212",
        "telnet://192.0.2.16:80/",
        "urn:oasis:names:specification:docbook:dtd:xml:4.1.2",
        "x:",
        "http://u:p@h:80?q#f%20",
        "a://[v1.x:y]:1",
    ],
    "hostname": ["a", "example.com", "3com.com", "xn--bcher-kva.ch", LABEL63, "127.0.0.1"],
    "ipv4": ["0.0.0.0", "255.255.255.255", "192.0.2.1"],
    "ipv6": [
        # RFC 4291 section 2.2
        "ABCD:EF01:2345:6789:ABCD:EF01:2345:6789",
        "2001:DB8:0:0:8:800:200C:417A",
        "2001:DB8::8:800:200C:417A",
        "FF01::101",
        "::1",
        "::",
        "0:0:0:0:0:0:13.1.68.3",
        "::FFFF:129.144.52.38",
        "1:2:3:4:5:6:7::",
    ],
    # RFC 4648 section 10
    "byte": ["", "Zg==", "Zm8=", "Zm9v", "Zm9vYg==", "Zm9vYmE=", "Zm9vYmFy", "+/+/"],
    "binary": ["", "anything\n\0"],
}
INVALID = {
    "uuid": [
        "123e4567e89b12d3a456426614174000",
        "{123e4567-e89b-12d3-a456-426614174000}",
        "123e4567-e89b-12d3-a456-42661417400g",
        "123e4567-e89b-12d3-a456-426614174000\n",
    ],
    "email": [
        "x@[ıPv6:::1]",  # noqa: RUF001 - a dotless i, whose upper case is I
        "",
        "a",
        "@b",
        "a@",
        "a..b@c",
        ".a@b",
        "a@b.",
        "a b@c",
        '"a"b"@c',
        "a@[::1]",
        "a@-b",
        "é@b.c",
        "a" * 65 + "@example.com",
        "a@" + ".".join([LABEL63] * 4),
        "a@b.c\n",
    ],
    "uri": ["", "a", "//h/p", "1a:b", "http://a b", "a:%2", "a:%zz", "http://[::1", "a:é", "a:^"],
    "hostname": [
        "",
        "a.",
        ".a",
        "-a",
        "a-",
        "a_b",
        "a..b",
        "é.com",
        "a" * 64,
        "a.b\n",
        ".".join([LABEL63] * 4),
    ],
    "ipv4": ["1.2.3", "1.2.3.4.5", "256.1.1.1", "01.2.3.4", "1.2.3.4\n", "1.2.3.\u0664", ""],
    "ipv6": [":", ":::", "1:2:3:4:5:6:7:8:9", "1::2::3", "12345::", "::1%eth0", "::1.2.3", "::g"],
    "byte": ["Zg", "Zg=", "Zg===", "Zh==", "Zm9=", "Zm 9", "Zm9v\n", "Zm-_", "===="],
    "binary": [],
}
ALPHABET = 'aAfFgz09:./-_@%[]"\\ #?=+v~\n\u0661é'


@pytest.mark.parametrize("name", FORMATS)
def test_valid_and_invalid_as_specified(name: str) -> None:
    is_valid = FORMATS[name].is_valid
    assert [text for text in VALID[name] if not is_valid(text)] == []
    assert [text for text in INVALID[name] if is_valid(text)] == []


def test_unknown_formats_are_not_enforced() -> None:
    assert FORMATS.get("password") is None
    assert sorted(FORMATS) == sorted(VALID)


@st.composite
def mutated(draw: st.DrawFn) -> tuple[str, str]:
    name = draw(st.sampled_from(list(FORMATS)))
    text = list(draw(st.sampled_from(VALID[name] + INVALID[name])))
    for _ in range(draw(st.integers(0, 3))):
        at = draw(st.integers(0, len(text)))
        text[at : at + draw(st.integers(0, 2))] = draw(st.text(ALPHABET, max_size=2))
    return name, "".join(text)


@settings(max_examples=1500, deadline=None)
@given(mutated())
def test_regular_expressions_say_what_is_valid_says(case: tuple[str, str]) -> None:
    name, text = case
    matched = all(re2.search(regex, text) for regex in FORMATS[name].regexes)
    assert matched == FORMATS[name].is_valid(text), (name, text)
