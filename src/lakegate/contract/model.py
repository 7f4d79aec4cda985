"""The whole contract as frozen dataclasses: every key of ODCS 3.0 to 3.2, nothing lost.

A class per element of the standard, a field per key: ``customProperties`` is
``custom_properties``, ``from`` is ``from_``. An absent key is None. Numbers are int or
:class:`~decimal.Decimal`, never float. What the standard leaves open (values of custom properties,
options, arguments) is text, numbers, booleans, tuples and :class:`Mapping`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields
from decimal import Decimal
from functools import cache
from typing import Any, TypeAlias, get_args, get_type_hints

from lakegate.contract.stream import Stream
from lakegate.errors import ContractError

__all__ = [
    "Contract",
    "CustomProperty",
    "Definition",
    "Element",
    "Quality",
    "Server",
    "from_plain",
    "to_plain",
]

Number: TypeAlias = int | Decimal


class FrozenMapping(Mapping[str, Any]):
    """A mapping that cannot be changed; equal to any mapping with the same entries."""

    __slots__ = ("_items",)

    def __init__(self, items: Mapping[str, Any]) -> None:
        self._items = dict(items)

    def __getitem__(self, key: str) -> Any:
        return self._items[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self._items)

    def __len__(self) -> int:
        return len(self._items)

    def __repr__(self) -> str:
        return repr(self._items)


@dataclass(frozen=True, slots=True)
class CustomProperty:
    """``customProperties[]``."""

    property: str | None = None
    value: Any = None
    id: str | None = None
    description: str | None = None
    vendor: str | None = None


@dataclass(frozen=True, slots=True)
class Definition:
    """``authoritativeDefinitions[]``."""

    url: str | None = None
    type: str | None = None
    id: str | None = None
    description: str | None = None


@dataclass(frozen=True, slots=True)
class _Described:
    """What most elements of the standard can carry."""

    id: str | None = None
    description: str | None = None
    tags: tuple[str, ...] | None = None
    custom_properties: tuple[CustomProperty, ...] | None = None
    authoritative_definitions: tuple[Definition, ...] | None = None


@dataclass(frozen=True, slots=True)
class Description:
    """``description`` of the contract."""

    usage: str | None = None
    purpose: str | None = None
    limitations: str | None = None
    authoritative_definitions: tuple[Definition, ...] | None = None
    custom_properties: tuple[CustomProperty, ...] | None = None


@dataclass(frozen=True, slots=True)
class Role(_Described):
    """``roles[]``."""

    role: str | None = None
    access: str | None = None
    first_level_approvers: str | None = None
    second_level_approvers: str | None = None


@dataclass(frozen=True, slots=True)
class Server(_Described):
    """``servers[]``; what depends on its type is in ``extra`` under the standard's names."""

    server: str | None = None
    type: str | None = None
    environment: str | None = None
    roles: tuple[Role, ...] | None = None
    extra: Mapping[str, Any] = field(default_factory=lambda: FrozenMapping({}))


@dataclass(frozen=True, slots=True)
class Support(_Described):
    """``support[]``."""

    channel: str | None = None
    url: str | None = None
    tool: str | None = None
    scope: str | None = None
    invitation_url: str | None = None


@dataclass(frozen=True, slots=True)
class Price(_Described):
    """``price``."""

    price_amount: Number | None = None
    price_currency: str | None = None
    price_unit: str | None = None


@dataclass(frozen=True, slots=True)
class TeamMember(_Described):
    """A member of the ``team``."""

    username: str | None = None
    name: str | None = None
    role: str | None = None
    date_in: str | None = None
    date_out: str | None = None
    replaced_by_username: str | None = None


@dataclass(frozen=True, slots=True)
class Team(_Described):
    """``team``: the object of ODCS 3.1. A list, as 3.0 has it, is ``members`` with ``listed``."""

    name: str | None = None
    members: tuple[TeamMember, ...] | None = None
    listed: bool = False


