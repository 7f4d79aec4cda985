"""Relationships at the gate: keys that another table has published, held in memory.

The gate reads nothing itself: whoever runs it hands over a :class:`ReferenceSet` for a relationship
(:meth:`lakegate.gate.Gate.refer`). Without one the relationship is not judged here, and the audit
has the word: nothing is rejected for lack of data.

As in SQL (MATCH SIMPLE), a key with a null in it is not looked up. Values are equal when they are
the same value of the same type; integers and decimals when they are the same number.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from lakegate.contract.column import ColumnPath, column_at
from lakegate.contract.stream import Place, Reference, Stream
from lakegate.contract.type import TimestampType, TimeType, Type
from lakegate.errors import GateError
from lakegate.gate.path import ROOT, child
from lakegate.gate.schema import arrow_type
from lakegate.gate.verdict import Failure

__all__ = ["REFERENCES", "HeldReference", "ReferenceSet", "hold", "judged_here", "named"]

REFERENCES = b"lakegate.references"
"""Metadata of accepted rows: the snapshot each relationship was judged by, as a JSON object."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_OBSERVED_CHARACTERS = 80
_FEW = 2  # times the values looked up: with more keys, a hash table for each batch costs more

_Mask = npt.NDArray[np.bool_]
_Rows = npt.NDArray[np.int64]


class ReferenceSet:
    """The distinct keys of a published table, one column for each column of the relationship.

    Rows with a null are left out. ``table`` and ``snapshot_id`` say where they come from.
    """

    def __init__(self, keys: pa.Table, *, table: str, snapshot_id: int) -> None:
        self.keys = keys.drop_null().combine_chunks()
        self.table = table
        self.snapshot_id = snapshot_id

    def __len__(self) -> int:
        return int(self.keys.num_rows)

    @property
    def size_bytes(self) -> int:
        """What the keys take as Arrow columns."""
        return int(self.keys.nbytes)

    @cached_property
    def values(self) -> frozenset[Any]:
        """The keys as the reference path has values; tuples when there are several columns."""
        columns = [_plain(column.combine_chunks()) for column in self.keys.columns]
        return frozenset(columns[0] if len(columns) == 1 else zip(*columns, strict=True))


def judged_here(stream: Stream) -> tuple[Reference, ...]:
    """The relationships of a stream whose place is the gate, in declared order."""
    return tuple(item for item in stream.references if item.place is Place.GATE)


def named(schema: pa.Schema, sets: Mapping[str, ReferenceSet]) -> pa.Schema:
    """The schema of accepted rows that names the snapshots they were judged by."""
    kept = {name: text for name, text in (schema.metadata or {}).items() if name != REFERENCES}
    if sets:
        snapshots = {name: sets[name].snapshot_id for name in sorted(sets)}
        kept[REFERENCES] = json.dumps(snapshots).encode()
    return schema.with_metadata(kept)


def hold(stream: Stream, sets: Mapping[str, ReferenceSet]) -> tuple[HeldReference, ...]:
    """The relationships that have a set, ready to be judged, in declared order.

    Raises:
        GateError: a set is of no relationship that is judged at the gate, or its columns do not
            fit; says which.
    """
    here = judged_here(stream)
    for name in sets:
        if name not in {item.name for item in here}:
            known = ", ".join(item.name for item in here) or "none"
            raise GateError(
                f"{stream.name} has no relationship `{name}` that is judged at the gate; it has: "
                f"{known}"
            )
    return tuple(HeldReference(item, stream, sets[item.name]) for item in here if item.name in sets)


