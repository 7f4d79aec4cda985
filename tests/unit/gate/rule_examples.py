"""One example for each rule code: what is declared, a record that fails, and one that passes."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal

from lakegate.contract.stream import (
    ContractRef,
    Place,
    QualityRule,
    RuleKind,
    Stream,
    UnknownFields,
)
from lakegate.contract.type import (
    ArrayType,
    Constraint,
    DateType,
    DecimalType,
    Field,
    IntegerType,
    NumberType,
    ObjectType,
    Severity,
    StringType,
    TimestampType,
    TimeType,
    Type,
)

__all__ = ["EXAMPLES", "Example", "stream_of"]

_STRING, _INTEGER, _NUMBER = StringType(), IntegerType(), NumberType()
_LIST = ArrayType(Field("element", IntegerType(), "$.x[*]"))
_OBJECT = ObjectType((Field("a", IntegerType(), "$.x.a"), Field("b", IntegerType(), "$.x.b")))
_VIENNA = TimestampType(zoned=False, default_timezone="Europe/Vienna")


@dataclass(frozen=True, slots=True)
class Example:
    """``declared`` is how the documentation says it; None as ``bad`` is a null value."""

    code: str
    declared: str
    type: Type
    good: bytes
    bad: bytes | None
    bound: object = None
    required: bool = False


EXAMPLES = (
    Example("record.null", "any record", _STRING, b"{}", None),
    Example("record.size", "a limit of 100 bytes", _STRING, b"{}", b'{"x":"' + b"y" * 100 + b'"}'),
    Example("record.paths", "an array of integers", _LIST, b"{}",
            b'{"x":[' + b'"",' * 4000 + b"1]}"),
    Example("json.bom", "any record", _STRING, b"{}", b"\xef\xbb\xbf{}"),
    Example("json.utf8", "any record", _STRING, b"{}", b'{"x":"\xff"}'),
    Example("json.depth", "any record", _STRING, b"{}", b"[" * 65 + b"]" * 65),
    Example("json.magic", "any record", _STRING, b"{}", b"PAR1"),
    Example("json.syntax", "any record", _STRING, b"{}", b'{"x":"a",}'),
    Example("json.truncated", "any record", _STRING, b"{}", b'{"x":"a'),
    Example("json.number", "any record", _NUMBER, b'{"x":1}', b'{"x":NaN}'),
    Example("json.duplicateKey", "any record", _STRING, b"{}", b'{"x":"a","x":"a"}'),
    Example("json.trailing", "any record", _STRING, b"{}", b"{} {}"),
    Example("json.surrogate", "any record", _STRING, b"{}", b'{"x":"\\ud800"}'),
    Example("json.notObject", "any record", _STRING, b"{}", b"[1]"),
    Example("required", "`required: true`", _STRING, b'{"x":""}', b"{}", required=True),
    Example("type", "integer", _INTEGER, b'{"x":5}', b'{"x":5.0}'),
    Example("integer.range", "8-bit integer", IntegerType(8), b'{"x":127}', b'{"x":128}'),
    Example("number.range", "number", _NUMBER, b'{"x":1e308}', b'{"x":1E400}'),
    Example("decimal.scale", "decimal(6,2)", DecimalType(6, 2), b'{"x":1.50}', b'{"x":1.005}'),
    Example("decimal.precision", "decimal(6,2)", DecimalType(6, 2), b'{"x":9999}', b'{"x":12345}'),
    Example("date.format", "date", DateType(), b'{"x":"2026-11-23"}', b'{"x":"23.11.2026"}'),
    Example("date.range", "date", DateType(), b'{"x":"2024-02-29"}', b'{"x":"2026-02-29"}'),
    Example("time.format", "time", TimeType(), b'{"x":"10:00:00"}', b'{"x":"10:00"}'),
    Example("time.range", "time", TimeType(), b'{"x":"00:00:00"}', b'{"x":"24:00:00"}'),
    Example("time.leapSecond", "time", TimeType(), b'{"x":"23:59:59"}', b'{"x":"23:59:60"}'),
    Example("timestamp.format", "timestamp", TimestampType(),
            b'{"x":"2026-11-23T10:00:00Z"}', b'{"x":"2026-11-23 10:00:00Z"}'),
    Example("timestamp.zone", "timestamp", TimestampType(),
            b'{"x":"2026-11-23T10:00:00+14:00"}', b'{"x":"2026-11-23T10:00:00"}'),
    Example("timestamp.range", "timestamp", TimestampType(),
            b'{"x":"2026-11-23T23:59:59Z"}', b'{"x":"2026-11-23T24:00:00Z"}'),
    Example("timestamp.local", "timestamp, local to Europe/Vienna", _VIENNA,
            b'{"x":"2026-03-29T03:30:00"}', b'{"x":"2026-03-29T02:30:00"}'),
    Example("timestamp.leapSecond", "timestamp", TimestampType(),
            b'{"x":"2016-12-31T23:59:59Z"}', b'{"x":"2016-12-31T23:59:60Z"}'),
    Example("unknownField", "`lakegate.unknownFields: reject`", _STRING,
            b'{"x":"a"}', b'{"x":"a","extra":1}'),
    Example("sql", "`SELECT COUNT(*) FROM {object} WHERE x > 200`, `mustBe: 0`", _INTEGER,
            b'{"x":200}', b'{"x":201}'),
    Example("minLength", "`minLength: 3`", _STRING, b'{"x":"abc"}', '{"x":"ä😀"}'.encode(), 3),
    Example("maxLength", "`maxLength: 2`", _STRING, '{"x":"ä😀"}'.encode(), b'{"x":"abc"}', 2),
    Example("pattern", "`pattern: ^N[0-9]+$`", _STRING, b'{"x":"N12"}', b'{"x":"N12\\n"}',
            "^N[0-9]+$"),
    Example("invalidPattern", "`invalidValues`, `pattern: ^N`, `mustBe: 0`", _STRING,
            b'{"x":"N12"}', b'{"x":"D12"}', "^N"),
    Example("format", "`format: uuid`", _STRING,
            b'{"x":"0F8FAD5B-D9CB-469F-A165-70867728950E"}',
            b'{"x":"0f8fad5bd9cb469fa16570867728950e"}', "uuid"),
    Example("minimum", "number, `minimum: 0.1`", _NUMBER, b'{"x":0.1}', b'{"x":0.09}',
            Decimal("0.1")),
    Example("maximum", "date, `maximum: 2026-11-23`", DateType(), b'{"x":"2026-11-23"}',
            b'{"x":"2026-11-24"}', date(2026, 11, 23)),
    Example("exclusiveMinimum", "timestamp, `exclusiveMinimum: 2026-01-01T00:00:00Z`",
            TimestampType(), b'{"x":"2026-01-01T00:00:00.000001Z"}',
            b'{"x":"2026-01-01T01:00:00+01:00"}', datetime(2026, 1, 1, tzinfo=UTC)),
    Example("exclusiveMaximum", "integer, `exclusiveMaximum: 24`", _INTEGER, b'{"x":23}',
            b'{"x":24}', 24),
    Example("multipleOf", "number, `multipleOf: 0.01`", _NUMBER, b'{"x":0.07}', b'{"x":0.075}',
            Decimal("0.01")),
    Example("minItems", "array, `minItems: 1`", _LIST, b'{"x":[1]}', b'{"x":[]}', 1),
    Example("maxItems", "array, `maxItems: 2`", _LIST, b'{"x":[1,2]}', b'{"x":[1,2,3]}', 2),
    Example("uniqueItems", "array, `uniqueItems: true`", _LIST, b'{"x":[1,2]}', b'{"x":[1,1]}',
            True),
    Example("minProperties", "object, `minProperties: 1`", _OBJECT, b'{"x":{"a":1}}', b'{"x":{}}',
            1),
    Example("maxProperties", "object, `maxProperties: 1`", _OBJECT, b'{"x":{"a":1}}',
            b'{"x":{"a":1,"b":2}}', 1),
    Example("requiredKeys", "object, `required: [b]`", _OBJECT, b'{"x":{"b":null}}',
            b'{"x":{"a":1}}', ("b",)),
    Example("nullValues", "`nullValues`, `mustBe: 0`", _STRING, b'{"x":""}', b'{"x":null}', 0),
    Example("missingValues", "`missingValues: [n/a]`, `mustBe: 0`", _STRING, b'{"x":"a"}',
            b'{"x":"n/a"}', ("n/a",)),
    Example("invalidValues", "`invalidValues`, `validValues: [EUR, USD]`, `mustBe: 0`", _STRING,
            b'{"x":"EUR"}', b'{"x":"eur"}', ("EUR", "USD")),
)  # fmt: skip


def stream_of(example: Example) -> Stream:
    """A stream of one field ``x``, as the example declares it."""
    constraints = ()
    if example.bound is not None:
        constraints = (Constraint(example.code, example.bound),)  # type: ignore[arg-type]
    field = Field("x", example.type, "$.x", required=example.required, constraints=constraints)
    rules = ()
    if example.code == "sql":
        rules = (
            QualityRule(
                "x_sane",
                RuleKind.SQL,
                Place.GATE,
                "one record at a time",
                Severity.ERROR,
                operator="mustBe",
                bounds=(Decimal(0),),
                query="SELECT COUNT(*) FROM {object} WHERE x > 200",
            ),
        )
    rejects = example.code == "unknownField"
    return Stream(
        ContractRef("example", "1.0.0", "0" * 64),
        "example",
        "example",
        (field,),
        rules=rules,
        unknown_fields=UnknownFields.REJECT if rejects else UnknownFields.KEEP,
        size_limit_bytes=100 if example.code == "record.size" else 1 << 20,
    )
