"""The tutorial's files are written and its commands run, and their output is what the page shows.

In the page, a line of three dots stands for any lines, and ``…`` within a line for any text.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

PAGES = sorted((Path(__file__).parents[2] / "docs" / "tutorial").glob("*.md"))
BLOCK = re.compile(r"^```(\w+)(?: (\S+))?\n(.*?)^```$", re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_the_page_is_true(page: Path, tmp_path: Path) -> None:
    ran = 0
    for language, name, body in BLOCK.findall(page.read_text(encoding="utf-8")):
        if name:
            file = tmp_path / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(body, encoding="utf-8")
        elif language == "console":
            for command, expected in commands(body):
                output = run(command, tmp_path)
                assert matches(expected, output), f"$ {command}\n{output}"
                ran += 1
    assert ran > 0


def commands(body: str) -> list[tuple[str, list[str]]]:
    """Each ``$ command`` with the lines of output below it."""
    found: list[tuple[str, list[str]]] = []
    for line in body.splitlines():
        if line.startswith("$ "):
            found.append((line[2:], []))
        else:
            found[-1][1].append(line)
    return found


def run(command: str, folder: Path) -> str:
    environment = {
        **os.environ,
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "COLUMNS": "100",
        "TERM": "dumb",
    }
    environment.pop("FORCE_COLOR", None)
    done = subprocess.run(
        command, shell=True, cwd=folder, env=environment, capture_output=True, text=True
    )
    return done.stdout + done.stderr


def matches(expected: list[str], output: str) -> bool:
    """Whether the output is what the page shows; spaces at the ends of lines do not count."""
    pattern = ""
    for line in expected:
        if line.strip() == "...":
            pattern += r"(?:.*\n)*"
        else:
            pattern += ".*".join(re.escape(part) for part in line.rstrip().split("…")) + r" *\n"
    text = "".join(f"{line.rstrip()}\n" for line in output.rstrip("\n").splitlines())
    return re.fullmatch(pattern, text) is not None
