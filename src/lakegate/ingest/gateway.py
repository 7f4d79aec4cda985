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
import logging
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.routing import BaseRoute, Route

from lakegate.errors import LakegateError
from lakegate.gate.verdict import Verdict
from lakegate.ingest.answer import Send, elsewhere, judged, ranges, refusal, respond, shutting_down
from lakegate.ingest.body import Budget, Receive, read_body, split
from lakegate.ingest.head import Head, Identity, Scope, digest_of
from lakegate.ingest.intake import Intake
from lakegate.ingest.key import Key, change_key, record_key
from lakegate.ingest.problem import Problem, encoded
from lakegate.ingest.token import Tokens
from lakegate.topic.base import Record
from lakegate.topic.delivery import Delivery

__all__ = ["Door", "Judge", "Limits", "Traffic", "application"]

Judge = Callable[[str, Sequence[bytes], Sequence[bytes | None]], Awaitable[Verdict]]

_log = logging.getLogger("lakegate.gateway")


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
        exception_handlers={HTTPException: elsewhere},
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
            answer = await self._answer(Head(scope), receive)
            status, body, headers = 200, msgspec.json.encode(answer), {}
        except Problem as problem:
            status, body, headers = problem.status, encoded(problem), problem.headers
            headers["content-type"] = "application/problem+json"
        shared.traffic.answers[status] += 1
        await respond(send, status, body, headers)

    async def _answer(self, head: Head, receive: Receive) -> dict[str, Any]:
        shared = self._shared
        if shared.stopping():
            raise shutting_down()
        holder = shared.tokens.holder(head.headers.get(b"authorization"))
        door = shared.door(head.scope["path_params"]["stream"])
        self._check(door, head)
        token = head.token()
        body, held = await read_body(
            receive,
            head.headers,
            limit_bytes=shared.limits.body_bytes,
            timeout_s=shared.limits.body_timeout_s,
            budget=shared.budget,
        )
        try:
            shared.traffic.bytes += len(body)
            content_type = head.headers.get(b"content-type")
            values = split(body, content_type, max_records=shared.limits.records)
            return await self._take(door, head, values, head.identity(holder, token, body))
        finally:
            shared.budget.give_back(held)

    @abstractmethod
    def _check(self, door: Door, head: Head) -> None:
        """Refuse by a Problem what the door does not take."""

    @abstractmethod
    async def _take(
        self, door: Door, head: Head, values: list[bytes], identity: Identity
    ) -> dict[str, Any]:
        """Append the records; the answer, once they are durable."""

    async def _deliver(
        self, topic: str, records: list[Record], identity: Identity
    ) -> dict[str, Any]:
        """Hand over, wait until it is durable, and say where it is."""
        shared = self._shared
        token = None if identity.token is None else digest_of(topic.encode(), *identity.token)
        try:
            receipt = await shared.intake.submit(Delivery(topic, records, token, identity.digest))
        except LakegateError as error:
            raise refusal(error) from error
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
            "ranges": ranges(receipt),
        }


class _Records(_Endpoint):
    def _check(self, door: Door, head: Head) -> None:
        if door.cdc is not None:
            raise Problem(
                404,
                f"{door.stream} takes change events, not plain records; "
                f"send them to /v1/streams/{door.stream}/cdc",
            )
        head.refuse_but("judge", "key")
        head.wants_judging(default=self._shared.judge_all)
        if head.one("key") is not None and b"lakegate-key" in head.headers:
            raise Problem(400, "give the key as Lakegate-Key or as ?key=, not both")

    async def _take(
        self, door: Door, head: Head, values: list[bytes], identity: Identity
    ) -> dict[str, Any]:
        keys = self._keys(door, head, values)
        headers = head.record_headers()
        records = [Record(value, key, headers) for value, key in zip(values, keys, strict=True)]
        judge = self._shared.judge
        if judge is None or not head.wants_judging(default=self._shared.judge_all):
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
        return {"stream": door.stream, **delivered, **judged(verdict)}

    def _keys(self, door: Door, head: Head, values: list[bytes]) -> list[bytes | None]:
        fixed = head.headers.get(b"lakegate-key")
        if fixed is not None:
            return [fixed] * len(values)
        named = head.one("key")
        fields = door.primary_key if named is None else (named,)
        if len(self._shared.keys) > 1_000:  # a client chooses the names
            self._shared.keys.clear()
        key = self._shared.keys.get(fields)
        if key is None:
            key = self._shared.keys[fields] = record_key(fields)
        return [key(value) for value in values]


class _Changes(_Endpoint):
    def _check(self, door: Door, head: Head) -> None:
        if door.cdc is None:
            raise Problem(
                404,
                f"{door.stream} takes no change events: its contract does not set `lakegate.cdc`; "
                f"plain records go to /v1/streams/{door.stream}/records",
            )
        head.refuse_but()

    async def _take(
        self, door: Door, head: Head, values: list[bytes], identity: Identity
    ) -> dict[str, Any]:
        assert door.cdc is not None
        fixed = head.headers.get(b"lakegate-key")
        key = change_key(door.primary_key)
        headers = head.record_headers()
        records = [
            Record(value, key(value) if fixed is None else fixed, headers) for value in values
        ]
        return {"stream": door.stream, **await self._deliver(door.cdc, records, identity)}
