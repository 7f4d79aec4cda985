"""Clients that retry, gateways that die: every record exactly once."""

from __future__ import annotations

import json
import threading
import time
from pathlib import Path

import httpx
import pytest

from lakegate.topic.base import TopicPartition
from lakegate.topic.codec import records
from lakegate.topic.embedded import EmbeddedLog
from tests.integration.gateway_process import PATH, gateway, launch, post, post_until_taken
from tests.integration.survival import (
    call,
    finish,
    make_project,
    order,
    proven,
    start,
    wait_until,
    wait_until_it_listens,
)

POINTS = (
    "topic.payload.written",
    "topic.payload.synced",
    "topic.commit.before",
    "topic.commit.after",
)


def numbers(folder: Path) -> list[int]:
    """What is in raw, over all partitions, sorted."""
    log = EmbeddedLog(folder / ".lakegate" / "log")
    found = []
    for partition in range(log.topics()["orders.raw"]):
        for batch in log.read(TopicPartition("orders.raw", partition), 0, max_records=1 << 30):
            found += [json.loads(record.value)["number"] for record in records(batch.rows)]
    log.close()
    return sorted(found)


def ranges_hold(folder: Path, answer: dict, expected: set[int]) -> None:
    """The coordinates of an answer are where its records are."""
    log = EmbeddedLog(folder / ".lakegate" / "log")
    found = set()
    for part in answer["ranges"]:
        source = TopicPartition(part["topic"], part["partition"])
        for batch in log.read(source, part["first_offset"], max_records=part["count"]):
            found |= {json.loads(record.value)["number"] for record in records(batch.rows)}
    log.close()
    assert found == expected


@pytest.mark.parametrize("point", POINTS)
def test_killed_in_a_commit_the_retry_counts_once_over_all_partitions(tmp_path: Path, point: str):
    folder = make_project(tmp_path, toml="[log]\npartitions = 4\n")
    body = b"[" + b",".join(order(number) for number in range(20)) + b"]"
    with gateway(folder, LAKEGATE_FAULT=f"{point}:1") as dying:
        with pytest.raises(httpx.TransportError):
            post(dying.url + PATH, content=body, headers={"idempotency-key": "k"})
        dying.process.wait(60)
        port = dying.address[1]
    with gateway(folder, port=port) as alive:
        deadline = time.monotonic() + 180
        answer = post_until_taken(alive.url, body, "k", deadline=deadline)
        assert answer["duplicate"] == (point == "topic.commit.after")
        assert post_until_taken(alive.url, body, "k", deadline=deadline)["duplicate"]
    assert numbers(folder) == list(range(20))
    ranges_hold(folder, answer, set(range(20)))


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("how", ["kill", "terminate"])
def test_restarted_under_load_every_record_is_there_once(tmp_path: Path, how: str):
    folder = make_project(tmp_path, toml="[log]\npartitions = 3\n")
    running = launch(folder)
    port, url = running.address[1], running.url
    deadline = time.monotonic() + 600
    clients, batches, size = 6, 20, 5
    taken: list[int] = []
    failed: list[BaseException] = []

    def client(mine: int) -> None:
        try:
            for batch in range(batches):
                first = (mine * batches + batch) * size
                body = b"\n".join(order(number) for number in range(first, first + size))
                post_until_taken(
                    url,
                    body,
                    f"{mine}-{batch}",
                    deadline=deadline,
                    **{"content-type": "application/x-ndjson"},
                )
                taken.append(first)
        except BaseException as error:
            failed.append(error)

    threads = [
        threading.Thread(target=client, args=(mine,), daemon=True) for mine in range(clients)
    ]
    for thread in threads:
        thread.start()
    for wanted in range(15, 90, 15):  # of 120: five times while there is more to come
        wait_until(lambda wanted=wanted: len(taken) >= wanted or bool(failed), timeout_s=600)
        getattr(running.process, how)()
        code = finish(running.process).code
        assert how == "kill" or code == 0
        running = launch(folder, port=port)
    for thread in threads:
        thread.join()
    running.process.terminate()
    assert finish(running.process).code == 0
    assert not failed, failed
    assert numbers(folder) == list(range(clients * batches * size))


@pytest.mark.slow
def test_with_a_worker_beside_it_all_is_judged_and_proven(tmp_path: Path):
    folder = make_project(tmp_path)
    worker = start(folder, "run", "--no-land")
    wait_until_it_listens(worker)
    with gateway(folder) as running:
        deadline = time.monotonic() + 180
        for number in range(100):
            post_until_taken(running.url, order(number), str(number), deadline=deadline)
    worker.terminate()
    assert finish(worker).code == 0
    assert call(folder, "run", "--until-idle").code == 0
    proven(folder, raw=100, accepted=100)


@pytest.mark.slow
def test_two_gateways_and_one_key_at_the_same_time(tmp_path: Path):
    folder = make_project(tmp_path)
    with gateway(folder) as one, gateway(folder) as two:
        answers: list[dict] = []

        def send(url: str, number: int) -> None:
            deadline = time.monotonic() + 180
            answers.append(post_until_taken(url, order(number), str(number), deadline=deadline))

        for number in range(15):
            threads = [
                threading.Thread(target=send, args=(running.url, number))
                for running in (one, two, one, two)
            ]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
    assert len(answers) == 60
    assert sum(not answer["duplicate"] for answer in answers) == 15
    assert numbers(folder) == list(range(15))
