"""A small project, its command line, and a disk of its own: what the survival tests use."""

from __future__ import annotations

import contextlib
import io
import json
import os
import signal
import subprocess
import sys
import time
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from unittest import mock

import pytest

from lakegate.cli.main import main

CONTRACT = """
apiVersion: v3.1.0
kind: DataContract
id: orders
name: orders
version: {version}
status: active
schema:
  - name: orders
    logicalType: object
    properties:
      - {{name: number, logicalType: integer, required: true, primaryKey: true}}
      - {{name: note, logicalType: string, required: true}}
{more}
"""


_spawned: list[subprocess.Popen[str]] = []


@dataclass(frozen=True, slots=True)
class Said:
    """How a command ended and what it said."""

    code: int
    out: str
    err: str


def make_project(folder: Path, *, version: str = "1.0.0", more: str = "", toml: str = "") -> Path:
    (folder / "contracts").mkdir(parents=True, exist_ok=True)
    text = CONTRACT.format(version=version, more=more)
    (folder / "contracts" / "orders.odcs.yaml").write_text(text)
    (folder / "lakegate.toml").write_text(toml)
    return folder


def order(number: int, note: str = "x") -> bytes:
    return json.dumps({"number": number, "note": note}).encode()


def call(folder: Path, *arguments: str) -> Said:
    """The command in this process: whatever is not an error of ours comes through and fails."""
    out, err = (io.TextIOWrapper(io.BytesIO(), encoding="utf-8") for _ in range(2))
    argv = ["lakegate", *arguments, "--project", str(folder)]
    with (
        mock.patch.object(sys, "argv", argv),
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(err),
        warnings.catch_warnings(),
    ):
        warnings.filterwarnings("ignore", message="Cyclopts application invoked without tokens")
        with pytest.raises(SystemExit) as left:
            main()
    said = [stream.buffer.getvalue().decode() for stream in _flushed(out, err)]  # type: ignore[attr-defined]
    return Said(int(left.value.code or 0), *said)


def _flushed(*streams: io.TextIOWrapper) -> Iterator[io.TextIOWrapper]:
    for stream in streams:
        stream.flush()
        yield stream


def start(folder: Path, *arguments: str, **environment: str) -> subprocess.Popen[str]:
    """The command as a process of its own; talks text."""
    command = [sys.executable, "-m", "lakegate", *arguments, "--project", str(folder)]
    return spawn(command, PYTHONWARNINGS="ignore", **environment)


def spawn(command: list[str], **environment: str) -> subprocess.Popen[str]:
    """A process that talks text and does not outlive its test."""
    process = subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, **environment},
    )
    _spawned.append(process)
    return process


def spawned() -> int:
    """How many processes there are that somebody still has to end."""
    return len(_spawned)


def end_the_spawned(since: int) -> None:
    """Kill what was spawned since there were so many, so that a test's failure is the only one."""
    while len(_spawned) > since:
        process = _spawned.pop()
        process.kill()
        for stream in (process.stdout, process.stderr):
            if stream is not None:
                stream.close()
        process.wait()


def finish(process: subprocess.Popen[str], *, timeout_s: float = 120) -> Said:
    try:
        out, err = process.communicate(timeout=timeout_s)
    except subprocess.TimeoutExpired:
        process.kill()
        out, err = process.communicate()
        pytest.fail(f"{process.args} did not end; it said:\n{out}{err}")
    return Said(process.returncode, out, err)


def wait_until(true: Callable[[], bool], *, timeout_s: float = 180) -> None:
    """Look until it is; the time only bounds a failure."""
    deadline = time.monotonic() + timeout_s
    while not true():
        assert time.monotonic() < deadline, "it never came true"
        time.sleep(0.05)


def wait_until_it_listens(process: subprocess.Popen[str]) -> None:
    """Until SIGTERM asks the process to leave; before that it kills it like any other."""
    status = Path(f"/proc/{process.pid}/status")

    def listens() -> bool:
        assert process.poll() is None, finish(process)
        caught = next(line for line in status.read_text().splitlines() if "SigCgt" in line)
        return bool(int(caught.split()[1], 16) >> (signal.SIGTERM - 1) & 1)

    wait_until(listens)


def refused(said: Said, *parts: str) -> str:
    """The command could not be done, said so in words that name ``parts``, and did not crash."""
    assert said.code == 2, said
    assert said.err.startswith("error: "), said
    assert "Traceback" not in said.err, said
    text = " ".join(said.err.split())
    for part in parts:
        assert part in text, f"expected {part!r} in: {text}"
    return text


def proven(folder: Path, **totals: int) -> None:
    """The status proves, and counts what is expected."""
    said = call(folder, "status", "--full", "--format", "json")
    assert said.code == 0, said
    (stream,) = json.loads(said.out)["streams"]
    found = {name: sum(partition[name] for partition in stream["partitions"]) for name in totals}
    assert found == totals


class Disk:
    """A file system of its own, to fill up and to make read-only."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._filler = path / "filler"

    def fill(self, *, free_bytes: int) -> None:
        """Leave that much room, to the page."""
        self._filler.unlink(missing_ok=True)
        left = os.statvfs(self.path)
        size = left.f_bavail * left.f_frsize - free_bytes
        with self._filler.open("wb") as file:
            os.posix_fallocate(file.fileno(), 0, max(size, 1))

    def free(self) -> None:
        self._filler.unlink(missing_ok=True)

    def remount(self, mode: str) -> None:
        subprocess.run(["mount", "-o", f"remount,{mode}", str(self.path)], check=True, timeout=30)


@contextlib.contextmanager
def mounted(path: Path, *, size: str) -> Iterator[Disk]:
    """A tmpfs; where none can be mounted the test is skipped, but on CI it fails."""
    path.mkdir()
    done = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(path)],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    if done.returncode:
        reason = f"cannot mount a tmpfs: {done.stderr.strip()}"
        if os.environ.get("CI") == "true":
            pytest.fail(reason)
        pytest.skip(reason)
    try:
        yield Disk(path)
    finally:
        subprocess.run(["umount", "-l", str(path)], check=True, timeout=30)
