"""The gateway's answers, without a socket."""

from __future__ import annotations

import asyncio
import gzip
import hashlib
import json

import httpx
import pytest

from lakegate.errors import LogFull
from lakegate.ingest.gateway import Door, Limits, Traffic, application
from lakegate.ingest.intake import Intake
from lakegate.ingest.token import Tokens
from lakegate.topic.base import TopicPartition
from lakegate.topic.codec import records
from lakegate.topic.embedded import EmbeddedLog

DOORS = {
    "orders": Door("orders", "orders.raw", None, ("id",)),
    "shop/orders": Door("shop/orders", "shop.orders.raw", None, ()),
    "rows": Door("rows", "rows.raw", "rows.cdc", ("id",)),
}
LIMITS = Limits(body_bytes=10_000, records=100, body_timeout_s=5.0)
PATH = "/v1/streams/orders/records"


class Served:
    def __init__(self, folder, **settings):
        self.log = EmbeddedLog(folder / "log")
        for topic in ("orders.raw", "shop.orders.raw", "rows.cdc"):
            self.log.create(topic, partitions=1 if topic == "orders.raw" else 3)
        self.intake = Intake(lambda: EmbeddedLog(folder / "log"))
        self.intake.start()
        self.traffic = Traffic()
        settings.setdefault("tokens", Tokens({}))
        self.app = application(DOORS, self.intake, limits=LIMITS, traffic=self.traffic, **settings)

    def post(self, path=PATH, content=b"{}", **named):
        headers = named.pop("headers", {})

        async def run():
            transport = httpx.ASGITransport(app=self.app, raise_app_exceptions=True)
            async with httpx.AsyncClient(transport=transport, base_url="http://gate") as client:
                return await client.request(
                    named.pop("method", "POST"), path, content=content, headers=headers, **named
                )

        return asyncio.run(run())

    def kept(self, topic="orders.raw"):
        return [
            record
            for partition in range(self.log.topics()[topic])
            for batch in self.log.read(TopicPartition(topic, partition), 0)
            for record in records(batch.rows)
        ]

    def close(self):
        self.intake.close()
        self.log.close()


@pytest.fixture
def served(tmp_path):
    made = Served(tmp_path)
    yield made
    made.close()


def test_a_record_is_kept_as_sent_with_its_key_and_headers(served):
    answer = served.post(
        content=b' {"id" : 7, "a": 1.0} ',
        headers={"content-type": "application/json", "Lakegate-Header-Trace": "t 1", "x": "y"},
    )
    assert answer.status_code == 200
    assert answer.json() == {
        "stream": "orders",
        "records": 1,
        "duplicate": False,
        "ranges": [{"topic": "orders.raw", "partition": 0, "first_offset": 0, "count": 1}],
    }
    (record,) = served.kept()
    assert record.value == b'{"id" : 7, "a": 1.0}'
    assert record.key == b"7"
    assert record.headers == (("trace", b"t 1"),)


def test_a_stream_whose_name_has_a_slash(served):
    answer = served.post("/v1/streams/shop/orders/records", b'[{"a":1},{"a":2}]')
    assert answer.json()["records"] == 2
    assert [record.value for record in served.kept("shop.orders.raw")] == [b'{"a":1}', b'{"a":2}']


@pytest.mark.parametrize(
    ("query", "headers", "key"),
    [("", {"lakegate-key": "k"}, b"k"), ("?key=name", {}, b"n"), ("?key=nope", {}, None)],
)
def test_another_key(served, query, headers, key):
    served.post(PATH + query, b'{"id": 1, "name": "n"}', headers=headers)
    assert served.kept()[0].key == key


def test_lines_and_gzip(served):
    lines = b'{"id":1}\n{broken\n'
    headers = {"content-type": "application/x-ndjson", "content-encoding": "gzip"}
    assert served.post(content=gzip.compress(lines), headers=headers).json()["records"] == 2
    assert [record.value for record in served.kept()] == [b'{"id":1}', b"{broken"]


def test_an_empty_array_is_nothing_to_do(served):
    assert served.post(content=b"[]").json()["ranges"] == []


