"""What goes wrong with a model when it runs; see :mod:`lakegate.transform.problem` for before."""

from __future__ import annotations

import re

import duckdb

from lakegate.errors import LakegateError

__all__ = ["ModelFailed", "said"]

_LIMIT = 300


class ModelFailed(LakegateError):
    """A model cannot be built; what is published of it stays as it was."""


def said(error: Exception) -> str:
    """The first line of what DuckDB says, without its list of candidates."""
    text = str(error).strip()
    if isinstance(error, duckdb.OutOfMemoryException):
        text = f"out of memory: {text}; raise `memory` of [models] in lakegate.toml"
    return re.sub(r"\s+", " ", text.split("\n", maxsplit=1)[0])[:_LIMIT]
