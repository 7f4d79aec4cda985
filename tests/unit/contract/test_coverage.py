"""Coverage: nothing of the standard is silently ignored."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from lakegate.contract import load
from lakegate.contract.coverage import TREATMENTS, Where, coverage
from lakegate.contract.stream import Place
from lakegate.contract.structure import VERSIONS, schema

_CONTRACTS = sorted((Path(__file__).parents[2] / "contracts").glob("*.odcs.yaml"))
_ELEMENTS = {
    "Server": "server",
    "SchemaElement": "object",
    "SchemaObject": "object",
    "SchemaBaseProperty": "property",
    "SchemaProperty": "property",
    "SchemaItemProperty": "property",
    "DataQuality": "quality",
    "DataQualityOperators": "quality",
    "DataQualityLibrary": "quality",
    "DataQualitySql": "quality",
    "DataQualityCustom": "quality",
    "SupportItem": "support",
    "Pricing": "price",
    "TeamMember": "member",
    "Team": "team",
    "Role": "role",
    "ServiceLevelAgreementProperty": "sla",
    "EnumValue": "enum",
    "Synonym": "synonym",
    "RelationshipBase": "relationship",
    "RelationshipSchemaLevel": "relationship",
    "RelationshipPropertyLevel": "relationship",
    "Relationship": "relationship",
}
# References, free values and lists of what stands above; texts about texts.
_NO_ELEMENTS = frozenset(
    [
        "ShorthandReference",
        "FullyQualifiedReference",
        "StableId",
        "Port",
        "ServerSource",
        "Tags",
        "Context",
        "Support",
        "DataQualityChecks",
        "AuthoritativeDefinitions",
        "CustomProperties",
        "CustomProperty",
        "Synonyms",
        "AnyType",
        "AnyNonCollectionType",
    ]
)


def keys_of(part: Any) -> Iterator[str]:
    """The keys of an element, those in its options apart."""
    if isinstance(part, list):
        for item in part:
            yield from keys_of(item)
    elif isinstance(part, dict):
        yield from part.get("properties", {})
        for step in ("allOf", "oneOf", "anyOf", "then"):
            yield from keys_of(part.get(step, []))


def options_of(part: Any) -> Iterator[str]:
    if isinstance(part, dict):
        options = part.get("properties", {}).get("logicalTypeOptions", {})
        yield from options.get("properties", {})
        for item in part.values():
            yield from options_of(item)
    elif isinstance(part, list):
        for item in part:
            yield from options_of(item)


@pytest.mark.parametrize("minor", VERSIONS)
def test_every_key_of_the_standard_has_a_treatment(minor: str) -> None:
    document = schema(minor)
    definitions = document["$defs"]
    assert set(definitions) <= set(_ELEMENTS) | _NO_ELEMENTS
    missing = {("contract", key) for key in document["properties"]} - {
        ("contract", key) for key in TREATMENTS["contract"]
    }
    for name, element in _ELEMENTS.items():
        if name == "Team" and minor == "3.0":
            element = "member"  # 3.0 calls a member a team
        table = TREATMENTS[element]
        missing |= {(name, key) for key in keys_of(definitions.get(name, {})) if key not in table}
    missing |= {("option", key) for key in options_of(document) if key not in TREATMENTS["option"]}
    assert missing == set()


def test_every_treatment_says_how() -> None:
    assert all(t.how for table in TREATMENTS.values() for t in table.values())


@pytest.mark.parametrize("path", _CONTRACTS, ids=lambda path: path.name)
def test_every_rule_and_service_level_is_listed(path: Path) -> None:
    contract = load(path)
    listed = {(s.key, str(s.where)) for s in coverage(contract)}
    for stream in contract.streams:
        for rule in stream.rules:
            assert (rule.name, _where(rule.place)) in listed
        for sla in stream.sla:
            assert (sla.name, _where(sla.place)) in listed


def _where(place: Place) -> str:
    return {Place.GATE: "gate", Place.AUDIT: "audit", Place.NONE: "not enforced"}[place]


def test_what_is_not_enforced_says_so() -> None:
    contract = load(next(p for p in _CONTRACTS if p.name.startswith("telemetry")))
    found = {(s.subject, s.key): s for s in coverage(contract)}
    extras = found["reading.extras", "logicalType"]
    assert (extras.where, extras.how) == (Where.NONE, "kept as JSON text: any JSON value passes")
    assert found["reading.celsius", "maximum"].where is Where.GATE
    assert found["reading.celsius", "maximum"].value == "60.5"
