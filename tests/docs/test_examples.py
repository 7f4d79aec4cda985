"""The examples run as they stand, and the README's Python does what it says."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "examples"
SAID = {
    "gate_in_a_script.py": [
        "'order_id': 3",
        '{"$.coupon":"MAY"}',
        "record 1:",
        "at $.placed_at [timestamp.zone]",
        "at $.total [decimal.scale]",
        "at $.lines [minItems]",
    ],
    "whole_loop.py": ["96 accepted, 4 rejected", "some_orders: passed", "4848.00", "proven: True"],
}


@pytest.mark.parametrize("script", sorted(path.name for path in EXAMPLES.glob("*.py")))
def test_the_example_runs(script: str) -> None:
    done = subprocess.run(
        [sys.executable, EXAMPLES / script], capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
    for text in SAID[script]:
        assert text in done.stdout, done.stdout


def test_the_readme_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(EXAMPLES / "contracts", tmp_path / "contracts")
    (tmp_path / "lakegate.toml").touch()
    monkeypatch.chdir(tmp_path)
    order = {"order_id": 7, "placed_at": "2026-03-01T09:30:00Z", "total": 1}
    (code,) = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    code = code.replace("b'{\"order_id\": 7}'", repr(json.dumps(order).encode()))
    exec(code, {"records": [b"{}"]})
    assert "$.order_id" in capsys.readouterr().out
