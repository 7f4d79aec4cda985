"""A declared value over all records at once: read into its exact type, its checks proven or not.

The vectorised twin of :mod:`lakegate.gate.declared`; what is not proven here, that one judges.
"""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from lakegate.contract.type import (
    ArrayType,
    DateType,
    DecimalType,
    Field,
    IntegerType,
    MapType,
    ObjectType,
    TimestampType,
    TimeType,
    Type,
)
from lakegate.gate.check import Check, compile_checks
from lakegate.gate.schema import arrow_field
from lakegate.gate.temporal_array import is_usual, read_dates, read_times, read_timestamps
from lakegate.gate.value import Mismatch, Reader, reader

__all__ = ["Column", "Index", "Mask", "Rows", "mask_of", "run_check"]

Mask: TypeAlias = npt.NDArray[np.bool_]
Index: TypeAlias = npt.NDArray[np.int64]

_UNSIGNED = "^(?:0|[1-9][0-9]{0,18})$"  # 19 digits are below 2**64, 20 may not be


class Rows:
    """Which rows are good so far, and of which the values are read."""

    __slots__ = ("good", "read")

    def __init__(self, count: int) -> None:
        self.good = np.ones(count, dtype=bool)
        self.read = np.ones(count, dtype=bool)

    def doubt(self, rows: Index) -> None:
        """Nothing of these rows is certain."""
        if len(rows):
            self.good[rows] = self.read[rows] = False

    def fail(self, rows: Index) -> None:
        """Their values are certain, and a check of them says no, or cannot say."""
        if len(rows):
            self.good[rows] = False


class Column:
    """A declared value over all records, wherever it is nested."""

    __slots__ = (
        "_checks",
        "_field",
        "_is_vectorised",
        "_items",
        "_keys",
        "_members",
        "_reader",
        "_target",
    )

    def __init__(self, field: Field) -> None:
        self._field = field
        self._target = arrow_field(field).type
        self._checks = compile_checks(field.constraints, field.type)
        self._members: list[Column] = []
        self._items: Column | None = None
        self._keys: Column | None = None
        self._reader: Reader | None = None
        self._is_vectorised = field.type in (DateType(), TimeType(), TimestampType())
        match field.type:
            case ObjectType(fields=fields):
                self._members = [Column(member) for member in fields]
            case ArrayType(item=item):
                self._items = Column(item)
            case MapType(key=key, value=value):
                self._keys, self._items = Column(key), Column(value)
            case scalar:
                self._reader = reader(scalar)

    def certify(self, array: pa.Array, of_row: Index, rows: Rows) -> pa.Array:
        """The array in its exact type; ``of_row`` has the row each of its values belongs to."""
        if self._members:
            array = self._certify_members(array, of_row, rows)
        elif self._keys is not None and self._items is not None:
            array = self._certify_entries(self._keys, self._items, array, of_row, rows)
        elif self._items is not None:
            array = self._certify_items(self._items, array, of_row, rows)
        elif array.type != self._target:
            array = self._read_texts(array, of_row, rows)
        if self._field.required and array.null_count:
            rows.fail(of_row[mask_of(array.is_null())])
        for check in self._checks:
            run_check(check, array, of_row, rows)
        return array

    def _certify_members(self, array: pa.Array, of_row: Index, rows: Rows) -> pa.Array:
        absent = array.is_null() if array.null_count else None
        here = None if absent is None else np.flatnonzero(~mask_of(absent))
        members = []
        for position, member in enumerate(self._members):
            values = array.field(position)
            if here is None:
                members.append(member.certify(values, of_row, rows))
                continue
            # Nothing is asked of the members of an object that is not there.
            judged = member.certify(values.take(pa.array(here)), of_row[here], rows)
            where = np.full(len(array), -1, dtype=np.int64)
            where[here] = np.arange(len(here))
            members.append(judged.take(pa.array(where, mask=where < 0)))
        return pa.StructArray.from_arrays(members, fields=list(self._target), mask=absent)

    def _certify_items(self, items: Column, array: pa.Array, of_row: Index, rows: Rows) -> pa.Array:
        lengths = pc.list_value_length(array).fill_null(0).to_numpy()
        offsets = np.zeros(len(array) + 1, dtype=np.int32)
        np.cumsum(lengths, out=offsets[1:])
        values = items.certify(array.flatten(), np.repeat(of_row, lengths), rows)
        absent = array.is_null() if array.null_count else None
        return pa.ListArray.from_arrays(
            pa.array(offsets, pa.int32()), values, type=self._target, mask=absent
        )

    def _certify_entries(
        self, keys: Column, items: Column, array: pa.Array, of_row: Index, rows: Rows
    ) -> pa.Array:
        ends = array.offsets.to_numpy()
        first, count = int(ends[0]), int(ends[-1] - ends[0])
        of_entry = np.repeat(of_row, np.diff(ends))
        absent = array.is_null() if array.null_count else None
        return pa.MapArray.from_arrays(
            pa.array(ends - first, pa.int32()),
            keys.certify(array.keys.slice(first, count), of_entry, rows),
            items.certify(array.items.slice(first, count), of_entry, rows),
            type=self._target,
            mask=absent,
        )

    def _read_texts(self, texts: pa.Array, of_row: Index, rows: Rows) -> pa.Array:
        assert self._reader is not None
        values, certain = _read(texts, self._field.type, self._target)
        if certain.all():
            return values
        missing = ~(certain | mask_of(texts.is_null()))
        if not missing.any():
            return values
        if _is_number(self._field.type):
            rows.doubt(of_row[missing])
            return values
        return self._read_rest(texts, values, np.flatnonzero(missing), of_row, rows)

    def _read_rest(
        self, texts: pa.Array, values: pa.Array, missing: Index, of_row: Index, rows: Rows
    ) -> pa.Array:
        """Forms that arithmetic on bytes does not cover, one by one."""
        assert self._reader is not None
        positions, found = [], []
        vectorised = self._is_vectorised
        for position, text in zip(
            missing.tolist(), texts.take(pa.array(missing)).to_pylist(), strict=True
        ):
            if vectorised and is_usual(text):
                rows.doubt(of_row[position : position + 1])
                continue
            try:
                found.append(self._reader(text))
                positions.append(position)
            except Mismatch:
                rows.doubt(of_row[position : position + 1])
        if not found:
            return values
        put = np.zeros(len(texts), dtype=bool)
        put[positions] = True
        return pc.replace_with_mask(values, pa.array(put), pa.array(found, self._target))


