"""The steps of a fix, each a small change to a record at the places its path finds.

A step whose path finds nothing changes nothing. One that cannot do its work (text that is no
number, a value without a mapping) leaves the value as it is, so that the gate judges it and says
why; with ``unmatched: fail`` the record is not replayed at all.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from lakegate.contract import temporal
from lakegate.contract.temporal import FormatError, TemporalError
from lakegate.contract.temporal_format import TemporalFormat
from lakegate.deadletter.path import Path
from lakegate.deadletter.record import Place, Record, StepFailed, scalar_text, shown, text_of
from lakegate.gate.json_text import Float, Integer, Json

__all__ = [
    "Cast",
    "Date",
    "Lookup",
    "LookupStep",
    "MapValues",
    "Move",
    "Regex",
    "Remove",
    "Rename",
    "SetValue",
    "Step",
    "json_of",
    "references",
]

_INTEGER = re.compile(r"-?(?:0|[1-9][0-9]*)\Z")
_WHOLE = re.compile(r"(-?(?:0|[1-9][0-9]*))\.0+\Z")
_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][-+]?[0-9]+)?\Z")
_BOOLEAN = {"true": b"true", "1": b"true", "false": b"false", "0": b"false"}
_REFERENCE = re.compile(r"\$(\$|[0-9]+|\{(?:[0-9]+|[A-Za-z_][A-Za-z0-9_]*)\})?")


class Lookup(Protocol):
    """Published tables, as a fix reads them; ``pipeline`` gives one."""

    def column(self, table: str, *, key: str, give: str) -> Mapping[str, bytes]:
        """JSON text of column ``give`` by the text of column ``key``, where that is unique."""
        ...


class Step(Protocol):
    """One change to a record."""

    def apply(self, record: Record, lookup: Lookup) -> None:
        """Do it.

        Raises:
            StepFailed: it cannot be done, and was told to say so.
        """
        ...


@dataclass(frozen=True, slots=True)
class SetValue:
    """``set``: write JSON text; objects on the way are made."""

    path: Path
    value: bytes

    def apply(self, record: Record, lookup: Lookup) -> None:
        """See :class:`Step`."""
        if self.path.stars == 0:
            record.put(self.path, (), self.value)
            return
        last = max(index for index, step in enumerate(self.path.segments) if step is None)
        for place in record.places(Path(self.path.segments[: last + 1])):
            record.put(self.path, place.bound, self.value)


@dataclass(frozen=True, slots=True)
class Rename:
    """``rename``: another name for a member, in the same object, at the end of it."""

    path: Path
    to: str

    def apply(self, record: Record, lookup: Lookup) -> None:
        """See :class:`Step`."""
        for place in record.places(self.path):
            if isinstance(place.holder, dict):
                place.holder[self.to] = place.holder.pop(place.key)


@dataclass(frozen=True, slots=True)
class Move:
    """``move``: the value to another place; each ``[*]`` stays the index it was."""

    source: Path
    to: Path

    def apply(self, record: Record, lookup: Lookup) -> None:
        """See :class:`Step`."""
        for place in reversed(record.places(self.source)):
            raw = place.raw()
            place.remove()
            record.put(self.to, place.bound, raw)


@dataclass(frozen=True, slots=True)
class Remove:
    """``remove``: take a member away."""

    path: Path

    def apply(self, record: Record, lookup: Lookup) -> None:
        """See :class:`Step`."""
        for place in reversed(record.places(self.path)):
            place.remove()


def _unless_none(
    places: list[Place], fail: bool, convert: Callable[[Json], bytes | None], what: str
) -> None:
    """Write what each value converts to; None is a value without one."""
    for place in places:
        raw = convert(place.value())
        if raw is not None:
            place.write(raw)
        elif fail:
            raise StepFailed(f"{what}: {shown(place.raw())} has none")


@dataclass(frozen=True, slots=True)
class Cast:
    """``cast``: to ``integer``, ``number``, ``string`` or ``boolean``; null stays null."""

    path: Path
    to: str
    fail: bool = False

    def apply(self, record: Record, lookup: Lookup) -> None:
        """See :class:`Step`."""
        what = f"the {self.to} at {self.path}"
        _unless_none(record.places(self.path), self.fail, self._convert, what)

    def _convert(self, value: Json) -> bytes | None:
        text = scalar_text(value)
        if value is None:
            return b"null"
        if text is None:
            return None
        if self.to == "string":
            return text_of(text)
        if self.to == "boolean":
            return _BOOLEAN.get(text.strip().lower())
        text = text.strip()
        if self.to == "integer":
            whole = _WHOLE.match(text)
            text = whole[1] if whole else text
            return text.encode() if _INTEGER.match(text) else None
        return text.encode() if _NUMBER.match(text) else None


@dataclass(frozen=True, slots=True)
class MapValues:
    """``map``: a value for a value, by a string's content or the JSON of anything else."""

    path: Path
    values: Mapping[str, bytes]
    default: bytes | None = None
    fail: bool = False

    def apply(self, record: Record, lookup: Lookup) -> None:
        """See :class:`Step`."""
        what = f"a mapped value at {self.path}"
        _unless_none(record.places(self.path), self.fail, self._convert, what)

    def _convert(self, value: Json) -> bytes | None:
        text = scalar_text(value)
        return self.default if text is None else self.values.get(text, self.default)


