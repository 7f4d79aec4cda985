"""What kind of thing a case tries, and whether judging it otherwise is a choice or a mistake."""

from __future__ import annotations

import re
from dataclasses import dataclass

from lakegate.testing.adversarial import Case

__all__ = ["Kind", "example", "kind"]


@dataclass(frozen=True, slots=True)
class Kind:
    """``choice``: why a tool may well say otherwise; None where it is wrong to."""

    name: str
    choice: str | None = None


_BY_RULE = {
    "json.duplicateKey": Kind(
        "a key twice", "RFC 8259 leaves it open; one of the two values is gone, and nobody is told"
    ),
    "json.depth": Kind("nested more than 64 deep", "a limit of Lakegate's own"),
    "record.size": Kind("a record over 1 MiB", "a limit of Lakegate's own"),
    "json.bom": Kind("a byte order mark", "RFC 8259 lets a reader skip it"),
    "json.number": Kind("NaN or Infinity"),
    "json.surrogate": Kind("half a surrogate pair"),
    "json.utf8": Kind("bytes that are no UTF-8"),
    "json.syntax": Kind("broken JSON"),
    "json.trailing": Kind("two records in one"),
    "json.truncated": Kind("a record cut off"),
    "json.notObject": Kind("no object"),
    "integer.range": Kind(
        "an integer beyond 64 bits", "Python's integers are of any size; a 64-bit column is not"
    ),
    "number.range": Kind("a number beyond a double"),
    "timestamp.leapSecond": Kind("a leap second", "RFC 3339 allows it; few stores can hold it"),
    "required": Kind("a required value missing"),
}
_NOT_THERE = Kind("a date or time that does not exist")
_OUTSIDE = Kind(
    "outside of the years 1 to 9999 in UTC", "inside where the local time is kept, or has no end"
)
_NAIVE = Kind("a timestamp without a zone")
_OFFSET = Kind("an offset of 24 hours or of 60 minutes")
_ISO = Kind("a timestamp of ISO 8601, but not RFC 3339", "ISO 8601 allows it")
_DAY = Kind("a date for a timestamp")
_NO_TIMESTAMP = Kind("text that is no timestamp")
_LINE_END = Kind("a line end behind the value")
_SCRIPT = Kind("`\\d` and digits of another script")
_PATTERN = Kind("text that a pattern or format refuses")
_WHOLE = Kind("`5.0` or `1e2` for an integer", "JSON Schema counts both as integers")
_IN_STRING = Kind("a number or boolean in a string")
_FOR_TEXT = Kind("a number, array or object for a string")
_OTHER_TYPE = Kind("a value of another type")
_BOUND = Kind("a value beyond a bound")
_NULL_ITEM = Kind("null within an array")
_LOWER = Kind("a timestamp with small `t` and `z`")
_EDGE = Kind("the first and last moments of the calendar")
_LINES = Kind("line ends around a record", "what is read as lines cannot hold them")
_SEPARATOR = Kind("U+2028 in a text")
_GOOD = Kind("odd, but good")

_NUMBER_IN_TEXT = re.compile(rb'"(true|-?\d[\d.eE+]*)"')
_TEMPORAL = re.compile(
    rb'"(?P<date>[+-]?\d{4,5}-\d\d-\d\d)(?P<time>[Tt ][\d:.]+)?(?P<zone>.*)"', re.S
)


def kind(case: Case) -> Kind:
    """Of the first rule that refuses it, or of what is odd about an accepted one."""
    value = _value(case)
    if not case.rules:
        return _accepted(case, value)
    rule = case.rules[0]
    if rule in _BY_RULE:
        return _BY_RULE[rule]
    if rule.startswith("timestamp."):
        return _timestamp(rule, value)
    if rule == "type":
        return _type(case, value)
    if rule in ("pattern", "format"):
        if b"\\n" in value:
            return _LINE_END
        return _SCRIPT if value.strip(b'"').isdigit() or b"\xd9" in value else _PATTERN
    return _BOUND


def _accepted(case: Case, value: bytes) -> Kind:
    if case.path.startswith("$.tags") and b"null" in value:
        return _NULL_ITEM
    if case.path == "$.occurred_at":
        if re.search(rb"[tz]", value):
            return _LOWER
        if value.startswith((b'"0001', b'"9999')):
            return _EDGE
    if case.value.endswith(b"\n"):
        return _LINES
    return _SEPARATOR if "\u2028".encode() in value else _GOOD


def _timestamp(rule: str, value: bytes) -> Kind:
    if rule == "timestamp.range":
        edges = (b'"0000', b'"0001', b'"9999')
        return _OUTSIDE if value.startswith(edges) else _NOT_THERE
    if rule == "timestamp.zone":
        return _OFFSET if re.search(rb'[+-]\d\d:\d\d"', value) else _NAIVE
    if b"\\n" in value:
        return _LINE_END
    found = _TEMPORAL.fullmatch(value)
    if found is None:
        return _NO_TIMESTAMP
    return _ISO if found["time"] else _DAY


def _type(case: Case, value: bytes) -> Kind:
    if case.path == "$.user_id" and re.match(rb"-?\d+(\.0+)?([eE]\d+)?[,}]?$", value):
        return _WHOLE
    if case.path in ("$.user_id", "$.amount", "$.lat", "$.lon"):
        return _IN_STRING if _NUMBER_IN_TEXT.match(value) else _OTHER_TYPE
    return _OTHER_TYPE if case.path in ("$.tags", "$.address") and value[:1] != b"[" else _FOR_TEXT


def example(case: Case) -> str:
    """The member that was changed, or the beginning of the record; short, for a cell of a table."""
    if case.path == "$":
        return case.what
    text = "".join(
        letter if letter.isprintable() else f"\\u{ord(letter):04x}"
        for letter in _value(case).decode("utf-8", "backslashreplace")
    )
    shown = text if len(text) <= 40 else f"{text[:36]}…"
    return f"`{case.path[2:]}: {shown}`".replace("|", "\\|")


def _value(case: Case) -> bytes:
    """The text that stands in the place of the case, as far as it goes."""
    name = case.path.rpartition(".")[2].partition("[")[0].encode()
    _, found, rest = case.value.rpartition(b'"%s":' % name)
    if not found or case.path == "$":
        return b""
    nested = re.match(rb'(\{.*?\}|\[.*?\](?=[,}])|"(?:[^"\\]|\\.)*"|[^,}]*)', rest, re.DOTALL)
    return nested[0] if nested is not None else b""
