"""Every hostile input has one verdict, the same on all paths."""

from __future__ import annotations

import pytest
from tests.unit.gate.corpus import CASES, EVERYTHING, STORED

from lakegate.gate import Verdict, compile  # noqa: A004 - as users write it
from lakegate.gate.decode.reference import ReferenceDecoder
from lakegate.gate.decode.struct import StructDecoder
from lakegate.gate.native.choice import native_module

_PATHS = {
    "reference": "reference",
    "struct": StructDecoder(EVERYTHING),
    "reference decoder": ReferenceDecoder(EVERYTHING),
    **({"native": "native"} if native_module() is not None else {}),
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


@pytest.mark.parametrize("path", _PATHS)
def test_a_record_of_a_hundred_megabytes_is_not_read(path: str) -> None:
    gate = compile(EVERYTHING, decoder=_PATHS[path])  # type: ignore[arg-type]
    assert gate([b"x" * 100_000_000] * 30).rejected[29].failures[0].rule == "record.size"


@pytest.mark.slow
def test_a_million_empty_records_have_a_million_verdicts() -> None:
    rejected = compile(EVERYTHING)([b""] * 1_000_000).rejected
    assert len(rejected) == 1_000_000
    assert rejected[999_999].index == 999_999
    assert rejected[999_999].failures[0].rule == "json.syntax"


@pytest.mark.parametrize("path", _PATHS)
def test_each_record_has_its_own_encoding(path: str) -> None:
    gate = compile(EVERYTHING, decoder=_PATHS[path])  # type: ignore[arg-type]
    text = '{"string":"é"}'
    records = [text.encode(code) for code in ("utf-8", "latin-1", "utf-16-le", "utf-8-sig")] * 30
    verdict = gate(records)
    assert verdict.accepted_index.to_pylist() == list(range(0, 120, 4))
    rules = {found.index % 4: found.failures[0].rule for found in verdict.rejected}
    assert rules == {1: "json.utf8", 2: "json.utf8", 3: "json.bom"}
