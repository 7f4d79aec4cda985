"""The HTTP gateway: requests and records per second, every answer durable.

Baseline: a bare ASGI handler that only reads the body, served by the same server with the same
settings, in a process of its own, from the same clients, just before.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import socket
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from benchmarks.bench_loop import project
from benchmarks.orders import records

CLIENTS = 32
PATH = "/v1/streams/orders/records"


def main(arguments: list[str]) -> None:
    seconds = 1.5 if "--quick" in arguments else 5.0
    values = records(10_000)
    with served(bare) as port:
        baseline = {size: rate(port, values, size, seconds) for size in (1, 100, 1_000)}
    with served(gateway) as port:
        for size in (1, 100, 1_000):
            found, bare_rate = rate(port, values, size, seconds), baseline[size]
            print(
                f"batch {size:5,}  {found:8,.0f} requests/s  {found * size:10,.0f} records/s  "
                f"({found / bare_rate:.2f} of the bare handler's {bare_rate:,.0f} requests/s)"
            )


async def only_reads(scope: Any, receive: Any, send: Any) -> None:
    while (await receive()).get("more_body"):
        pass
    headers = [(b"content-type", b"application/json"), (b"content-length", b"2")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": b"{}"})


def bare(pipe: Any) -> None:
    from lakegate.ingest.server import Server

    server = Server(only_reads, host="127.0.0.1", port=0)
    server.start()
    pipe.send(server.port)
    pipe.recv()
    server.stop()


def gateway(pipe: Any) -> None:
    with tempfile.TemporaryDirectory() as folder, project(Path(folder)) as opened:
        serving = opened.gateway(port=0)
        serving.start()
        pipe.send(serving.port)
        pipe.recv()
        serving.drain()


@contextlib.contextmanager
def served(target: Any) -> Iterator[int]:
    """The server in a process of its own; its port."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=target, args=(theirs,))
    process.start()
    try:
        yield ours.recv()
    finally:
        ours.send("stop")
        process.join()


def rate(port: int, values: list[bytes], size: int, seconds: float) -> float:
    """Requests per second with many clients, each sending its next when it has the answer."""
    requests = [_request(values[at : at + size]) for at in range(0, len(values), size)]
    _run(port, requests, seconds / 4)
    return _run(port, requests, seconds)


def _request(values: list[bytes]) -> bytes:
    body = values[0] if len(values) == 1 else b"\n".join(values)
    kind = b"application/json" if len(values) == 1 else b"application/x-ndjson"
    head = b"POST %s HTTP/1.1\r\nHost: gate\r\nContent-Type: %s\r\nContent-Length: %d\r\n\r\n"
    return head % (PATH.encode(), kind, len(body)) + body


def _run(port: int, requests: list[bytes], seconds: float) -> float:
    done = [0] * CLIENTS
    started = time.perf_counter()
    until = started + seconds

    def client(mine: int) -> None:
        at = mine
        with socket.create_connection(("127.0.0.1", port)) as connection:
            while time.perf_counter() < until:
                connection.sendall(requests[at % len(requests)])
                at += 1
                answer = connection.recv(65_536)
                while b"}" not in answer[-3:]:
                    answer += connection.recv(65_536)
                assert answer.startswith(b"HTTP/1.1 200"), answer
                done[mine] += 1

    threads = [threading.Thread(target=client, args=(mine,)) for mine in range(CLIENTS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return sum(done) / (time.perf_counter() - started)


if __name__ == "__main__":
    main(sys.argv[1:])
