"""The gateway as it is served: a real process, proper clients and improper ones."""

from __future__ import annotations

import gzip
import json
import resource
import socket
import time
from pathlib import Path

import httpx
import pytest

from tests.integration.gateway_process import PATH, Running, gateway, launch, post, read_all
from tests.integration.survival import (
    call,
    finish,
    make_project,
    order,
    proven,
    refused,
    start,
    wait_until,
)

JSON = {"content-type": "application/json"}


def head(length: int | None = None, *more: str) -> bytes:
    lines = [f"POST {PATH} HTTP/1.1", "Host: gate", "Content-Type: application/json", *more]
    if length is not None:
        lines.append(f"Content-Length: {length}")
    return "\r\n".join([*lines, "", ""]).encode()


def in_hand(connection: socket.socket, length: int) -> None:
    """Begin a request whose body is wanted, and yet to come."""
    connection.sendall(head(length, "Expect: 100-continue"))
    assert b" 100 " in connection.recv(4096).split(b"\r\n")[0]


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory):
    """It waits long for what a client sends, as the client may be off the processor."""
    folder = make_project(
        tmp_path_factory.mktemp("gateway"),
        toml="[gateway]\nhead_timeout_s = 120.0\nbody_timeout_s = 120.0\nkeep_alive_s = 1.0\n",
    )
    with gateway(folder) as running:
        yield running


@pytest.fixture(scope="module")
def impatient(tmp_path_factory: pytest.TempPathFactory):
    folder = make_project(
        tmp_path_factory.mktemp("impatient"),
        toml="[gateway]\nhead_timeout_s = 1.0\nbody_timeout_s = 1.0\n",
    )
    with gateway(folder) as running:
        yield running


def test_records_go_in_and_come_out_proven(tmp_path: Path):
    folder = make_project(tmp_path)
    with gateway(folder) as running, httpx.Client(base_url=running.url) as client:
        assert client.post(PATH, content=order(1), headers=JSON).json()["records"] == 1
        array = b"[" + b",".join([order(2), b'{"number": "x"}']) + b"]"
        answer = client.post(PATH + "?judge=true", content=array, headers=JSON).json()
        assert answer["accepted"] == 1
        (rejected,) = answer["rejected"]
        assert rejected["index"] == 1
        failures = {(failure["path"], failure["rule"]) for failure in rejected["failures"]}
        assert failures == {("$.number", "type"), ("$.note", "required")}
        lines = gzip.compress(b"\n".join(order(n) for n in range(3, 53)))
        headers = {"content-type": "application/x-ndjson", "content-encoding": "gzip"}
        assert client.post(PATH, content=lines, headers=headers).json()["records"] == 50
        code, out, _ = running.stop()
    assert code == 0
    assert json.loads(out.splitlines()[-1]) == {
        "stopped": running.url,
        "records": 53,
        "answers": {"200": 3},
    }
    assert call(folder, "run", "--until-idle").code == 0
    proven(folder, raw=53, accepted=52, rejected=1)


def test_a_gigabyte_is_refused_by_its_length_at_once_and_says_why(served):
    with served.connect() as connection:
        connection.sendall(head(1 << 30) + b"x" * 100_000)
        assert b" 413 " in read_all(connection).split(b"\r\n")[0]


def test_a_gigabyte_of_unknown_length_is_refused_and_never_held(served):
    status = Path(f"/proc/{served.process.pid}/status")
    sent = 0
    chunk = b"%x\r\n" % (1 << 20) + b"x" * (1 << 20) + b"\r\n"
    with served.connect() as connection:
        connection.sendall(head(None, "Transfer-Encoding: chunked"))
        try:
            while sent < 1 << 30:
                connection.sendall(chunk)
                sent += 1 << 20
        except (BrokenPipeError, ConnectionResetError):
            pass
    assert sent > 16 << 20
    peak = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM"))
    assert int(peak.split()[1]) < 600_000  # kB
    assert post(served.url + PATH, content=order(1)).status_code == 200


