"""The parts of a running project as processes to be killed: ``python actors.py ROLE FOLDER``.

They go on for ever and use nothing but the public API, as a user's own processes would.
"""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path

import lakegate as lg
from lakegate.errors import AuditError, LakegateError
from lakegate.ingest.producer import Producer
from lakegate.topic.base import TopicPartition

BATCH = 40
KEYS = 7
AHEAD = 4_000  # records: on a slow machine too, what waits is judged in seconds


def main(role: str, folder: str) -> None:
    with lg.open(folder) as project:
        {"produce": produce, "judge": judge, "land": land, "publish": publish}[role](project)


def produce(project: lg.Project) -> None:
    """Number records per key; note what was acknowledged only once it is."""
    notes = project.root / "acknowledged"
    noted = notes.read_text().split() if notes.exists() else []
    done = int(noted[-1]) if noted else 0
    with notes.open("a") as file:
        while True:
            while ahead(project) > AHEAD:
                time.sleep(0.05)
            # A producer of one batch each: whoever comes after a kill repeats it under the same id,
            # and the log takes it once.
            batch = Producer(project.log, "orders.raw", producer_id=f"batch-{done // BATCH}")
            for number in range(done, done + BATCH):
                batch.send(value(number), key=b"key-%d" % (number % KEYS))
            batch.flush()
            done += BATCH
            file.write(f"{done}\n")
            file.flush()
            os.fsync(file.fileno())
            time.sleep(0.02)


def ahead(project: lg.Project) -> int:
    """How many records wait to be judged."""
    sources = [
        TopicPartition("orders.raw", number) for number in range(project.log.topics()["orders.raw"])
    ]
    return sum(
        project.log.end_offset(source) - (project.log.committed("lakegate.gate", source) or 0)
        for source in sources
    )


def value(number: int) -> bytes:
    """Every tenth record is wrong."""
    amount = "wrong" if number % 10 == 0 else number + 0.25
    return json.dumps({"number": number, "key": number % KEYS, "amount": amount}).encode()


def judge(project: lg.Project) -> None:
    project.run("orders", land=False)


def land(project: lg.Project) -> None:
    while True:
        patiently(lambda: project.land("orders"))
        time.sleep(0.05)


def publish(project: lg.Project) -> None:
    while True:
        patiently(lambda: project.audit("orders").publish())
        time.sleep(0.05)


def patiently(work) -> None:  # type: ignore[no-untyped-def]
    """What may be tried again is; publishing before anything landed is refused: that is fine."""
    try:
        work()
    except LakegateError as error:
        if not error.transient and not isinstance(error, AuditError):
            raise


if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parent))
    main(*sys.argv[1:])
