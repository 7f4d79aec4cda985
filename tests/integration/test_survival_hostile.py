"""Hostile records, a bug in the gate, a backlog: nothing stops the flow, grows, or leaks."""

from __future__ import annotations

import json
import logging
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

import lakegate as lg
from lakegate.gate import compile as compile_gate
from lakegate.pipeline.contracts import ContractWatch
from lakegate.runner.embedded import Worker
from lakegate.runner.share import FileShare
from lakegate.topic.base import Record, TopicPartition

from .survival import call, finish, make_project, order, proven, start

BIG = order(1, "b" * (1 << 20))
DEEP = b'{"number": 2, "note": "x", "deep": ' + b"[" * 5000 + b"]" * 5000 + b"}"
MANY = json.dumps({"number": 3, "note": "x", **{f"f{i}": i for i in range(10_000)}}).encode()
REPEATED = (("h", b"1"), ("h", None), ("h", b"\xff\x00"), ("", b""))

HOSTILE = {
    "over the size limit": Record(BIG, b"big"),
    "nested deeply": Record(DEEP, b"deep"),
    "many unknown fields": Record(MANY, b"many"),
    "empty": Record(b"", b""),
    "null without a key": Record(None, None),
    "a tombstone": Record(None, b"\xff\x00"),
    "NUL bytes": Record(b"\x00" * 50, b"\x00"),
    "an escaped NUL": Record(b'{"number": 4, "note": "a\\u0000b"}', b"nul"),
    "invalid UTF-8": Record(b'{"number": 5, "note": "\xff\xfe"}', b"\xff\xfe"),
    "a lone surrogate": Record(b'{"number": 6, "note": "\\ud800"}', b"surrogate"),
    "a terminal's escapes": Record(b'{"number": 7, "note": "\\u001b[2J\x1b[2J"}', b"\x1b[2J"),
    "headers": Record(order(8), b"headers", REPEATED),
    "a huge number": Record(b'{"number": 1e999999999, "note": "x"}', b"number"),
    "a long number": Record(b'{"number": ' + b"9" * 100_000 + b', "note": "x"}', b"long"),
    "a timestamp before time": Record(order(9), b"old", (), -(2**40)),
    "a name that is a path": Record(b'{"number": 10, "note": "x", "..\\n/$.a": 1}', b"name"),
}


