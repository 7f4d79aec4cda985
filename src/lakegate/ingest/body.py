"""The body of a request: read within bounds of size and time, inflated, cut into records."""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import Awaitable, Callable, Iterator, Mapping, MutableMapping
from typing import Any

import msgspec

from lakegate.ingest.json_split import NotJson, array_elements, documents
from lakegate.ingest.problem import Problem

__all__ = ["Budget", "Receive", "read_body", "split"]

Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]

# `curl -d` and `wget` call whatever they send a form unless told otherwise.
_JSON = frozenset({"application/json", "text/json", "application/x-www-form-urlencoded"})
_LINES = frozenset(
    {
        "application/x-ndjson",
        "application/ndjson",
        "application/jsonl",
        "application/x-jsonlines",
        "application/jsonlines",
        "application/json-lines",
    }
)
_TOKENS_PER_RECORD = 20  # a body of more values than this per record is refused before it is cut
_decode_raw = msgspec.json.Decoder(msgspec.Raw).decode
_decode_list = msgspec.json.Decoder(list[msgspec.Raw]).decode


class Budget:
    """Bytes that all requests in hand may hold together."""

    def __init__(self, limit_bytes: int) -> None:
        self._left = limit_bytes

    def take(self, count: int) -> None:
        """Take some of it.

        Raises:
            Problem: 429, not enough is left.
        """
        if count > self._left:
            raise Problem(
                429,
                "too many bytes are on their way already; send again later",
                headers={"retry-after": "1"},
            )
        self._left -= count

    def give_back(self, count: int) -> None:
        """Give back what was taken."""
        self._left += count


async def read_body(
    receive: Receive,
    headers: Mapping[bytes, bytes],
    *,
    limit_bytes: int,
    timeout_s: float,
    budget: Budget,
) -> tuple[bytes, int]:
    """The body, inflated, and the bytes taken from ``budget`` for it (to be given back).

    Raises:
        Problem: 400 (cut off, not gzip), 408 (too slow), 413 (too large, sent or inflated), 415
            (another encoding), 429 (the budget is used up). Nothing is held then.
    """
    declared = headers.get(b"content-length")
    if declared is not None and int(declared) > limit_bytes:
        raise _too_large(limit_bytes)
    inflate = _inflater(headers.get(b"content-encoding"))
    held = 0
    parts: list[bytes] = []
    deadline: float | None = None
    try:
        while True:
            if deadline is None:
                message = await receive()  # the first part has mostly come with the head
                deadline = asyncio.get_running_loop().time() + timeout_s
            else:
                async with asyncio.timeout_at(deadline):
                    message = await receive()
            if message["type"] == "http.disconnect":
                raise Problem(400, "the connection ended before the body did")
            for part in inflate(message.get("body", b"")):
                budget.take(len(part))
                held += len(part)
                parts.append(part)
                if held > limit_bytes:
                    raise _too_large(limit_bytes)
            if not message.get("more_body", False):
                inflate(b"", end=True)
                return b"".join(parts) if len(parts) != 1 else parts[0], held
    except TimeoutError:
        budget.give_back(held)
        detail = f"the body did not arrive within {timeout_s:g} s"
        raise Problem(408, detail, headers={"connection": "close"}) from None
    except BaseException:
        budget.give_back(held)
        raise


def _too_large(limit_bytes: int) -> Problem:
    return Problem(
        413,
        f"the body is larger than {limit_bytes:,} bytes (inflated); send it in parts",
        headers={"connection": "close"},  # what is still to come is not read
    )


_MAGIC = b"\x1f\x8b"  # how each member begins (RFC 1952)


class _Plain:
    def __call__(self, data: bytes, *, end: bool = False) -> Iterator[bytes]:
        return iter((data,) if data else ())


class _Gzip:
    """Inflates members of a gzip stream, never more than a piece at a time."""

    _PIECE = 1 << 20

    def __init__(self) -> None:
        self._inflate = zlib.decompressobj(wbits=31)
        self._head = b""

    def __call__(self, data: bytes, *, end: bool = False) -> Iterator[bytes]:
        if end:
            if not _MAGIC.startswith(self._head):
                raise Problem(400, "the body is not gzip")
            if not self._inflate.eof:
                raise Problem(400, "the gzip body is cut off")
            return iter(())
        return self._parts(data)

    def _parts(self, data: bytes) -> Iterator[bytes]:
        self._head += data[: len(_MAGIC) - len(self._head)]
        try:
            while data:
                if self._inflate.eof:
                    self._inflate = zlib.decompressobj(wbits=31)
                part = self._inflate.decompress(data, self._PIECE)
                if part:
                    yield part
                data = self._inflate.unconsumed_tail or self._inflate.unused_data
        except zlib.error as error:
            raise Problem(400, f"the body is not gzip: {error}") from None


