"""Contracts: ODCS documents as one frozen :class:`Contract`, linted, normalised, explained.

The names below are loaded when first used, so that importing the seams (``contract.type``,
``contract.stream``) costs nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lakegate.contract.loading import check, load, loads
    from lakegate.contract.model import Contract
    from lakegate.contract.problem import Level, Problem

__all__ = ["Contract", "Level", "Problem", "check", "load", "loads"]

_HOMES = {
    "Contract": "model",
    "Level": "problem",
    "Problem": "problem",
    "check": "loading",
    "load": "loading",
    "loads": "loading",
}


def __getattr__(name: str) -> Any:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{home}"), name)
