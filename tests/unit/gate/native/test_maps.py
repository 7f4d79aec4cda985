"""Maps on the native path: what it says of them is what the reference says."""

from __future__ import annotations

import json
import random
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tests.unit.gate.test_native import both, built, forget

from lakegate.contract import load, loads
from lakegate.contract.stream import Stream, UnknownFields
from lakegate.contract.type import (
    Constraint,
    Field,
    IntegerType,
    MapType,
    Severity,
    StringType,
)
from lakegate.gate import compile  # noqa: A004 - as users write it
from lakegate.gate.native.coverage import path_coverage
from lakegate.testing.adversarial import adversarial
from lakegate.testing.sample import sample

FILE = Path(__file__).parents[3] / "contracts" / "parts.odcs.yaml"
pytestmark = built

GOOD = (
    b'{"id":1,"labels":{"a":"x","b c":"y"},"readings":{"r":{"s":[1,2.5],"t":null},"":{}},'
    b'"stock":{"place":"p","lots":{"l 1":{"price":1.5,"tags":{"t":true}}}},'
    b'"bundles":[{"a":1},{"a":2},{},null]}'
)
LOTS = b'{"id":1,"labels":{},"stock":{"lots":%s}}'
LABELS = b'{"id":1,"labels":%s}'


def parts(**changes: Any) -> Stream:
    return replace(load(FILE).stream(), **changes)


def paths(stream: Stream, *values: bytes) -> list[str]:
    """The paths of the failures, which are the same natively."""
    gate, verdict = both(stream, [GOOD, *values, GOOD])
    assert gate.path == "native"
    return [failure.path for found in verdict.rejected for failure in found.failures]


def test_nothing_of_a_map_falls_back() -> None:
    stream = parts()
    assert [found for found in path_coverage(stream) if found.falls_back] == []
    said = {(found.subject, found.what) for found in path_coverage(stream)}
    assert ("$.labels[*]", "maxLength 6") in said
    assert ("$.labels[*]", "minLength 1") in said
    gate, _ = both(stream, [GOOD] * 3)
    assert gate.fallbacks == {}


@pytest.mark.parametrize("unknown", UnknownFields)
def test_samples_and_adversarial_records(unknown: UnknownFields) -> None:
    stream = parts(unknown_fields=unknown)
    cases = [case.value for seed in range(3) for case in adversarial(stream, seed=seed)]
    values = [*sample(stream, 40, seed=5), *cases]
    random.Random(3).shuffle(values)
    gate, verdict = both(stream, values)
    assert gate.path == "native"
    assert len(verdict.rejected) > 100


def test_failures_name_the_entry_and_keep_the_order_of_the_text() -> None:
    assert paths(parts(), LABELS % b'{"UP":"","b":1,"it\'s":null,"c":"x"}') == [
        "$.labels.UP",
        "$.labels.UP",
        "$.labels.b",
        "$.labels['it\\'s']",
        "$.labels['it\\'s']",
    ]
    found = paths(
        parts(),
        b'{"readings":{"a b":{"":[-1,0,"x",-2],"k":7},"m":[]},"labels":null,"id":"x"}',
    )
    assert found == [
        "$.id",
        "$.labels",
        "$.readings['a b']['']",
        "$.readings['a b'][''][0]",
        "$.readings['a b'][''][2]",
        "$.readings['a b'][''][3]",
        "$.readings['a b']['']",
        "$.readings['a b'].k",
        "$.readings.m",
    ]


def test_members_of_values_are_judged_in_the_order_they_are_declared_in() -> None:
    lots = b'{"z":{"tags":{"q":1},"until":"2026-02-30","price":"1"},"a":{"until":7},"":null}'
    assert paths(parts(), LOTS % lots) == [
        "$.stock.lots.z.price",
        "$.stock.lots.z.until",
        "$.stock.lots.z.tags.q",
        "$.stock.lots.a.price",
        "$.stock.lots.a.until",
        "$.stock.lots['']",
        "$.stock.lots['']",
    ]


def test_keys_of_every_spelling() -> None:
    names = ['"', "\\", "/", "\n", "\0", "é", "😀", "a" * 70, "x" * 200, "é" * 50, "1a", "[*]", "."]
    texts = [json.dumps({name: 7}) for name in names]
    texts += [json.dumps({name: 7}, ensure_ascii=False) for name in names]
    texts += ['{ "a" : "x" , "b"\t:\n"y" }', "{ }", "{\n}", '{"\\u0061":"x"}']
    both(parts(), [LABELS % text.encode() for text in texts])
    both(parts(), [LABELS % b" " + text.encode() for text in texts])
    loose = b'{"id":1,"labels":{},"readings":%s}'
    both(parts(), [loose % json.dumps({name: {name: [-1]}}).encode() for name in names])
    both(parts(), [loose % json.dumps({name: {name: [1]} for name in names}).encode()])


