"""The intake: group commit, lag, and what becomes of those who wait."""

from __future__ import annotations

import asyncio
import threading
from datetime import timedelta

import pytest

from lakegate.errors import DamagedLog, LogFull
from lakegate.ingest.error import Behind, Closed, IngestError
from lakegate.ingest.intake import Intake, LagLimit
from lakegate.topic.base import Record, TopicPartition
from lakegate.topic.delivery import Delivery, Receipt
from lakegate.topic.embedded import EmbeddedLog


def one(value: bytes = b"x", topic: str = "orders.raw") -> Delivery:
    return Delivery(topic, [Record(value)])


class Held:
    """A log whose first commit waits until it is told to go on."""

    def __init__(self, error: Exception | None = None) -> None:
        self.go = threading.Event()
        self.groups: list[int] = []
        self.error = error
        self.forgotten = 0
        self.closed = False

    def deliver(self, deliveries):
        self.go.wait(10)
        self.groups.append(len(deliveries))
        if self.error is not None:
            raise self.error
        return [Receipt(()) for _ in deliveries]

    def forget_deliveries(self, age):
        assert age == timedelta(hours=1)
        self.forgotten += 1
        return 0

    def close(self):
        self.closed = True


def test_what_arrives_during_a_commit_goes_into_the_next_together():
    log = Held()
    intake = Intake(lambda: log, window=timedelta(hours=1))
    intake.start()

    async def run():
        first = intake.submit(one())
        while intake._waiting:
            await asyncio.sleep(0.001)
        rest = [intake.submit(one()) for _ in range(50)]
        log.go.set()
        await asyncio.gather(first, *rest)

    asyncio.run(run())
    intake.close()
    assert log.groups == [1, 50]
    assert log.forgotten
    assert log.closed


@pytest.mark.parametrize("error", [LogFull("full"), DamagedLog("bad"), ValueError("a bug")])
def test_a_failed_commit_fails_all_of_its_group_and_the_writer_goes_on(error):
    log = Held(error)
    log.go.set()
    intake = Intake(lambda: log, window=timedelta(hours=1))
    intake.start()

    async def run():
        failed = await asyncio.gather(
            *(intake.submit(one()) for _ in range(3)), return_exceptions=True
        )
        log.error = None
        await intake.submit(one())
        return failed

    failed = asyncio.run(run())
    wanted = IngestError if isinstance(error, ValueError) else type(error)
    assert [type(found) for found in failed] == [wanted] * 3
    intake.close()


def test_closing_commits_what_was_handed_over_and_takes_no_more():
    log = Held()
    intake = Intake(lambda: log, window=timedelta(hours=1))
    intake.start()

    async def run():
        waiting = [intake.submit(one()) for _ in range(5)]
        closing = threading.Thread(target=intake.close)
        closing.start()
        log.go.set()
        await asyncio.gather(*waiting)
        closing.join()
        with pytest.raises(Closed):
            await intake.submit(one())

    asyncio.run(run())
    assert not intake.alive
    assert sum(log.groups) == 5


def test_a_log_that_cannot_be_opened_is_said_at_the_start():
    def broken():
        raise DamagedLog("no index")

    with pytest.raises(DamagedLog, match="no index"):
        Intake(broken).start()


def test_a_client_that_has_gone_does_not_disturb_the_others():
    log = Held()
    intake = Intake(lambda: log, window=timedelta(hours=1))
    intake.start()

    async def run():
        gone, stays = intake.submit(one()), intake.submit(one())
        gone.cancel()
        log.go.set()
        assert await stays == Receipt(())

    asyncio.run(run())
    intake.close()


def test_a_stream_that_is_behind_turns_away_and_the_others_go_on(tmp_path):
    with_topics = EmbeddedLog(tmp_path / "log")
    for topic in ("orders.raw", "other.raw"):
        with_topics.create(topic)
        with_topics.register("gate", topic)
    intake = Intake(lambda: EmbeddedLog(tmp_path / "log"), lag=LagLimit("gate", 2))
    intake.start()

    async def send(topic="orders.raw", count=1):
        intake._lags.clear()
        return await intake.submit(Delivery(topic, [Record(b"x")] * count))

    async def run():
        await send(count=3)
        with pytest.raises(Behind, match="3 records behind"):
            await send()
        await send("other.raw")
        source = TopicPartition("orders.raw", 0)
        with with_topics.transaction() as transaction:
            transaction.advance("gate", source, expected=0, to=3)
        await send()

    asyncio.run(run())
    intake.close()
    with_topics.close()
