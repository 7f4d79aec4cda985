"""Records in a producer that nobody flushed: sent or told of, never lost in silence."""

from __future__ import annotations

import gc
import os
import subprocess
import sys
import textwrap
import threading
import warnings
from pathlib import Path
from typing import Any

import pytest

import lakegate as lg
from lakegate.errors import LogFull
from lakegate.ingest import unsent
from lakegate.ingest.error import IngestError
from lakegate.ingest.producer import Producer
from lakegate.ingest.unsent import close_all
from lakegate.topic.base import TopicPartition
from lakegate.topic.codec import records
from lakegate.topic.embedded import EmbeddedLog

RAW = TopicPartition("orders.raw", 0)
PROGRAM = """
import os, sys, threading, warnings
from lakegate.ingest.producer import Producer
from lakegate.topic.base import TopicPartition
from lakegate.topic.embedded import EmbeddedLog
log = EmbeddedLog(sys.argv[1])
log.create("orders.raw")
"""


@pytest.fixture
def log(tmp_path: Path) -> Any:
    made = EmbeddedLog(tmp_path / "log")
    made.create("orders.raw")
    yield made
    made.close()


def kept(log: EmbeddedLog) -> list[bytes]:
    return [record.value for batch in log.read(RAW, 0) for record in records(batch.rows)]


def _drop(log: EmbeddedLog, *values: bytes) -> None:
    """A producer that takes the values and is gone."""
    producers = [Producer(log, "orders.raw")]
    for value in values:
        producers[0].send(value)
    with pytest.warns(ResourceWarning, match=r"dropped without a flush.*in a `with` block"):
        producers.clear()


def test_a_closed_producer_refuses(log: EmbeddedLog) -> None:
    with Producer(log, "orders.raw") as inside:
        inside.send(b"1")
    other = Producer(log, "orders.raw")
    other.send(b"2")
    other.close()
    other.close()
    for producer in (inside, other):
        with pytest.raises(IngestError, match=r"producer of orders\.raw is closed, and takes no"):
            producer.send(b"3")
        with pytest.raises(IngestError, match="closed"), producer:
            pass
    assert kept(log) == [b"1", b"2"]


def test_what_a_dropped_producer_has_left_is_sent_by_the_next(log: EmbeddedLog) -> None:
    _drop(log, b"1", b"2")
    assert kept(log) == []
    with Producer(log, "orders.raw") as producer:
        producer.send(b"3")
    assert kept(log) == [b"1", b"2", b"3"]
    assert not unsent._KEPT


def test_closing_all_sends_all_and_closes_them(log: EmbeddedLog, tmp_path: Path) -> None:
    other_log = EmbeddedLog(tmp_path / "other")
    other_log.create("orders.raw")
    other = Producer(other_log, "orders.raw")
    producer = Producer(log, "orders.raw")
    producer.send(b"1")
    _drop(log, b"2")
    close_all(log)
    assert kept(log) == [b"1", b"2"]
    with pytest.raises(IngestError, match="closed"):
        producer.send(b"3")
    other.send(b"4")
    other.close()
    assert kept(other_log) == [b"4"]
    other_log.close()


def test_a_full_log_says_how_much_was_not_sent(
    log: EmbeddedLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_arguments: Any, **_named: Any) -> Any:
        raise LogFull("no room")

    producer = Producer(log, "orders.raw")
    producer.send(b"1")
    _drop(log, b"2", b"3")
    monkeypatch.setattr(log, "send", full)
    with pytest.raises(LogFull, match="no room") as raised:
        close_all(log)
    assert raised.value.__notes__ == [
        "not sent: 1 record taken by the producer of orders.raw",
        "not sent: 2 records taken by the producer of orders.raw: no room",
    ]
    monkeypatch.undo()
    assert producer.flush() == 1  # the caller's, who was told: nothing sends it again
    assert not unsent._KEPT


def test_discarding_forgets(log: EmbeddedLog) -> None:
    producer = Producer(log, "orders.raw")
    producer.send(b"1")
    assert producer.discard() == 1
    assert producer.flush() == 0
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        del producer
        gc.collect()


def test_a_constructor_that_raises_leaves_nothing(log: EmbeddedLog) -> None:
    with pytest.raises(LogFull):
        Producer(_NoTaken(), "orders.raw", producer_id="day")
    gc.collect()
    assert not unsent._KEPT


