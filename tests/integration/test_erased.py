"""Erased records: what is left of them is accounted for, and a producer cannot feign them."""

from __future__ import annotations

from pathlib import Path

import lakegate as lg
from lakegate.pipeline.agenda import prove
from lakegate.topic.base import TopicPartition

from .survival import make_project, order, proven


def test_a_record_that_calls_itself_erased_lands_and_can_be_replayed(tmp_path: Path) -> None:
    make_project(tmp_path)
    headers = (("lakegate.erased", b"0" * 64),)
    with lg.open(tmp_path) as project:
        with project.producer("orders") as producer:
            producer.send(order(1), key=b"1", headers=headers)
            producer.send(b"{}", key=b"2", headers=headers)
            producer.send(order(3), key=b"3", headers=(("h", b"x"),))
        project.run(until="idle")
        assert project.deadletters("orders").show("orders.raw:0:1").state == "open"
        assert project.deadletters("orders").causes().states[0] == 1
    proven(tmp_path, raw=3, accepted=2, landed=2, rejected=1, erased=0)


def test_an_erased_dead_letter_is_accounted_for_with_and_without_its_event(tmp_path: Path) -> None:
    make_project(tmp_path)
    with lg.open(tmp_path) as project:
        with project.producer("orders") as producer:
            for number in range(4):
                producer.send(b'{"number": "x"}', key=b"%d" % number)
        project.run(until="idle")
        project.deadletters("orders").discard("orders.raw:0:2", reason="a test")
        for topic in ("orders.raw", "orders.deadletter"):
            project.log.erase(TopicPartition(topic, 0), [1, 2])
    proven(tmp_path, rejected=4, erased=1, discarded=1)
    with lg.open(tmp_path) as project:
        prove(project)
        assert project.log.end_offset(TopicPartition("orders.triage", 0)) == 2
        (letter,) = project.deadletters("orders").show("orders.raw:0:1").history
        assert letter["event"] == "erased"
        assert project.numbers().streams[0].open_deadletters == 2
    proven(tmp_path, rejected=4, erased=1, discarded=1)
