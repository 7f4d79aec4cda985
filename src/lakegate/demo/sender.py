"""What applications and a change connector would do: post events to the gateway, and again."""

from __future__ import annotations

import hashlib
import http.client
import time
from collections.abc import Iterator, Sequence
from types import TracebackType
from typing import Self

import msgspec

from lakegate.demo.source import Event
from lakegate.errors import ProjectError
from lakegate.testing.change import debezium_event

__all__ = ["Sender"]

_RECORDS = 5_000  # of one request
_TIMEOUT_S = 60
_TRIES = 3


class Sender:
    """A client of the gateway that tries again; an idempotency key makes that harmless."""

    def __init__(self, host: str, port: int) -> None:
        self._connection = http.client.HTTPConnection(host, port, timeout=_TIMEOUT_S)
        self._lsn = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._connection.close()

    def records(self, stream: str, batch: Sequence[Event]) -> None:
        """Post events as NDJSON.

        Raises:
            ProjectError: the gateway does not take them.
        """
        for part in _parts(batch):
            body = b"\n".join(event.value for event in part)
            self._post(f"/v1/streams/{stream}/records", body, "application/x-ndjson")

    def changes(self, stream: str, batch: Sequence[Event]) -> None:
        """Post events as rows that a database created, the way Debezium would.

        Raises:
            ProjectError: the gateway does not take them.
        """
        for part in _parts(batch):
            body = b"[" + b",".join(self._created(stream, event) for event in part) + b"]"
            self._post(f"/v1/streams/{stream}/cdc", body, "application/json")

    def _created(self, stream: str, event: Event) -> bytes:
        self._lsn += 1
        at = 0 if event.at is None else int(event.at.timestamp() * 1000)
        return debezium_event(
            "c",
            after=msgspec.json.decode(event.value),
            table=f"public.{stream}",
            lsn=self._lsn,
            transaction=self._lsn,
            ts_ms=at,
        )

    def _post(self, path: str, body: bytes, content_type: str) -> None:
        headers = {
            "Content-Type": content_type,
            "Idempotency-Key": hashlib.sha256(path.encode() + body).hexdigest(),
        }
        for attempt in range(_TRIES):
            try:
                self._connection.request("POST", path, body, headers)
                answer = self._connection.getresponse()
                said = answer.read()
            except (OSError, http.client.HTTPException) as error:
                self._connection.close()
                if attempt == _TRIES - 1:
                    raise ProjectError(f"the gateway does not answer: {error}") from error
            else:
                if answer.status == http.HTTPStatus.OK:
                    return
                if answer.status not in (429, 503) or attempt == _TRIES - 1:
                    raise ProjectError(f"the gateway answers {answer.status}: {said.decode()}")
            time.sleep(2**attempt)


def _parts(batch: Sequence[Event]) -> Iterator[Sequence[Event]]:
    return (batch[start : start + _RECORDS] for start in range(0, len(batch), _RECORDS))
