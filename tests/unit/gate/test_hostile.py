"""Every hostile input has one verdict, the same on all paths."""

from __future__ import annotations

import pytest
from tests.unit.gate.corpus import CASES, EVERYTHING, STORED

from lakegate.gate import Verdict, compile  # noqa: A004 - as users write it
from lakegate.gate.decode.reference import ReferenceDecoder
from lakegate.gate.decode.struct import StructDecoder

_PATHS = {
    "reference": "reference",
    "struct": StructDecoder(EVERYTHING),
    "reference decoder": ReferenceDecoder(EVERYTHING),
}


@pytest.fixture(scope="module", params=_PATHS, ids=_PATHS)
def verdict(request: pytest.FixtureRequest) -> Verdict:
    gate = compile(EVERYTHING, decoder=_PATHS[request.param])  # type: ignore[arg-type]
    return gate([value for value, _ in CASES])


def test_each_input_has_its_verdict(verdict: Verdict) -> None:
    rules = {
        found.index: [failure.rule for failure in found.failures] for found in verdict.rejected
    }
    seen = [(value[:60], rules.get(index)) for index, (value, _) in enumerate(CASES)]
    wanted = [(value[:60], None if rule is None else [rule]) for value, rule in CASES]
    assert [pair for pair in zip(seen, wanted, strict=True) if pair[0] != pair[1]] == []


def test_all_paths_say_the_same(verdict: Verdict) -> None:
    reference = compile(EVERYTHING, decoder="reference")([value for value, _ in CASES])
    assert verdict.rejected == reference.rejected
    assert verdict.accepted.equals(reference.accepted)
    assert verdict.accepted_index.equals(reference.accepted_index)
    assert verdict.unknown_paths == reference.unknown_paths


def test_observed_is_short_and_never_half_a_surrogate(verdict: Verdict) -> None:
    for found in verdict.rejected:
        for failure in found.failures:
            assert len(failure.observed) <= 80
            failure.observed.encode()


@pytest.mark.parametrize(("value", "column", "stored"), STORED)
@pytest.mark.parametrize("path", _PATHS)
def test_columns_hold_exactly_what_was_sent(
    path: str, value: bytes, column: str, stored: object
) -> None:
    gate = compile(EVERYTHING, decoder=_PATHS[path])  # type: ignore[arg-type]
    verdict = gate([value] * 80)
    found = verdict.accepted.column(column).to_pylist()
    assert [repr(one) for one in found] == [repr(stored)] * 80


def test_a_hundred_megabytes_and_a_million_empty_records() -> None:
    gate = compile(EVERYTHING)
    assert gate([b"x" * 100_000_000] * 30).rejected[29].failures[0].rule == "record.size"
    assert gate([b""] * 20_000).rejected[19_999].failures[0].rule == "json.syntax"
