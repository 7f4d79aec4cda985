"""``lakegate up`` as a process tree of its own, and what the tests want to know of it."""

from __future__ import annotations

import http.client
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

TOML = """
[gateway]
port = 0
[landing]
interval_s = 0.5
[schedule]
audit = "1s"
[up]
port = 0
numbers_s = 0.5
alert_s = 0.5
{more}
"""


class Up:
    """A running ``lakegate up``."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.errors = folder / "up.log"
        with self.errors.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "lakegate", "up", "--log-format", "json",
                 "--project", str(folder)],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                env={**os.environ, "PYTHONWARNINGS": "ignore"},
            )  # fmt: skip

    def board(self) -> dict[str, Any]:
        try:
            found: dict[str, Any] = json.loads((self.folder / ".lakegate" / "up.json").read_text())
        except FileNotFoundError:
            return {"pid": 0, "parts": []}
        return found

    def parts(self) -> dict[str, dict[str, Any]]:
        board = self.board()
        if board["pid"] != self.process.pid:
            return {}
        return {part["name"]: part for part in board["parts"]}

    def all_up(self) -> bool:
        parts = self.parts()
        return bool(parts) and all(part["status"] == "up" for part in parts.values())

    def until(self, true: Callable[[], bool], what: str, timeout_s: float = 180) -> None:
        deadline = time.monotonic() + timeout_s
        while not true():
            if self.process.poll() is not None:
                pytest.fail(f"up ended with {self.process.returncode}:\n{self.said()[-5000:]}")
            if time.monotonic() > deadline:
                pytest.fail(f"never {what}: {self.board()}\n{self.said()[-5000:]}")
            time.sleep(0.05)

    def said(self) -> str:
        return self.errors.read_text()

    def lines(self) -> list[dict[str, str]]:
        return [json.loads(line) for line in self.said().splitlines() if line.startswith("{")]

    def get(self, path: str) -> tuple[int, bytes]:
        connection = http.client.HTTPConnection(self.board()["monitor"], timeout=60)
        try:
            connection.request("GET", path)
            answer = connection.getresponse()
            return answer.status, answer.read()
        finally:
            connection.close()

    def post(self, body: bytes, key: str | None = None) -> int:
        """The status of one request to the gateway; 0 for a connection that broke."""
        connection = http.client.HTTPConnection(self.board()["gateway"], timeout=60)
        headers = {"content-type": "application/x-ndjson"}
        if key is not None:
            headers["idempotency-key"] = key
        try:
            connection.request("POST", "/v1/streams/orders/records", body=body, headers=headers)
            answer = connection.getresponse()
            answer.read()
        except (OSError, http.client.HTTPException):
            return 0
        finally:
            connection.close()
        return answer.status

    def send(self, body: bytes, key: str) -> None:
        """A client that repeats itself until it is answered."""
        deadline = time.monotonic() + 180
        while self.post(body, key) not in {200, 201, 202}:
            assert time.monotonic() < deadline, self.said()[-3000:]
            time.sleep(0.1)

    def stop(self, timeout_s: float = 180) -> int:
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(timeout_s)


@contextmanager
def running(folder: Path) -> Iterator[Up]:
    """Up, until all parts are; whatever is left at the end is killed."""
    up = Up(folder)
    try:
        up.until(up.all_up, "all up")
        yield up
    finally:
        pids = [part["pid"] for part in up.parts().values() if part["pid"]]
        up.process.kill()
        up.process.wait()
        deadline = time.monotonic() + 60
        while any(alive(pid) for pid in pids) and time.monotonic() < deadline:
            time.sleep(0.05)


def alive(pid: int) -> bool:
    """Whether a process runs (a zombie that waits for its parent does not)."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state != "Z"