@pytest.mark.parametrize(
    ("path", "content", "headers", "status", "said"),
    [
        (PATH, b"", {}, 400, "no record"),
        (PATH, b"5", {}, 400, "neither"),
        (PATH + "?judge=maybe", b"{}", {}, 400, "judge must be"),
        (PATH + "?jugde=true", b"{}", {}, 400, "is called jugde; there are: judge, key"),
        (PATH, b"a", {"content-encoding": "gzip"}, 400, "is not gzip"),
        (PATH, gzip.compress(b"{}", mtime=0)[:9], {"content-encoding": "gzip"}, 400, "is cut off"),
        (PATH + "?key=id", b"{}", {"lakegate-key": "k"}, 400, "not both"),
        (PATH, b"{}", {"idempotency-key": "k" * 256}, 400, "Idempotency-Key"),
        (PATH, b"{}", {"lakegate-header-lakegate.erased": "00"}, 400, "lakegate.erased"),
        ("/v1/streams/nope/records", b"{}", {}, 404, "there are: orders, rows, shop/orders"),
        ("/v1/streams/orders/cdc", b"{}", {}, 404, "lakegate.cdc"),
        ("/v1/streams/rows/records", b"{}", {}, 404, "/v1/streams/rows/cdc"),
        (PATH, b"x" * 10_001, {}, 413, "larger than 10,000"),
        (PATH, b"[" + b"0," * 100 + b"0]", {}, 413, "more than 100"),
        (PATH, b"{}", {"content-type": "text/xml"}, 415, "x-ndjson"),
        (PATH, b"{}", {"content-encoding": "br"}, 415, "gzip"),
    ],
)
def test_refusals_say_why_and_keep_nothing(served, path, content, headers, status, said):
    answer = served.post(path, content, headers=headers)
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["status"] == status
    assert said in answer.json()["detail"]
    assert served.kept() == []
    assert served.traffic.answers == {status: 1}


def test_another_method(served):
    answer = served.post(method="GET")
    assert (answer.status_code, answer.headers["allow"]) == (405, "POST")
    assert answer.headers["content-type"] == "application/problem+json"
    assert "/v1/streams/{stream}/records" in answer.json()["detail"]


def test_another_path(served):
    answer = served.post("/v1/orders")
    assert answer.status_code == 404
    assert answer.headers["content-type"] == "application/problem+json"
    assert "/v1/streams/{stream}/records" in answer.json()["detail"]


def test_tokens(tmp_path):
    tokens = Tokens({"shop": (hashlib.sha256(b"secret").digest(),)})
    served = Served(tmp_path, tokens=tokens)
    assert served.post().status_code == 401
    # Who may not send does not learn which streams there are.
    assert served.post("/v1/streams/nope/records").status_code == 401
    assert served.post(headers={"authorization": "Bearer wrong"}).status_code == 401
    assert served.post(headers={"authorization": "Bearer secret"}).status_code == 200
    served.close()


def test_an_idempotency_key_counts_once(served):
    headers = {"idempotency-key": "k"}
    first = served.post(content=b'{"id":1}', headers=headers).json()
    again = served.post(content=b'{"id":1}', headers=headers).json()
    assert again == {**first, "duplicate": True}
    zipped = {"idempotency-key": "k", "content-encoding": "gzip"}
    assert served.post(content=gzip.compress(b'{"id":1}'), headers=zipped).json()["duplicate"]
    assert served.post(content=b'{"id":2}', headers=headers).status_code == 422
    assert (
        served.post(content=b'{"id":1}', headers={**headers, "lakegate-key": "x"}).status_code
        == 422
    )
    assert not served.post("/v1/streams/shop/orders/records", b"{}", headers=headers).json()[
        "duplicate"
    ]
    assert len(served.kept()) == 1
    assert (served.traffic.records, served.traffic.duplicates) == (2, 2)


def test_a_full_log_is_told_with_when_to_come_back(served, monkeypatch):
    async def full(_delivery):
        raise LogFull("/secret/path: no room")

    monkeypatch.setattr(served.intake, "submit", full)
    answer = served.post()
    assert answer.status_code == 429
    assert int(answer.headers["retry-after"]) > 0
    assert "/secret" not in answer.text


def test_stopping(tmp_path):
    served = Served(tmp_path, stopping=lambda: True)
    answer = served.post()
    assert (answer.status_code, answer.headers["connection"]) == (503, "close")
    served.close()
    late = Served(tmp_path / "late")
    late.intake.close()
    assert late.post().status_code == 503
    late.close()


def test_change_events_as_debezium_sends_them(served):
    def event(op, before, after):
        return json.dumps({"before": before, "after": after, "op": op})

    headers = {"content-type": "application/json", "connection": "Upgrade", "upgrade": "h2c"}
    path = "/v1/streams/rows/cdc"
    assert served.post(path, event("c", None, {"id": 1}), headers=headers).status_code == 200
    array = f"[{event('u', None, {'id': 1})}, {event('d', {'id': 2}, None)}]"
    assert served.post(path, array, headers=headers).json()["records"] == 2
    by_key = {}
    for record in served.kept("rows.cdc"):
        by_key.setdefault(record.key, []).append(json.loads(record.value)["op"])
    assert by_key == {b"1": ["c", "u"], b"2": ["d"]}


def test_a_gate_that_fails_does_not_undo_what_was_taken(tmp_path):
    async def broken(_stream, _values, _keys):
        raise RuntimeError("a bug")

    served = Served(tmp_path, judge=broken)
    answer = served.post(PATH + "?judge=true", b'{"id": 1}')
    assert (answer.status_code, answer.json()["not_judged"]) == (200, "RuntimeError")
    assert len(served.kept()) == 1
    assert "not_judged" not in served.post(PATH, b'{"id": 1}').json()
    served.close()
