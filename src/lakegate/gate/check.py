"""Constraints of a value made ready, and run one value at a time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from lakegate.contract.type import Constraint, Severity, Type
from lakegate.gate.json_text import Json, observe
from lakegate.gate.judgement import Judgement
from lakegate.gate.path import Steps, path_at
from lakegate.gate.rules import RULES, Rule
from lakegate.gate.verdict import Failure

__all__ = ["Check", "compile_checks", "run_checks"]


@dataclass(frozen=True, slots=True)
class Check:
    """A constraint made ready: its rule, the bound in the rule's form, and what to say."""

    rule: Rule
    bound: Any
    severity: Severity
    expected: str


def compile_checks(constraints: tuple[Constraint, ...], type_: Type) -> tuple[Check, ...]:
    """The constraints of one value, ready to run, in declared order."""
    checks = []
    for constraint in constraints:
        rule = RULES[constraint.rule]
        bound = rule.prepare(constraint.bound, type_)
        checks.append(Check(rule, bound, constraint.severity, rule.expected(bound)))
    return tuple(checks)


def run_checks(
    checks: tuple[Check, ...],
    value: Any,
    shown: Json,
    steps: Steps,
    found: Judgement,
    *,
    counts: bool = False,
) -> None:
    """Note in ``found`` each check that ``value`` fails; ``shown`` is what was observed of it.

    ``counts``: the value may stand in the record any number of times.

    Raises:
        TooMuch: there is more to tell than may be.
    """
    for check in checks:
        if not check.rule.check(value, check.bound):
            path = path_at(steps)
            if counts:
                found.count_failure(path, check.expected)
            found.failures.append(
                Failure(path, check.rule.code, check.expected, observe(shown), check.severity)
            )
