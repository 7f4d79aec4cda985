"""The forms of row rules over columns: three-valued logic, choices, and the doubt they pass on."""

from __future__ import annotations

from collections.abc import Callable
from functools import reduce
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from lakegate.contract.sql.function import find
from lakegate.contract.sql.rule import Call, Form, Literal
from lakegate.contract.sql.vector import Answer, Mask, to_array, to_mask
from lakegate.gate.sql.held import arrow_type, held_array

__all__ = ["FORMS", "either"]


def either(*doubts: Mask | None) -> Mask | None:
    """Rows in doubt for one reason or another."""
    real = [doubt for doubt in doubts if doubt is not None]
    return reduce(np.logical_or, real) if real else None


def _decided(kernel: Any, decisive: bool) -> Callable[[Call, list[Answer], int], Answer]:
    """AND and OR: where one side surely decides, the doubt of the other does not matter."""

    def form(_call: Call, args: list[Answer], count: int) -> Answer:
        left, right = (Answer(to_array(arg.array, count), arg.doubt) for arg in args)
        result = kernel(left.array, right.array)
        if left.doubt is None and right.doubt is None:
            return Answer(result)
        sure = [
            to_mask(pc.equal(side.array, decisive))
            & (np.True_ if side.doubt is None else ~side.doubt)
            for side in (left, right)
        ]
        doubt = either(left.doubt, right.doubt)
        assert doubt is not None
        decided = sure[0] | sure[1]
        if (doubt & decided).any():
            result = pc.if_else(pa.array(decided), pa.scalar(decisive), result)
        return Answer(result, doubt & ~decided)

    return form


def _is_null(_call: Call, args: list[Answer], count: int) -> Answer:
    return Answer(pc.is_null(to_array(args[0].array, count)), args[0].doubt)


def _distinct(_call: Call, args: list[Answer], count: int) -> Answer:
    arrays = [to_array(arg.array, count) for arg in args]
    equal = find("=")[0].array(*arrays)
    answer = equal if isinstance(equal, Answer) else Answer(equal)
    differ = pc.fill_null(pc.invert(answer.array), True)
    both_null = pc.and_(arrays[0].is_null(), arrays[1].is_null())
    doubt = either(answer.doubt, *(arg.doubt for arg in args))
    return Answer(pc.and_(differ, pc.invert(both_null)), doubt)


def _typed(call: Call, array: Any, count: int) -> pa.Array:
    target = arrow_type(call.type)
    array = to_array(array, count)
    return array if array.type == target else array.cast(target)


def _case(call: Call, args: list[Answer], count: int) -> Answer:
    *pairs, last = args
    result = _typed(call, last.array, count)
    doubt = last.doubt
    for at in range(len(pairs) - 2, -1, -2):
        condition, value = pairs[at], pairs[at + 1]
        taken = pc.fill_null(to_array(condition.array, count), False)
        result = pc.if_else(taken, _typed(call, value.array, count), result)
        if doubt is not None or value.doubt is not None or condition.doubt is not None:
            mask = to_mask(taken)
            none = np.zeros(count, dtype=bool)
            of_value = none if value.doubt is None else value.doubt
            of_rest = none if doubt is None else doubt
            doubt = either(np.where(mask, of_value, of_rest), condition.doubt)
    return Answer(result, doubt)


def _coalesce(call: Call, args: list[Answer], count: int) -> Answer:
    arrays = [_typed(call, arg.array, count) for arg in args]
    return Answer(pc.coalesce(*arrays), either(*(arg.doubt for arg in args)))


def _chosen(operator: str, *, swapped: bool) -> Callable[[Call, list[Answer], int], Answer]:
    """GREATEST and LEAST by pairs, nulls skipped."""

    def form(call: Call, args: list[Answer], count: int) -> Answer:
        doubt = either(*(arg.doubt for arg in args))
        result = _typed(call, args[0].array, count)
        for arg in args[1:]:
            other = _typed(call, arg.array, count)
            pair = (other, result) if swapped else (result, other)
            answer = find(operator)[0].array(*pair)
            if isinstance(answer, Answer):
                doubt, answer = either(doubt, answer.doubt), answer.array
            picked = pc.if_else(pc.fill_null(answer, False), result, other)
            result = pc.coalesce(pc.if_else(result.is_valid(), picked, other), result)
        return Answer(result, doubt)

    return form


def _in(call: Call, args: list[Answer], count: int) -> Answer:
    array = to_array(args[0].array, count)
    values = [arg.value for arg in call.args[1:] if isinstance(arg, Literal)]
    found = pc.is_in(array, value_set=pa.array(values, array.type))
    if array.null_count:
        found = pc.if_else(array.is_valid(), found, pa.scalar(None, pa.bool_()))
    return Answer(found, args[0].doubt)


def _member(call: Call, args: list[Answer], count: int) -> Answer:
    struct = to_array(args[0].array, count)
    name = call.args[1]
    assert isinstance(name, Literal)
    # struct_field carries the nulls of the struct down to its field.
    return Answer(held_array(pc.struct_field(struct, name.value), call.type), args[0].doubt)


FORMS: dict[Form, Callable[[Call, list[Answer], int], Answer]] = {
    Form.AND: _decided(pc.and_kleene, False),
    Form.OR: _decided(pc.or_kleene, True),
    Form.IS_NULL: _is_null,
    Form.DISTINCT: _distinct,
    Form.CASE: _case,
    Form.COALESCE: _coalesce,
    Form.GREATEST: _chosen("<=", swapped=True),
    Form.LEAST: _chosen("<=", swapped=False),
    Form.IN: _in,
    Form.MEMBER: _member,
}