class HeldReference:
    """A relationship and the keys it is judged by."""

    def __init__(self, reference: Reference, stream: Stream, known: ReferenceSet) -> None:
        found = [column_at(stream.fields, name) for name in reference.columns]
        columns = [column for column in found if column is not None]
        where = f"relationship `{reference.name}` of {stream.name}"
        if len(columns) != len(found) or len({column.items for column in columns}) != 1:
            raise GateError(f"{where} has columns that do not stand in one object of a record")
        if known.keys.num_columns != len(columns):
            raise GateError(
                f"{where}: expected keys of {len(columns)} columns, got {known.keys.num_columns}"
            )
        self._known = known
        self._columns = columns
        self._lookups = [
            _lookup(column, keys.combine_chunks(), where)
            for column, keys in zip(columns, known.keys.columns, strict=True)
        ]
        self._severity = reference.severity
        self._single = len(columns) == 1
        there = ", ".join(reference.to_columns)
        self.expected = (
            f"a key of {known.table}({there}) as of snapshot {known.snapshot_id} "
            f"(relationship {reference.name})"
        )

    @property
    def names(self) -> frozenset[str]:
        """The members of a record that it looks at."""
        return frozenset(str(column.steps[0]) for column in self._columns)

    def failures(self, row: Mapping[str, Any]) -> Iterator[Failure]:
        """What is not among the keys, of one record as the reference path reads it."""
        first = self._columns[0]
        for path, value in _each(row, first.items, ROOT):
            key = tuple(_member(value, column.members) for column in self._columns)
            if None in key or (key[0] if self._single else key) in self._known.values:
                continue
            where = _path(path, first.members) if self._single else path
            yield Failure(where, "reference", self.expected, self._observe(key), self._severity)

    def passes(self, table: pa.Table) -> _Mask:
        """Which rows of accepted columns have no key that is not known."""
        values, of_row = _items(table, self._columns[0].items)
        columns = [_reach(values, column.members) for column in self._columns]
        good = np.ones(table.num_rows, dtype=bool)
        good[of_row[~self._are_known(columns)]] = False
        return good

    def _are_known(self, columns: Sequence[pa.Array]) -> _Mask:
        count = len(columns[0])
        null = np.zeros(count, dtype=bool)
        for column in columns:
            if column.null_count:
                null |= _mask(column.is_null())
        lookup = self._lookups[0]
        if self._single and lookup is not None and len(self._known) <= _FEW * count:
            return null | _mask(lookup(columns[0]))
        plain = [_plain(column) for column in columns]
        keys = plain[0] if self._single else zip(*plain, strict=True)
        found = map(self._known.values.__contains__, keys)
        known: _Mask = np.fromiter(found, dtype=bool, count=count)
        known |= null
        return known

    def _observe(self, key: tuple[Any, ...]) -> str:
        shown = [_shown(value, at.type) for value, at in zip(key, self._columns, strict=True)]
        names = [at.members[-1] if at.members else "element" for at in self._columns]
        value = shown[0] if self._single else dict(zip(names, shown, strict=True))
        text = json.dumps(value, ensure_ascii=False, separators=(",", ":"), default=str)
        if isinstance(key[0], Decimal) and self._single:
            text = str(key[0])
        if len(text) > _OBSERVED_CHARACTERS:
            text = text[: _OBSERVED_CHARACTERS - 3] + "..."
        return text


def _lookup(
    column: ColumnPath, keys: pa.Array, where: str
) -> Callable[[pa.Array], pa.Array] | None:
    """How Arrow answers for a column; None where the two have no type in common.

    Raises:
        GateError: values of the two types cannot be compared exactly.
    """
    own = arrow_type(column.type)
    if keys.type == own:
        return lambda values: pc.is_in(values, value_set=keys)
    if not (_is_exact(own) and _is_exact(keys.type)):
        raise GateError(f"{where}: keys are {keys.type}, the column is {own}; expected the same")
    if pa.types.is_integer(own) and pa.types.is_integer(keys.type):
        wide = keys.cast(pa.int64())
        return lambda values: pc.is_in(values.cast(pa.int64()), value_set=wide)
    return None


def _is_exact(type_: pa.DataType) -> bool:
    return bool(pa.types.is_integer(type_) or pa.types.is_decimal(type_))


def _plain(values: pa.Array) -> list[Any]:
    """Values as the reference path has them: times and timestamps in microseconds."""
    if pa.types.is_timestamp(values.type) or pa.types.is_time64(values.type):
        values = values.view(pa.int64())
    return values.to_pylist()  # type: ignore[no-any-return]


def _mask(array: Any) -> _Mask:
    return array.to_numpy(zero_copy_only=False)  # type: ignore[no-any-return]


def _items(table: pa.Table, steps: tuple[str | None, ...]) -> tuple[Any, _Rows]:
    """The items of the arrays that ``steps`` lead to, and the row of each."""
    found: Any = table
    rows: _Rows = np.arange(table.num_rows)
    for step in steps:
        if step is None:
            lengths = pc.list_value_length(found).fill_null(0).to_numpy(zero_copy_only=False)
            rows = np.repeat(rows, lengths)
            found = found.flatten()
        else:
            found = _reach(found, (step,))
    return found, rows


def _reach(values: Any, steps: tuple[str, ...]) -> pa.Array:
    """A member of every value; null where an object on the way is."""
    for step in steps:
        if isinstance(values, pa.Table):
            values = values.column(step).combine_chunks()
        else:
            values = pc.struct_field(values, [values.type.get_field_index(step)])
    return values


def _each(value: Any, steps: tuple[str | None, ...], path: str) -> Iterator[tuple[str, Any]]:
    """Every item that ``steps`` lead to, with its path."""
    if not steps:
        yield path, value
        return
    step, rest = steps[0], steps[1:]
    if step is not None:
        below = None if value is None else value.get(step)
        yield from _each(below, rest, child(path, step))
    elif value is not None:
        for index, item in enumerate(value):
            yield from _each(item, rest, f"{path}[{index}]")


def _member(value: Any, steps: tuple[str, ...]) -> Any:
    for step in steps:
        if value is None:
            return None
        value = value.get(step)
    return value


def _path(path: str, steps: tuple[str, ...]) -> str:
    for step in steps:
        path = child(path, step)
    return path


def _shown(value: Any, type_: Type) -> Any:
    if isinstance(type_, TimestampType):
        return f"{(_EPOCH + timedelta(microseconds=value)).replace(tzinfo=None).isoformat()}Z"
    if isinstance(type_, TimeType):
        return (_EPOCH + timedelta(microseconds=value)).time().isoformat()
    return value.isoformat() if isinstance(value, date) else value
