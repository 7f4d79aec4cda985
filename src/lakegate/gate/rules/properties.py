"""``minProperties``, ``maxProperties`` and ``requiredKeys``: which keys an object has.

A key with the value null is there. Columns cannot tell null from absent, so the vectorised checks
count values: enough to certify, and the reference decides the rest.
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from lakegate.gate.rules.base import Rule

__all__ = ["RULES"]


def _values_at_least(array: pa.Array, bound: int) -> pa.BooleanArray:
    present = np.zeros(len(array), dtype=np.int64)
    for member in array.flatten():
        present += pc.is_valid(member).to_numpy(zero_copy_only=False)
    return pa.array(present >= bound)


def _members_at_most(array: pa.Array, bound: int) -> pa.BooleanArray | None:
    if array.type.num_fields > bound:
        return None
    return pa.array(np.ones(len(array), dtype=bool))


def _keys_have_values(array: pa.Array, bound: tuple[str | None, ...]) -> pa.BooleanArray | None:
    names = {array.type.field(i).name for i in range(array.type.num_fields)}
    if not names.issuperset(bound):
        return None
    found = np.ones(len(array), dtype=bool)
    for key in bound:
        found &= pc.is_valid(pc.struct_field(array, key)).to_numpy(zero_copy_only=False)
    return pa.array(found)


RULES = (
    Rule(
        "minProperties",
        "an object has fewer keys than the contract allows",
        check=lambda members, bound: len(members) >= bound,
        check_array=_values_at_least,
        expected=lambda bound: f"at least {bound} keys",
        on_object=True,
    ),
    Rule(
        "maxProperties",
        "an object has more keys than the contract allows",
        check=lambda members, bound: len(members) <= bound,
        check_array=_members_at_most,
        expected=lambda bound: f"at most {bound} keys",
        on_object=True,
    ),
    Rule(
        "requiredKeys",
        "an object lacks a key it must have",
        check=lambda members, bound: all(key in members for key in bound),
        check_array=_keys_have_values,
        expected=lambda bound: "the keys " + ", ".join(map(str, bound)),
        on_object=True,
    ),
)
