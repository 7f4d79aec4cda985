"""A body that breaks the contract is a 422 that says everything, under FastAPI and Starlette."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from decimal import Decimal
from typing import Annotated, Any

import httpx
import pytest
from fastapi import Depends, FastAPI
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

import lakegate as lg
from lakegate.contract import loads
from lakegate.guard.web import BodyRefused, Contracted, answer, contracted_by
from tests.unit.guard.test_guard import GOOD, ORDERS

LIMIT = "customProperties: [{property: lakegate.sizeLimit, value: 200kB}]"
order_of = contracted_by(lg.Guard(loads(ORDERS.format(more=LIMIT))))
taken: list[Contracted] = []


def _fastapi() -> Any:
    app = FastAPI()

    @app.post("/orders")
    async def place(order: Annotated[Contracted, Depends(order_of)]) -> dict[str, int]:
        assert order.record is not None
        taken.append(order)
        return {"placed": order.record["order_id"]}

    return app


def _starlette() -> Any:
    async def place(request: Request) -> JSONResponse:
        order = await order_of(request)
        assert order.record is not None
        taken.append(order)
        return JSONResponse({"placed": order.record["order_id"]})

    routes = [Route("/orders", place, methods=["POST"])]
    return Starlette(routes=routes, exception_handlers={BodyRefused: answer})


class Client:
    """Posts to an application in this process."""

    def __init__(self, app: Any) -> None:
        self._app = app

    def post(self, content: bytes | AsyncIterator[bytes]) -> httpx.Response:
        async def send() -> httpx.Response:
            transport = httpx.ASGITransport(self._app)
            async with httpx.AsyncClient(transport=transport, base_url="http://app") as client:
                return await client.post("/orders", content=content)

        return asyncio.run(send())


@pytest.fixture(params=[_fastapi, _starlette], ids=["fastapi", "starlette"])
def client(request: pytest.FixtureRequest) -> Client:
    taken.clear()
    return Client(request.param())


def test_a_good_body_arrives_as_bytes_and_as_values(client: Client) -> None:
    body = json.dumps(GOOD).encode()
    answered = client.post(body)
    assert (answered.status_code, answered.json()) == (200, {"placed": 7})
    (order,) = taken
    assert order.value == body
    assert order.record is not None
    assert order.record["total"] == Decimal("19.90")


def test_a_bad_body_is_told_everything(client: Client) -> None:
    answered = client.post(b'{"order_id": 0, "placed_at": 5}')
    assert answered.status_code == 422
    assert [(one["path"], one["rule"]) for one in answered.json()["detail"]] == [
        ("$.order_id", "minimum"),
        ("$.placed_at", "type"),
    ]
    assert not taken


def test_what_is_no_json_is_a_reason_too(client: Client) -> None:
    answered = client.post(b"")
    assert answered.status_code == 422
    assert answered.json()["detail"][0]["rule"] == "json.syntax"


def test_a_large_body_is_judged_and_a_larger_one_is_not_read(client: Client) -> None:
    padded = json.dumps(GOOD).encode() + b" " * 100_000
    assert client.post(padded).status_code == 200
    read = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal read
        for _ in range(100):
            read += 10_000
            yield b" " * 10_000

    assert client.post(endless()).status_code == 413
    assert read < 300_000
    assert len(taken) == 1
