"""The gate in a web handler (Starlette and FastAPI): a body that breaks the contract is a 422.

::

    orders = contracted_by(lg.Guard("contracts/orders.odcs.yaml"))

    @app.post("/orders")                                     # FastAPI
    async def place(order: Annotated[Contracted, Depends(orders)]):
        producer.send(order.value, key=str(order.record["order_id"]))

    async def place(request):                                # Starlette
        order = await orders(request)

    app = Starlette(routes=…, exception_handlers={BodyRefused: answer})
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse

from lakegate.gate.verdict import Failure
from lakegate.guard.guard import Guard, RecordRefused

__all__ = ["BodyRefused", "Contracted", "answer", "contracted_by"]

_LARGE_BYTES = 1 << 16  # a body beyond this is judged in a thread, so that the loop goes on


@dataclass(frozen=True, slots=True)
class Contracted:
    """A request's body that keeps the contract.

    ``value`` are its bytes as they came, to be sent on unchanged; ``record`` is the accepted row,
    in Python types: ``Decimal``, aware ``datetime`` in UTC, and so on. It is None where a stream
    that only observes lets a broken one pass.
    """

    value: bytes
    record: dict[str, Any] | None


class BodyRefused(HTTPException):
    """422, with every reason; FastAPI answers with it as it is, Starlette with :func:`answer`."""

    def __init__(self, failures: tuple[Failure, ...]) -> None:
        self.failures = failures
        super().__init__(422, detail=[_as_json(failure) for failure in failures])  # type: ignore[arg-type]

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.failures,)


def contracted_by(guard: Guard) -> Callable[[Request], Awaitable[Contracted]]:
    """A dependency that reads the body as one record and judges it.

    It raises :class:`BodyRefused` (422) for a record that is rejected, and ``HTTPException`` 413
    for a body beyond the contract's size limit, of which no more than that is read.
    """
    limit = guard.stream.size_limit_bytes

    async def read(request: Request) -> Contracted:
        value = await _body(request, limit)
        try:
            if len(value) > _LARGE_BYTES:
                verdict = await run_in_threadpool(guard.check, [value])
            else:
                verdict = guard.check([value])
        except RecordRefused as refused:
            raise BodyRefused(refused.failures) from None
        rows = verdict.accepted.to_pylist()
        return Contracted(value, rows[0] if rows else None)

    return read


async def answer(_request: Request, error: Exception) -> JSONResponse:
    """The answer of a Starlette application to :class:`BodyRefused`, in the form FastAPI has."""
    assert isinstance(error, BodyRefused)
    return JSONResponse({"detail": error.detail}, status_code=error.status_code)


async def _body(request: Request, limit: int) -> bytes:
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > limit:
            raise HTTPException(413, detail=f"the body is larger than {limit} bytes")
    return bytes(body)


def _as_json(failure: Failure) -> dict[str, str]:
    return {
        "path": failure.path,
        "rule": failure.rule,
        "expected": failure.expected,
        "observed": failure.observed,
        "severity": failure.severity.value,
    }
