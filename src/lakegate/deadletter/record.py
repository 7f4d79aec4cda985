"""A record's JSON text, opened only where it is changed: whatever is not touched keeps its bytes.

Each object or array on the way to a change is taken apart one level, its members staying the text
they were. No number passes through a float, no string is written anew.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, TypeAlias

import msgspec

from lakegate.deadletter.path import Path, Segment
from lakegate.gate.json_text import Float, Integer, Json, canonical, observe, parse_text

__all__ = ["Place", "Record", "StepFailed", "scalar_text", "shown", "text_of"]

Opened: TypeAlias = "dict[str, Any] | list[Any]"

_OBJECT = msgspec.json.Decoder(dict[str, msgspec.Raw])
_ARRAY = msgspec.json.Decoder(list[msgspec.Raw])
_encode = msgspec.json.Encoder().encode


class StepFailed(ValueError):
    """A step that cannot be done on this record, and was told to say so."""


@dataclass(frozen=True, slots=True)
class Place:
    """A member of an opened object or array; ``bound`` are the indices the path's ``[*]`` took."""

    holder: Opened
    key: Any
    bound: tuple[int, ...]

    def raw(self) -> bytes:
        """The JSON text of the value here."""
        return bytes(_encode(self.holder[self.key]))

    def value(self) -> Json:
        """The value here, numbers as text."""
        return parse_text(self.raw().decode())

    def write(self, raw: bytes) -> None:
        """Put JSON text here."""
        self.holder[self.key] = msgspec.Raw(raw)

    def remove(self) -> None:
        """Take the member away."""
        del self.holder[self.key]


class Record:
    """One record being repaired."""

    def __init__(self, value: bytes) -> None:
        """Open a record.

        Raises:
            StepFailed: it is no JSON object, so no step can apply.
        """
        try:
            self._top: dict[str, Any] = _OBJECT.decode(value)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise StepFailed("the record is no JSON object") from error

    def encode(self) -> bytes:
        """The record as it is now."""
        return _encode(self._top)

    def places(self, path: Path) -> list[Place]:
        """Every place the path finds, in order."""
        return list(self._walk(self._top, path.segments, ()))

    def put(self, path: Path, bound: tuple[int, ...], raw: bytes) -> None:
        """Write JSON text at a path whose ``[*]`` are bound; objects on the way are made.

        Raises:
            StepFailed: something on the way is neither an object nor an array that long.
        """
        indices = iter(bound)
        steps = [next(indices) if step is None else step for step in path.segments]
        holder: Any = self._top
        for step in steps[:-1]:
            if isinstance(holder, dict) and isinstance(step, str) and step not in holder:
                holder[step] = {}
            holder = self._open(holder, step)
            if holder is None:
                raise StepFailed(f"{path} cannot be written: there is no {step!r} to go into")
        last = steps[-1]
        fits = isinstance(holder, dict) if isinstance(last, str) else isinstance(holder, list)
        if not fits or (isinstance(last, int) and last >= len(holder)):
            raise StepFailed(f"{path} cannot be written: there is no place for {last!r}")
        holder[last] = msgspec.Raw(raw)

    def _walk(
        self, holder: Opened, steps: tuple[Segment, ...], bound: tuple[int, ...]
    ) -> Iterator[Place]:
        step, rest = steps[0], steps[1:]
        if step is None:
            indices = range(len(holder)) if isinstance(holder, list) else range(0)
            for index in indices:
                yield from self._step(holder, index, rest, (*bound, index))
        elif _has(holder, step):
            yield from self._step(holder, step, rest, bound)

    def _step(
        self, holder: Opened, key: str | int, rest: tuple[Segment, ...], bound: tuple[int, ...]
    ) -> Iterator[Place]:
        if not rest:
            yield Place(holder, key, bound)
            return
        below = self._open(holder, key)
        if below is not None:
            yield from self._walk(below, rest, bound)

    def _open(self, holder: Any, key: str | int) -> Opened | None:
        """The object or array at a key, taken apart one level; None if it is neither."""
        if not _has(holder, key):
            return None
        held = holder[key]
        if isinstance(held, msgspec.Raw):
            text = bytes(held)
            if text[:1] not in (b"{", b"["):
                return None
            held = _OBJECT.decode(text) if text[:1] == b"{" else _ARRAY.decode(text)
            holder[key] = held
        return held  # type: ignore[no-any-return]


def _has(holder: Any, key: str | int) -> bool:
    if isinstance(key, str):
        return isinstance(holder, dict) and key in holder
    return isinstance(holder, list) and key < len(holder)


def scalar_text(value: Json) -> str | None:
    """What a value is called in a fix: a string's content, else the JSON; None if it is nested."""
    if isinstance(value, Integer | Float):
        return str(value)
    if isinstance(value, str):
        return value
    return None if isinstance(value, dict | list) else canonical(value)


def text_of(value: str) -> bytes:
    """A string as JSON text."""
    return bytes(_encode(value))


def shown(raw: bytes) -> str:
    """JSON text for people, at most 80 characters."""
    try:
        return observe(parse_text(raw.decode()))
    except ValueError:
        return repr(raw[:60])
