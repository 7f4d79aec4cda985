"""The plugin in a pytest of its own, as a user meets it."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ORDERS = Path(__file__).parents[3] / "examples" / "contracts" / "orders.odcs.yaml"
GOOD = '{"order_id": 1, "placed_at": "2026-03-01T09:30:00Z", "total": 1}'


@pytest.fixture
def run(tmp_path: Path) -> object:
    """Run a test module in a folder with a contract; gives its output."""
    (tmp_path / "contracts").mkdir()
    shutil.copy(ORDERS, tmp_path / "contracts")
    (tmp_path / "pytest.ini").write_text(
        "[pytest]\naddopts = --strict-markers -p no:cacheprovider\n"
    )

    def run_module(code: str) -> str:
        (tmp_path / "test_shop.py").write_text("import pytest\n" + code)
        done = subprocess.run(
            [sys.executable, "-m", "pytest", "-q", "test_shop.py"],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=120,
        )
        return done.stdout + done.stderr

    return run_module


def test_what_keeps_the_contract_passes(run) -> None:  # type: ignore[no-untyped-def]
    said = run(
        "def test_one(emitted):\n"
        "    orders = emitted('contracts/orders.odcs.yaml')\n"
        f"    orders('{GOOD}'); orders.send(b'{GOOD}', key=b'1', headers=())\n"
        "    assert len(orders.records) == 2 and orders.verdict.accepted.num_rows == 2\n"
    )
    assert "1 passed" in said, said


def test_what_breaks_it_fails_the_test_with_every_reason(run) -> None:  # type: ignore[no-untyped-def]
    said = run(
        "def test_one(emitted):\n"
        "    orders = emitted('contracts/orders.odcs.yaml')\n"
        f"    orders('{GOOD}')\n"
        "    for n in range(7): orders({'order_id': 'x', 'total': 5})\n"
    )
    assert "7 of 8 records break the contract of orders:" in said, said
    assert 'record 1: {"order_id":"x","total":5}' in said
    assert "at $.order_id [type]" in said
    assert "at $.placed_at [required]" in said
    assert "and 2 more" in said
    assert "1 failed" in said
    assert "error" not in said.splitlines()[-1]


def test_rejections_can_be_what_is_tested(run) -> None:  # type: ignore[no-untyped-def]
    said = run(
        "def test_one(emitted):\n"
        "    orders = emitted('contracts/orders.odcs.yaml', may_reject=True)\n"
        "    orders(b'{}'); orders(None, key=b'1')\n"
        "    (one,) = orders.rejected\n"
        "    assert one.failures[0].rule == 'required'\n"
    )
    assert "1 passed" in said, said


def test_cases_and_samples_are_tests_of_their_own(run) -> None:  # type: ignore[no-untyped-def]
    said = run(
        "import lakegate as lg\n"
        "guard = lg.Guard('contracts/orders.odcs.yaml')\n"
        "@pytest.mark.contract_cases('contracts/orders.odcs.yaml', seed=3)\n"
        "def test_case(case):\n"
        "    verdict = guard.gate([case.value])\n"
        "    assert (not verdict.rejected) == case.accepted\n"
        "@pytest.mark.contract_samples('contracts/orders.odcs.yaml', n=5)\n"
        "def test_sample(record):\n"
        "    guard(record)\n"
    )
    passed = int(said.rpartition(" passed")[0].split()[-1])
    assert passed > 60, said
    assert "failed" not in said


def test_a_contract_that_is_not_there_is_named(run) -> None:  # type: ignore[no-untyped-def]
    said = run("def test_one(emitted):\n    emitted('contracts/nope.odcs.yaml')\n")
    assert "nope.odcs.yaml" in said
    assert "1 failed" in said


@pytest.mark.parametrize(
    ("mark", "told"),
    [
        ("('contracts/orders.odcs.yaml', count=3)", "has no argument 'count'"),
        ("('contracts/orders.odcs.yaml', n='3')", "n is a whole number from 0, not '3'"),
        ("('contracts/nope.odcs.yaml')", "nope.odcs.yaml"),
        ("()", "wants one contract"),
    ],
)
def test_a_misused_mark_is_told_in_few_lines(run, mark, told) -> None:  # type: ignore[no-untyped-def]
    said = run(f"@pytest.mark.contract_samples{mark}\ndef test_one(record): pass\n")
    assert told in said
    assert "pluggy" not in said
    assert len(said.splitlines()) < 12, said