class _NoTaken:
    def taken(self, _topic: str, _producer_id: str) -> tuple[int, int]:
        raise LogFull("no room")

    def send(self, *_arguments: Any, **_named: Any) -> Any:
        raise AssertionError("nothing is to be sent")


def _run(tmp_path: Path, code: str, *options: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *options, "-c", PROGRAM + textwrap.dedent(code), str(tmp_path / "log")],
        capture_output=True,
        text=True,
        timeout=60,
    )


@pytest.mark.parametrize(("last", "status"), [("sys.exit(3)", 3), ("1 / 0", 1)])
def test_the_end_of_the_program_sends_what_is_left(tmp_path: Path, last: str, status: int) -> None:
    code = f"""
    Producer(log, "orders.raw").send(b"1")
    producer = Producer(log, "orders.raw")
    producer.send(b"2")
    producer.send(b"3")
    thread = threading.Thread(target=lambda: Producer(log, "orders.raw").send(b"4"))
    thread.start()
    thread.join()
    {last}
    """
    done = _run(tmp_path, code, "-W", "default")
    assert done.returncode == status, done.stderr
    dropped = "ResourceWarning: dropped without a flush: 1 record taken by the producer of orders"
    assert done.stderr.count(dropped) == 2
    assert "flushed by the program's end: 2 records taken by" in done.stderr
    assert kept(EmbeddedLog(tmp_path / "log")) == [b"1", b"2", b"3", b"4"]


def test_what_the_end_cannot_send_is_told(tmp_path: Path) -> None:
    code = """
    other = EmbeddedLog(sys.argv[1] + "-other")
    other.create("trips.raw")
    producer = Producer(other, "trips.raw")
    producer.send(b"1")
    sent = threading.Event()

    def work():
        producer = Producer(log, "orders.raw")
        producer.send(b"1")
        sent.set()
        threading.Event().wait()

    threading.Thread(target=work, daemon=True).start()
    sent.wait()
    other.close()
    """
    done = _run(tmp_path, code)  # with Python's own filters, which show no ResourceWarning
    assert done.returncode == 0, done.stderr
    assert "RuntimeWarning: not sent: 1 record taken by the producer of trips.raw: " in done.stderr
    assert "1 record taken by the producer of orders.raw: its thread still runs" in done.stderr


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")
def test_a_forked_child_sends_nothing_of_its_parent(tmp_path: Path) -> None:
    code = """
    producer = Producer(log, "orders.raw")
    producer.send(b"1")
    child = os.fork()
    if not child:
        del producer
        sys.exit()
    assert os.waitpid(child, 0)[1] == 0
    print("child:", log.end_offset(TopicPartition("orders.raw", 0)))
    producer.close()
    """
    done = _run(tmp_path, code, "-W", "error::ResourceWarning")
    assert (done.returncode, done.stdout) == (0, "child: 0\n"), done.stderr
    assert "taken by the producer" not in done.stderr
    assert kept(EmbeddedLog(tmp_path / "log")) == [b"1"]


def test_threads_may_drop_producers_while_others_are_made(log: EmbeddedLog) -> None:
    failed: list[BaseException] = []

    def work() -> None:
        try:
            for _ in range(200):
                Producer(log, "orders.raw")
        except BaseException as error:  # told below
            failed.append(error)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    gc.collect()
    assert not failed
    assert not unsent._KEPT


def test_closing_a_project_sends_what_its_producers_hold(tmp_path: Path) -> None:
    contracts = tmp_path / "contracts"
    contracts.mkdir()
    orders = Path(__file__).parents[3] / "examples" / "contracts" / "orders.odcs.yaml"
    (contracts / "orders.odcs.yaml").write_bytes(orders.read_bytes())
    (tmp_path / "lakegate.toml").write_text("[project]\nname = 'shop'\n")
    order = {"order_id": 7, "placed_at": "2026-03-01T09:30:00Z", "total": 1}
    with lg.open(tmp_path) as project:
        held = project.producer("orders")
        held.send('{"order_id": 8}', key="8")
        with pytest.warns(ResourceWarning, match=r"1 record taken by the producer of orders\.raw"):
            project.producer("orders", judged=True).send(order, key="7")
    with pytest.raises(IngestError, match="closed"):
        held.send("{}")
    with lg.open(tmp_path) as project:
        found = [
            record.key
            for partition in range(project.log.topics()["orders.raw"])
            for batch in project.log.read(TopicPartition("orders.raw", partition), 0)
            for record in records(batch.rows)
        ]
    assert sorted(key for key in found if key) == [b"7", b"8"]
