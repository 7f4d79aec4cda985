"""The JSON form of a Python object, and where an object has none."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from lakegate.gate.path import ROOT, child

__all__ = ["json_form"]


def json_form(record: Any) -> bytes:
    """The object as JSON; numpy's scalars are the numbers they are, ``float32`` in short.

    Raises:
        TypeError: it has no JSON form; names the path of the value that has none.
    """
    try:
        return _written(record)
    except (TypeError, ValueError, RecursionError) as error:
        path, why = _fault(record, str(error))
        raise TypeError(f"a {type(record).__name__} has no JSON form: at {path}: {why}") from error


def _number(value: Any) -> Any:
    """A scalar of numpy as Python has it; moments of numpy have no zone and are refused."""
    kind = getattr(getattr(value, "dtype", None), "kind", "")
    if kind == "f" and getattr(value, "ndim", None) == 0:
        made = float(str(value)) if value.dtype.itemsize < 8 else float(value)
        _refuse_nan(made)
        return made
    if kind in ("b", "i", "u") and getattr(value, "ndim", None) == 0:
        return value.item()
    raise TypeError(f"a {type(value).__name__} is no JSON value; convert it first")


# Numbers of decimals are written in full; the gate reads their text.
_ENCODER = msgspec.json.Encoder(decimal_format="number", enc_hook=_number)


def _written(value: Any) -> bytes:
    _refuse_nan(value)
    return _ENCODER.encode(value)


def _fault(value: Any, why: str) -> tuple[str, str]:
    """The path of the innermost value that has no JSON form, and why."""
    path, above = ROOT, set[int]()
    while id(value) not in above:
        above.add(id(value))
        for step, member in _members(value, path):
            try:
                _written(member)
            except (TypeError, ValueError, RecursionError) as error:
                path, value, why = step, member, str(error)
                break
        else:
            return path, why
    return path, "the value contains itself"


def _members(value: Any, path: str) -> Iterator[tuple[str, Any]]:
    if isinstance(value, Mapping):
        for name, member in value.items():
            yield child(path, str(name)), member
    elif isinstance(value, list | tuple):
        for position, member in enumerate(value):
            yield f"{path}[{position}]", member
    elif not isinstance(value, type):
        for name in _names(value):
            yield child(path, name), getattr(value, name, None)


def _names(value: Any) -> tuple[str, ...]:
    """The fields of a msgspec ``Struct``, a dataclass or an attrs class."""
    names: Any = getattr(value, "__struct_fields__", ())
    names = names or getattr(value, "__dataclass_fields__", ())
    return tuple(names) or tuple(one.name for one in getattr(value, "__attrs_attrs__", ()))


def _refuse_nan(value: Any) -> None:
    """The encoder would write null for NaN, and the record would be another one."""
    if isinstance(value, float):
        if not math.isfinite(value):
            raise ValueError(f"JSON has no {float(value)}")
    elif isinstance(value, Mapping):
        for member in value.values():
            _refuse_nan(member)
    elif isinstance(value, list | tuple):
        for member in value:
            _refuse_nan(member)
    elif not isinstance(value, str | int | None | type):
        for name in _names(value):
            _refuse_nan(getattr(value, name, None))
