"""String formats: what each ``format`` of a string means, and the specification it comes from.

``is_valid`` is the reference, one function that reads like the specification. ``regexes`` say the
same for Arrow's kernels: RE2 syntax, anchored at both ends, all of which must match. A format that
is not in ``FORMATS`` is not enforced, and coverage says so.

========  ==========================================================================================
uuid      RFC 9562 section 4: 36 characters, hexadecimal of either case, any version
email     RFC 5321 section 4.1.2 Mailbox, with RFC 6531's wider alphabet left out: dot-string or
          quoted local part of at most 64 bytes, a domain of names (or an IPv4 or IPv6 literal in
          brackets), 254 bytes in all (RFC 5321 section 4.5.3.1.3 less the angle brackets)
uri       RFC 3986 section 3: with a scheme; ``%`` must be followed by two hexadecimal digits
hostname  RFC 1123 section 2.1: labels of letters, digits and inner hyphens, 1 to 63 bytes each,
          253 in all; no trailing dot
ipv4      RFC 2673 section 3.2: four decimal numbers up to 255, no leading zeros
ipv6      RFC 4291 section 2.2, all three text forms; no zone identifier
byte      RFC 4648 section 4: base64 with padding, the unused bits of the last character zero
binary    RFC 2046 section 4.5.1, any octets: text in JSON has no octets, so any text is valid
========  ==========================================================================================
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from ipaddress import AddressValueError, IPv6Address
from types import MappingProxyType

__all__ = ["FORMATS", "StringFormat"]


@dataclass(frozen=True, slots=True)
class StringFormat:
    """One format: a text is valid when ``is_valid`` says so, exactly when all ``regexes`` match."""

    name: str
    rfc: str
    description: str
    is_valid: Callable[[str], bool]
    regexes: tuple[str, ...]


_HEX = r"[0-9A-Fa-f]"
_OCTET = r"(?:25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])"
_IPV4 = rf"{_OCTET}(?:\.{_OCTET}){{3}}"
_GROUP = rf"{_HEX}{{1,4}}"
_LAST_32 = rf"(?:{_GROUP}:{_GROUP}|{_IPV4})"
# The grammar of RFC 3986 appendix A, with RFC 4291's "::" that may stand for a single group.
_IPV6 = "|".join(
    (
        rf"(?:{_GROUP}:){{6}}{_LAST_32}",
        rf"::(?:{_GROUP}:){{5}}{_LAST_32}",
        rf"(?:{_GROUP})?::(?:{_GROUP}:){{4}}{_LAST_32}",
        rf"(?:(?:{_GROUP}:){{0,1}}{_GROUP})?::(?:{_GROUP}:){{3}}{_LAST_32}",
        rf"(?:(?:{_GROUP}:){{0,2}}{_GROUP})?::(?:{_GROUP}:){{2}}{_LAST_32}",
        rf"(?:(?:{_GROUP}:){{0,3}}{_GROUP})?::{_GROUP}:{_LAST_32}",
        rf"(?:(?:{_GROUP}:){{0,4}}{_GROUP})?::{_LAST_32}",
        rf"(?:(?:{_GROUP}:){{0,5}}{_GROUP})?::{_GROUP}",
        rf"(?:(?:{_GROUP}:){{0,6}}{_GROUP})?::",
    )
)
_IPV6 = f"(?:{_IPV6})"
_LABEL = r"[0-9A-Za-z](?:[0-9A-Za-z-]{0,61}[0-9A-Za-z])?"
_HOSTNAME = rf"{_LABEL}(?:\.{_LABEL})*"

_ATOM = r"[0-9A-Za-z!#$%&'*+/=?^_`{|}~-]"
_QUOTED = r'"(?:[\x20\x21\x23-\x5b\x5d-\x7e]|\\[\x20-\x7e])*"'
_LOCAL = rf"(?:{_ATOM}+(?:\.{_ATOM}+)*|{_QUOTED})"
_EMAIL = rf"{_LOCAL}@(?:{_HOSTNAME}|\[(?:{_IPV4}|[Ii][Pp][Vv]6:{_IPV6})\])"

_UNRESERVED = r"0-9A-Za-z._~-"
_SUBDELIMS = r"!$&'()*+,;="
_ESCAPED = rf"%{_HEX}{_HEX}"
_PCHAR = rf"(?:[:@{_SUBDELIMS}{_UNRESERVED}]|{_ESCAPED})"
_USERINFO = rf"(?:[:{_SUBDELIMS}{_UNRESERVED}]|{_ESCAPED})*"
_REG_NAME = rf"(?:[{_SUBDELIMS}{_UNRESERVED}]|{_ESCAPED})*"
_IP_LITERAL = rf"\[(?:{_IPV6}|[vV]{_HEX}+\.[:{_SUBDELIMS}{_UNRESERVED}]+)\]"
_AUTHORITY = rf"(?:{_USERINFO}@)?(?:{_IP_LITERAL}|{_REG_NAME})(?::[0-9]*)?"
_PATH = rf"(?://{_AUTHORITY}(?:/{_PCHAR}*)*|/?(?:{_PCHAR}+(?:/{_PCHAR}*)*)?)"
_URI = rf"[A-Za-z][0-9A-Za-z+.-]*:{_PATH}(?:\?(?:{_PCHAR}|[/?])*)?(?:#(?:{_PCHAR}|[/?])*)?"

_UUID = rf"{_HEX}{{8}}-{_HEX}{{4}}-{_HEX}{{4}}-{_HEX}{{4}}-{_HEX}{{12}}"
_B64 = r"[A-Za-z0-9+/]"
_BASE64 = rf"(?:{_B64}{{4}})*(?:{_B64}[AQgw]==|{_B64}{{2}}[AEIMQUYcgkosw048]=)?"

_HOSTNAME_LIMIT = 253
_EMAIL_LIMIT = 254
_LOCAL_LIMIT = 64

_ALNUM = frozenset("0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz")
_ATEXT = _ALNUM | frozenset("!#$%&'*+/=?^_`{|}~-")
_LABEL_CHARACTERS = _ALNUM | {"-"}
_HEX_DIGITS = frozenset("0123456789ABCDEFabcdef")
_URI_CHARACTERS = _ALNUM | frozenset("-._~!$&'()*+,;=")
_PCHARS = _URI_CHARACTERS | {":", "@"}
_BASE64_ALPHABET = _ALNUM | frozenset("+/=")


def _is_uuid(text: str) -> bool:
    groups = text.split("-")
    return [len(group) for group in groups] == [8, 4, 4, 4, 12] and all(
        _HEX_DIGITS.issuperset(group) for group in groups
    )


def _is_hostname(text: str) -> bool:
    return len(text) <= _HOSTNAME_LIMIT and all(_is_label(label) for label in text.split("."))


def _is_label(label: str) -> bool:
    inner = 1 <= len(label) <= 63 and _LABEL_CHARACTERS.issuperset(label)
    return inner and not label.startswith("-") and not label.endswith("-")


def _is_email(text: str) -> bool:
    local, at, domain = text.rpartition("@")
    if not at or len(text) > _EMAIL_LIMIT or not 1 <= len(local) <= _LOCAL_LIMIT:
        return False
    if not _is_dot_string(local) and not _is_quoted_string(local):
        return False
    if domain.startswith("[") and domain.endswith("]"):
        literal = domain[1:-1]
        tag, address = literal[:5], literal[5:]
        return _is_ipv6(address) if tag.lower() == "ipv6:" else _is_ipv4(literal)
    return _is_hostname(domain)


def _is_dot_string(local: str) -> bool:
    return all(atom and _ATEXT.issuperset(atom) for atom in local.split("."))


def _is_quoted_string(local: str) -> bool:
    if len(local) < 2 or local[0] != '"' or local[-1] != '"':
        return False
    escaped = False
    for char in local[1:-1]:
        if not " " <= char <= "~" or (char == '"' and not escaped):
            return False
        escaped = char == "\\" and not escaped
    return not escaped


def _is_uri(text: str) -> bool:
    scheme, colon, rest = text.partition(":")
    if not colon or not _is_scheme(scheme):
        return False
    rest, _, fragment = rest.partition("#")
    rest, _, query = rest.partition("?")
    marks = frozenset("/?")
    if not _is_escaped(fragment, _PCHARS | marks) or not _is_escaped(query, _PCHARS | marks):
        return False
    if rest.startswith("//"):
        authority, slash, path = rest[2:].partition("/")
        return _is_authority(authority) and _is_escaped(slash + path, _PCHARS | {"/"})
    return _is_escaped(rest, _PCHARS | {"/"})


def _is_scheme(scheme: str) -> bool:
    return (
        scheme[:1].isascii()
        and scheme[:1].isalpha()
        and (_ALNUM | frozenset("+-.")).issuperset(scheme)
    )


def _is_authority(authority: str) -> bool:
    userinfo, at, host = authority.rpartition("@")
    if at and not _is_escaped(userinfo, _URI_CHARACTERS | {":"}):
        return False
    if host.startswith("["):
        literal, bracket, port = host[1:].partition("]")
        if port and not port.startswith(":"):
            return False
        return bool(bracket) and _is_ip_literal(literal) and _is_port(port[1:])
    name, _, port = host.partition(":")
    return _is_escaped(name, _URI_CHARACTERS) and _is_port(port)


def _is_port(port: str) -> bool:
    return port == "" or (port.isascii() and port.isdigit())


def _is_ip_literal(literal: str) -> bool:
    if literal[:1] not in ("v", "V"):
        return _is_ipv6(literal)
    version, _, address = literal[1:].partition(".")
    allowed = _URI_CHARACTERS | {":"}
    return (
        bool(version and address)
        and _HEX_DIGITS.issuperset(version)
        and allowed.issuperset(address)
    )


def _is_escaped(text: str, allowed: frozenset[str]) -> bool:
    """Only allowed characters and percent-encoded octets."""
    first, *escaped = text.split("%")
    return allowed.issuperset(first) and all(
        len(part) >= 2 and _HEX_DIGITS.issuperset(part[:2]) and allowed.issuperset(part[2:])
        for part in escaped
    )


def _is_ipv4(text: str) -> bool:
    numbers = text.split(".")
    return len(numbers) == 4 and all(
        number.isascii()
        and number.isdigit()
        and len(number) <= 3
        and int(number) <= 255
        and number == str(int(number))
        for number in numbers
    )


def _is_ipv6(text: str) -> bool:
    if not text.isascii() or "%" in text or "/" in text:
        return False
    try:
        IPv6Address(text)
    except AddressValueError:
        return False
    return True


def _is_base64(text: str) -> bool:
    if len(text) % 4 or not _BASE64_ALPHABET.issuperset(text):
        return False
    try:
        return base64.b64encode(base64.b64decode(text, validate=True)).decode() == text
    except binascii.Error:
        return False


def _is_text(_text: str) -> bool:
    return True


def _whole(expression: str) -> str:
    return rf"\A(?:{expression})\z"


def _at_most(limit: int) -> str:
    return rf"\A(?s:.){{0,{limit}}}\z"


FORMATS: Mapping[str, StringFormat] = MappingProxyType(
    {
        entry.name: entry
        for entry in (
            StringFormat("uuid", "RFC 9562", "a UUID of 36 characters", _is_uuid, (_whole(_UUID),)),
            StringFormat(
                "email",
                "RFC 5321",
                "an email address",
                _is_email,
                (
                    _whole(_EMAIL),
                    _at_most(_EMAIL_LIMIT),
                    rf"\A(?s:.){{1,{_LOCAL_LIMIT}}}@[^@]*\z",
                ),
            ),
            StringFormat("uri", "RFC 3986", "a URI with a scheme", _is_uri, (_whole(_URI),)),
            StringFormat(
                "hostname",
                "RFC 1123",
                "a host name",
                _is_hostname,
                (_whole(_HOSTNAME), _at_most(_HOSTNAME_LIMIT)),
            ),
            StringFormat("ipv4", "RFC 2673", "an IPv4 address", _is_ipv4, (_whole(_IPV4),)),
            StringFormat("ipv6", "RFC 4291", "an IPv6 address", _is_ipv6, (_whole(_IPV6),)),
            StringFormat("byte", "RFC 4648", "base64 with padding", _is_base64, (_whole(_BASE64),)),
            StringFormat("binary", "RFC 2046", "any text", _is_text, ()),
        )
    }
)
