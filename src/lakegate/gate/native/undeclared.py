"""Where undeclared fields were met: paths of rows as patterns, ``$.lots[*].extra``."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TypeAlias

import msgspec
import pyarrow as pa

from lakegate.contract.type import ArrayType, MapType, ObjectType, Type
from lakegate.gate.path import ROOT, child

__all__ = ["Steps", "declared_steps", "patterns"]

Steps: TypeAlias = "Mapping[str, Steps]"
"""The steps from a value to those declared inside; ``[*]`` for items and entries."""

_ANY = "[*]"
_STEP = re.compile(r"\.[^.\[]+|\['(?:[^'\\]|\\.)*'\]|\[[0-9]+\]")
_members = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode


def declared_steps(type_: Type) -> Steps:
    """The steps of a type, as deep as it goes."""
    match type_:
        case ArrayType(item=field) | MapType(value=field):
            return {_ANY: declared_steps(field.type)}
        case ObjectType(fields=fields):
            return {child("", field.name): declared_steps(field.type) for field in fields}
        case _:
            return {}


def patterns(texts: pa.ChunkedArray, steps: Steps) -> frozenset[str]:
    """The paths in a column of undeclared fields, with ``[*]`` for indices and keys of maps.

    Only the declared ``steps`` tell a key, which is data, from the name of a member.
    """
    paths: set[str] = set()
    for text in texts.drop_null().to_pylist():
        paths.update(_members(text))
    return frozenset(_pattern(path, steps) for path in paths)


def _pattern(path: str, steps: Steps) -> str:
    pattern = ROOT
    for step in _STEP.findall(path):
        known = _ANY if _ANY in steps else step
        pattern += known
        steps = steps.get(known, {})
    return pattern