def _inflater(encoding: bytes | None) -> _Plain | _Gzip:
    name = (encoding or b"identity").strip().lower()
    if name == b"identity":
        return _Plain()
    if name in (b"gzip", b"x-gzip"):
        return _Gzip()
    raise Problem(
        415,
        f"Content-Encoding {name.decode('latin-1')} is not understood; send gzip or none",
        headers={"accept-encoding": "gzip, identity"},
    )


def split(body: bytes, content_type: bytes | None, *, max_records: int) -> list[bytes]:
    """The records of a body, byte for byte: an object, the elements of an array, or lines.

    ``content_type`` None: whatever it looks like. Lines that are no JSON are records too (the gate
    rejects them); blank lines are not.

    Raises:
        Problem: 400 (none of these), 413 (more than ``max_records``), 415 (another type).
    """
    kind, _, parameters = (content_type or b"").decode("latin-1").lower().partition(";")
    kind = kind.strip()
    charset = parameters.partition("charset=")[2].strip().strip('"').partition(";")[0]
    if charset not in ("", "utf-8", "utf8", "us-ascii"):
        raise Problem(415, f"charset {charset} is not understood; send UTF-8")
    if kind in _LINES:
        return _lines(body, max_records)
    if kind and kind not in _JSON and not kind.endswith("+json"):
        raise Problem(
            415,
            f"Content-Type {kind} is not understood; send application/json (an object or an array) "
            "or application/x-ndjson (a record a line)",
            headers={"accept": "application/json, application/x-ndjson"},
        )
    first = body[:64].lstrip(b" \t\r\n")[:1] or body.lstrip(b" \t\r\n")[:1]
    if first == b"[":
        return _array(body, max_records)
    if first == b"{":
        return _object(body, max_records, or_lines=not kind)
    if not first:
        raise Problem(400, "there is no record in the body")
    raise Problem(
        400,
        "the body is neither a JSON object nor an array: it begins with neither `{` nor `[`; lines "
        "that may be anything are sent as Content-Type application/x-ndjson",
    )


def _lines(body: bytes, max_records: int) -> list[bytes]:
    if body.count(b"\n") > _TOKENS_PER_RECORD * max_records:
        raise _too_many(max_records)
    records = [line.rstrip(b"\r") for line in body.split(b"\n") if line.strip(b" \t\r")]
    if not records:
        raise Problem(400, "there is no record in the body")
    if len(records) > max_records:
        raise _too_many(max_records)
    return records


def _array(body: bytes, max_records: int) -> list[bytes]:
    if body.count(b",") > _TOKENS_PER_RECORD * max_records:
        raise _too_many(max_records)
    try:
        records = [bytes(element) for element in _decode_list(body)]
    except (msgspec.DecodeError, RecursionError):
        # What the quick parser refuses may be an array all the same, of records the gate rejects.
        try:
            records = list(array_elements((body,), limit_bytes=len(body)))
        except NotJson as error:
            raise Problem(400, f"the body is no JSON array: {error}") from None
    if len(records) > max_records:
        raise _too_many(max_records)
    return records


def _object(body: bytes, max_records: int, *, or_lines: bool) -> list[bytes]:
    try:
        _decode_raw(body)
    except (msgspec.DecodeError, RecursionError):
        return _doubtful(body, max_records, or_lines=or_lines)
    return [body.strip(b" \t\r\n")]


def _doubtful(body: bytes, max_records: int, *, or_lines: bool) -> list[bytes]:
    text = body.strip(b" \t\r\n")
    if or_lines and b"\n" in text:
        return _lines(body, max_records)
    try:
        values = documents((text,), limit_bytes=len(text))
        record = next(values)
    except NotJson as error:
        raise Problem(400, f"the body is no JSON object: {error}") from None
    if len(record) != len(text):
        raise Problem(
            400,
            "there is more after the first JSON object; for a record a line, send it as "
            "Content-Type application/x-ndjson",
        )
    return [record]


def _too_many(max_records: int) -> Problem:
    return Problem(413, f"more than {max_records:,} records in one request; send them in parts")
