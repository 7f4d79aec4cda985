"""SQL functions of row rules: types, the form for one record and the form for columns, together.

A function is one :class:`Function` in the table of its family (``text``,
``number``, ...). Two functions of one name are overloads: the first whose kinds fit
exactly is taken, then the first that the implicit casts reach. ``record`` is the specification;
``array`` gives the same answers over Arrow arrays, or says which rows it is not sure of.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from typing import Any

from lakegate.contract.sql.literal import Unsupported, convert
from lakegate.contract.sql.rule import Call, Expression, Kind, Literal, SqlType

__all__ = ["Function", "Infinite", "Undefined", "call", "find", "names"]

_TABLES = ("text", "regex", "number", "comparison", "cast", "moment", "lists")
_INTEGER = SqlType(Kind.INTEGER, precision=19)


class Undefined(Exception):
    """DuckDB stops with an error for these values; the text says why."""


class Infinite(Undefined):
    """An infinite date or moment, which DuckDB has and the gate has not. It is not null."""


@dataclass(frozen=True, slots=True, eq=False)
class Function:
    """One overload of a function or operator.

    ``signature`` reads ``string, integer! [, string] -> string``: kinds as
    :class:`~lakegate.contract.sql.rule.Kind` names them, ``any`` for each, ``!`` for a constant,
    brackets around what may be left out, ``...`` behind what may be repeated. ``record`` takes
    values that are not null and may raise :class:`Undefined`. ``array`` takes an Arrow array or
    scalar for each argument, at least one of them an array, and gives an array or an
    :class:`~lakegate.contract.sql.vector.Answer`; what it gives for nulls is not looked at.
    ``result`` computes a type the signature cannot name, ``check`` refuses constants.
    """

    name: str
    signature: str
    record: Callable[..., Any]
    array: Callable[..., Any]
    aliases: tuple[str, ...] = ()
    result: Callable[[tuple[Expression, ...]], SqlType] | None = None
    check: Callable[[tuple[Expression, ...]], None] | None = None

    def match(self, args: Sequence[Expression], *, exact: bool) -> tuple[Expression, ...] | None:
        """The arguments as the function takes them, or None."""
        kinds, least, repeats = _parameters(self.signature)
        if len(args) < least or (len(args) > len(kinds) and not repeats):
            return None
        wanted = [*kinds, *[kinds[-1]] * (len(args) - len(kinds))] if kinds else []
        taken = []
        for arg, (kind, constant) in zip(args, wanted, strict=False):
            if constant and not isinstance(arg, Literal):
                return None
            found = arg if kind is None else convert(arg, kind, exact=exact)
            if found is None:
                return None
            taken.append(found)
        return tuple(taken)

    def type(self, args: tuple[Expression, ...]) -> SqlType:
        """What the function gives for these arguments."""
        if self.result is not None:
            return self.result(args)
        kind = Kind(self.signature.partition("->")[2].strip())
        return _INTEGER if kind is Kind.INTEGER else SqlType(kind)


@cache
def _parameters(signature: str) -> tuple[list[tuple[Kind | None, bool]], int, bool]:
    """Kind and whether constant of each parameter, how many are needed, whether the last repeats"""
    head = signature.partition("->")[0]
    needed, _, optional = head.partition("[")
    words = [word.strip(" ]") for word in f"{needed},{optional}".split(",")]
    kinds = [
        (None if word.rstrip("!.") == "any" else Kind(word.rstrip("!.")), "!" in word)
        for word in words
        if word
    ]
    least = sum(1 for word in needed.split(",") if word.strip())
    return kinds, least, "..." in head


@cache
def _functions() -> dict[str, list[Function]]:
    found: dict[str, list[Function]] = {}
    for family in _TABLES:
        module = import_module(f"lakegate.contract.sql.{family}")
        for function in module.FUNCTIONS:
            for name in (function.name, *function.aliases):
                found.setdefault(name, []).append(function)
    return found


def names() -> Iterable[str]:
    """Every function and operator, aliases included."""
    return _functions().keys()


def find(name: str) -> list[Function]:
    """The overloads of a name; none if there is no such function."""
    return _functions().get(name, [])


def call(name: str, *args: Expression) -> Expression:
    """A call of the overload that fits; of constants, its value.

    Raises:
        Unsupported: none fits, a constant is refused, or the value of constants is an error.
    """
    overloads = find(name)
    for exact in (True, False):
        for function in overloads:
            taken = function.match(args, exact=exact)
            if taken is None:
                continue
            if function.check is not None:
                function.check(taken)
            return _fold(function, taken, function.type(taken))
    kinds = ", ".join(
        f"{arg.type}{' constant' if isinstance(arg, Literal) else ''}" for arg in args
    )
    known = "; ".join(sorted({function.signature for function in overloads}))
    known = known.replace("!", " constant")
    raise Unsupported(f"`{name}` of ({kinds}): it takes {known}" if known else f"`{name}`")


def _fold(function: Function, args: tuple[Expression, ...], type_: SqlType) -> Expression:
    if args and all(isinstance(arg, Literal) for arg in args):
        values = [arg.value for arg in args if isinstance(arg, Literal)]
        if None in values:
            return Literal(None, type_)
        try:
            return Literal(function.record(*values), type_)
        except Undefined as cause:
            raise Unsupported(f"`{function.name}` of constants fails: {cause}") from cause
    return Call(function, args, type_)
