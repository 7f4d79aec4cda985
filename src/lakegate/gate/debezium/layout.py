"""How the columns of a stream are encoded in an event: by its embedded schema, or the contract."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from lakegate.contract.cdc import kind_of
from lakegate.contract.stream import Stream
from lakegate.contract.type import ArrayType, Field, ObjectType
from lakegate.gate.debezium.envelope import NotAChange, failure_at
from lakegate.gate.debezium.value import (
    Converter,
    converter,
    from_contract,
    from_schema,
    member_key,
)
from lakegate.gate.json_text import Malformed, parse

__all__ = ["Layout", "Layouts"]

_MOST_SCHEMAS = 64
_NESTED = 32


@dataclass(frozen=True, slots=True)
class Layout:
    """What is to be done to the values of a row before they are judged, by column."""

    converters: Mapping[str, Converter]
    _columns: Any = None  # decodes a row to the text of the columns that have a converter

    def converted(self, row: bytes) -> bytes | None:
        """A row's text with each value converted where it stands; None if that cannot be done.

        A key that stands once in the text stands where it was read; whatever else is wrong with
        the row stays for the gate to find.

        Raises:
            Undecodable: a value is not encoded as it should be.
        """
        try:
            found = self._columns(row)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return None
        for position, (name, convert) in enumerate(self.converters.items()):
            raw = bytes(getattr(found, f"f{position}"))
            if raw in (b"", b"null"):
                continue
            key = member_key(name)
            token = key + raw
            if row.count(token) != 1:
                return None
            made = convert(raw)
            if made != raw:
                row = row.replace(token, key + made)
        return row


def _layout(converters: Mapping[str, Converter]) -> Layout:
    names = {f"f{position}": name for position, name in enumerate(converters)}
    shape = msgspec.defstruct(
        "Columns", [(field, msgspec.Raw, msgspec.Raw()) for field in names], rename=names
    )
    return Layout(converters, msgspec.json.Decoder(shape).decode)


class Layouts:
    """The layouts of a stream; those of embedded schemas are remembered by the schema's text."""

    def __init__(self, stream: Stream) -> None:
        self._fields = stream.fields
        encodings = dict(stream.cdc.encodings) if stream.cdc is not None else {}
        self._declared = _layout(
            {
                field.name: made
                for field in stream.fields
                if (made := converter(from_contract(field, encodings), field.type)) is not None
            }
        )
        self._known: dict[bytes, Layout] = {}
        self.needs_schema = any(_needs(field) for field in stream.fields)

    def of(self, schema: bytes | None) -> Layout:
        """The layout of an event with this schema (JSON text), or without.

        Raises:
            NotAChange: the schema cannot be read.
        """
        if schema is None or schema == b"null":
            return self._declared
        known = self._known.get(schema)
        if known is None:
            known = self._read(schema)
            if len(self._known) >= _MOST_SCHEMAS:
                self._known.clear()
            self._known[schema] = known
        return known

    def _read(self, schema: bytes) -> Layout:
        try:
            described = _columns(_plain(parse(schema), 0))
        except Malformed as error:
            found = failure_at("$.schema", "cdc.schema", "a schema of Kafka Connect", schema)
            raise NotAChange(found) from error
        made = {
            field.name: converter(from_schema(described[field.name]), field.type)
            for field in self._fields
            if field.name in described
        }
        return _layout({name: found for name, found in made.items() if found is not None})


def _needs(field: Field) -> bool:
    match field.type:
        case ObjectType(fields=fields):
            return any(_needs(member) for member in fields)
        case ArrayType(item=item):
            return _needs(item)
        case _:
            return kind_of(field.type) is not None


def _plain(value: Any, depth: int) -> Any:
    """Without the difference between kinds of text; what is nested too deeply is left out."""
    if isinstance(value, dict):
        return {k: _plain(v, depth + 1) for k, v in value.items()} if depth < _NESTED else {}
    if isinstance(value, list):
        return [_plain(item, depth + 1) for item in value] if depth < _NESTED else []
    return str(value) if isinstance(value, str) else value


def _columns(schema: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """The columns' schemas by name: of an envelope's ``after`` or ``before``, or of a key."""
    fields = _fields(schema)
    row = fields.get("after") or fields.get("before")
    return _fields(row) if row is not None else fields


def _fields(schema: dict[str, Any]) -> dict[str, dict[str, Any]]:
    fields = schema.get("fields")
    return {
        str(item["field"]): item
        for item in (fields if isinstance(fields, list) else [])
        if isinstance(item, dict) and "field" in item
    }