def test_httpx_can_read_why_its_large_body_was_refused(served):
    answer = post(served.url + PATH, content=b"[" + b" " * (30 << 20) + b"]")
    assert answer.status_code == 413
    assert "16,777,216 bytes" in answer.json()["detail"]


def test_a_gzip_bomb(served):
    bomb = gzip.compress(b" " * (64 << 20), 1)
    headers = {"content-encoding": "gzip", **JSON}
    assert post(served.url + PATH, content=bomb, headers=headers).status_code == 413


@pytest.mark.parametrize(
    ("begin", "drop"), [(b"POST /v1/str", b"x"), (head(1000), b"{"), (b"", b"")]
)
def test_a_client_that_sends_a_byte_at_a_time_is_told_and_let_go(impatient, begin, drop):
    with impatient.connect() as connection:
        connection.sendall(begin)
        connection.settimeout(0.2)
        data = b""
        for _ in range(500):
            try:
                part = connection.recv(4096)
            except TimeoutError:
                connection.sendall(drop)
                continue
            except ConnectionResetError:
                break
            data += part
            if not part:
                break
        else:
            pytest.fail("the connection stayed")
    assert b" 408 " in data.split(b"\r\n")[0]


def test_a_connection_that_idles_is_closed_in_silence(served):
    with served.connect() as connection:
        connection.sendall(head(len(order(1))) + order(1))
        data = read_all(connection)
    assert b" 200 " in data.split(b"\r\n")[0]
    assert data.count(b"HTTP/1.1") == 1


def test_what_is_no_http_gets_400(served):
    with served.connect() as connection:
        connection.sendall(b"\x16\x03\x01\x02\x00 hello\r\n\r\n")
        assert b" 400 " in read_all(connection).split(b"\r\n")[0]


def test_requests_in_a_row_on_one_connection_are_answered_in_order(served):
    one = head(len(order(1))) + order(1)
    with served.connect() as connection:
        connection.sendall(one * 5)
        data = read_all(connection)
    assert data.count(b" 200 OK") == 5


def test_a_client_that_waits_for_continue_is_refused_before_it_sends(served):
    with served.connect() as connection:
        connection.sendall(head(1 << 30, "Expect: 100-continue"))
        data = read_all(connection)
    assert b" 413 " in data.split(b"\r\n")[0]
    assert b"100 Continue" not in data


def test_debezium_asks_for_h2c_and_gets_http_1(served):
    with served.connect() as connection:
        upgrade = ("Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c", "HTTP2-Settings: AAEA")
        connection.sendall(head(len(order(1)), *upgrade) + order(1))
        assert b" 200 " in read_all(connection).split(b"\r\n")[0]


def test_connections_beyond_the_bound_are_told_503(tmp_path: Path):
    folder = make_project(
        tmp_path, toml="[gateway]\nmax_connections = 20\nhead_timeout_s = 120.0\n"
    )
    with gateway(folder) as running:
        held = [running.connect() for _ in range(20)]
        for _ in range(30):
            with running.connect() as extra:
                answer = read_all(extra)
                assert b" 503 " in answer.split(b"\r\n")[0]
                assert b"retry-after: 1" in answer
                body = answer.partition(b"\r\n\r\n")[2]
                assert json.loads(body)["status"] == 503
        held[0].sendall(head(len(order(1)), "Connection: close") + order(1))
        assert b" 200 " in read_all(held[0]).split(b"\r\n")[0]
        held.pop(0).close()
        deadline = time.monotonic() + 120
        while True:
            try:
                assert post(running.url + PATH, content=order(2)).status_code == 200
                break
            except AssertionError:
                assert time.monotonic() < deadline
        for connection in held:
            connection.close()


