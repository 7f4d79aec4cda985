"""``lakegate contract sample`` as it is called."""

from __future__ import annotations

import base64
import json
import subprocess
import sys
from pathlib import Path

import lakegate as lg

ORDERS = Path(__file__).parents[3] / "examples" / "contracts" / "orders.odcs.yaml"


def _call(*arguments: str) -> subprocess.CompletedProcess[bytes]:
    command = [sys.executable, "-m", "lakegate", "contract", "sample", str(ORDERS), *arguments]
    return subprocess.run(command, capture_output=True, timeout=180)


def test_samples_are_accepted_and_repeatable() -> None:
    done = _call("--n", "5", "--seed", "3")
    assert done.returncode == 0, done.stderr
    records = done.stdout.splitlines()
    assert len(lg.compile(ORDERS)(records).accepted) == 5
    assert _call("--n", "5", "--seed", "3").stdout == done.stdout


def test_cases_say_what_the_gate_says() -> None:
    done = _call("--cases", "--format", "json")
    cases = [json.loads(line) for line in done.stdout.splitlines()]
    verdict = lg.compile(ORDERS)([base64.b64decode(case["value"]) for case in cases])
    refused = {record.index for record in verdict.rejected}
    assert refused == {number for number, case in enumerate(cases) if not case["accepted"]}
    text = _call("--cases").stdout.decode()
    assert "$.order_id absent: required" in text
    assert '{"\\ud800":1' in text


def test_a_contract_that_cannot_be_used_is_an_error() -> None:
    done = _call("--object", "nope")
    assert done.returncode == 2
    assert b"nope" in done.stderr


def test_a_number_that_is_none_is_refused() -> None:
    done = _call("--n", "-1")
    assert (done.returncode, done.stdout) == (2, b"")