def test_a_key_twice_is_refused_however_many_there_are() -> None:
    few = b'{"a":"x","b":"y","\\u0061":"z"}'
    letters = "abcdefghijklmnopqrstuvwxyz"
    many = ",".join(f'"{letter}":"x"' for letter in letters)
    gate, verdict = both(
        parts(),
        [
            LABELS % few,
            LABELS % f"{{{many}}}".encode(),
            LABELS % f'{{{many},"c":"x"}}'.encode(),
            LABELS % f'{{"a":"x",{many}}}'.encode(),
            LOTS % b'{"a":{"price":1,"tags":{"t":true,"t":true}}}',
        ],
    )
    assert verdict.accepted_index.to_pylist() == [1]
    assert {found.failures[0].rule for found in verdict.rejected} == {"json.duplicateKey"}
    assert gate.fallbacks == {"json": 4}


def test_rows_that_are_refused_leave_nothing_behind() -> None:
    bad = [
        b'{"id":1,"labels":{"a":"x","b":"y"},"readings":{"r":{"s":[1],"t":[2,3]},"u":{"v":[-4]}}}',
        b'{"id":1,"labels":{"a":"x","b":',
        b'{"id":1,"labels":{"a":"x"},"stock":{"lots":{"l":{"price":1,"tags":{"t":true,"u"',
        b'{"id":1,"labels":{"a":"x"} "',
        b'{"id":1,"labels":{"a":"x",}}',
        b'{"id":1,"labels":{"a" "x"}}',
        b'{"id":1,"labels":{a:"x"}}',
        b'{"id":1,"labels":{"a\xff":"x"}}',
        b'{"id":1,"labels":{"\\ud800":"x"}}',
        b'{"bundles":[{"a":1},{"b":2,"a":100}],"labels":{"a":"x"}}',
        b'{"id":1,"labels":{"a":"x"}}}',
    ]
    nulls = b'{"id":2,"labels":{},"readings":null,"stock":{"lots":null},"bundles":null}'
    values = [one for record in bad for one in (GOOD, record, nulls)]
    _, verdict = both(parts(), values)
    assert verdict.accepted.num_rows == 2 * len(bad)
    assert verdict.accepted.column("bundles").to_pylist()[:2] == [
        [[("a", 1)], [("a", 2)], [], None],
        None,
    ]


def test_depth_is_counted_through_maps() -> None:
    stream = parts()
    for depth in (58, 59, 60, 61, 62, 63):
        deep = b"[" * depth + b"]" * depth
        both(stream, [LOTS % b'{"l":{"price":1,"more":%s}}' % deep, LOTS % b'{"l":%s}' % deep])
    value = Field("value", StringType(), "$")
    key = Field("key", StringType(), "$", True)
    for _ in range(66):
        value = Field("value", MapType(key, value), "$")
    nested = parts(fields=(Field("id", value.type, "$.id"),))
    both(nested, [b'{"id":' * depth + b"null" + b"}" * depth for depth in range(60, 68)])


def test_items_that_are_maps_are_compared_whatever_the_order_of_their_entries() -> None:
    bundles = b'{"id":1,"labels":{},"bundles":%s}'
    _, verdict = both(
        parts(),
        [
            bundles % b'[{"a":1,"b":2},{"b":2,"a":1}]',
            bundles % b'[{"a":1,"b":2},{"b":1,"a":2}]',
            bundles % b"[{},{}]",
            bundles % b"[null,null]",
            bundles % b'[{"a":null},{"a":"x"}]',
            bundles % json.dumps([{"a": n % 20, "b": n} for n in range(40)]).encode(),
            bundles % json.dumps([{str(n): 1, "b": 2} for n in (*range(40), 7)]).encode(),
        ],
    )
    assert verdict.accepted_index.to_pylist() == [1, 5]