@pytest.mark.slow
def test_ten_thousand_connections(tmp_path: Path):
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    wanted = min(10_000, hard - 500)
    folder = make_project(tmp_path, toml=f"[gateway]\nmax_connections = {wanted}\n")
    held: list[socket.socket] = []
    try:
        with gateway(folder) as running:
            while len(held) < wanted - 1:  # one is left for who still wants something
                held.append(running.connect())
                if len(held) % 500 == 0:
                    answer = post(running.url + PATH, content=order(len(held)))
                    assert answer.status_code == 200
            for connection in held[::100]:
                connection.close()
            assert post(running.url + PATH, content=order(0)).status_code == 200
            code, _, err = running.stop()
            assert code == 0
            assert "Traceback" not in err
    finally:
        for connection in held:
            connection.close()
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_behind_and_full(tmp_path: Path):
    folder = make_project(tmp_path, toml="[gateway]\nmax_lag = 2\n")
    with gateway(folder) as running:
        url = running.url + PATH
        assert post(url, content=b"[{},{},{}]", headers=JSON).status_code == 200
        time.sleep(0.3)
        answer = post(url, content=b"{}")
        assert answer.status_code == 429
        assert "max_lag" in answer.json()["detail"]
        assert int(answer.headers["retry-after"]) > 0
        assert call(folder, "run", "--until-idle").code == 0
        time.sleep(0.3)
        assert post(url, content=b"{}").status_code == 200
    with gateway(folder, LAKEGATE_FAULT="topic.payload.write:1:ENOSPC") as running:
        answer = post(running.url + PATH, content=b"{}")
        assert answer.status_code == 429
        assert "full" in answer.json()["detail"]
        assert post(running.url + PATH, content=b"{}").status_code == 200


def test_sigterm_answers_what_is_in_hand(tmp_path: Path):
    folder = make_project(tmp_path, toml="[gateway]\ndrain_timeout_s = 120.0\n")
    running = launch(folder)
    with running.connect() as connection:
        body = order(1)
        in_hand(connection, len(body))
        connection.sendall(body[:5])
        running.process.terminate()
        wait_until(lambda: refuses(running))
        connection.sendall(body[5:])
        answer = read_all(connection)
    assert b" 200 " in answer.split(b"\r\n")[0]
    assert finish(running.process).code == 0
    assert call(folder, "run", "--until-idle").code == 0
    proven(folder, raw=1)


def refuses(running: Running) -> bool:
    """Whether nobody listens any more."""
    try:
        running.connect().close()
    except ConnectionRefusedError:
        return True
    return False


def test_a_client_that_never_ends_does_not_keep_it_from_stopping(tmp_path: Path):
    folder = make_project(tmp_path, toml="[gateway]\ndrain_timeout_s = 1.0\n")
    running = launch(folder)
    with running.connect() as connection:
        in_hand(connection, 1000)
        connection.sendall(b"{")
        running.process.terminate()
        assert finish(running.process).code == 0


def test_two_gateways_of_one_project(tmp_path: Path):
    folder = make_project(tmp_path)
    with gateway(folder) as one, gateway(folder) as two:
        for number in range(20):
            url = (one, two)[number % 2].url + PATH
            headers = {"idempotency-key": f"k{number // 2}"}
            body = order(number // 2)
            assert post(url, content=body, headers=headers).json()["duplicate"] == bool(number % 2)
    assert call(folder, "run", "--until-idle").code == 0
    proven(folder, raw=10)


def test_what_it_refuses_to_start_with(tmp_path: Path):
    folder = make_project(tmp_path)
    refused(finish(start(folder, "gateway", "--host", "0.0.0.0")), "0.0.0.0", "gateway.tokens")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        refused(finish(start(folder, "gateway", "--port", port)), port, "--port")
    make_project(tmp_path, toml='[gateway.tokens]\nshop = "hunter2"\n')
    said = finish(start(folder, "gateway"))
    assert "hunter2" not in refused(said, "gateway.tokens.shop", "sha256")


def test_tokens_by_environment(tmp_path: Path):
    folder = make_project(tmp_path, toml='[gateway.tokens]\nshop = "env:SHOP"\n')
    with gateway(folder, "--host", "0.0.0.0", SHOP="s3cret") as running:
        url = f"http://127.0.0.1:{running.address[1]}{PATH}"
        assert post(url, content=order(1)).status_code == 401
        headers = {"authorization": "Bearer s3cret"}
        assert post(url, content=order(1), headers=headers).status_code == 200
        _, _, err = running.stop()
        assert "s3cret" not in err