@dataclass(frozen=True, slots=True)
class SlaProperty(_Described):
    """``slaProperties[]``."""

    property: str | None = None
    value: Number | str | bool | None = None
    value_ext: Number | str | bool | None = None
    unit: str | None = None
    element: str | None = None
    driver: str | None = None
    scheduler: str | None = None
    schedule: str | None = None


@dataclass(frozen=True, slots=True)
class Quality(_Described):
    """``quality[]``."""

    name: str | None = None
    type: str | None = None
    metric: str | None = None
    rule: str | None = None
    arguments: Mapping[str, Any] | None = None
    must_be: Any = None
    must_not_be: Any = None
    must_be_greater_than: Number | None = None
    must_be_greater_or_equal_to: Number | None = None
    must_be_less_than: Number | None = None
    must_be_less_or_equal_to: Number | None = None
    must_be_between: tuple[Number, ...] | None = None
    must_not_be_between: tuple[Number, ...] | None = None
    query: str | None = None
    engine: str | None = None
    implementation: Any = None
    unit: str | None = None
    dimension: str | None = None
    method: str | None = None
    severity: str | None = None
    business_impact: str | None = None
    scheduler: str | None = None
    schedule: str | None = None
    valid_values: tuple[Any, ...] | None = None  # ODCS 3.0, beside `rule`
    missing_values: tuple[Any, ...] | None = None
    pattern: str | None = None
    properties: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True)
class Relationship(_Described):
    """``relationships[]``; an end is one reference, or a tuple for a composite key."""

    type: str | None = None
    from_: str | tuple[str, ...] | None = None
    to: str | tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True)
class Synonym(_Described):
    """``synonyms[]``."""

    synonym: str | None = None
    locale: str | None = None
    source: str | None = None
    status: str | None = None


@dataclass(frozen=True, slots=True)
class EnumValue(_Described):
    """``enum[]``."""

    value: Number | str | bool | None = None
    label: str | None = None


@dataclass(frozen=True, slots=True)
class MapType:
    """``map`` of a property with ``logicalType: map``."""

    key: Element | None = None
    value: Element | None = None


@dataclass(frozen=True, slots=True)
class Element(_Described):
    """A schema object, a property, or the ``items`` of an array: the standard's *element*."""

    name: str | None = None
    logical_type: str | None = None
    logical_type_options: Mapping[str, Any] | None = None
    physical_type: str | None = None
    physical_name: str | None = None
    business_name: str | None = None
    data_granularity_description: str | None = None
    deprecated: bool | None = None
    synonyms: tuple[Synonym, ...] | None = None
    context: Any = None
    primary_key: bool | None = None
    primary_key_position: int | None = None
    required: bool | None = None
    unique: bool | None = None
    semantic_type: str | None = None
    partitioned: bool | None = None
    partition_key_position: int | None = None
    classification: str | None = None
    encrypted_name: str | None = None
    transform_source_objects: tuple[str, ...] | None = None
    transform_logic: str | None = None
    transform_description: str | None = None
    examples: tuple[Any, ...] | None = None
    enum: tuple[EnumValue, ...] | None = None
    critical_data_element: bool | None = None
    properties: tuple[Element, ...] | None = None
    items: Element | None = None
    map: MapType | None = None
    relationships: tuple[Relationship, ...] | None = None
    quality: tuple[Quality, ...] | None = None


