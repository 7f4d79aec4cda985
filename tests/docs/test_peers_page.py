"""The comparison with other tools: whole, and every case of a kind with a name."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

bench_peers = pytest.importorskip("benchmarks.bench_peers", reason="run from the checkout")

ROOT = Path(__file__).parents[2]
PEERS = ROOT / "benchmarks" / "peers"


def test_each_tool_has_its_module_and_its_pinned_environment() -> None:
    for peer in bench_peers._PEERS:
        assert (PEERS / f"peer_{peer.module.partition('-')[0]}.py").is_file(), peer
        if peer.group is None:
            continue
        pinned = (PEERS / f"requirements-{peer.group}.txt").read_text().splitlines()
        packages = [line for line in pinned if not line.startswith("#")]
        assert all(re.fullmatch(r"[\w.-]+==[\w.]+", line) for line in packages), peer
        assert any(line.startswith("orjson==") for line in packages), "the baseline"


def test_the_page_has_one_place_for_the_tables() -> None:
    page = bench_peers._PAGE.read_text()
    assert page.count(bench_peers._BEGIN) == page.count(bench_peers._END) == 1
    assert page.index(bench_peers._BEGIN) < page.index(bench_peers._END)


def test_each_case_is_of_a_kind_that_fits_its_verdict() -> None:
    from benchmarks.peers.cases import cases
    from benchmarks.peers.kinds import example, kind

    found = cases()
    assert len(found) > 300
    for case in found:
        named = kind(case).name
        assert (named == "odd, but good") <= case.accepted, case
        assert "\n" not in example(case)
    kinds = {kind(case).name for case in found}
    assert {"a key twice", "NaN or Infinity", "a timestamp without a zone"} <= kinds


def test_what_a_tool_says_is_counted_by_what_it_did() -> None:
    from benchmarks.peers.report import Answer, Judged, report

    from lakegate.testing.adversarial import Case

    wrong = Case(b'{"user_id":"7"}', "$.user_id", "a number in a string", ("type",), False)
    choice = Case(b'{"a":1,"a":2}', "$", "with a key twice", ("json.duplicateKey",), False)
    judged = Judged((wrong, choice, wrong))
    answer = Answer("1", "how", "all", True, (0.5,) * 3, ((0, 10),) * 3, 100, (True, True, None))
    judged.answers["tool"] = answer
    text = report(judged, {"other": "no such package"}, "a day")
    assert "| tool | 1 | 0 | 1 | 1 |" in text
    assert '| a number or boolean in a string: accepted | tool (1) | `user_id: "7"` |' in text
    assert "| a key twice: accepted | tool (1) | RFC 8259" in text
    assert "100 are refused" in text
    assert "No answer from other: no such package." in text
