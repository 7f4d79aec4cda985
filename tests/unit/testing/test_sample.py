"""Samples of contracts with bounds far out, narrow, or beyond what a record can hold."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from lakegate.contract import loads
from lakegate.contract.stream import Stream
from lakegate.errors import GateError
from lakegate.gate.json_text import parse
from lakegate.gate.reference import Reference
from lakegate.testing.adversarial import adversarial
from lakegate.testing.sample import sample

CONTRACT = """
apiVersion: v3.2.0
kind: DataContract
id: odd
name: odd
version: 1.0.0
status: active
schema:
  - name: odd
    logicalType: object
    properties:
      - {name: id, logicalType: integer}
"""


def _stream(*properties: str, rules: tuple[str, ...] = ()) -> Stream:
    text = CONTRACT + "".join(f"      - {one}\n" for one in properties)
    if rules:
        text += "    quality:\n"
    for number, rule in enumerate(rules):
        query = f"SELECT COUNT(*) FROM {{object}} WHERE {rule}"
        text += f'      - {{type: sql, name: r{number}, mustBe: 0, query: "{query}"}}\n'
    return loads(text).streams[0]


def _values(stream: Stream) -> list[Any]:
    records = sample(stream, 40, seed=1)
    judged = [Reference(stream).judge(record).failures for record in records]
    assert not any(judged)
    return [parse(record).get("f") for record in records]


@pytest.mark.parametrize(
    ("kind", "options"),
    [
        ("number", "minimum: 1e30"),
        ("number", "exclusiveMinimum: 1e30"),
        ("number", "maximum: 1e300"),
        ("number", "maximum: -1e300"),
        ("number", "minimum: -1e300"),
        ("number", "minimum: 1e300, maximum: 1e300"),
        ("number", "minimum: 0.001, maximum: 0.004"),
        ("number", "exclusiveMinimum: 0, exclusiveMaximum: 1e-9"),
        ("number", "minimum: 0.5, multipleOf: 1"),
        ("number", "maximum: -0.5, multipleOf: 1"),
        ("integer", "multipleOf: 0.3"),
        ("integer", "multipleOf: 2.5"),
        ("integer", "minimum: 9223372036854775000"),
        ("integer", "minimum: 126, format: i8"),
        ("integer", "minimum: -9223372036854775807, maximum: 9223372036854775807"),
        ("date", 'exclusiveMinimum: "9999-12-30"'),
        ("date", 'exclusiveMaximum: "0001-01-02"'),
        ("time", 'exclusiveMinimum: "23:59:59"'),
        ("time", 'exclusiveMaximum: "00:00:00.000001"'),
        ("time", 'exclusiveMinimum: "10:00:00", exclusiveMaximum: "10:00:01"'),
        ("timestamp", 'exclusiveMinimum: "9999-12-31T23:59:59Z"'),
        (
            "timestamp",
            'exclusiveMinimum: "2026-01-01T10:00:00Z", exclusiveMaximum: "2026-01-01T11:00:00Z"',
        ),
    ],
)
def test_a_value_is_found_wherever_the_bounds_are(kind: str, options: str) -> None:
    stream = _stream(
        f"{{name: f, logicalType: {kind}, required: true, logicalTypeOptions: {{{options}}}}}"
    )
    assert None not in _values(stream)
    assert adversarial(stream)


@pytest.mark.parametrize("scale", ["decimal(12,2)", "decimal(4,4)", "decimal(38,0)"])
def test_decimals_keep_multiples_and_narrow_bounds(scale: str) -> None:
    physical = f'logicalType: number, physicalType: "{scale}"'
    options = "multipleOf: 0.3" if scale != "decimal(4,4)" else "minimum: 0.0003, maximum: 0.0004"
    found = _values(_stream(f"{{name: f, {physical}, logicalTypeOptions: {{{options}}}}}"))
    if "multipleOf" in options:
        assert all(Decimal(value) % Decimal("0.3") == 0 for value in found)


@pytest.mark.parametrize(
    ("kind", "options", "told"),
    [
        ("date", 'exclusiveMinimum: "9999-12-31"', "exclusiveMinimum"),
        ("time", 'exclusiveMinimum: "23:59:59", format: "HH:mm:ss"', "exclusiveMinimum"),
        ("number", "exclusiveMinimum: 2, maximum: 2.5, multipleOf: 1", "maximum"),
    ],
)
def test_where_nothing_can_be_found_the_rule_is_named(kind: str, options: str, told: str) -> None:
    stream = _stream(f"{{name: f, logicalType: {kind}, logicalTypeOptions: {{{options}}}}}")
    with pytest.raises(GateError, match=rf"odd: no valid record in 450 tries.*\[{told}"):
        sample(stream, 1, seed=0)


_TOO_LARGE = {
    "text": "{name: f, logicalType: string, logicalTypeOptions: {minLength: 1000000000}",
    "items": "{name: f, logicalType: array, items: {logicalType: integer}, "
    "logicalTypeOptions: {minItems: 100000000}",
    "nested": "{name: f, logicalType: object, properties: [{name: g, logicalType: array, "
    "required: true, logicalTypeOptions: {minItems: 3000}, items: {logicalType: array, "
    "items: {logicalType: integer}, logicalTypeOptions: {minItems: 3000}}}]",
}


@pytest.mark.parametrize("what", _TOO_LARGE)
def test_what_is_too_large_for_a_record_is_said_at_once(what: str) -> None:
    stream = _stream(_TOO_LARGE[what] + ", required: true}")
    path = r"\$\.f\.g" if what == "nested" else r"\$\.f"
    for make in (lambda: sample(stream, 1, seed=0), lambda: adversarial(stream)):
        with pytest.raises(GateError, match=path + r": its smallest value is of .* at most 1,048,"):
            make()


@pytest.mark.parametrize("what", _TOO_LARGE)
def test_what_is_too_large_and_not_required_is_left_out(what: str) -> None:
    stream = _stream(_TOO_LARGE[what] + "}")
    assert set(_values(stream)) == {None}
    assert adversarial(stream)


def test_fields_that_are_too_large_together_are_said_at_once() -> None:
    stream = _stream(
        *(
            f"{{name: f{n}, logicalType: string, required: true, "
            "logicalTypeOptions: {minLength: 600000}}"
            for n in range(2)
        )
    )
    with pytest.raises(GateError, match="odd: its smallest record is of 1,200,0"):
        sample(stream, 1, seed=0)


def test_limits_that_are_far_beyond_a_record_do_not_stop_the_cases() -> None:
    stream = _stream(
        "{name: f, logicalType: array, items: {logicalType: integer}, "
        "logicalTypeOptions: {maxItems: 100000000}}"
    )
    assert max(len(case.value) for case in adversarial(stream)) < 2 << 20


def test_an_object_without_properties_has_the_keys_it_must() -> None:
    stream = _stream(
        "{name: f, logicalType: object, logicalTypeOptions: {required: [k, l], minProperties: 3}}"
    )
    assert all({"k", "l"} < set(value) for value in _values(stream) if value is not None)


def test_rules_between_fields_are_met_one_after_another() -> None:
    times = [f"{{name: t{n}, logicalType: timestamp, required: true}}" for n in range(6)]
    rules = tuple(f"t{n} >= t{n + 1}" for n in range(5))
    assert len(sample(_stream(*times, rules=rules), 5, seed=1)) == 5
