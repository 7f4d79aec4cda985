"""The eight operators: exact comparison of what was observed with what the contract expects."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction

from lakegate.audit.base import Unjudgeable

__all__ = ["Comparison"]

_WORDS = {
    "mustBe": "",
    "mustNotBe": "not ",
    "mustBeGreaterThan": "more than ",
    "mustBeGreaterOrEqualTo": "at least ",
    "mustBeLessThan": "less than ",
    "mustBeLessOrEqualTo": "at most ",
    "mustBeBetween": "between ",
    "mustNotBeBetween": "outside ",
}


@dataclass(frozen=True, slots=True)
class Comparison:
    """An ODCS operator with its one or two bounds.

    ``mustBeBetween`` includes both bounds (a deviation: SEMANTICS "The verdict") and
    ``mustNotBeBetween`` is its complement, so a value on a bound fails it.

    Raises:
        Unjudgeable: no operator, an unknown one, or the wrong number or kind of bounds.
    """

    operator: str
    bounds: tuple[Decimal | bool, ...]

    def __post_init__(self) -> None:
        if self.operator not in _WORDS:
            raise Unjudgeable(
                f"operator {self.operator!r} is not one of {', '.join(_WORDS)}; write one of them"
            )
        wanted = 2 if self.operator.endswith("Between") else 1
        if len(self.bounds) != wanted:
            raise Unjudgeable(
                f"{self.operator} takes {wanted} bound(s), the contract gives {len(self.bounds)}"
            )
        if any(isinstance(bound, bool) for bound in self.bounds) and self.operator not in (
            "mustBe",
            "mustNotBe",
        ):
            raise Unjudgeable(f"{self.operator} takes numbers; a boolean goes with mustBe")

    def holds(self, observed: Fraction | bool) -> bool:
        """Whether ``observed`` is as expected, compared exactly.

        Raises:
            Unjudgeable: a boolean meets a number.
        """
        if isinstance(observed, bool) != isinstance(self.bounds[0], bool):
            raise Unjudgeable(
                f"the rule gives a {_kind(observed)} but {self.operator} expects "
                f"a {_kind(self.bounds[0])}; compare like with like"
            )
        low, high = Fraction(self.bounds[0]), Fraction(self.bounds[-1])
        return {
            "mustBe": observed == low,
            "mustNotBe": observed != low,
            "mustBeGreaterThan": observed > low,
            "mustBeGreaterOrEqualTo": observed >= low,
            "mustBeLessThan": observed < low,
            "mustBeLessOrEqualTo": observed <= low,
            "mustBeBetween": low <= observed <= high,
            "mustNotBeBetween": not low <= observed <= high,
        }[self.operator]

    def text(self, unit: str = "") -> str:
        """What is expected, for people: ``at most 5 percent``, ``between 1 and 10 rows``."""
        bounds = " and ".join(_bound_text(bound) for bound in self.bounds)
        return f"{_WORDS[self.operator]}{bounds} {unit}".rstrip()


def _kind(value: object) -> str:
    return "boolean" if isinstance(value, bool) else "number"


def _bound_text(bound: Decimal | bool) -> str:
    if isinstance(bound, bool):
        return "true" if bound else "false"
    return f"{bound:f}"
