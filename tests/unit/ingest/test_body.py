"""Bodies: bounds, inflating, and cutting into records."""

from __future__ import annotations

import asyncio
import gzip
import tracemalloc

import pytest

from lakegate.ingest.body import Budget, read_body, split
from lakegate.ingest.problem import Problem


def read(chunks, headers=(), *, limit=1000, budget=None, timeout_s=5.0, wait=0.0):
    messages = [
        {"type": "http.request", "body": chunk, "more_body": at + 1 < len(chunks)}
        for at, chunk in enumerate(chunks)
    ]

    async def receive():
        await asyncio.sleep(wait)
        return messages.pop(0) if messages else {"type": "http.disconnect"}

    async def run():
        return await read_body(
            receive,
            dict(headers),
            limit_bytes=limit,
            timeout_s=timeout_s,
            budget=budget or Budget(1 << 30),
        )

    return asyncio.run(run())


GZIP = ((b"content-encoding", b"gzip"),)


def refused(status, *arguments, **named):
    with pytest.raises(Problem) as caught:
        read(*arguments, **named)
    assert caught.value.status == status, caught.value.detail
    return caught.value


def test_a_body_in_parts():
    assert read([b"ab", b"", b"c"]) == (b"abc", 3)


def test_gzip_in_pieces_and_in_members():
    zipped = gzip.compress(b"hello ", mtime=0) + gzip.compress(b"world")
    parts = [zipped[at : at + 3] for at in range(0, len(zipped), 3)]
    assert read(parts, GZIP)[0] == b"hello world"


def test_a_declared_length_is_refused_before_anything_is_read():
    refused(413, [], [(b"content-length", b"1001")])


def test_an_undeclared_length_is_refused_as_it_passes_the_limit():
    refused(413, [b"x" * 600, b"x" * 600])


def test_a_gzip_bomb_is_refused_and_never_inflated():
    bomb = gzip.compress(b"0" * (64 << 20), 1)
    tracemalloc.start()
    refused(413, [bomb], GZIP, limit=1 << 20)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 16 << 20


@pytest.mark.parametrize("body", [b"plain", gzip.compress(b"x" * 500, mtime=0)[:-4], b""])
def test_broken_gzip(body):
    refused(400, [body], GZIP)


def test_another_encoding():
    assert refused(415, [b""], [(b"content-encoding", b"br")]).headers["accept-encoding"]


def test_a_client_that_goes_away():
    refused(400, [])


def test_a_slow_client():
    refused(408, [b"x"] * 100, wait=0.02, timeout_s=0.05)


def test_the_budget_is_given_back_when_it_fails():
    budget = Budget(1000)
    refused(429, [b"x" * 600, b"x" * 600], budget=budget, limit=5000)
    refused(413, [b"x" * 900], budget=budget, limit=100)
    assert read([b"x" * 1000], budget=budget)[1] == 1000


JSON = b"application/json"
LINES = b"application/x-ndjson"
FORM = b"application/x-www-form-urlencoded"  # what curl says of -d


@pytest.mark.parametrize(
    ("body", "kind", "expected"),
    [
        (b' {"a": 1} \n', JSON, [b'{"a": 1}']),
        (b'[ {"a": 1 } , 2,"x" ]', JSON, [b'{"a": 1 }', b"2", b'"x"']),
        (b"[]", JSON, []),
        (b'{"a":1}\r\n\n {bad\n', LINES, [b'{"a":1}', b" {bad"]),
        (b'{"a":1}\n{"a":2}', None, [b'{"a":1}', b'{"a":2}']),
        (b'{\n"a": 1}\n', None, [b'{\n"a": 1}']),
        (b"[1]", None, [b"1"]),
        (b'{"a": "\\ud800"}', JSON, [b'{"a": "\\ud800"}']),
        (b'[{"a": NaN}, {"a":"\xff"}]', JSON, [b'{"a": NaN}', b'{"a":"\xff"}']),
        (b"{}", b"application/json; charset=UTF-8", [b"{}"]),
        (b"{}", b"application/vnd.order+json", [b"{}"]),
        (b"{}", FORM, [b"{}"]),
    ],
)
def test_split(body, kind, expected):
    assert split(body, kind, max_records=10) == expected


@pytest.mark.parametrize(
    ("body", "kind", "status", "said"),
    [
        (b"", JSON, 400, "no record"),
        (b" \n\n", LINES, 400, "no record"),
        (b"5", JSON, 400, "neither"),
        (b"hello", None, 400, "neither"),
        (b'{"a":', JSON, 400, "no JSON object"),
        (b'{"a":1}\n{"a":2}', JSON, 400, "x-ndjson"),
        (b'[{"a":1}', JSON, 400, "after element 1"),
        (b"[" * 100_000, JSON, 400, "element 1"),
        (b"order=7", FORM, 400, "neither `{` nor `[`"),
        (b'{"a":1}{"a":2}', FORM, 400, "x-ndjson"),
        (b"[1,2,3]", JSON, 413, "more than 2"),
        (b"1\n2\n3", LINES, 413, "more than 2"),
        (b"[" + b"0," * 1000 + b"0]", JSON, 413, "more than 2"),
        (b"{}", b"text/csv", 415, "x-ndjson"),
        (b"{}", b"application/json; charset=utf-16", 415, "UTF-8"),
    ],
)
def test_split_refuses(body, kind, status, said):
    with pytest.raises(Problem) as caught:
        split(body, kind, max_records=2)
    assert caught.value.status == status
    assert said in caught.value.detail
