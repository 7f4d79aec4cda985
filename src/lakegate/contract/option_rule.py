"""The options that ask one thing of a value: each is a rule of the gate by the same name.

Where such an option may stand, how its argument is read, ``lakegate.severity.<name>`` and coverage
all follow from its line here; the rule itself is in :mod:`lakegate.gate.rules`. What is left to
:mod:`lakegate.contract.option` is what reads its bound by the property's type (``minimum``,
``format``, ``required``) or says how a value is read.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType

__all__ = ["OPTION_RULES", "Argument", "OptionRule"]


class Argument(StrEnum):
    """What stands behind the option, in words; it is the bound the rule gets."""

    COUNT = "a whole number, 0 or more"  # int
    STEP = "a number above 0"  # Decimal
    PATTERN = "a pattern that can be enforced"  # str
    FLAG = "true or false"  # True; false asks nothing


@dataclass(frozen=True, slots=True)
class OptionRule:
    """``name`` is the option's key and the rule's code; ``types`` are ODCS logical types."""

    name: str
    types: frozenset[str]
    argument: Argument


_TABLE = (
    ("minLength", "string", Argument.COUNT),
    ("maxLength", "string", Argument.COUNT),
    ("pattern", "string", Argument.PATTERN),
    ("multipleOf", "integer number", Argument.STEP),
    ("minItems", "array", Argument.COUNT),
    ("maxItems", "array", Argument.COUNT),
    ("uniqueItems", "array", Argument.FLAG),
    ("minProperties", "object", Argument.COUNT),
    ("maxProperties", "object", Argument.COUNT),
)

OPTION_RULES: Mapping[str, OptionRule] = MappingProxyType(
    {name: OptionRule(name, frozenset(types.split()), argument) for name, types, argument in _TABLE}
)
