"""Values of change events: from how a connector encodes them to what the contract's types read.

A converter turns the JSON text of one value into the JSON text that the gate judges. What it was
told to expect comes from the event's embedded schema (Kafka Connect's logical types,
``io.debezium.time.*``; Debezium documentation, "Data type mappings") or from the contract.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import lru_cache
from typing import Any, TypeAlias

import msgspec

from lakegate.contract.cdc import Encoding
from lakegate.contract.type import (
    AnyType,
    ArrayType,
    DateType,
    DecimalType,
    Field,
    IntegerType,
    MapType,
    NumberType,
    ObjectType,
    StringType,
    TimestampType,
    TimeType,
    Type,
)
from lakegate.gate.debezium.envelope import strict_members
from lakegate.gate.json_text import canonical
from lakegate.gate.path import child

__all__ = [
    "Converter",
    "Encoded",
    "Undecodable",
    "converter",
    "from_contract",
    "from_schema",
    "member_key",
    "rewritten",
]

Converter: TypeAlias = Callable[[bytes], bytes]

_INTEGER = re.compile(rb"-?[0-9]{1,20}")
_DECIMAL = re.compile(r"[+-]?[0-9]{1,200}(?:\.[0-9]{1,200})?(?:[eE][+-]?[0-9]{1,4})?")
_EPOCH = datetime(1970, 1, 1)  # noqa: DTZ001 - a local time; the zone is written where there is one
_EPOCH_DAY = date(1970, 1, 1).toordinal()
_MOST_SCALE = 400
_DAY_US = 86_400_000_000
_text: Callable[[bytes], str] = msgspec.json.Decoder(str).decode
_skip = msgspec.json.Decoder(msgspec.Raw).decode
_members = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_items = msgspec.json.Decoder(list[msgspec.Raw]).decode


class Undecodable(ValueError):
    """A value that is not encoded as it should be; ``step`` is its path within the value."""

    def __init__(self, rule: str, expected: str, observed: bytes) -> None:
        self.rule = rule
        self.expected = expected
        self.observed = observed
        self.step = ""
        super().__init__(rule)

    def inside(self, step: str) -> Undecodable:
        """The same, seen from one level further up."""
        self.step = step + self.step
        return self


@dataclass(frozen=True, slots=True)
class Encoded:
    """How a value is encoded.

    ``kind`` is one of ``decimal.text``, ``decimal.bytes`` (two's complement in base64, with
    ``scale``), ``decimal.struct`` (``{"scale": …, "value": …}``), ``date.days``, ``date.iso``,
    ``time``, ``time.iso``, ``timestamp``, ``json``, ``struct`` (``members``) and ``array``
    (``item``); ``per_second`` is the resolution of a count.
    """

    kind: str
    scale: int = 0
    per_second: int = 0
    members: tuple[tuple[str, Encoded], ...] = ()
    item: Encoded | None = None


_JSON = Encoded("json")
_COUNTS = {Encoding.MILLIS: 1_000, Encoding.MICROS: 1_000_000, Encoding.NANOS: 1_000_000_000}
_LOGICAL: Mapping[str, Encoded] = {
    "org.apache.kafka.connect.data.Date": Encoded("date.days"),
    "org.apache.kafka.connect.data.Time": Encoded("time", per_second=1_000),
    "org.apache.kafka.connect.data.Timestamp": Encoded("timestamp", per_second=1_000),
    "io.debezium.time.Date": Encoded("date.days"),
    "io.debezium.time.Time": Encoded("time", per_second=1_000),
    "io.debezium.time.MicroTime": Encoded("time", per_second=1_000_000),
    "io.debezium.time.NanoTime": Encoded("time", per_second=1_000_000_000),
    "io.debezium.time.Timestamp": Encoded("timestamp", per_second=1_000),
    "io.debezium.time.MicroTimestamp": Encoded("timestamp", per_second=1_000_000),
    "io.debezium.time.NanoTimestamp": Encoded("timestamp", per_second=1_000_000_000),
    "io.debezium.time.IsoDate": Encoded("date.iso"),
    "io.debezium.time.IsoTime": Encoded("time.iso"),
    "io.debezium.data.VariableScaleDecimal": Encoded("decimal.struct"),
    "io.debezium.data.Json": _JSON,
}
_PASSED = Encoded("")


def from_schema(schema: Mapping[str, Any]) -> Encoded:
    """How a value is encoded that an embedded Connect schema describes; unknown types pass."""
    name = schema.get("name")
    if name == "org.apache.kafka.connect.data.Decimal":
        parameters = schema.get("parameters")
        scale = str(parameters.get("scale", "")) if isinstance(parameters, dict) else ""
        return Encoded("decimal.bytes", scale=int(scale)) if _is_scale(scale) else _PASSED
    if isinstance(name, str) and name in _LOGICAL:
        return _LOGICAL[name]
    match schema.get("type"):
        case "string" if name is None:
            return Encoded("decimal.text")  # decimal.handling.mode=string has no name of its own
        case "struct":
            fields = schema.get("fields")
            named = fields if isinstance(fields, list) else []
            return Encoded(
                "struct",
                members=tuple(
                    (str(item.get("field")), from_schema(item))
                    for item in named
                    if isinstance(item, dict)
                ),
            )
        case "array":
            items = schema.get("items")
            return Encoded("array", item=from_schema(items)) if isinstance(items, dict) else _PASSED
        case _:
            return _PASSED


def _is_scale(text: str) -> bool:
    digits = text.removeprefix("-")
    return digits.isascii() and digits.isdigit() and int(digits[:6]) <= _MOST_SCALE


def from_contract(field: Field, encodings: Mapping[str, Encoding]) -> Encoded:
    """How a field is encoded in events that carry no schema, as the contract says."""
    encoding = encodings.get(field.path)
    match field.type, encoding:
        case DecimalType(scale=scale), Encoding.BASE64:
            return Encoded("decimal.bytes", scale=scale)
        case DecimalType(), Encoding.STRING:
            return Encoded("decimal.text")
        case DateType(), Encoding.DAYS:
            return Encoded("date.days")
        case TimeType(), Encoding.MILLIS | Encoding.MICROS | Encoding.NANOS:
            return Encoded("time", per_second=_COUNTS[encoding])
        case TimestampType(), Encoding.MILLIS | Encoding.MICROS | Encoding.NANOS:
            return Encoded("timestamp", per_second=_COUNTS[encoding])
        case ObjectType(fields=fields), _:
            return Encoded(
                "struct", members=tuple((f.name, from_contract(f, encodings)) for f in fields)
            )
        case ArrayType(item=item), _:
            return Encoded("array", item=from_contract(item, encodings))
        case _:
            return _PASSED


def converter(encoded: Encoded, target: Type) -> Converter | None:
    """What makes text of ``target``'s kind from an encoded value; None when nothing is to be done.

    The converter is never given ``null``. It raises :class:`Undecodable`. A pair that makes no
    sense passes unchanged, for the gate to refuse.
    """
    match encoded.kind, target:
        case (("decimal.text" | "decimal.bytes" | "decimal.struct"), _):
            return _decimal(encoded, target)
        case "date.days", DateType() | StringType():
            return _days
        case "date.iso", DateType():
            return _without_z
        case "time.iso", TimeType():
            return _without_z
        case "time", TimeType() | StringType():
            return _time_of_day(encoded.per_second)
        case "timestamp", TimestampType(zoned=zoned):
            return _timestamp(encoded.per_second, "Z" if zoned else "")
        case "timestamp", StringType():
            return _timestamp(encoded.per_second, "")
        case "json", ObjectType() | ArrayType() | MapType() | AnyType():
            return _unwrapped
        case (("struct" | "array" | ""), ObjectType(fields=fields)):
            return _struct(encoded, fields)
        case (("struct" | "array" | ""), ArrayType(item=item)):
            return _array(encoded, item)
        case _:
            return None


def _decimal(encoded: Encoded, target: Type) -> Converter | None:
    write: Callable[[str, bytes], bytes]
    match target:
        case DecimalType() | NumberType() | AnyType():
            write = _as_token
        case IntegerType():
            write = _as_integer
        case StringType():
            write = _as_string
        case _:
            return None
    if encoded.kind == "decimal.text":
        if not isinstance(target, DecimalType | NumberType | IntegerType):
            return None
        return lambda raw: write(_decimal_text(raw), raw)
    if encoded.kind == "decimal.bytes":
        scale = encoded.scale
        # A column without declared precision is an object in events without schema, too.
        return lambda raw: write(
            _decimal_struct(raw) if raw[:1] == b"{" else _decimal_bytes(raw, scale), raw
        )
    return lambda raw: write(_decimal_struct(raw), raw)


def _as_token(number: str, _raw: bytes) -> bytes:
    return number.encode()


def _as_string(number: str, _raw: bytes) -> bytes:
    return f'"{number}"'.encode()


def _as_integer(number: str, raw: bytes) -> bytes:
    whole, _, fraction = number.partition(".")
    if fraction.strip("0") or "e" in number.lower():
        raise Undecodable("cdc.decimal", "a decimal without digits after the point", raw)
    return whole.encode()


def _decimal_text(raw: bytes) -> str:
    if raw[:1] == b'"':
        text = _text(raw)
        if _DECIMAL.fullmatch(text):
            sign = "-" if text.startswith("-") else ""
            digits = text.lstrip("+-").lstrip("0")
            # JSON knows neither a plus sign nor leading zeros.
            return f"{sign}{digits}" if digits[:1].isdigit() else f"{sign}0{digits}"
    elif raw[:1] not in b"{[tf":
        return raw.decode()  # a JSON number
    raise Undecodable("cdc.decimal", "a decimal number in a string", raw)


def _decimal_bytes(raw: bytes, scale: int) -> str:
    try:
        content = base64.b64decode(_text(raw), validate=True)
    except (msgspec.DecodeError, binascii.Error, ValueError):
        raise Undecodable("cdc.decimal", "the base64 bytes of a decimal", raw) from None
    if not 1 <= len(content) <= 64:  # 38 digits are 16 bytes
        raise Undecodable("cdc.decimal", "1 to 64 base64 bytes of a decimal", raw)
    number = int.from_bytes(content, "big", signed=True)
    if scale <= 0:
        return str(number * 10**-scale)
    digits = str(abs(number)).rjust(scale + 1, "0")
    return f"{'-' if number < 0 else ''}{digits[:-scale]}.{digits[-scale:]}"


def _decimal_struct(raw: bytes) -> str:
    try:
        members = _members(raw)
        scale = bytes(members["scale"]).decode()
        value = bytes(members["value"])
    except (msgspec.DecodeError, KeyError):
        scale, value = "", b""
    if not _is_scale(scale):
        raise Undecodable("cdc.decimal", "an object of scale and base64 value", raw)
    return _decimal_bytes(value, int(scale))


def _count(raw: bytes, rule: str, what: str) -> int:
    if _INTEGER.fullmatch(raw) is None:
        raise Undecodable(rule, f"a count of {what}", raw)
    return int(raw)


def _days(raw: bytes) -> bytes:
    days = _count(raw, "cdc.date", "days since 1970-01-01")
    try:
        return f'"{date.fromordinal(_EPOCH_DAY + days).isoformat()}"'.encode()
    except (ValueError, OverflowError):
        raise Undecodable("cdc.date", "a day of the years 0001 to 9999", raw) from None


_NAMES = {1_000: "milliseconds", 1_000_000: "microseconds", 1_000_000_000: "nanoseconds"}


def _micros(count: int, per_second: int) -> int:
    if per_second > 1_000_000:
        return count // (per_second // 1_000_000)
    return count * (1_000_000 // per_second)


def _time_of_day(per_second: int) -> Converter:
    what = f"{_NAMES[per_second]} since midnight"

    def convert(raw: bytes) -> bytes:
        micros = _micros(_count(raw, "cdc.time", what), per_second)
        if not 0 <= micros < _DAY_US:
            raise Undecodable("cdc.time", f"{what}, of one day", raw)
        return f'"{(_EPOCH + timedelta(microseconds=micros)).time().isoformat()}"'.encode()

    return convert


def _timestamp(per_second: int, zone: str) -> Converter:
    what = f"{_NAMES[per_second]} since 1970-01-01T00:00:00Z"

    def convert(raw: bytes) -> bytes:
        micros = _micros(_count(raw, "cdc.timestamp", what), per_second)
        try:
            at = _EPOCH + timedelta(microseconds=micros)
        except OverflowError:
            raise Undecodable("cdc.timestamp", "a time of the years 0001 to 9999", raw) from None
        return f'"{at.isoformat()}{zone}"'.encode()

    return convert


def _without_z(raw: bytes) -> bytes:
    return raw[:-2] + b'"' if raw.endswith(b'Z"') else raw


def _unwrapped(raw: bytes) -> bytes:
    """The JSON value that a string holds; anything but a string is that value already."""
    if raw[:1] != b'"':
        return raw
    try:
        content = _text(raw).encode()
        _skip(content)  # one whole value, so that nothing after it becomes part of the row
    except (msgspec.DecodeError, UnicodeEncodeError, RecursionError):
        raise Undecodable("cdc.json", "JSON in a string", raw) from None
    return content.strip(b" \t\r\n")


def _struct(encoded: Encoded, fields: tuple[Field, ...]) -> Converter:
    known = dict(encoded.members)
    members = {
        field.name: made
        for field in fields
        if (made := converter(known.get(field.name, _PASSED), field.type)) is not None
    }

    def convert(raw: bytes) -> bytes:
        content = _unwrapped(raw)
        if not members or content[:1] != b"{":
            return content
        found = strict_members(content)
        return rewritten([(name, bytes(value)) for name, value in found.items()], members)

    return convert


def rewritten(members: list[tuple[str, bytes]], converters: Mapping[str, Converter]) -> bytes:
    """The object of those members, the ones that have a converter converted.

    Raises:
        Undecodable: at the first that cannot be.
    """
    parts = []
    for name, raw in members:
        convert = converters.get(name)
        if convert is not None and raw != b"null":
            try:
                raw = convert(raw)
            except Undecodable as error:
                raise error.inside(child("", name)) from None
        parts.append(member_key(name) + raw)
    return b"{" + b",".join(parts) + b"}"


@lru_cache(maxsize=4096)
def member_key(name: str) -> bytes:
    """``"name":`` as compact JSON."""
    return canonical(name).encode() + b":"


def _array(encoded: Encoded, item: Field) -> Converter:
    each = converter(encoded.item or _PASSED, item.type)

    def convert(raw: bytes) -> bytes:
        content = _unwrapped(raw)
        if each is None or content[:1] != b"[":
            return content
        parts = []
        for index, value in enumerate(_items(content)):
            text = bytes(value)
            try:
                parts.append(text if text == b"null" else each(text))
            except Undecodable as error:
                raise error.inside(f"[{index}]") from None
        return b"[" + b",".join(parts) + b"]"

    return convert