def test_hostile_records(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    make_project(tmp_path, toml="[log]\npartitions = 2\n")
    with lg.open(tmp_path) as project:
        project.log.send("orders.raw", list(HOSTILE.values()))
    with caplog.at_level(logging.INFO):
        said = call(tmp_path, "run", "--until-idle", "--format", "json")
    assert said.code == 0, said
    assert caplog.text.count("first sight") <= 1_000
    last = json.loads(said.out.splitlines()[-1])
    assert sum(last[name] for name in ("accepted", "rejected", "tombstones")) == len(HOSTILE)
    assert last["tombstones"] == 1
    assert call(tmp_path, "audit").code == 0
    assert call(tmp_path, "publish").code == 0
    proven(tmp_path, raw=len(HOSTILE), rejected=last["rejected"], published=last["accepted"])
    for kind in ("raw", "validated", "deadletter"):
        said = call(tmp_path, "topic", "tail", f"orders.{kind}", "--limit", "1000")
        assert said.code == 0, said
        assert "\x1b" not in said.out
        assert len([json.loads(line) for line in said.out.splitlines()]) > 1
    with lg.open(tmp_path) as project:
        kept = [
            (row["key"], row["value"])
            for partition in range(2)
            for batch in project.log.read(TopicPartition("orders.deadletter", partition), 0)
            for row in batch.rows.to_pylist()
        ]
    sent = {(record.key, record.value) for record in HOSTILE.values()}
    assert set(kept) <= sent, "byte for byte"
    assert (b"big", BIG) in kept


def test_a_hundred_thousand_empty_records(tmp_path: Path) -> None:
    make_project(tmp_path)
    with lg.open(tmp_path) as project:
        with project.producer("orders") as producer:
            for _ in range(100_000):
                producer.send(b"")
        assert project.run(until="idle")["orders"].rejected == 100_000
        status = project.status()
        assert status.proven
        assert status.proofs[0].total("rejected") == 100_000


class Breaking:
    """A gate with a bug: it fails on whatever holds the word."""

    def __init__(self, inner: Any, error: Callable[[], BaseException]) -> None:
        self.inner, self.error = inner, error
        self.stream, self.schema = inner.stream, inner.schema

    def __call__(self, values: pa.Array, *, keys: pa.Array) -> Any:
        if any(b"breaks" in (value or b"") for value in values.to_pylist()):
            raise self.error()
        return self.inner(values, keys=keys)


@pytest.mark.parametrize(
    "error", [RuntimeError, MemoryError, RecursionError, lambda: pa.ArrowInvalid("secret breaks")]
)
def test_a_bug_in_the_gate(
    tmp_path: Path, error: Callable[[], BaseException], caplog: pytest.LogCaptureFixture
) -> None:
    make_project(tmp_path)
    with lg.open(tmp_path) as project:
        with project.producer("orders") as producer:
            for number in range(1000):
                producer.send(order(number, "breaks" if number in {0, 417, 999} else "x"))
        done = Worker(
            project.log,
            ContractWatch(project.found["orders"], lambda _stream: None),
            lambda stream: Breaking(compile_gate(stream), error),
            share=FileShare(tmp_path / "locks", "orders"),
            brake=project.brake,
        ).run(until_idle=True)
        assert (done.accepted, done.rejected, done.gate_errors) == (997, 3, 3)
        (batch,) = project.log.read(TopicPartition("orders.deadletter", 0), 0)
        letters = batch.rows.to_pylist()
    assert [row["source_offset"] for row in letters] == [0, 417, 999]
    assert {row["reasons"][0]["rule"] for row in letters} == {"gate.error"}
    assert "gate.error" in caplog.text
    assert "breaks" not in caplog.text
    proven(tmp_path, accepted=997, rejected=3)


CANARY = "xK9canary7Qz"
SECRET = "hunter2-xK9secret"
RULES = """
      - name: code
        logicalType: string
        logicalTypeOptions: {pattern: "^[a-z]+$", maxLength: 5}
        customProperties: [{property: lakegate.severity, value: warning}]
    quality:
      - {id: cast, type: sql, query: "SELECT sum(CAST(note AS INTEGER)) FROM {object}", mustBe: 0}
      - {id: many, metric: rowCount, mustBeGreaterThan: 1000}
      - {id: same, metric: duplicateValues, arguments: {properties: [note]}, mustBe: 0}
servers:
  - {server: production, type: postgres, host: db, port: 5432, database: d, schema: s,
     customProperties: [{property: password, value: "${LAKE_PASSWORD}"}]}
"""


def test_no_payload_and_no_secret_in_any_log(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LAKE_PASSWORD", SECRET)
    make_project(tmp_path, more=RULES)
    c = CANARY.encode()
    bad = [
        c,
        b'{"number": "' + c + b'", "note": 1}',
        b'{"number": 1, "note": "' + c + b'", "code": "' + c + b'"}',
        b'{"number": 2, "note": "' + c + b'"}',
        b'{"number": 3, "note": "' + c + b'\xff"}',
        b'{"number": 4, "number": "' + c + b'"}',
        b'{"number": ' + c + b"}",
    ]
    heard = []
    with caplog.at_level(logging.DEBUG):
        with lg.open(tmp_path) as project:
            project.log.send("orders.raw", [Record(v, c, ((CANARY, c),)) for v in bad])
        for command, code in (
            (("run", "--until-idle"), 0),
            (("audit",), 1),
            (("publish",), 1),
            (("status", "--full"), 0),
            (("lake", "maintain"), 0),
            (("run", "--until-idle", "nothing"), 2),
        ):
            said = call(tmp_path, *command)
            assert said.code == code, (command, said)
            heard.append(said.err)
        (segment,) = (tmp_path / ".lakegate/log/segments/orders.deadletter").glob("*.seg")
        segment.write_bytes(segment.read_bytes()[:-200])
        heard.append(call(tmp_path, "topic", "tail", "orders.deadletter").err)
        heard.append(call(tmp_path, "status", "--full").err)
    ours = "\n".join(r.getMessage() for r in caplog.records if r.name.startswith("lakegate"))
    for log in (*heard, ours):
        assert CANARY not in log, log
        assert SECRET not in log + caplog.text, log
    assert "is judged by" in ours
    assert SECRET.encode() not in (tmp_path / ".lakegate" / "state.db").read_bytes()


def test_a_contract_that_vanishes_while_a_worker_runs(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    make_project(tmp_path)
    with lg.open(tmp_path) as project:
        with project.producer("orders") as producer:
            producer.send(order(0))
        sent = []

        def vanish(_stream: str, _progress: object) -> None:
            if not sent:
                sent.append(1)
                (tmp_path / "contracts" / "orders.odcs.yaml").unlink()
                with project.producer("orders") as producer:
                    producer.send(order(1))

        with caplog.at_level(logging.WARNING):
            done = project.run(until="idle", on_progress=vanish)["orders"]
    assert done.accepted == 2
    assert "stays in force" in caplog.text
    make_project(tmp_path)
    proven(tmp_path, landed=2)


BACKLOG = """
import json, resource, sys, lakegate as lg
from lakegate.topic.base import TopicPartition
with lg.open(sys.argv[1]) as project:
    done = project.run(until="idle")["orders"]
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
print(json.dumps({"judged": done.records, "peak_kib": peak}))
"""


def peak_mib(folder: Path, records: int) -> float:
    """The most memory that judging and landing a backlog of that many records took."""
    make_project(folder, toml="[landing]\nmax_rows = 50000\n")
    with lg.open(folder) as project, project.producer("orders") as producer:
        for number in range(records):
            producer.send(order(number, f"{number:400d}"), timestamp_ms=0)
    done = subprocess.run(
        [sys.executable, "-c", BACKLOG, str(folder)],
        capture_output=True,
        text=True,
        timeout=400,
        check=True,
    )
    found = json.loads(done.stdout.splitlines()[-1])
    assert found["judged"] == records
    return float(found["peak_kib"]) / 1024


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_memory_is_bounded_whatever_the_lag(tmp_path: Path) -> None:
    """Four times the backlog takes less than a third more: 300,000 records are 130 MB."""
    small = peak_mib(tmp_path / "small", 100_000)
    large = peak_mib(tmp_path / "large", 400_000)
    assert large < small + 100, (small, large)


def test_a_run_in_a_process_of_its_own_prints_no_payload(tmp_path: Path) -> None:
    make_project(tmp_path)
    with lg.open(tmp_path) as project, project.producer("orders") as producer:
        producer.send(CANARY.encode(), key=CANARY.encode())
    said = finish(start(tmp_path, "run", "--until-idle"))
    assert said.code == 0
    assert CANARY not in said.out + said.err
