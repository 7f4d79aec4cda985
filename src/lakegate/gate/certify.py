"""One set of vectorised rules over decoded columns: which rows have no failure at all.

Certifying is one-sided. A row is good only when its types, its nulls, every constraint and every
rule are proven good; any other row is doubtful and goes to the reference path, which finds the
failures. If its values are proven and only constraints or rules are not, the reference is asked for
those failures alone, and the row stands where none of them rejects.
A decoder joins by producing :class:`lakegate.gate.decode.base.Decoded`, and a rule by its
``check_array``; neither knows the other.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from copy import copy
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from lakegate.contract.stream import Stream
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
from lakegate.gate.decode.base import Decoded
from lakegate.gate.judgement import Doubt
from lakegate.gate.references import HeldReference
from lakegate.gate.schema import arrow_field, arrow_schema
from lakegate.gate.sql.columns import NotVectorised, evaluate_columns
from lakegate.gate.sql.rule import row_rules
from lakegate.gate.temporal_array import is_usual, read_dates, read_times, read_timestamps
from lakegate.gate.value import Mismatch, Reader, reader

__all__ = ["Certified", "Certifier"]

_Mask = npt.NDArray[np.bool_]
_Index = npt.NDArray[np.int64]
_UNSIGNED = "^(?:0|[1-9][0-9]{0,18})$"  # 19 digits are below 2**64, 20 may not be


@dataclass(frozen=True, slots=True)
class Certified:
    """What is certain of decoded records.

    ``rows`` are all that were decoded, in the schema's types; of them ``good`` are certain in all.
    ``doubts`` has, by position, the records of which most is certain, and what is not.
    """

    rows: Decoded
    good: _Mask
    doubts: Mapping[int, Doubt]

    @classmethod
    def nothing(cls) -> Certified:
        """Of no records."""
        rows = Decoded(np.array([], dtype=np.int64), [], {})
        return cls(rows, np.array([], dtype=bool), {})

    def sure(self, standing: Sequence[int] = ()) -> Decoded:
        """The rows that are certain in all, and those at the positions ``standing``: in doubt, and
        found to be rejected by nothing.
        """
        keep, index = self.good, self.rows.index
        if len(standing):
            keep = keep.copy()
            keep[np.searchsorted(index, np.asarray(standing))] = True
        if keep.all():
            return self.rows
        kept, index = pa.array(keep), index[keep]
        undeclared = self.rows.undeclared
        if undeclared:
            certain = set(index.tolist())
            undeclared = {row: found for row, found in undeclared.items() if row in certain}
        return Decoded(index, [column.filter(kept) for column in self.rows.columns], undeclared)


class Certifier:
    """The vectorised rules of one stream; holds nothing between calls."""

    def __init__(self, stream: Stream) -> None:
        self._columns = [_Column(field) for field in stream.fields]
        self._checks = compile_checks(stream.constraints, ObjectType(stream.fields))
        self._rules = row_rules(stream)
        self._references: tuple[HeldReference, ...] = ()
        schema = arrow_schema(stream)
        self._schema = pa.schema([schema.field(i) for i in range(len(stream.fields))])
        self._looks_at_keys = _looks_at_keys(stream.fields) or any(
            check.rule.on_object for check in self._checks
        )

    def refer(self, references: tuple[HeldReference, ...]) -> Self:
        """These rules with relationships to judge; nothing is compiled again."""
        made = copy(self)
        made._references = references
        return made

    def certify(self, decoded: Decoded) -> Certified:
        """Which rows of ``decoded`` are certainly good."""
        count = len(decoded.index)
        if not count:
            return Certified.nothing()
        rows = _Rows(count)
        if self._looks_at_keys and decoded.undeclared:
            # The columns do not show the undeclared keys that such a rule would count.
            rows.good &= ~np.isin(decoded.index, list(decoded.undeclared))
        everywhere = np.arange(count)
        columns, parts = [], []
        for column, array in zip(self._columns, decoded.columns, strict=True):
            part = _Rows(count)
            columns.append(column.certify(array, everywhere, part))
            parts.append(part)
        for position, unread in decoded.unread.items():
            row = np.searchsorted(decoded.index, position)
            for unread_column in unread:
                parts[unread_column].doubt(np.array([row]))
        table = pa.Table.from_arrays(columns, schema=self._schema)
        if self._checks:
            self._check_records(table, rows)
        passed = self._pass_rules(table)
        doubts = _doubts(decoded.index, rows, parts, passed)
        good = rows.good & passed
        for part in parts:
            good &= part.good
        return Certified(Decoded(decoded.index, columns, decoded.undeclared), good, doubts)

    def _check_records(self, table: pa.Table, rows: _Rows) -> None:
        record = table.to_struct_array().combine_chunks()
        for check in self._checks:
            _run(check, record, np.arange(table.num_rows), rows)

    def _pass_rules(self, table: pa.Table) -> _Mask:
        """Which records certainly pass the rules over the whole record, and the relationships."""
        passed = np.ones(table.num_rows, dtype=bool)
        for rule in self._rules:
            try:
                rejected = evaluate_columns(rule.rule, table).fill_null(False)
            except NotVectorised:
                passed[:] = False
            else:
                passed &= ~_to_mask(rejected)
        for reference in self._references:
            passed &= reference.passes(table)
        return passed


class _Rows:
    """Which rows are good so far, and of which the values are read."""

    __slots__ = ("good", "read")

    def __init__(self, count: int) -> None:
        self.good = np.ones(count, dtype=bool)
        self.read = np.ones(count, dtype=bool)

    def doubt(self, rows: _Index) -> None:
        """Nothing of these rows is certain."""
        if len(rows):
            self.good[rows] = self.read[rows] = False

    def fail(self, rows: _Index) -> None:
        """Their values are certain, and a check of them says no, or cannot say."""
        if len(rows):
            self.good[rows] = False


def _doubts(index: _Index, rows: _Rows, parts: Sequence[_Rows], passed: _Mask) -> dict[int, Doubt]:
    """Of each record that is not in doubt as a whole: what is."""
    read = np.ones(len(index), dtype=bool)
    columns: dict[int, list[int]] = {
        row: [] for row in np.flatnonzero(rows.good & ~passed).tolist()
    }
    for position, part in enumerate(parts):
        read &= part.read
        for row in np.flatnonzero(rows.good & ~part.good).tolist():
            columns.setdefault(row, []).append(position)
    return {
        int(index[row]): Doubt(found, is_read=bool(read[row]), rules=not passed[row])
        for row, found in columns.items()
    }


class _Column:
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
        self._members: list[_Column] = []
        self._items: _Column | None = None
        self._keys: _Column | None = None
        self._reader: Reader | None = None
        self._is_vectorised = field.type in (DateType(), TimeType(), TimestampType())
        match field.type:
            case ObjectType(fields=fields):
                self._members = [_Column(member) for member in fields]
            case ArrayType(item=item):
                self._items = _Column(item)
            case MapType(key=key, value=value):
                self._keys, self._items = _Column(key), _Column(value)
            case scalar:
                self._reader = reader(scalar)

    def certify(self, array: pa.Array, of_row: _Index, rows: _Rows) -> pa.Array:
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
            rows.fail(of_row[_to_mask(array.is_null())])
        for check in self._checks:
            _run(check, array, of_row, rows)
        return array

    def _certify_members(self, array: pa.Array, of_row: _Index, rows: _Rows) -> pa.Array:
        absent = array.is_null() if array.null_count else None
        here = None if absent is None else np.flatnonzero(~_to_mask(absent))
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

    def _certify_items(
        self, items: _Column, array: pa.Array, of_row: _Index, rows: _Rows
    ) -> pa.Array:
        lengths = pc.list_value_length(array).fill_null(0).to_numpy()
        offsets = np.zeros(len(array) + 1, dtype=np.int32)
        np.cumsum(lengths, out=offsets[1:])
        values = items.certify(array.flatten(), np.repeat(of_row, lengths), rows)
        absent = array.is_null() if array.null_count else None
        return pa.ListArray.from_arrays(
            pa.array(offsets, pa.int32()), values, type=self._target, mask=absent
        )

    def _certify_entries(
        self, keys: _Column, items: _Column, array: pa.Array, of_row: _Index, rows: _Rows
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

    def _read_texts(self, texts: pa.Array, of_row: _Index, rows: _Rows) -> pa.Array:
        assert self._reader is not None
        values, certain = _read(texts, self._field.type, self._target)
        if certain.all():
            return values
        missing = ~(certain | _to_mask(texts.is_null()))
        if not missing.any():
            return values
        if _is_number(self._field.type):
            rows.doubt(of_row[missing])
            return values
        return self._read_rest(texts, values, np.flatnonzero(missing), of_row, rows)

    def _read_rest(
        self, texts: pa.Array, values: pa.Array, missing: _Index, of_row: _Index, rows: _Rows
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


def _run(check: Check, array: pa.Array, of_row: _Index, rows: _Rows) -> None:
    if check.rule.on_object and not pa.types.is_struct(array.type):
        rows.fail(of_row[_to_mask(array.is_valid())])
        return
    passes = check.rule.check_array(array, check.bound)
    if passes is True:
        return
    if passes is None:
        judged = np.ones(len(array), dtype=bool)
        rows.fail(of_row[judged if check.rule.judges_null else _to_mask(array.is_valid())])
        return
    if check.rule.judges_null:
        rows.fail(of_row[~_to_mask(passes)])
        return
    failed = ~_to_mask(passes.fill_null(True))
    if array.null_count:
        failed &= _to_mask(array.is_valid())
    rows.fail(of_row[failed])


def _to_mask(array: Any) -> _Mask:
    return array.to_numpy(zero_copy_only=False)  # type: ignore[no-any-return]


def _is_number(type_: Type) -> bool:
    return isinstance(type_, IntegerType | DecimalType)


def _read(texts: pa.Array, type_: Type, target: pa.DataType) -> tuple[pa.Array, _Mask]:
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


def _read_decimals(texts: pa.Array, pattern: str, target: pa.DataType) -> tuple[pa.Array, _Mask]:
    fits = pc.match_substring_regex(texts, pattern)
    certain = _to_mask(fits.fill_null(False))
    kept = texts if certain.all() else pc.if_else(fits, texts, pa.scalar(None, pa.string()))
    return kept.cast(target), certain


def _looks_at_keys(fields: tuple[Field, ...]) -> bool:
    for field in fields:
        match field.type:
            case ObjectType(fields=members):
                nested = _looks_at_keys(members)
            case ArrayType(item=item) | MapType(value=item):
                nested = _looks_at_keys((item,))
            case _:
                nested = False
        if nested or any(
            constraint.rule in ("minProperties", "maxProperties", "requiredKeys")
            for constraint in field.constraints
        ):
            return True
    return False