@dataclass(frozen=True, slots=True)
class Contract:
    """A loaded contract: the document, its digest, and the streams it comes to.

    ``digest`` is the SHA-256 of the resolved document (:mod:`lakegate.contract.digest`).
    """

    api_version: str
    kind: str
    id: str
    version: str
    digest: str
    streams: tuple[Stream, ...]
    name: str | None = None
    status: str | None = None
    tenant: str | None = None
    domain: str | None = None
    data_product: str | None = None
    description: Description | None = None
    context: Any = None
    tags: tuple[str, ...] | None = None
    servers: tuple[Server, ...] | None = None
    schema: tuple[Element, ...] | None = None
    support: tuple[Support, ...] | None = None
    price: Price | None = None
    team: Team | None = None
    roles: tuple[Role, ...] | None = None
    sla_default_element: str | None = None
    sla_properties: tuple[SlaProperty, ...] | None = None
    authoritative_definitions: tuple[Definition, ...] | None = None
    custom_properties: tuple[CustomProperty, ...] | None = None
    contract_created_ts: str | None = None

    def stream(self, object_name: str | None = None) -> Stream:
        """The stream of an object; without a name, the only one there is.

        Raises:
            ContractError: no such object, or several and no name given.
        """
        names = ", ".join(stream.object_name for stream in self.streams)
        if object_name is None:
            if len(self.streams) == 1:
                return self.streams[0]
            raise ContractError(f"contract {self.id} has several objects; name one of: {names}")
        for stream in self.streams:
            if object_name in (stream.object_name, stream.name):
                return stream
        raise ContractError(f"contract {self.id} has no object `{object_name}`; it has: {names}")


def from_plain(
    document: Mapping[str, Any], *, digest: str, streams: tuple[Stream, ...]
) -> Contract:
    """The contract of a checked, plain document."""
    made: Contract = _make(Contract, {**document, "digest": digest, "streams": streams})
    return made


def to_plain(contract: Contract) -> dict[str, Any]:
    """The document again, as dicts, lists and scalars: equal to the one that was loaded."""
    plain: dict[str, Any] = _plain(contract)
    del plain["digest"], plain["streams"]
    return plain


def _key(name: str) -> str:
    """The standard's key of a field: ``from_`` is ``from``, ``date_in`` is ``dateIn``."""
    return re.sub(r"_([a-z])", lambda match: match[1].upper(), name.rstrip("_"))


@cache
def _shape(cls: Any) -> tuple[tuple[str, str, type | None], ...]:
    """Field name, key, and the class of what it holds (itself or as items), of a dataclass."""
    hints = get_type_hints(cls, globals())
    return tuple((f.name, _key(f.name), _inner(hints[f.name])) for f in fields(cls))


def _inner(hint: Any) -> type | None:
    if isinstance(hint, type) and hint.__module__ == __name__:
        return hint if hint is not FrozenMapping else None
    return next((found for arg in get_args(hint) if (found := _inner(arg)) is not None), None)


def _make(cls: type, plain: Mapping[str, Any]) -> Any:
    values: dict[str, Any] = {}
    for name, key, inner in _shape(cls):
        if key not in plain:
            continue
        value = plain[key]
        if cls is Contract and name == "team" and isinstance(value, list):
            values[name] = Team(members=tuple(_make(TeamMember, m) for m in value), listed=True)
        elif isinstance(value, dict) and inner is not None:
            values[name] = _make(inner, value)
        elif isinstance(value, list) and inner is not None:
            values[name] = tuple(_make(inner, item) for item in value)
        else:
            values[name] = value if name == "streams" else _freeze(value)
    if cls is Server:
        known = {key for _, key, _ in _shape(cls)}
        extra = {key: _freeze(value) for key, value in plain.items() if key not in known}
        values["extra"] = FrozenMapping(extra)
    return cls(**values)


def _freeze(value: Any) -> Any:
    if isinstance(value, dict):
        return FrozenMapping({key: _freeze(item) for key, item in value.items()})
    return tuple(_freeze(item) for item in value) if isinstance(value, list) else value


# Keys the standard requires although their value may be null.
_NULLABLE = {(CustomProperty, "value"), (SlaProperty, "value"), (EnumValue, "value")}


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, tuple):
        return [_plain(item) for item in value]
    if isinstance(value, Stream) or not hasattr(value, "__dataclass_fields__"):
        return value
    if isinstance(value, Team) and value.listed:
        return _plain(value.members)
    cls: Any = type(value)
    found: dict[str, Any] = {}
    for name, key, _ in _shape(cls):
        item = getattr(value, name)
        if name in ("extra", "listed"):
            continue
        if item is not None or (cls, name) in _NULLABLE:
            found[key] = _plain(item)
    if isinstance(value, Server):
        found |= _plain(value.extra)
    return found
