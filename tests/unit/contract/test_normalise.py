"""What documents come to: types, constraints, rules, service levels, names."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from lakegate.contract import load, loads
from lakegate.contract.stream import Enforcement, Partition, Place, Scope, Stream, UnknownFields
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
    Severity,
    StringType,
    TimestampType,
    TimeType,
    Type,
)
from lakegate.errors import ContractError

_CONTRACTS = Path(__file__).parents[2] / "contracts"
_HEAD = "apiVersion: v3.2.0\nkind: DataContract\nid: shop\nversion: 1.0.0\nstatus: active\n"


def stream_of(properties: str, tail: str = "", head: str = _HEAD) -> Stream:
    """The stream of one object, `order`, with properties as YAML flow mappings, one a line."""
    lines = "".join(f"      - {line}\n" for line in properties.strip().splitlines())
    return loads(f"{head}schema:\n  - name: order\n    properties:\n{lines}{tail}").stream()


def field_of(entries: str, head: str = _HEAD) -> Field:
    return stream_of("{name: a, " + entries + "}", head=head).fields[0]


def constraints_of(entries: str, head: str = _HEAD) -> dict[str, Any]:
    return {c.rule: c.bound for c in field_of(entries, head).constraints}


@pytest.mark.parametrize(
    ("entries", "expected"),
    [
        ("logicalType: string", StringType()),
        ("logicalType: boolean", BooleanType()),
        ("logicalType: integer", IntegerType()),
        ("logicalType: integer, logicalTypeOptions: {format: u16}", IntegerType(16, signed=False)),
        ("logicalType: integer, logicalTypeOptions: {format: i128}", DecimalType(38, 0)),
        ("logicalType: integer, physicalType: INT", IntegerType()),
        ("logicalType: integer, physicalType: 'numeric(20)'", DecimalType(20, 0)),
        ("logicalType: number", NumberType()),
        ("logicalType: number, physicalType: 'DECIMAL(10, 2)'", DecimalType(10, 2)),
        ("logicalType: number, physicalType: decimal", NumberType()),
        ("logicalType: date", DateType()),
        ("logicalType: date, logicalTypeOptions: {format: dd.MM.yyyy}", DateType("dd.MM.yyyy")),
        ("logicalType: date, physicalType: timestamp", TimestampType()),
        (
            "logicalType: date, logicalTypeOptions: {format: 'yyyy-MM-dd HH:mm:ss'}",
            TimestampType(zoned=False, format="yyyy-MM-dd HH:mm:ss"),
        ),
        ("logicalType: date, logicalTypeOptions: {format: 'HH:mm'}", TimeType("HH:mm")),
        ("logicalType: time", TimeType()),
        ("logicalType: timestamp", TimestampType()),
        (
            "logicalType: timestamp, logicalTypeOptions: {timezone: false, defaultTimezone: GMT}",
            TimestampType(zoned=False, default_timezone="GMT"),
        ),
        ("physicalType: varchar(20)", StringType()),
        ("physicalType: bigint", IntegerType()),
        ("physicalType: timestamp without time zone", TimestampType(zoned=False)),
        ("physicalType: geometry", AnyType()),
        ("logicalType: object", AnyType()),
        ("logicalType: array", ArrayType(Field("element", AnyType(), "$.a[*]"))),
        ("logicalType: map, map: {key: {logicalType: integer}, value: {}}", AnyType()),
        (
            "logicalType: vector, logicalTypeOptions: {dimensions: 3}",
            ArrayType(Field("element", NumberType(), "$.a[*]", required=True)),
        ),
    ],
)
def test_types(entries: str, expected: Type) -> None:
    assert field_of(entries).type == expected


@pytest.mark.parametrize(
    ("entries", "expected"),
    [
        (
            "logicalType: string, logicalTypeOptions: {minLength: 1, pattern: '^a$', format: uuid}",
            {"minLength": 1, "pattern": "^a$", "format": "uuid"},
        ),
        ("logicalType: string, logicalTypeOptions: {format: password}", {}),
        ("logicalType: integer, logicalTypeOptions: {minimum: 1.0}", {"minimum": 1}),
        (
            "logicalType: number, logicalTypeOptions: {maximum: 0.1, multipleOf: 0.10}",
            {"maximum": Decimal("0.1"), "multipleOf": Decimal("0.1")},
        ),
        (
            "logicalType: date, logicalTypeOptions: {minimum: '2020-01-31'}",
            {"minimum": date(2020, 1, 31)},
        ),
        (
            "logicalType: time, logicalTypeOptions: {exclusiveMaximum: '12:30:00'}",
            {"exclusiveMaximum": time(12, 30)},
        ),
        (
            "logicalType: timestamp, logicalTypeOptions: {minimum: '2020-01-01T00:00:00+01:00'}",
            {"minimum": datetime(2019, 12, 31, 23, tzinfo=UTC)},
        ),
        (
            "logicalType: array, items: {}, logicalTypeOptions: {maxItems: 2, uniqueItems: true}",
            {"maxItems": 2, "uniqueItems": True},
        ),
        (
            "logicalType: object, properties: [{name: b}], logicalTypeOptions: {required: [b]}",
            {"requiredKeys": ("b",)},
        ),
        (
            "logicalType: vector, logicalTypeOptions: {dimensions: 3}",
            {"minItems": 3, "maxItems": 3},
        ),
        ("logicalType: number, enum: [{value: 1.50}]", {"invalidValues": ("1.50",)}),
    ],
)
def test_options_become_constraints(entries: str, expected: dict[str, Any]) -> None:
    assert constraints_of(entries) == expected


def test_exclusive_flags_of_odcs_3_0() -> None:
    old = _HEAD.replace("v3.2.0", "v3.0.2")
    options = "{minimum: 0, exclusiveMinimum: true, maximum: 9, exclusiveMaximum: false}"
    found = constraints_of(f"logicalType: integer, logicalTypeOptions: {options}", old)
    assert found == {"exclusiveMinimum": 0, "maximum": 9}


@pytest.mark.parametrize(
    ("quality", "expected"),
    [
        ("{metric: nullValues, mustBe: 0}", {"nullValues": 0}),
        (
            "{metric: missingValues, mustBe: 0, arguments: {missingValues: [null, '', 'N/A']}}",
            {"missingValues": (None, "", "N/A")},
        ),
        (
            "{metric: invalidValues, mustBe: 0, arguments: {validValues: [a, 1], pattern: x}}",
            {"invalidValues": ("a", "1"), "invalidPattern": "x"},
        ),
        ("{metric: nullValues, mustBe: 0, unit: percent}", {"nullValues": 0}),
        ("{metric: nullValues, mustBeLessThan: 1}", {}),
    ],
)
def test_metrics_per_record_become_constraints(quality: str, expected: dict[str, Any]) -> None:
    assert constraints_of(f"logicalType: string, quality: [{quality}]") == expected


@pytest.mark.parametrize(
    ("quality", "place"),
    [
        ("{metric: nullValues, mustBe: 0}", Place.GATE),
        ("{metric: nullValues, mustBeLessThan: 5, unit: percent}", Place.AUDIT),
        ("{metric: duplicateValues, mustBe: 0}", Place.AUDIT),
        ("{query: 'SELECT COUNT(*) FROM {object} WHERE {property} IS NULL', type: sql, mustBe: 0}",
         Place.GATE),
        ("{query: 'SELECT COUNT(*) FROM {object} WHERE a IS NULL', type: sql, mustBe: 5}",
         Place.AUDIT),
        ("{query: 'SELECT MAX(a) FROM {object}', type: sql, mustBe: 0}", Place.AUDIT),
        ("{type: text, description: nice}", Place.NONE),
        ("{type: custom, engine: soda, implementation: x}", Place.NONE),
    ],
)  # fmt: skip
def test_where_a_rule_is_judged(quality: str, place: Place) -> None:
    (rule,) = stream_of("{name: a, logicalType: string, quality: [" + quality + "]}").rules
    assert (rule.place, bool(rule.reason)) == (place, True)


def test_rules_have_stable_names_of_their_own() -> None:
    text = (
        "{name: a, logicalType: string, unique: true, quality: ["
        "{metric: nullValues, mustBe: 0}, {metric: nullValues, mustBeLessThan: 5, unit: percent},"
        "{id: mine, metric: duplicateValues, mustBe: 0}]}"
    )
    names = [rule.name for rule in stream_of(text).rules]
    assert names[0] == "a.nullValues"
    assert names[1].startswith("a.nullValues.")
    assert names[2:] == ["mine", "a.duplicateValues"]
    assert [rule.name for rule in stream_of(text).rules] == names


def test_severities_from_custom_properties() -> None:
    made = field_of(
        "logicalType: integer, required: true, logicalTypeOptions: {minimum: 1, maximum: 2},"
        "customProperties: [{property: lakegate.severity, value: warning},"
        "{property: lakegate.severity.minimum, value: critical}]"
    )
    assert (made.type_severity, made.required_severity) == (Severity.WARNING, Severity.WARNING)
    assert {c.rule: c.severity for c in made.constraints} == {
        "minimum": Severity.CRITICAL,
        "maximum": Severity.WARNING,
    }


def test_the_orders_contract() -> None:
    stream = load(_CONTRACTS / "orders.odcs.yaml").stream()
    assert (stream.name, stream.topic("raw"), stream.table) == ("orders", "orders.raw", "orders")
    assert stream.primary_key == ("order_id",)
    assert stream.fields[0].required
    assert stream.partitions == (Partition("placed_at", "day"),)
    assert stream.event_time == "placed_at"
    assert stream.allowed_lateness == timedelta(hours=2)
    assert stream.owner == "sales-platform"
    lines = next(field for field in stream.fields if field.name == "lines")
    assert isinstance(lines.type, ArrayType)
    item = lines.type.item
    assert isinstance(item.type, ObjectType)
    assert [f.path for f in item.type.fields] == [
        f"$.lines[*].{n}" for n in ("sku", "qty", "price")
    ]
    assert {rule.name: rule.place for rule in stream.rules} == {
        "currency_present": Place.GATE,
        "note_completeness": Place.AUDIT,
        "order_id.duplicateValues": Place.AUDIT,
        "total_covers_shipping": Place.GATE,
        "enough_rows": Place.AUDIT,
    }


def test_the_payments_contract_of_odcs_3_0() -> None:
    stream = load(_CONTRACTS / "payments.odcs.yaml").stream()
    types = {field.name: field.type for field in stream.fields}
    assert types["paid_at"] == TimestampType()
    assert types["booked_on"] == DateType("dd.MM.yyyy")
    assert types["amount"] == DecimalType(18, 4)
    assert [(s.name, s.element, s.duration) for s in stream.sla] == [
        ("latency", "paid_at", timedelta(hours=1))
    ]
    assert stream.owner == "grace"


def test_the_telemetry_contract_of_two_objects() -> None:
    contract = load(_CONTRACTS / "telemetry.odcs.yaml")
    device, reading = contract.streams
    assert (device.name, device.topic_prefix) == ("telemetry/device", "iot.devices")
    assert (reading.topic_prefix, reading.table) == ("telemetry.reading", "telemetry.reading")
    assert reading.unknown_fields is UnknownFields.REJECT
    assert reading.enforcement is Enforcement.OBSERVE
    assert reading.draft
    (reference,) = reading.references
    assert (reference.columns, reference.to_stream) == (("device_id",), "telemetry/device")
    assert (reference.to_columns, reference.severity) == (("device_id",), Severity.WARNING)
    twice, dead = reading.rules
    assert twice.properties == ("device_id", "measured_at")
    assert (dead.scope, dead.bounds) == (Scope.INCREMENT, (Decimal(-40), Decimal(45)))
    with pytest.raises(ContractError, match="several objects"):
        contract.stream()
    assert contract.stream("reading") is reading


@pytest.mark.parametrize(
    ("entry", "name", "duration", "value"),
    [
        ("{property: LY, value: 4, unit: d}", "latency", timedelta(days=4), Decimal(4)),
        ("{property: latency, value: PT15M}", "latency", timedelta(minutes=15), "PT15M"),
        ("{property: frequency, value: '1', unit: h}", "frequency", timedelta(hours=1), Decimal(1)),
        ("{property: retention, value: 2, unit: years}", "retention", timedelta(730), Decimal(2)),
        ("{property: er, value: 0.5, unit: '%'}", "errorRate", None, Decimal("0.5")),
        ("{property: th, value: 9, unit: records/min}", "throughput", timedelta(minutes=1), 9),
    ],
)
def test_measured_service_levels(
    entry: str, name: str, duration: timedelta | None, value: object
) -> None:
    (sla,) = stream_of("{name: a, logicalType: string}", f"slaProperties: [{entry}]\n").sla
    assert (sla.name, sla.place, sla.duration, sla.value) == (name, Place.AUDIT, duration, value)


@pytest.mark.parametrize("name", ["availability", "ga", "timeToRepair", "freshnes"])
def test_service_levels_that_are_not_measured_say_why(name: str) -> None:
    tail = f"slaProperties: [{{property: {name}, value: 1}}]\n"
    (sla,) = stream_of("{name: a, logicalType: string}", tail).sla
    assert sla.place is Place.NONE
    assert sla.reason


def test_variables_are_resolved_again_as_scalars_and_change_the_digest() -> None:
    text = (
        f"{_HEAD}domain: ${{D}}\nname: $${{D}}x\nschema:\n  - name: order\n"
        "    physicalType: topic\n    physicalName: t\n    properties:\n      - name: a\n"
        "        logicalType: integer\n        logicalTypeOptions:\n          maximum: ${M}\n"
    )
    one = loads(text, variables={"D": "sales", "M": "7"})
    other = loads(text, variables={"D": "sales", "M": "8"})
    assert (one.domain, one.name) == ("sales", "${D}x")
    assert one.stream().fields[0].constraints[0].bound == 7
    assert one.digest != other.digest
    assert one.stream().contract.digest == one.digest


def test_the_digest_does_not_depend_on_a_password() -> None:
    text = (
        _HEAD
        + "servers:\n  - {server: a, type: custom, host: '${HOST}', account: '${DB_PASSWORD}'}\n"
    )
    one = loads(text, variables={"HOST": "h", "DB_PASSWORD": "1"})
    other = loads(text, variables={"HOST": "h", "DB_PASSWORD": "2"})
    assert one.digest == other.digest
    assert one.servers is not None
    assert one.servers[0].extra == {"host": "h", "account": "${DB_PASSWORD}"}


def test_all_errors_are_in_one_message() -> None:
    with pytest.raises(ContractError) as caught:
        loads(_HEAD + "nmae: a\ndomian: b\n", file="c.yaml")
    assert "c.yaml:6:1" in str(caught.value)
    assert "c.yaml:7:1" in str(caught.value)
