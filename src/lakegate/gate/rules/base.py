"""What a rule is: one check on one value, said three ways (docs/reference/gate.md).

* ``check`` is the specification: plain Python on one value of the column;
* ``check_array`` says the same of a whole Arrow array, and may say "not sure" by answering False
  for a value that passes, or None for the whole array: the fast path only ever *certifies*. True
  for the whole array is the answer to hurry for, since nearly all arrays are good;
* ``expected`` is the text of a failure.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import pyarrow as pa

from lakegate.contract.type import Type

__all__ = ["ArrayAnswer", "Code", "Rule"]

ArrayAnswer: TypeAlias = "pa.BooleanArray | Literal[True] | None"


def _as_written(bound: Any, _type: Type) -> Any:
    return bound


def _not_vectorised(_array: pa.Array, _bound: Any) -> ArrayAnswer:
    return None


@dataclass(frozen=True, slots=True)
class Code:
    """A stable code that a failure can carry, and one line on what it means."""

    code: str
    meaning: str


@dataclass(frozen=True, slots=True)
class Rule:
    """One constraint of :class:`lakegate.contract.type.Constraint`, by its code.

    ``prepare`` turns the contract's bound into the form the checks want, once per contract.
    ``check`` gets a column value that is not null; for objects and ``AnyType`` the JSON object.
    ``check_array`` gets an array of the column's type and answers with a boolean per value, null
    where the value is null; or True, when every value that is not null passes (with ``judges_null``
    every value), or None, when it cannot say. With ``judges_null`` the rule sees null and absent
    values as None.
    ``on_object`` marks rules on the members of a JSON object.
    """

    code: str
    meaning: str
    check: Callable[[Any, Any], bool]
    expected: Callable[[Any], str]
    check_array: Callable[[pa.Array, Any], ArrayAnswer] = _not_vectorised
    prepare: Callable[[Any, Type], Any] = _as_written
    judges_null: bool = False
    on_object: bool = False

    @property
    def is_vectorised(self) -> bool:
        """Whether the rule has a form for columns; without, each value goes to the reference."""
        return self.check_array is not _not_vectorised