def run_check(check: Check, array: pa.Array, of_row: Index, rows: Rows) -> None:
    """Note in ``rows`` which values do not certainly pass; see :meth:`Column.certify`."""
    if check.rule.on_object and not pa.types.is_struct(array.type):
        rows.fail(of_row[mask_of(array.is_valid())])
        return
    passes = check.rule.check_array(array, check.bound)
    if passes is True:
        return
    if passes is None:
        judged = np.ones(len(array), dtype=bool)
        rows.fail(of_row[judged if check.rule.judges_null else mask_of(array.is_valid())])
        return
    if check.rule.judges_null:
        rows.fail(of_row[~mask_of(passes)])
        return
    failed = ~mask_of(passes.fill_null(True))
    if array.null_count:
        failed &= mask_of(array.is_valid())
    rows.fail(of_row[failed])


def mask_of(array: Any) -> Mask:
    """The bits of a boolean array without nulls."""
    return array.to_numpy(zero_copy_only=False)  # type: ignore[no-any-return]


def _is_number(type_: Type) -> bool:
    return isinstance(type_, IntegerType | DecimalType)


def _read(texts: pa.Array, type_: Type, target: pa.DataType) -> tuple[pa.Array, Mask]:
    """The values of the texts that have a common form, and which those are."""
    match type_:
        case DecimalType(precision=precision, scale=scale):
            return _read_decimals(texts, _decimal_pattern(precision, scale), target)
        case IntegerType():
            return _read_decimals(texts, _UNSIGNED, target)
        case DateType(format=None):
            values, certain = read_dates(texts)
        case TimeType(format=None):
            values, certain = read_times(texts)
        case TimestampType(format=None, zoned=True):
            values, certain = read_timestamps(texts)
        case _:
            values, certain = np.zeros(len(texts), dtype=np.int64), np.zeros(len(texts), dtype=bool)
    storage = np.int32 if pa.types.is_date32(target) else np.int64
    read = pa.array(values.astype(storage), mask=~certain if not certain.all() else None)
    return read.view(target), certain


def _decimal_pattern(precision: int, scale: int) -> str:
    """Number tokens that a decimal holds with nothing lost; those with an exponent are left out."""
    whole = precision - scale
    before = rf"(?:0|[1-9][0-9]{{0,{whole - 1}}})" if whole else "0"
    after = rf"(?:\.[0-9]{{1,{scale}}}0*)?" if scale else r"(?:\.0+)?"
    return f"^-?{before}{after}$"


def _read_decimals(texts: pa.Array, pattern: str, target: pa.DataType) -> tuple[pa.Array, Mask]:
    fits = pc.match_substring_regex(texts, pattern)
    certain = mask_of(fits.fill_null(False))
    kept = texts if certain.all() else pc.if_else(fits, texts, pa.scalar(None, pa.string()))
    return kept.cast(target), certain
