"""A column's name, taken apart: ``address.city``, ``lines.element.product_id``."""

from __future__ import annotations

from dataclasses import dataclass

from lakegate.contract.type import ArrayType, Field, ObjectType, Type

__all__ = ["ColumnPath", "column_at"]


@dataclass(frozen=True, slots=True)
class ColumnPath:
    """How to get to a column's values from a record, and their type.

    ``steps`` are names of members; None stands for every item of an array.
    """

    steps: tuple[str | None, ...]
    type: Type

    @property
    def items(self) -> tuple[str | None, ...]:
        """The steps up to the items of the innermost array; empty outside arrays."""
        last = max((at for at, step in enumerate(self.steps) if step is None), default=-1)
        return self.steps[: last + 1]

    @property
    def members(self) -> tuple[str, ...]:
        """The steps after :attr:`items`."""
        return tuple(step for step in self.steps[len(self.items) :] if step is not None)


def column_at(fields: tuple[Field, ...], column: str) -> ColumnPath | None:
    """The column of that name, or None; names that hold dots are found as well."""
    for field in fields:
        if column == field.name:
            return ColumnPath((field.name,), field.type)
        if column.startswith(f"{field.name}."):
            below = _below(field.type, column[len(field.name) + 1 :])
            if below is not None:
                return ColumnPath((field.name, *below.steps), below.type)
    return None


def _below(type_: Type, rest: str) -> ColumnPath | None:
    if isinstance(type_, ObjectType):
        return column_at(type_.fields, rest)
    if not isinstance(type_, ArrayType):
        return None
    head, _, tail = rest.partition(".")
    if head != "element":
        return None
    if not tail:
        return ColumnPath((None,), type_.item.type)
    below = _below(type_.item.type, tail)
    return None if below is None else ColumnPath((None, *below.steps), below.type)