@dataclass(frozen=True, slots=True)
class Regex:
    """``regex``: parts of a text to other places: ``$1``, ``${1}``, ``${name}``; ``$0`` is all."""

    path: Path
    pattern: Any  # compiled by RE2
    into: tuple[tuple[Path, str], ...]
    fail: bool = False

    def apply(self, record: Record, lookup: Lookup) -> None:
        """See :class:`Step`."""
        for place in record.places(self.path):
            text = scalar_text(place.value())
            found = None if text is None else self.pattern.search(text)
            if found is not None:
                for path, template in self.into:
                    record.put(path, place.bound, text_of(_expand(template, found)))
            elif self.fail:
                raise StepFailed(f"no match at {self.path}: {shown(place.raw())}")


def references(template: str) -> list[str]:
    """The groups a template names, by number or name; empty for a ``$`` that names none."""
    return [
        (found[1] or "").strip("{}") for found in _REFERENCE.finditer(template) if found[1] != "$"
    ]


def _expand(template: str, found: Any) -> str:
    def part(reference: re.Match[str]) -> str:
        if reference[1] == "$":
            return "$"
        group = reference[1].strip("{}")
        return found.group(int(group) if group.isdigit() else group) or ""

    return _REFERENCE.sub(part, template)


@dataclass(frozen=True, slots=True)
class Date:
    """``date``: text in one format to another; by default to what the gate reads (RFC 3339)."""

    path: Path
    format: TemporalFormat
    write: TemporalFormat | None = None
    timezone: str | None = None
    fail: bool = False

    def apply(self, record: Record, lookup: Lookup) -> None:
        """See :class:`Step`."""
        what = f"a {self.format.kind} as `{self.format.source}` at {self.path}"
        _unless_none(record.places(self.path), self.fail, self._convert, what)

    def _convert(self, value: Json) -> bytes | None:
        if value is None:
            return b"null"
        text = scalar_text(value)
        if text is None:
            return None
        try:
            parsed: Any = self.format.parse(text, self.timezone)
            if self.write is not None:
                return text_of(self.write.write(parsed, self.timezone))
        except (TemporalError, FormatError):
            return None
        formatter: Callable[[Any], str] = getattr(temporal, f"format_{self.format.kind}")
        return text_of(formatter(parsed))


@dataclass(frozen=True, slots=True)
class LookupStep:
    """``lookup``: a column of a published table, by the value at a path."""

    path: Path
    table: str
    key: str
    give: str
    into: Path
    fail: bool = False

    def apply(self, record: Record, lookup: Lookup) -> None:
        """See :class:`Step`."""
        rows = lookup.column(self.table, key=self.key, give=self.give)
        for place in record.places(self.path):
            value = place.value()
            text = scalar_text(value)
            found = None if text is None or value is None else rows.get(text)
            if found is not None:
                record.put(self.into, place.bound, found)
            elif self.fail:
                raise StepFailed(f"{self.table} has no one {self.key} {shown(place.raw())}")


def json_of(value: Any) -> bytes:
    """A plain value of a fix file as JSON text; a number keeps its digits."""
    return _json(value).encode()


def _json(value: Any) -> str:
    if isinstance(value, bool) or value is None:
        return {True: "true", False: "false", None: "null"}[value]
    if isinstance(value, str) and not isinstance(value, Integer | Float):
        return text_of(value).decode()
    if isinstance(value, Mapping):
        members = (f"{text_of(k).decode()}:{_json(v)}" for k, v in value.items())
        return "{" + ",".join(members) + "}"
    if isinstance(value, list):
        return "[" + ",".join(map(_json, value)) + "]"
    return str(value)
