"""``lakegate up``: real processes, killed, stopped, asked to leave; nothing lost, none left."""

from __future__ import annotations

import os
import signal
import socket
import threading
import time
from pathlib import Path

import pytest

import lakegate as lg

from .survival import call, finish, make_project, order, proven, refused, start
from .up import TOML, Up, alive, running

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]
PARTS = ("gateway", "gate", "lander", "jobs", "watch")


def ndjson(first: int, count: int) -> bytes:
    """Orders; every tenth is refused by its contract."""
    lines = [
        b'{"number": "wrong"}' if number % 10 == 0 else order(number)
        for number in range(first, first + count)
    ]
    return b"\n".join(lines)


def project(folder: Path, more: str = "") -> Path:
    return make_project(folder, toml=TOML.format(more=more))


def published(folder: Path) -> int:
    said = call(folder, "query", "select count(*) as n from orders", "--format", "json")
    return int(said.out.split(":")[1].rstrip("}\n ")) if said.code == 0 else 0


def wait_published(up: Up, count: int) -> None:
    def reached() -> bool:
        status, page = up.get("/metrics")
        wanted = f'lakegate_published_rows{{stream="orders"}} {float(count)}'
        return status == 200 and wanted in page.decode()

    up.until(reached, f"{count} rows published")


def test_each_part_dies_and_comes_back_and_every_record_is_there_once(tmp_path: Path) -> None:
    with running(project(tmp_path)) as up:
        sent, done = [0], threading.Event()

        def client() -> None:
            while not done.is_set():
                up.send(ndjson(sent[0], 20), key=f"batch-{sent[0]}")
                sent[0] += 20
                time.sleep(0.02)

        sender = threading.Thread(target=client)
        sender.start()
        for name in PARTS:
            before = up.parts()[name]
            os.kill(before["pid"], signal.SIGKILL)

            def back(name: str = name, before: dict[str, object] = before) -> bool:
                now = up.parts()[name]
                return now["status"] == "up" and now["pid"] != before["pid"]

            up.until(back, f"{name} is back")
        done.set()
        sender.join(180)
        accepted = sent[0] * 9 // 10
        wait_published(up, accepted)
        status, page = up.get("/metrics")
        assert status == 200
        text = page.decode()
        for name in PARTS:
            assert f'lakegate_part_restarts_total{{part="{name}"}} 1.0' in text
        rejected = f'lakegate_records_total{{outcome="rejected",stream="orders"}} {sent[0] / 10}'
        up.until(lambda: rejected in up.get("/metrics")[1].decode(), "all rejected are counted")
        answered = b'lakegate_gateway_requests_total{outcome="2xx"}'
        up.until(lambda: answered in up.get("/metrics")[1], "what was answered is counted")
        assert up.stop() == 0
    proven(tmp_path, raw=sent[0], accepted=accepted, rejected=sent[0] // 10, published=accepted)
    told = [line["message"] for line in up.lines() if line["part"] == "watch"]
    assert any("gate is dead" in message for message in told), told


def test_gates_share_a_stream_of_several_partitions_and_stand_in_for_each_other(
    tmp_path: Path,
) -> None:
    toml = TOML.format(more="workers = 2") + "[log]\npartitions = 4\n"
    with running(make_project(tmp_path, toml=toml)) as up:
        assert {"gate-1", "gate-2"} <= up.parts().keys()
        up.send(ndjson(0, 400), key="a")
        wait_published(up, 360)
        for first, name in ((400, "gate-1"), (800, "gate-2")):
            before = up.parts()[name]["pid"]
            os.kill(before, signal.SIGKILL)
            up.send(ndjson(first, 400), key=name)
            up.until(
                lambda name=name, before=before: up.parts()[name]["pid"] not in {before, None},
                f"{name} is back",
            )
        wait_published(up, 1_080)
        assert up.stop() == 0
    proven(tmp_path, raw=1_200, accepted=1_080, rejected=120, published=1_080)


def test_the_supervisor_is_killed_and_leaves_no_orphans(tmp_path: Path) -> None:
    with running(project(tmp_path)) as up:
        up.send(ndjson(0, 100), key="a")
        pids = [part["pid"] for part in up.parts().values()]
        up.process.kill()
        up.process.wait()
        deadline = time.monotonic() + 60
        while any(alive(pid) for pid in pids):
            assert time.monotonic() < deadline, "parts outlived their supervisor"
            time.sleep(0.05)
    with running(tmp_path) as up:
        up.send(ndjson(100, 100), key="b")
        wait_published(up, 180)
        assert up.stop() == 0
    proven(tmp_path, raw=200, published=180)


def test_a_part_that_hangs_is_killed_and_started_again(tmp_path: Path) -> None:
    with running(project(tmp_path, "hang_s = 20.0")) as up:
        before = up.parts()["gate"]["pid"]
        os.kill(before, signal.SIGSTOP)
        up.send(ndjson(0, 50), key="a")
        up.until(lambda: up.parts()["gate"]["pid"] not in {before, None}, "gate is another one")
        wait_published(up, 45)
        assert not alive(before)
        assert "did not move" in up.parts()["gate"]["ended"]


def test_a_part_that_ends_too_often_stays_down_and_the_rest_goes_on(tmp_path: Path) -> None:
    with running(project(tmp_path, "restarts = 1")) as up:
        assert up.get("/ready")[0] == up.get("/health")[0] == 200
        for _ in range(2):
            up.until(lambda: up.parts()["lander"]["status"] == "up", "lander up")
            pid = up.parts()["lander"]["pid"]
            os.kill(pid, signal.SIGKILL)
            up.until(lambda pid=pid: up.parts()["lander"]["pid"] != pid, "lander noticed")
        up.until(lambda: up.parts()["lander"]["status"] == "down", "lander stays down")
        assert up.get("/health")[0] == 503
        assert b'"lander":{"status":"down"' in up.get("/health")[1]
        up.send(ndjson(0, 10), key="a")
        assert up.get("/ready")[0] == 200  # data is taken and judged all the same
        os.kill(up.parts()["gate"]["pid"], signal.SIGSTOP)
        up.process.send_signal(signal.SIGTERM)  # the gate does not hear that it should leave
        up.until(lambda: up.parts()["gate"]["status"] == "leaving", "the gate is asked to leave")
        assert up.stop() == 0  # a second signal kills what is left
    proven(tmp_path, raw=10)


def test_sigterm_drains_in_order(tmp_path: Path) -> None:
    with running(project(tmp_path, "drain_s = 120.0")) as up:
        second = start(tmp_path, "up")
        refused(finish(second), "already runs", f"pid {up.process.pid}")
        for number in range(20):
            assert up.post(ndjson(number * 100, 100), key=str(number)) in {200, 201, 202}
        assert up.stop() == 0
        left = [line["message"].split()[0] for line in up.lines() if " has left" in line["message"]]
        assert left == list(PARTS)
    proven(tmp_path, raw=2000)
    with running(tmp_path) as up:
        wait_published(up, 1800)


def test_what_cannot_start_says_why(tmp_path: Path) -> None:
    project(tmp_path)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        said = finish(start(tmp_path, "up", LAKEGATE_UP__PORT=str(port)))
        refused(said, f"port {port}", "taken", "[up] port")
        said = finish(start(tmp_path, "up", LAKEGATE_GATEWAY__PORT=str(port)))
        refused(said, f"port {port}", "taken", "[gateway] port")
    said = finish(start(tmp_path, "up", LAKEGATE_SCHEDULE__AUDIT="sometimes"))
    refused(said, "[schedule] audit", "`sometimes` is no schedule")
    said = finish(start(tmp_path, "up", LAKEGATE_GATEWAY__HOST="0.0.0.0"))
    refused(said, "0.0.0.0", "take records from anybody")
    settings = tmp_path / "lakegate.toml"
    told = settings.read_text() if settings.exists() else ""
    settings.write_text(told + '[gateway.tokens]\nshop = "env:NO_SUCH_TOKEN"\n')
    refused(finish(start(tmp_path, "up")), "gateway.tokens.shop", "NO_SUCH_TOKEN is not set")
    settings.write_text(told)
    (tmp_path / "contracts" / "orders.odcs.yaml").write_text("apiVersion: v3.1.0\nkind: Nothing\n")
    said = finish(start(tmp_path, "up"))
    refused(said, "orders.odcs.yaml")
    assert not (tmp_path / ".lakegate" / "up.json").exists()


def test_gateway_and_gate_restart_under_load(tmp_path: Path) -> None:
    """Clients that retry, four at once, while both are killed again and again."""
    with running(project(tmp_path, "restarts = 100")) as up:
        stop, counts = threading.Event(), [0] * 4

        def client(which: int) -> None:
            while not stop.is_set():
                first = which * 1_000_000 + counts[which]
                up.send(ndjson(first, 50), key=f"{which}-{first}")
                counts[which] += 50

        clients = [threading.Thread(target=client, args=(which,)) for which in range(4)]
        for thread in clients:
            thread.start()
        for _ in range(3):
            kill_all(up, "gateway", "gate")
            time.sleep(1.0)  # of load, until the next
        stop.set()
        for thread in clients:
            thread.join(180)
        total = sum(counts)
        wait_published(up, total * 9 // 10)
        assert up.stop() == 0
    proven(tmp_path, raw=total, published=total * 9 // 10)


def test_a_contract_that_breaks_while_it_runs_stops_nothing(tmp_path: Path) -> None:
    with running(project(tmp_path, "restarts = 100")) as up:
        contract = tmp_path / "contracts" / "orders.odcs.yaml"
        good = contract.read_text()
        contract.write_text(good.replace("logicalType: integer", "logicalType: nonsense"))
        up.send(ndjson(0, 100), key="a")
        wait_published(up, 90)
        toml = tmp_path / "lakegate.toml"
        toml.write_text("nothing = [")
        kill_all(up)
        up.send(ndjson(100, 100), key="b")
        wait_published(up, 180)
        # The same version with other content is refused, by the new ones too.
        contract.write_text(good.replace("name: note", "name: remark"))
        kill_all(up)
        up.send(ndjson(200, 100), key="c")
        wait_published(up, 270)
        assert up.get("/ready")[0] == 200
        toml.write_text(TOML.format(more=""))
        contract.write_text(good.replace("version: 1.0.0", "version: 1.1.0"))
        up.until(lambda: "orders 1.1.0" in up.said(), "the mended contract is taken")
        assert up.stop() == 0
    assert "version 1.0.0 stays in force" in up.said()
    proven(tmp_path, raw=300, published=270)


def kill_all(up: Up, *names: str) -> None:
    """Those parts, or every part, at once; the new ones are waited for."""
    parts = up.parts()
    before = {name: parts[name]["pid"] for name in names or parts}
    for pid in before.values():
        os.kill(pid, signal.SIGKILL)
    up.until(
        lambda: up.all_up() and all(up.parts()[n]["pid"] != pid for n, pid in before.items()),
        "all up again",
    )


def test_tables_of_models_are_maintained_on_their_schedule(tmp_path: Path) -> None:
    toml = TOML.format(more="").replace('audit = "1s"', 'audit = ""\nmaintain_models = "1s"')
    folder = make_project(tmp_path, toml=toml)
    (folder / "models").mkdir()
    header = "/* lakegate\nmaterialise: incremental\nkey: number\n*/\n"
    (folder / "models" / "keyed.sql").write_text(header + "SELECT number, note FROM orders")
    with lg.open(folder) as project:
        for number in range(8):
            with project.producer("orders") as producer:
                producer.send(value=order(number))
            project.run(until="idle")
            project.audit("orders").publish()
            assert project.run_models().ok
        before = project.lake.head("keyed")
        with running(folder) as up:

            def compacted() -> bool:
                head = project.lake.head("keyed")
                return head is not None and head.properties["lakegate.kind"] == "compact"

            up.until(compacted, "the model's table is compacted, and published")
            assert up.stop() == 0
        now = project.lake.head("keyed")
        assert before is not None
        assert now is not None
        assert now.rows == before.rows == 8
        assert now == project.lake.head("keyed", "staged")
        assert any("keyed: maintained" in line["message"] for line in up.lines())
