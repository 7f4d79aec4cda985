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
from typing import Self

import numpy as np
import pyarrow as pa

from lakegate.contract.stream import Stream
from lakegate.contract.type import (
    ArrayType,
    Field,
    MapType,
    ObjectType,
)
from lakegate.gate.certify_column import Column, Index, Mask, Rows, mask_of, run_check
from lakegate.gate.check import compile_checks
from lakegate.gate.decode.base import Decoded
from lakegate.gate.judgement import Doubt
from lakegate.gate.references import HeldReference
from lakegate.gate.schema import arrow_schema
from lakegate.gate.sql.columns import NotVectorised, evaluate_columns
from lakegate.gate.sql.rule import row_rules

__all__ = ["Certified", "Certifier"]


@dataclass(frozen=True, slots=True)
class Certified:
    """What is certain of decoded records.

    ``rows`` are all that were decoded, in the schema's types; of them ``good`` are certain in all.
    ``doubts`` has, by position, the records of which most is certain, and what is not.
    """

    rows: Decoded
    good: Mask
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
        self._columns = [Column(field) for field in stream.fields]
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
        rows = Rows(count)
        if self._looks_at_keys and decoded.undeclared:
            # The columns do not show the undeclared keys that such a rule would count.
            rows.good &= ~np.isin(decoded.index, list(decoded.undeclared))
        everywhere = np.arange(count)
        columns, parts = [], []
        for column, array in zip(self._columns, decoded.columns, strict=True):
            part = Rows(count)
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

    def _check_records(self, table: pa.Table, rows: Rows) -> None:
        record = table.to_struct_array().combine_chunks()
        for check in self._checks:
            run_check(check, record, np.arange(table.num_rows), rows)

    def _pass_rules(self, table: pa.Table) -> Mask:
        """Which records certainly pass the rules over the whole record, and the relationships."""
        passed = np.ones(table.num_rows, dtype=bool)
        for rule in self._rules:
            try:
                rejected = evaluate_columns(rule.rule, table).fill_null(False)
            except NotVectorised:
                passed[:] = False
            else:
                passed &= ~mask_of(rejected)
        for reference in self._references:
            passed &= reference.passes(table)
        return passed


def _doubts(index: Index, rows: Rows, parts: Sequence[Rows], passed: Mask) -> dict[int, Doubt]:
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
