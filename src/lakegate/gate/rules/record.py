"""Codes of what is no constraint: unreadable records, types, presence, whole-record rules."""

from __future__ import annotations

from lakegate.gate.rules.base import Code

__all__ = ["CODES"]

CODES = (
    Code("record.null", "no value and no key: neither a record nor a tombstone"),
    Code("record.size", "the value is larger than the contract's size limit"),
    Code("record.paths", "more is to tell than a small multiple of the value's size"),
    Code("json.bom", "the value starts with a byte order mark"),
    Code("json.utf8", "the bytes are not UTF-8"),
    Code("json.depth", "arrays and objects are nested more than 64 deep"),
    Code("json.magic", "the first bytes are those of another format"),
    Code("json.syntax", "the text is not JSON"),
    Code("json.truncated", "the text ends before the value does"),
    Code("json.number", "NaN or Infinity, which JSON does not have"),
    Code("json.duplicateKey", "an object holds a key twice"),
    Code("json.trailing", "something follows the value"),
    Code("json.surrogate", "half of a surrogate pair stands alone"),
    Code("json.notObject", "the value is JSON, but no object"),
    Code("required", "a required field is absent or null"),
    Code("type", "a value is of another JSON type than declared"),
    Code("integer.range", "an integer does not fit its width"),
    Code("number.range", "a number overflows a double"),
    Code("decimal.scale", "a decimal has more digits after the point than declared"),
    Code("decimal.precision", "a decimal has more digits before the point than fit"),
    Code("date.format", "a date is not written as declared"),
    Code("date.range", "there is no such day"),
    Code("time.format", "a time is not written as declared"),
    Code("time.range", "there is no such time of day"),
    Code("time.leapSecond", "a leap second, which has no place in microseconds of the day"),
    Code("timestamp.format", "a timestamp is not written as declared"),
    Code("timestamp.zone", "a zone is missing, beyond 23:59, or there where none should be"),
    Code("timestamp.range", "there is no such time, or it is outside the years 0001 to 9999"),
    Code("timestamp.local", "a local time that its zone skips or runs through twice"),
    Code("timestamp.leapSecond", "a leap second, which has no value in UTC microseconds"),
    Code("unknownField", "a field that the contract does not declare"),
    Code("sql", "a SQL rule of the contract is true of the record"),
    Code("reference", "a key is not among those that another table has published"),
    Code("gate.error", "the gate itself failed on this record; please report it"),
)
