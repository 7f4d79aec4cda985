"""What the gateway answers: where records are, what is wrong with them, why they were refused."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from typing import Any, TypeAlias

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from lakegate.errors import LakegateError, LogFull
from lakegate.gate.verdict import Verdict
from lakegate.ingest.error import Behind, Closed
from lakegate.ingest.problem import Problem, encoded
from lakegate.topic.delivery import Receipt

__all__ = ["Send", "elsewhere", "judged", "ranges", "refusal", "respond", "shutting_down"]

Send: TypeAlias = Callable[[MutableMapping[str, Any]], Awaitable[None]]


def ranges(receipt: Receipt) -> list[dict[str, Any]]:
    """Where the records of a delivery are."""
    return [
        {
            "topic": range_.source.topic,
            "partition": range_.source.partition,
            "first_offset": range_.first_offset,
            "count": range_.count,
        }
        for range_ in receipt.ranges
    ]


def judged(verdict: Verdict) -> dict[str, Any]:
    """What judging on arrival found."""
    return {
        "contract": verdict.contract,
        "accepted": verdict.accepted.num_rows,
        "rejected": [
            {"index": rejected.index, "failures": rejected.failures}
            for rejected in verdict.rejected
        ],
    }


async def elsewhere(request: Request, error: Exception) -> Response:
    """A path or a method that there is not."""
    assert isinstance(error, HTTPException)
    where = "records go by POST to /v1/streams/{stream}/records, change events to …/cdc"
    problem = Problem(error.status_code, f"{request.method} {request.url.path[:200]}: {where}")
    headers = {**(error.headers or {}), "content-type": "application/problem+json"}
    return Response(encoded(problem), error.status_code, headers)


def shutting_down() -> Problem:
    """Why nothing is taken any more."""
    headers = {"retry-after": "1", "connection": "close"}
    return Problem(503, "the gateway is stopping; send again", headers=headers)


def refusal(error: LakegateError) -> Problem:
    """What a failed commit is to the client; the log's own words go to the log only."""
    match error:
        case Closed():
            return shutting_down()
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


async def respond(send: Send, status: int, body: bytes, headers: Mapping[str, str]) -> None:
    """Send a whole answer; JSON unless ``headers`` say otherwise."""
    fields = {"content-type": "application/json", "content-length": str(len(body)), **headers}
    await send(
        {
            "type": "http.response.start",
            "status": status,
            "headers": [(name.encode(), value.encode("latin-1")) for name, value in fields.items()],
        }
    )
    await send({"type": "http.response.body", "body": body})
