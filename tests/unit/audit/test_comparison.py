from __future__ import annotations

from decimal import Decimal
from fractions import Fraction

import pytest

from lakegate.audit.base import Unjudgeable
from lakegate.audit.comparison import Comparison


@pytest.mark.parametrize(
    ("operator", "bounds", "holds", "fails"),
    [
        ("mustBe", (5,), [5], [4, 6]),
        ("mustNotBe", (5,), [4, 6], [5]),
        ("mustBeGreaterThan", (5,), [6], [5, 4]),
        ("mustBeGreaterOrEqualTo", (5,), [5, 6], [4]),
        ("mustBeLessThan", (5,), [4], [5, 6]),
        ("mustBeLessOrEqualTo", (5,), [5, 4], [6]),
        ("mustBeBetween", (5, 7), [5, 6, 7], [4, 8]),
        ("mustNotBeBetween", (5, 7), [4, 8], [5, 6, 7]),
    ],
)
def test_operators(operator, bounds, holds, fails):
    comparison = Comparison(operator, tuple(map(Decimal, bounds)))
    assert all(comparison.holds(Fraction(value)) for value in holds)
    assert not any(comparison.holds(Fraction(value)) for value in fails)


def test_a_third_is_more_than_its_decimals():
    assert not Comparison("mustBeLessOrEqualTo", (Decimal("33.333333"),)).holds(Fraction(100, 3))
    assert Comparison("mustBe", (Decimal("0.1"),)).holds(Fraction(1, 10))


@pytest.mark.parametrize(
    ("operator", "bounds"),
    [
        ("mustBeAbout", (1,)),
        ("", (1,)),
        ("mustBeBetween", (1,)),
        ("mustBe", (1, 2)),
        ("mustBeLessThan", (True,)),
    ],
)
def test_what_cannot_be_compared(operator, bounds):
    with pytest.raises(Unjudgeable):
        Comparison(operator, bounds)


def test_boolean_against_number():
    with pytest.raises(Unjudgeable, match="gives a boolean but mustBe expects a number"):
        Comparison("mustBe", (Decimal(1),)).holds(True)


def test_text():
    assert Comparison("mustBeLessOrEqualTo", (Decimal("5.50"),)).text("percent") == (
        "at most 5.50 percent"
    )
    assert Comparison("mustBeBetween", (Decimal(1), Decimal("1E+3"))).text("rows") == (
        "between 1 and 1000 rows"
    )
    assert Comparison("mustNotBe", (True,)).text() == "not true"
