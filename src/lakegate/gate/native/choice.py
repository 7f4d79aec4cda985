"""Which path a gate takes, and whether ``lakegate-native`` is there to take the native one."""

from __future__ import annotations

import os
import warnings
from functools import cache
from importlib import import_module
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, cast

from lakegate.contract.stream import Stream
from lakegate.errors import GateError
from lakegate.gate.decode.format import Format
from lakegate.gate.decode.json_format import JsonFormat

if TYPE_CHECKING:
    from lakegate.gate.native.path import NativePath

__all__ = [
    "FORMAT",
    "VARIABLE",
    "Path",
    "chosen_path",
    "missing",
    "native_module",
    "native_path",
    "said",
]

FORMAT = 3
"""The format of the plan's JSON: a native build that reads another one is not used."""

Path: TypeAlias = Literal["reference", "fast", "native"]
VARIABLE = "LAKEGATE_GATE"
"""The environment variable that selects a path by name for every gate of the process."""


def chosen_path() -> Path:
    """The path that gates take: that of :data:`VARIABLE`, else native where it is installed.

    Raises:
        GateError: the variable names no path, or the native one where it cannot be used.
    """
    name = os.environ.get(VARIABLE, "")
    if name == "":
        return "fast" if native_module() is None else "native"
    if name not in ("reference", "fast", "native"):
        raise GateError(f"{VARIABLE}={name}: expected reference, fast or native")
    if name == "native" and native_module() is None:
        raise GateError(f"{VARIABLE}=native: {missing()}")
    return cast(Path, name)


def missing() -> str:
    """Why the native path cannot be used, and what to do."""
    return "lakegate-native is not installed for this version; install it, or run `make native`"


@cache
def native_module() -> Any:
    """The module ``lakegate_native``; None when it is not installed.

    One that reads plans of another format is not used either, and a warning says so once.
    """
    try:
        lakegate_native = import_module("lakegate_native")
    except ImportError:
        return None
    found = getattr(lakegate_native, "PLAN_FORMAT", None)
    if found != FORMAT:
        version = getattr(lakegate_native, "__version__", "unknown")
        warnings.warn(
            f"lakegate-native {version} reads plans of format {found}, and this version of "
            f"Lakegate writes {FORMAT}: gates run in pure Python. Install the lakegate-native of "
            "the same version (`make native`).",
            RuntimeWarning,
            stacklevel=2,
        )
        return None
    return lakegate_native


def native_path(
    stream: Stream,
    format: Format,  # noqa: A002
    *,
    covering: bool = True,
) -> NativePath | None:
    """The native path of a stream; None when the format, or (``covering``) a type is not covered.

    Raises:
        GateError: ``lakegate-native`` cannot be used.
    """
    if native_module() is None:
        raise GateError(missing())
    if not isinstance(format, JsonFormat):
        return None
    from lakegate.gate.native.path import NativePath

    native = NativePath(stream, format.frame)
    return None if covering and native.uncovered else native


def said() -> str:
    """A line for people: the path gates of this process take."""
    path = chosen_path()
    if path == "native":
        return "gate: native"
    if path == "reference":
        return f"gate: reference ({VARIABLE})"
    if native_module() is not None:
        return f"gate: pure Python ({VARIABLE})"
    return "gate: pure Python (make native builds the native one)"
