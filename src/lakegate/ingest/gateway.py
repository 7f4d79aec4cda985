"""The HTTP gateway as an ASGI application.

::

    POST /v1/streams/{stream}/records   one record, an array, or a record a line
    POST /v1/streams/{stream}/cdc       Debezium change events, one or an array

It is built and served from :mod:`lakegate.pipeline.gateway`::

    gateway_app(project, *, intake, routes=()) -> Starlette
    class Gateway(project, *, host=None, port=None, routes=()):
        start() -> None            # binds, serves from a thread of its own; raises IngestError
        host: str, port: int       # as bound
        alive: bool                # False once the server or the writer has ended
        counts -> Counts           # answers by status, records, bytes, connections, commits
        drain() -> None            # no new requests; answers what is in hand; closes the log

``routes`` are Starlette routes served beside these (``/health``, ``/ready``, ``/metrics``).
What every answer means: docs/reference/gateway.md.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Mapping, MutableMapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs

import msgspec
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from lakegate.errors import LakegateError, LogFull
from lakegate.gate.verdict import Verdict
from lakegate.ingest.body import Budget, Receive, read_body, split
from lakegate.ingest.error import Behind, Closed
from lakegate.ingest.intake import Intake
from lakegate.ingest.key import Key, change_key, record_key
from lakegate.ingest.problem import Problem, encoded
from lakegate.ingest.token import Tokens
from lakegate.topic.base import Record
from lakegate.topic.delivery import Delivery, Receipt
from lakegate.topic.stub import ERASED

__all__ = ["Door", "Judge", "Limits", "Traffic", "application"]

Scope = MutableMapping[str, Any]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
Judge = Callable[[str, Sequence[bytes], Sequence[bytes | None]], Awaitable[Verdict]]

_log = logging.getLogger("lakegate.gateway")
_HEADER = b"lakegate-header-"
# By these Lakegate knows what it erased and replayed itself.
_OURS = frozenset({ERASED, "lakegate.source", "lakegate.fixes"})
_MAX_TOKEN_CHARACTERS = 255


@dataclass(frozen=True, slots=True)
class Door:
    """A stream as the gateway sees it: ``cdc`` is its topic of change events, if it takes them."""

    stream: str
    raw: str
    cdc: str | None
    primary_key: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Limits:
    """What a request may cost."""

    body_bytes: int = 16 << 20
    records: int = 50_000
    pending_bytes: int = 256 << 20
    body_timeout_s: float = 60.0


@dataclass(slots=True)
class Traffic:
    """What has gone through so far; counted in the event loop, read from anywhere."""

    answers: Counter[int] = field(default_factory=Counter)  # by status
    records: int = 0
    duplicates: int = 0  # requests whose idempotency key was known
    bytes: int = 0  # bodies, inflated


def application(
    doors: Mapping[str, Door],
    intake: Intake,
    *,
    tokens: Tokens,
    limits: Limits = Limits(),
    judge: Judge | None = None,
    judge_all: bool = False,
    traffic: Traffic | None = None,
    stopping: Callable[[], bool] = lambda: False,
    routes: Iterable[BaseRoute] = (),
) -> Starlette:
    """The application. ``doors`` by every name a stream goes by; ``judge`` judges on arrival, when
    asked for or always (``judge_all``).
    """
    shared = _Shared(
        doors, intake, tokens, limits, judge, judge_all, traffic or Traffic(), stopping
    )
    return Starlette(
        routes=[
            Route("/v1/streams/{stream:path}/records", _Records(shared), methods=["POST"]),
            Route("/v1/streams/{stream:path}/cdc", _Changes(shared), methods=["POST"]),
            *routes,
        ],
        exception_handlers={HTTPException: _elsewhere},
    )


class _Shared:
    def __init__(
        self,
        doors: Mapping[str, Door],
        intake: Intake,
        tokens: Tokens,
        limits: Limits,
        judge: Judge | None,
        judge_all: bool,
        traffic: Traffic,
        stopping: Callable[[], bool],
    ) -> None:
        self.doors = doors
        self.intake = intake
        self.tokens = tokens
        self.limits = limits
        self.judge = judge
        self.judge_all = judge_all
        self.traffic = traffic
        self.stopping = stopping
        self.budget = Budget(limits.pending_bytes)
        self.keys: dict[tuple[str, ...], Key] = {}

    def door(self, name: str) -> Door:
        """The stream of that name.

        Raises:
            Problem: 404, naming those there are.
        """
        found = self.doors.get(name)
        if found is None:
            known = ", ".join(sorted({door.stream for door in self.doors.values()}))
            raise Problem(404, f"no stream is called {name}; there are: {known}")
        return found


class _Endpoint(ABC):
    """What both routes do: refuse, read, deliver, answer."""

    def __init__(self, shared: _Shared) -> None:
        self._shared = shared

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        shared = self._shared
        try:
            answer = await self._answer(_Request(scope), receive)
            status, body, headers = 200, msgspec.json.encode(answer), {}
        except Problem as problem:
            status, body, headers = problem.status, encoded(problem), problem.headers
            headers["content-type"] = "application/problem+json"
        shared.traffic.answers[status] += 1
        await _respond(send, status, body, headers)

    async def _answer(self, request: _Request, receive: Receive) -> dict[str, Any]:
        shared = self._shared
        if shared.stopping():
            raise _stopping()
        holder = shared.tokens.holder(request.headers.get(b"authorization"))
        door = shared.door(request.scope["path_params"]["stream"])
        self._check(door, request)
        token = _token(request.headers.get(b"idempotency-key"))
        body, held = await read_body(
            receive,
            request.headers,
            limit_bytes=shared.limits.body_bytes,
            timeout_s=shared.limits.body_timeout_s,
            budget=shared.budget,
        )
        try:
            shared.traffic.bytes += len(body)
            content_type = request.headers.get(b"content-type")
            values = split(body, content_type, max_records=shared.limits.records)
            return await self._take(door, request, values, _identity(holder, token, body, request))
        finally:
            shared.budget.give_back(held)

    @abstractmethod
    def _check(self, door: Door, request: _Request) -> None:
        """Refuse by a Problem what the door does not take."""

    @abstractmethod
    async def _take(
        self, door: Door, request: _Request, values: list[bytes], identity: _Identity
    ) -> dict[str, Any]:
        """Append the records; the answer, once they are durable."""

    async def _deliver(
        self, topic: str, records: list[Record], identity: _Identity
    ) -> dict[str, Any]:
        """Hand over, wait until it is durable, and say where it is."""
        shared = self._shared
        token = None if identity.token is None else _hash(topic.encode(), *identity.token)
        try:
            receipt = await shared.intake.submit(Delivery(topic, records, token, identity.digest))
        except LakegateError as error:
            raise _refusal(error) from error
        if receipt.conflict:
            raise Problem(
                422,
                "this Idempotency-Key came with another body before; nothing was appended; "
                "a retry repeats the request unchanged, a new request needs a new key",
            )
        if receipt.duplicate:
            shared.traffic.duplicates += 1
        else:
            shared.traffic.records += len(records)
        return {
            "records": len(records),
            "duplicate": receipt.duplicate,
            "ranges": _ranges(receipt),
        }


class _Records(_Endpoint):
    def _check(self, door: Door, request: _Request) -> None:
        if door.cdc is not None:
            raise Problem(
                404,
                f"{door.stream} takes change events, not plain records; "
                f"send them to /v1/streams/{door.stream}/cdc",
            )
        request.refuse_but("judge", "key")
        request.wants_judging(default=self._shared.judge_all)
        if request.one("key") is not None and b"lakegate-key" in request.headers:
            raise Problem(400, "give the key as Lakegate-Key or as ?key=, not both")

    async def _take(
        self, door: Door, request: _Request, values: list[bytes], identity: _Identity
    ) -> dict[str, Any]:
        keys = self._keys(door, request, values)
        headers = request.record_headers()
        records = [Record(value, key, headers) for value, key in zip(values, keys, strict=True)]
        judge = self._shared.judge
        if judge is None or not request.wants_judging(default=self._shared.judge_all):
            delivered = await self._deliver(door.raw, records, identity)
            return {"stream": door.stream, **delivered}
        judging = asyncio.ensure_future(judge(door.stream, values, keys))
        try:
            delivered = await self._deliver(door.raw, records, identity)
        except BaseException:
            judging.cancel()
            raise
        try:
            verdict = await judging
        except LakegateError as error:  # the records are kept all the same
            return {"stream": door.stream, **delivered, "not_judged": str(error)}
        except Exception as error:
            _log.exception("judging on arrival failed")
            return {"stream": door.stream, **delivered, "not_judged": type(error).__name__}
        return {"stream": door.stream, **delivered, **_said(verdict)}

    def _keys(self, door: Door, request: _Request, values: list[bytes]) -> list[bytes | None]:
        fixed = request.headers.get(b"lakegate-key")
        if fixed is not None:
            return [fixed] * len(values)
        named = request.one("key")
        fields = door.primary_key if named is None else (named,)
        if len(self._shared.keys) > 1_000:  # a client chooses the names
            self._shared.keys.clear()
        key = self._shared.keys.get(fields)
        if key is None:
            key = self._shared.keys[fields] = record_key(fields)
        return [key(value) for value in values]


class _Changes(_Endpoint):
    def _check(self, door: Door, request: _Request) -> None:
        if door.cdc is None:
            raise Problem(
                404,
                f"{door.stream} takes no change events: its contract does not set `lakegate.cdc`; "
                f"plain records go to /v1/streams/{door.stream}/records",
            )
        request.refuse_but()

    async def _take(
        self, door: Door, request: _Request, values: list[bytes], identity: _Identity
    ) -> dict[str, Any]:
        assert door.cdc is not None
        fixed = request.headers.get(b"lakegate-key")
        key = change_key(door.primary_key)
        headers = request.record_headers()
        records = [
            Record(value, key(value) if fixed is None else fixed, headers) for value in values
        ]
        return {"stream": door.stream, **await self._deliver(door.cdc, records, identity)}


@dataclass(frozen=True, slots=True)
class _Identity:
    """``token``: who sent and the Idempotency-Key; ``digest``: of everything that was sent."""

    token: tuple[bytes, bytes] | None
    digest: bytes


class _Request:
    """Head of a request."""

    def __init__(self, scope: Scope) -> None:
        self.scope = scope
        self.headers: dict[bytes, bytes] = dict(scope["headers"])
        query = scope["query_string"]
        self._query: dict[str, list[str]] = {}
        if query:
            self._query = parse_qs(query.decode("latin-1"), keep_blank_values=True)

    def one(self, name: str) -> str | None:
        """A parameter of the query, one of those that mean something."""
        values = self._query.get(name)
        return None if values is None else values[-1]

    def refuse_but(self, *known: str) -> None:
        """Refuse a parameter that would mean nothing here: most likely it is misspelt.

        Raises:
            Problem: 400, there is another one than ``known``.
        """
        for name in self._query:
            if name not in known:
                there = f"there are: {', '.join(known)}" if known else "there is none"
                raise Problem(400, f"no parameter of the query is called {name[:40]}; {there}")

    def wants_judging(self, *, default: bool) -> bool:
        """``?judge=``.

        Raises:
            Problem: 400, it is neither true nor false.
        """
        text = self.one("judge")
        if text is None:
            return default
        if text.lower() not in ("true", "false"):
            raise Problem(400, f"judge must be true or false, got {text[:20]}")
        return text.lower() == "true"

    def record_headers(self) -> tuple[tuple[str, bytes | None], ...]:
        """Every ``Lakegate-Header-*``, in order; names in lower case, as HTTP has none.

        Raises:
            Problem: 400, a name is one by which Lakegate knows records of its own.
        """
        found = tuple(
            (name[len(_HEADER) :].decode("latin-1"), value)
            for name, value in self.scope["headers"]
            if name.startswith(_HEADER)
        )
        for name, _ in found:
            if name in _OURS:
                raise Problem(400, f"record header {name} is Lakegate's own; choose another name")
        return found


def _token(header: bytes | None) -> bytes | None:
    if header is None:
        return None
    token = header.strip().strip(b'"')
    if not 0 < len(token) <= _MAX_TOKEN_CHARACTERS:
        raise Problem(400, f"Idempotency-Key must have 1 to {_MAX_TOKEN_CHARACTERS} characters")
    return token


def _identity(holder: str, token: bytes | None, body: bytes, request: _Request) -> _Identity:
    if token is None:
        return _Identity(None, b"")
    headers = b"\n".join(
        name + b":" + value for name, value in request.scope["headers"] if name[:9] == b"lakegate-"
    )
    key = (request.one("key") or "").encode()
    return _Identity((holder.encode(), token), _hash(body, headers, key))


def _hash(*parts: bytes) -> bytes:
    digest = hashlib.sha256()
    for part in parts:
        digest.update(len(part).to_bytes(8, "big"))
        digest.update(part)
    return digest.digest()


def _ranges(receipt: Receipt) -> list[dict[str, Any]]:
    return [
        {
            "topic": range_.source.topic,
            "partition": range_.source.partition,
            "first_offset": range_.first_offset,
            "count": range_.count,
        }
        for range_ in receipt.ranges
    ]


def _said(verdict: Verdict) -> dict[str, Any]:
    return {
        "contract": verdict.contract,
        "accepted": verdict.accepted.num_rows,
        "rejected": [
            {"index": rejected.index, "failures": rejected.failures}
            for rejected in verdict.rejected
        ],
    }


async def _elsewhere(request: Request, error: Exception) -> Response:
    """A path or a method that there is not."""
    assert isinstance(error, HTTPException)
    where = "records go by POST to /v1/streams/{stream}/records, change events to …/cdc"
    problem = Problem(error.status_code, f"{request.method} {request.url.path[:200]}: {where}")
    headers = {**(error.headers or {}), "content-type": "application/problem+json"}
    return Response(encoded(problem), error.status_code, headers)


def _stopping() -> Problem:
    headers = {"retry-after": "1", "connection": "close"}
    return Problem(503, "the gateway is stopping; send again", headers=headers)


def _refusal(error: LakegateError) -> Problem:
    """What a failed commit is to the client; the log's own words go to the log only."""
    match error:
        case Closed():
            return _stopping()
        case Behind():
            return Problem(429, str(error), headers={"retry-after": "5"})
        case LogFull():
            return Problem(
                429,
                "the log is full; nothing was appended; send again later",
                headers={"retry-after": "30"},
            )
        case _:
            return Problem(
                503,
                "the log cannot be written; nothing was appended; send again later",
                headers={"retry-after": "5"},
            )


async def _respond(send: Send, status: int, body: bytes, headers: Mapping[str, str]) -> None:
    fields = {"content-type": "application/json", "content-length": str(len(body)), **headers}
    await send(
        {
            "type": "http.response.start",
            "status": status,
            "headers": [(name.encode(), value.encode("latin-1")) for name, value in fields.items()],
        }
    )
    await send({"type": "http.response.body", "body": body})
