"""Every rule code: its example fails with it, passes without it, on all paths, as documented."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tests.unit.gate.rule_examples import EXAMPLES, Example, stream_of

from lakegate.gate import Failure, compile  # noqa: A004 - as users write it
from lakegate.gate.rules import CODES, RULES

_DOCUMENT = Path(__file__).parents[3] / "docs" / "reference" / "rules.md"
# Our own bug, which no record can be an example of; and keys of another table, see
# test_references.py.
_NOT_OF_DATA = {"gate.error", "reference"}
_by_code = pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: example.code)


def _failure(example: Example) -> Failure:
    verdict = compile(stream_of(example), decoder="reference")([example.bad])
    (failure,) = verdict.rejected[0].failures
    return failure


def _shown(value: bytes | None) -> str:
    text = "null" if value is None else value.decode("utf-8", "backslashreplace")
    text = text.replace("\ufeff", "\\ufeff")
    return text if len(text) <= 50 else f"{text[:47]}..."


def _row(example: Example) -> str:
    failure = _failure(example)
    cells = [
        f"`{example.code}`",
        CODES[example.code],
        example.declared,
        f"`{_shown(example.bad)}`",
        failure.expected,
        f"`{failure.observed}`",
    ]
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


@_by_code
@pytest.mark.parametrize("decoder", [None, "fast", "reference"])
def test_the_bad_record_fails_with_its_code_and_the_good_one_passes(
    example: Example, decoder: str | None
) -> None:
    gate = compile(stream_of(example), decoder=decoder)  # type: ignore[arg-type]
    verdict = gate([example.good, example.bad] * 40)
    assert verdict.accepted_index.to_pylist() == list(range(0, 80, 2))
    for found in verdict.rejected:
        assert [failure.rule for failure in found.failures] == [example.code]


@_by_code
def test_the_vectorised_check_certifies_the_good_record(example: Example) -> None:
    gate = compile(stream_of(example))
    rule = RULES.get(example.code)
    # Columns cannot tell a null key from an absent one: of these two the reference decides, and of
    # a rule that nobody has made fast.
    by_reference = example.code in {"requiredKeys", "maxProperties"}
    by_reference |= rule is not None and not rule.is_vectorised
    sure = 0 if by_reference else 80
    assert len(gate._certify([example.good] * 80).sure().index) == sure


def test_every_code_has_an_example() -> None:
    assert {example.code for example in EXAMPLES} | _NOT_OF_DATA == set(CODES)


def test_constraints_are_documented_in_the_contract_model() -> None:
    assert set(RULES) <= set(CODES)
    assert all(rule.meaning for rule in RULES.values())


def test_the_reference_documentation_has_exactly_these_rows() -> None:
    rows = [line for line in _DOCUMENT.read_text("utf-8").splitlines() if line.startswith("| `")]
    others = [row for row in rows if row.split("`")[1] in _NOT_OF_DATA]
    assert len(others) == len(_NOT_OF_DATA)
    assert [row for row in rows if row not in others] == [_row(one) for one in EXAMPLES]


def test_a_failure_says_path_rule_expected_and_observed() -> None:
    example = next(one for one in EXAMPLES if one.code == "sql")
    failure = _failure(example)
    assert failure.expected == "NOT (x > 200) (rule x_sane)"
    assert json.loads(failure.observed) == {"x": 201}
    assert str(failure).endswith("- at $ [sql]")
