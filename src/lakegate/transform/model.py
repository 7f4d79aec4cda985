"""A model: one SELECT, and what its header says about it (docs/reference/models.md)."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from decimal import Decimal
from enum import StrEnum
from typing import TypeAlias

from lakegate.contract.stream import Partition
from lakegate.contract.type import Location, Severity

__all__ = ["Kind", "Materialisation", "Model", "ModelTest", "TableUse", "Value"]

Value: TypeAlias = str | int | Decimal | bool

_DIGEST_VERSION = 1


class Materialisation(StrEnum):
    """What a model becomes."""

    TABLE = "table"  # written whole
    INCREMENTAL = "incremental"  # only what changed is written
    VIEW = "view"  # nothing is written; its SQL runs when it is read


class Kind(StrEnum):
    """The kinds of tests; the key of a test in the header."""

    NOT_NULL = "not_null"
    UNIQUE = "unique"
    ACCEPTED_VALUES = "accepted_values"
    REFERENCES = "references"
    ROW_COUNT = "row_count"
    SQL = "sql"


@dataclass(frozen=True, slots=True)
class ModelTest:
    """One expectation of a model's rows. ``name`` is unique within the model.

    ``columns`` are those it looks at. ``values`` belong to ``accepted_values``; ``to_table`` and
    ``to_column`` to ``references``; ``at_least`` and ``at_most`` (both included) to ``row_count``;
    ``query``, which must give no rows, to ``sql``. Null is accepted by every kind but ``not_null``.
    """

    name: str
    kind: Kind
    location: Location
    severity: Severity = Severity.ERROR
    columns: tuple[str, ...] = ()
    values: tuple[Value, ...] = ()
    to_table: str | None = None
    to_column: str | None = None
    at_least: int | None = None
    at_most: int | None = None
    query: str | None = None
    description: str | None = None

    def definition(self) -> list[object]:
        """All that decides what the test says, as JSON takes it."""
        values = [[type(value).__name__, str(value)] for value in self.values]
        reference = [self.to_table, self.to_column, self.at_least, self.at_most, self.query]
        return [self.name, self.kind, self.severity, list(self.columns), values, *reference]


@dataclass(frozen=True, slots=True)
class TableUse:
    """A table named in SQL, and where; ``name`` as it is written there."""

    name: str
    location: Location


@dataclass(frozen=True, slots=True)
class Model:
    """One file of ``models/``.

    ``sql`` is the whole file with the header blanked out, so that offsets and lines are the
    file's; ``canonical`` is the statement without comments and layout, which the digest is made
    of. ``reads`` are the tables the SQL names, ``tests_read`` those that only tests name.
    ``places`` says where a statement of the header stands: ``time``, ``key.0``, ``columns.month``.
    """

    name: str
    location: Location
    sql: str
    canonical: str
    reads: tuple[TableUse, ...]
    tests_read: tuple[TableUse, ...] = ()
    layer: str | None = None
    materialisation: Materialisation = Materialisation.TABLE
    key: tuple[str, ...] = ()
    time: str | None = None
    lookback: timedelta = timedelta(0)
    partitions: tuple[Partition, ...] = ()
    description: str | None = None
    owner: str | None = None
    columns: Mapping[str, str] = field(default_factory=dict)
    tests: tuple[ModelTest, ...] = ()
    places: Mapping[str, Location] = field(default_factory=dict)

    @property
    def is_view(self) -> bool:
        """Whether nothing is written for it."""
        return self.materialisation is Materialisation.VIEW

    def place(self, key: str) -> Location:
        """Where the header says that (``key.0`` may stand as ``key``), else the model's begin."""
        return self.places.get(key) or self.places.get(key.split(".")[0], self.location)

    def digest(self) -> str:
        """SHA-256 of what decides the rows: not of layout, documentation or tests."""
        return _digest(
            [
                _DIGEST_VERSION,
                self.canonical,
                self.materialisation,
                list(self.key),
                self.time,
                self.lookback.total_seconds(),
                [[part.column, part.transform] for part in self.partitions],
            ]
        )

    def tests_digest(self) -> str:
        """SHA-256 of the tests."""
        return _digest([test.definition() for test in self.tests])


def _digest(content: object) -> str:
    return hashlib.sha256(json.dumps(content, separators=(",", ":")).encode()).hexdigest()