@pytest.mark.parametrize("unknown", UnknownFields)
def test_undeclared_fields_inside_entries(unknown: UnknownFields) -> None:
    stream = parts(unknown_fields=unknown)
    values = [
        LOTS % b'{"a b":{"price":1,"x y":[1.0],"tags":{"free":true}},"c":{"price":2,"z":{}}}',
        LOTS % b'{"b":{"q":1,"tags":{"t":1},"price":"x"},"a":{"q":{"r":1,"r":2}}}',
        LOTS % b'{"b":{"q":1,"price":"x"},"a":{"q":2},"c":7}',
        b'{"new":{"a":1},"labels":{"n":"x"},"id":1,"stock":{"lots":{"l":{"price":1}},"far":0}}',
    ]
    _, verdict = both(stream, values * 2)
    if unknown is UnknownFields.KEEP:
        first = verdict.accepted.column("_unknown_fields")[0].as_py()
        assert json.loads(first) == {
            "$.stock.lots['a b']['x y']": [1.0],
            "$.stock.lots.c.z": {},
        }
        assert "$.stock.lots[*]['x y']" in verdict.unknown_paths


def test_undeclared_fields_of_rows_that_a_rule_rejects_are_not_reported() -> None:
    text = FILE.read_text() + (
        '    quality:\n      - {type: sql, query: "SELECT COUNT(*) FROM {object} WHERE id > 5",'
        " mustBe: 0}\n"
    )
    lots = (
        b'{"id":%d,"labels":{"UP":"x"},"stock":{"q":0,"lots":{"it\'s":{"price":1,"[*]":1}}},"n":1}'
    )
    values = [lots.replace(b"UP", b"up") % 1, lots % 6, lots % 1]
    values += [b'{"id":6,"labels":{"a":null,"b":""}}', b'{"id":1,"labels":{"a":null}}']
    values += [b'{"id":6,"labels":{},"gone":1}', b'{"id":6,"labels":{},"readings":{"a":{"b":[1]}}}']
    _, verdict = both(loads(text).stream(), values)
    assert verdict.unknown_paths == {"$.stock.q", "$.stock.lots[*]['[*]']", "$.n"}


def test_checks_it_does_not_know_are_judged_over_its_columns(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    forget(monkeypatch, "pattern", "minimum")
    values = [
        GOOD,
        LABELS % b'{"UP":"x"}',
        b'{"id":1,"labels":{},"readings":{"a":{"b":[1,-1]}}}',
        LABELS % b'{"UP":"x","b":7}',
        GOOD,
    ]
    gate, _ = both(parts(), values)
    assert gate.path == "native"
    assert gate.fallbacks == {"a check judged over columns": 2, "check": 1}


def of_map(value: Field, *constraints: Constraint, key: Field | None = None, **own: Any) -> Stream:
    name = key or Field("key", StringType(), "$.m[*]", True)
    kind = MapType(name, value)
    return parts(fields=(Field("m", kind, "$.m", constraints=constraints, **own),))


def test_rules_on_the_names_and_number_of_entries() -> None:
    value = Field("value", IntegerType(8), "$.m[*]")
    stream = of_map(
        value,
        Constraint("minProperties", 1),
        Constraint("maxProperties", 2, Severity.WARNING),
        Constraint("requiredKeys", ("a",)),
        Constraint("nullValues", 0),
        type_severity=Severity.WARNING,
    )
    records = [b"{}", b'{"a":1}', b'{"b":1}', b'{"a":1,"b":2,"c":300}', b"[]", b"null", b"7"]
    records += [b'{"b":1,"c":2,"d":3}', b'{"a":1,"b":2,"c":3}']
    gate, verdict = both(stream, [b'{"m":%s}' % record for record in records] + [b"{}"])
    assert gate.path == "native"
    assert len(verdict.noted) > 0


@pytest.mark.parametrize("severity", Severity)
def test_severities_of_entries(severity: Severity) -> None:
    value = Field(
        "value",
        IntegerType(8),
        "$.m[*]",
        required=True,
        required_severity=severity,
        type_severity=severity,
        constraints=(Constraint("minimum", 1, severity), Constraint("nullValues", 0, severity)),
    )
    key = Field(
        "key",
        StringType(),
        "$.m[*]",
        True,
        constraints=(
            Constraint("maxLength", 2, severity),
            Constraint("missingValues", ("n/a", None), severity),
            Constraint("invalidValues", ("a", "b", "n/a"), severity),
        ),
    )
    texts = [b'{"a":1,"b":2}', b'{"a":null}', b'{"a":"x","abc":0,"n/a":300}', b"7", b'{"c":1}']
    both(of_map(value, key=key), [b'{"m":%s}' % text for text in texts])


def test_keys_that_are_no_texts_are_not_covered() -> None:
    key = Field("key", IntegerType(), "$.m[*]", True)
    stream = of_map(Field("value", StringType(), "$.m[*]"), key=key)
    assert compile(stream, decoder="native").path == "fast"
    assert {found.path for found in path_coverage(stream)} == {"pure Python"}
