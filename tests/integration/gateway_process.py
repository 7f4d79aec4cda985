"""A gateway in a process of its own, and a raw client for what no proper client would do."""

from __future__ import annotations

import contextlib
import json
import socket
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from tests.integration.survival import start

PATH = "/v1/streams/orders/records"


@dataclass
class Running:
    process: subprocess.Popen[str]
    url: str

    @property
    def address(self) -> tuple[str, int]:
        host, _, port = self.url.removeprefix("http://").rpartition(":")
        return host, int(port)

    def connect(self, timeout_s: float = 60) -> socket.socket:
        return socket.create_connection(self.address, timeout=timeout_s)

    def stop(self) -> tuple[int, str, str]:
        self.process.terminate()
        out, err = self.process.communicate(timeout=180)
        return self.process.returncode, out, err


def launch(folder: Path, *arguments: str, port: int = 0, **environment: str) -> Running:
    process = start(
        folder, "gateway", "--port", str(port), "--format", "json", *arguments, **environment
    )
    line = process.stdout.readline()
    assert line, process.communicate()[1]
    return Running(process, json.loads(line)["listening"])


@contextlib.contextmanager
def gateway(folder: Path, *arguments: str, port: int = 0, **environment: str) -> Iterator[Running]:
    running = launch(folder, *arguments, port=port, **environment)
    try:
        yield running
    finally:
        if running.process.poll() is None:
            running.process.kill()
        running.process.communicate()


def post(url: str, *, timeout: float = 60, **request: Any) -> httpx.Response:
    """One request; without loading certificates, which takes longer than the request."""
    with httpx.Client(verify=False, timeout=timeout) as client:
        return client.post(url, **request)


def read_all(connection: socket.socket) -> bytes:
    """Until the other side ends, or resets."""
    data = b""
    with contextlib.suppress(ConnectionResetError):
        while part := connection.recv(65536):
            data += part
    return data


def post_until_taken(url: str, content: bytes, key: str, *, deadline: float, **more: str) -> dict:
    """Send until there is an answer of 200, as a client that must not lose a record does."""
    while True:
        assert time.monotonic() < deadline, "no answer of 200 in time"
        try:
            headers = {"idempotency-key": key, **more}
            answer = post(url + PATH, content=content, headers=headers)
            if answer.status_code == 200:
                return answer.json()
            assert answer.status_code in (429, 503), answer.text
        except httpx.TransportError:
            pass
        time.sleep(0.05)
