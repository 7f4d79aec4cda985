"""The tools people use today on the same records and the same rules: speed, and verdicts.

Each tool runs in an environment of its own (``.venv-peers/``, packages pinned in
``benchmarks/peers/requirements-*.txt``), in a process of its own, with a time limit; one that
cannot be installed or crashes is said so, and the others go on. Speed is CPU time against
``orjson.loads`` of the same bytes in the same process. ``--write`` puts the tables into
``docs/reference/peers.md``; names of tools measure only these.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import pickle
import platform
import subprocess
import sys
import tempfile
import venv
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from benchmarks import orders
from benchmarks.peers.cases import cases
from benchmarks.peers.report import Answer, Judged, report

__all__ = ["main", "question"]

_HERE = Path(__file__).parent
_ROOT = _HERE.parent
_PAGE = _ROOT / "docs" / "reference" / "peers.md"
_BEGIN, _END = "<!-- measured: make bench-peers ARGS=--write -->", "<!-- /measured -->"
_COUNT = 10_000
_LIMIT_S = 1800.0
_INSTALL_S = 1200.0


@dataclass(frozen=True, slots=True)
class _Peer:
    """``group`` names the requirements; None is the environment that runs this."""

    title: str
    module: str
    group: str | None


_PEERS = (
    _Peer("Lakegate native", "lakegate-native", None),
    _Peer("Lakegate fast", "lakegate-fast", None),
    _Peer("Lakegate reference", "lakegate-reference", None),
    _Peer("msgspec", "msgspec", "fast"),
    _Peer("pydantic", "pydantic", "fast"),
    _Peer("pydantic with EmailStr", "pydantic-EmailStr", "fast"),
    _Peer("jsonschema-rs", "jsonschema_rs", "fast"),
    _Peer("fastjsonschema", "fastjsonschema", "fast"),
    _Peer("pandera", "pandera", "pandera"),
    _Peer("Great Expectations", "great_expectations", "great-expectations"),
    _Peer("datacontract-cli", "datacontract", "datacontract"),
    _Peer("LakeLogic", "lakelogic", "lakelogic"),
)


class _NotThere(Exception):
    """Why a tool has no answer, in one line."""


def main(argv: list[str]) -> int:
    """Print the tables; 1 where no tool answered."""
    parser = argparse.ArgumentParser(prog="bench_peers", description=__doc__)
    parser.add_argument(
        "names", nargs="*", help="only these: " + ", ".join(p.module for p in _PEERS)
    )
    parser.add_argument("--write", action="store_true", help="put the tables into the docs")
    parser.add_argument("--count", type=int, default=_COUNT, help="records a list (%(default)s)")
    parser.add_argument("--limit", type=float, default=_LIMIT_S, help="seconds a tool may take")
    parser.add_argument("--environments", type=Path, default=_ROOT / ".venv-peers")
    chosen = parser.parse_args(argv)
    if chosen.write and chosen.names:
        parser.error("--write takes no names: the page shows all tools of one run")
    judged = Judged(tuple(cases()))
    missing: dict[str, str] = {}
    with tempfile.TemporaryDirectory() as folder:
        asked = Path(folder) / "question"
        asked.write_bytes(pickle.dumps(question(judged, chosen.count)))
        for peer in _PEERS:
            if chosen.names and peer.module not in chosen.names:
                continue
            print(f"{peer.title} …", file=sys.stderr, flush=True)
            try:
                answer = _ask(peer, asked, chosen.environments, chosen.limit)
            except _NotThere as reason:
                missing[peer.title] = str(reason)
                print(f"  {reason}", file=sys.stderr)
            else:
                judged.answers[peer.title] = answer
    text = report(judged, missing, _measured_on(chosen.count))
    print(text)
    if chosen.write:
        _write(text)
    return 0 if judged.answers else 1


def question(judged: Judged, count: int) -> dict[str, Any]:
    """What ``task.py`` reads: lists to be timed, a batch with one unreadable record, the cases."""
    good = orders.records(99)
    return {
        "lists": {f"{share:.0%}": orders.records(count, bad=share) for share in (0.0, 0.01, 0.2)},
        "spoilt": [*good[:50], b'{"event_id":', *good[50:]],
        "cases": [case.value for case in judged.cases],
    }


def _ask(peer: _Peer, asked: Path, environments: Path, limit_s: float) -> Answer:
    python = sys.executable if peer.group is None else _environment(peer.group, environments)
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "answer.json"
        command = [str(python), str(_HERE / "peers" / "task.py"), peer.module, str(asked), str(out)]
        try:
            done = subprocess.run(
                command,
                cwd=folder,
                env=os.environ | {"GX_ANALYTICS_ENABLED": "false", "PYTHONHASHSEED": "0"},
                capture_output=True,
                text=True,
                errors="replace",
                timeout=limit_s,
                check=False,
            )
        except subprocess.TimeoutExpired:
            raise _NotThere(f"did not finish within {limit_s:.0f} s") from None
        if done.returncode != 0:
            raise _NotThere(_why(done))
        return Answer.of(json.loads(out.read_text()))


def _environment(group: str, environments: Path) -> Path:
    """The Python of a group's environment, made if need be, with exactly what it lists."""
    listed = _HERE / "peers" / f"requirements-{group}.txt"
    place = environments / group
    python, ready = place / "bin" / "python", place / ".ready"
    wanted = hashlib.sha256(listed.read_bytes()).hexdigest()
    if ready.is_file() and ready.read_text() == wanted:
        return python
    venv.create(place, with_pip=True, clear=True)
    command = [str(python), "-m", "pip", "install", "-q", "--disable-pip-version-check"]
    try:
        done = subprocess.run(
            [*command, "--no-deps", "-r", str(listed)],
            capture_output=True,
            text=True,
            errors="replace",
            timeout=_INSTALL_S,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise _NotThere(f"its packages did not install within {_INSTALL_S:.0f} s") from None
    if done.returncode != 0:
        raise _NotThere(f"could not be installed: {_why(done)}")
    ready.write_text(wanted)
    return python


def _why(done: subprocess.CompletedProcess[str]) -> str:
    lines = [line.strip() for line in (done.stderr or done.stdout).splitlines() if line.strip()]
    last = lines[-1][:200] if lines else "it said nothing"
    killed = f"killed by signal {-done.returncode}; " if done.returncode < 0 else ""
    return killed + last


def _measured_on(count: int) -> str:
    return (
        f"{datetime.now(UTC).date()}, Python {platform.python_version()}, {platform.system()} "
        f"{platform.machine()}, {os.cpu_count()} processors, lists of {count:,} records"
    )


def _write(text: str) -> None:
    before, begin, rest = _PAGE.read_text().partition(_BEGIN)
    _, end, after = rest.partition(_END)
    if not begin or not end:
        raise SystemExit(f"{_PAGE} lacks the lines {_BEGIN} and {_END}; put them back")
    _PAGE.write_text(f"{before}{_BEGIN}\n\n{text}\n{_END}{after}")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
