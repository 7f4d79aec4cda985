"""Row rules over columns: the vectorised evaluation, with the answers of the reference.

Every operand is an array of the table's length or a scalar, with a mask of the rows it is in doubt
of: a kernel doubts where it could answer otherwise than the reference (an integer beyond 64 bits, a
text in an odd form). The doubt of a part that does not matter, as of a branch not taken, is
dropped. What is still in doubt at the end is asked of the reference, row by row.
"""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from lakegate.contract.sql.lists import lengths, parents
from lakegate.contract.sql.rule import (
    Call,
    Column,
    Expression,
    Form,
    Kind,
    Literal,
    Parameter,
    RowRule,
)
from lakegate.contract.sql.vector import Answer, Mask, one_by_one, to_array, to_mask
from lakegate.gate.sql.form import FORMS, either
from lakegate.gate.sql.held import arrow_type, as_rows, held
from lakegate.gate.sql.record import evaluate

__all__ = ["NotVectorised", "evaluate_columns"]

_Array: TypeAlias = Any
_REFUSED = (pa.ArrowInvalid, pa.ArrowNotImplementedError, pa.ArrowTypeError, pa.ArrowKeyError)


class NotVectorised(Exception):
    """The columns cannot answer; the text says why."""


def evaluate_columns(rule: RowRule, table: pa.Table) -> pa.BooleanArray:
    """The rule's predicate for every row of a table of accepted columns, null where it is null.

    True also where :func:`~lakegate.gate.sql.record.evaluate` has no answer. ``table`` has the
    columns of :func:`lakegate.gate.schema.arrow_schema`; others do not matter.

    Raises:
        NotVectorised: a column of the rule is not there; ask the reference, row by row.
    """
    missing = {path[0] for path in rule.columns} - set(table.schema.names)
    if missing:
        raise NotVectorised(f"there is no column {min(missing)}")
    if not table.num_rows:
        return pa.array([], pa.bool_())
    answer = _Columns(table).evaluate(rule.expression)
    result = to_array(answer.array, table.num_rows)
    if answer.doubt is None or not answer.doubt.any():
        return result
    rows = np.flatnonzero(answer.doubt)
    asked = [evaluate(rule, row) for row in as_rows(table.take(pa.array(rows)), rule.columns)]
    found = result.to_pylist() if len(rows) * 4 > len(result) else None
    if found is None:
        return pc.replace_with_mask(result, pa.array(answer.doubt), pa.array(asked, pa.bool_()))
    for at, value in zip(rows.tolist(), asked, strict=True):
        found[at] = value
    return pa.array(found, pa.bool_())


class _Columns:
    """The columns of one table, each converted once; or items of lists beside their rows."""

    def __init__(
        self,
        table: pa.Table,
        items: tuple[_Array, ...] = (),
        rows: _Array = None,
        outer: _Columns | None = None,
    ) -> None:
        self.table = table
        self.items = items
        self.rows = rows
        self.outer = outer
        self.count = table.num_rows if rows is None else len(rows)
        self.columns: dict[Column, Answer] = {}

    def evaluate(self, expression: Expression) -> Answer:
        """An array or scalar of the expression's held type, and what is in doubt."""
        if isinstance(expression, Literal):
            return Answer(pa.scalar(expression.value, arrow_type(expression.type)))
        if isinstance(expression, Column):
            return self.column(expression)
        if isinstance(expression, Parameter):
            return Answer(self.items[expression.depth])
        if expression.what in (Form.FILTER, Form.TRANSFORM):
            return self.over_items(expression)
        args = [self.evaluate(arg) for arg in expression.args]
        if isinstance(expression.what, Form):
            return FORMS[expression.what](expression, args, self.count)
        return self.call(expression, args)

    def column(self, column: Column) -> Answer:
        """The column, from the table or beside the items of a list."""
        found = self.columns.get(column)
        if found is None:
            if self.outer is None:
                found = held(self.table, column)
            else:
                whole = self.outer.column(column)
                doubt = None if whole.doubt is None else whole.doubt[self.rows.to_numpy()]
                found = Answer(whole.array.take(self.rows), doubt)
            self.columns[column] = found
        return found

    def call(self, expression: Call, args: list[Answer]) -> Answer:
        """A function of its arguments; null where one is null."""
        assert not isinstance(expression.what, Form)
        arrays = [arg.array for arg in args]
        if not any(isinstance(array, pa.Array) for array in arrays):
            arrays[0] = to_array(arrays[0], self.count)
        type_ = arrow_type(expression.type)
        if any(isinstance(array, pa.Scalar) and not array.is_valid for array in arrays):
            return Answer(pa.nulls(self.count, type_), either(*(arg.doubt for arg in args)))
        try:
            answer = expression.what.array(*arrays)
        except _REFUSED:
            answer = one_by_one(expression.what.record, type_, *arrays)
        if not isinstance(answer, Answer):
            answer = Answer(answer)
        array = answer.array
        if array.type != type_ and expression.type.kind not in (Kind.STRUCT, Kind.OPAQUE):
            array = array.cast(type_)
        array = _null_where_an_argument_is(array, arrays)
        return Answer(array, either(answer.doubt, *(arg.doubt for arg in args)))

    def over_items(self, expression: Call) -> Answer:
        """A test or formula for each item of a list, beside the columns of its row."""
        answer = self.evaluate(expression.args[0])
        lists = to_array(answer.array, self.count)
        rows = parents(lists)
        items = lists.flatten()
        inner = _Columns(
            self.table,
            (*(to_array(item, self.count).take(pa.array(rows)) for item in self.items), items),
            pa.array(rows),
            self,
        )
        body = inner.evaluate(expression.args[1])
        sizes = lengths(lists)
        values = to_array(body.array, len(rows))
        if expression.what is Form.FILTER:
            kept = to_mask(values)
            sizes = np.bincount(rows[kept], minlength=len(lists)).astype(np.int64)
            values = items.filter(pa.array(kept))
        offsets = np.zeros(len(lists) + 1, dtype=np.int32)
        np.cumsum(sizes, out=offsets[1:])
        absent = lists.is_null() if lists.null_count else None
        made = pa.ListArray.from_arrays(pa.array(offsets), values, mask=absent)
        doubt: Mask | None = None
        if body.doubt is not None and body.doubt.any():
            doubt = np.bincount(rows[body.doubt], minlength=len(lists)) > 0
        return Answer(made, either(answer.doubt, doubt))


def _null_where_an_argument_is(array: pa.Array, args: list[_Array]) -> pa.Array:
    valid: Any = None
    for arg in args:
        if isinstance(arg, pa.Array) and arg.null_count:
            here = to_mask(arg.is_valid())
            valid = here if valid is None else valid & here
    if valid is None or array.null_count == len(array):
        return array
    if not (to_mask(array.is_valid()) & ~valid).any():
        return array
    return pc.if_else(pa.array(valid), array, pa.scalar(None, array.type))
