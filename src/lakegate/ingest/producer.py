"""A producer: records in, durable and acknowledged batches out."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Any, Self

from lakegate.ingest.error import IngestError
from lakegate.ingest.unsent import StampedLog, Unsent, keep, let_go, release, send_abandoned
from lakegate.topic.base import Record

__all__ = ["Producer", "StampedLog", "key_bytes"]

_INT64 = range(-(1 << 63), 1 << 63)


class Producer:
    """Sends records to one topic in batches.

    A record is durable when the :meth:`flush` behind it (or the ``with`` block) returns. What was
    taken before an error in the block is sent too; if that fails, a note on the error says how many
    records were not. A batch whose acknowledgement was lost may be flushed again: the log knows the
    producer's id and sequence, and appends nothing twice. Order is kept per key.

    A producer that is dropped with records in it loses none of them: they are sent when its project
    is closed, or when the program ends (not when it is killed), and a ResourceWarning says so. What
    cannot be sent then is a RuntimeWarning with how many records it is. In a forked child nothing
    of this is sent.

    With a ``producer_id`` of yours a whole run may be repeated, after a crash say: records are
    numbered from 0 in the order sent, and those the log has already taken from that id
    (:attr:`taken`) are passed over. So send the same records in the same order, under an id that
    names them (a file's digest, a day, an export's number), never under one that names the sender.
    ``again`` begins a new epoch, in which everything is sent once more.

    ``encode`` makes values of what is not None; without it they are bytes, or text to be UTF-8.
    ``check`` is asked before a record is taken. Both may raise; the record then counts as not sent.

    One producer belongs to one thread.
    """

    def __init__(
        self,
        log: StampedLog,
        topic: str,
        *,
        batch_records: int = 10_000,
        batch_bytes: int = 16 << 20,
        producer_id: str | None = None,
        again: bool = False,
        check: Callable[[bytes | None, bytes | None], object] | None = None,
        encode: Callable[[Any], bytes] | None = None,
    ) -> None:
        self._check = check
        self._encode = encode
        self._batch_records = batch_records
        self._batch_bytes = batch_bytes
        send_abandoned(log)
        own = producer_id or uuid.uuid4().hex
        epoch, self.taken = (0, 0) if producer_id is None else log.taken(topic, own)
        if again and self.taken:
            epoch, self.taken = epoch + 1, 0
        self._to_pass = self.taken
        self._unsent = Unsent(log, topic, producer_id=own, epoch=epoch, sequence=self.taken)
        keep(self._unsent)

    @property
    def acknowledged(self) -> int:
        """How many records this producer has appended."""
        return self._unsent.acknowledged

    def send(
        self,
        value: Any,
        *,
        key: bytes | str | None = None,
        headers: Sequence[tuple[str, bytes | str | None]] = (),
        timestamp_ms: int | None = None,
    ) -> None:
        """Take a record; it is flushed with its batch. ``timestamp_ms`` None means now.

        ``value`` is bytes, text, None (a tombstone), or what ``encode`` takes. Text, also as a key
        or the value of a header, is sent as UTF-8.

        Raises:
            IngestError: the producer is closed.
            LogFull: the batch could not be appended; its records are kept for the next flush.
            TypeError, ValueError: an argument is of another type or beyond its range; nothing of
                the record is taken.
            Exception: what ``encode`` or ``check`` raises for the record.
        """
        unsent = self._unsent
        if unsent.closed:
            raise self._closed()
        if type(value) is not bytes and value is not None:
            value = _bytes(value, "value") if self._encode is None else self._encode(value)
        if type(key) is not bytes:
            key = key_bytes(key)
        pairs = _headers(headers) if headers != () else ()
        if timestamp_ms is not None:
            _check_timestamp(timestamp_ms)
        if self._check is not None:
            self._check(value, key)
        if self._to_pass:
            self._to_pass -= 1
            return
        if timestamp_ms is None:
            timestamp_ms = time.time_ns() // 1_000_000
        unsent.waiting.append(Record(value, key, pairs, timestamp_ms))
        unsent.waiting_bytes += len(value or b"") + len(key or b"")
        if len(unsent.waiting) >= self._batch_records or unsent.waiting_bytes >= self._batch_bytes:
            unsent.flush()

    def skip(self, count: int) -> None:
        """Pass over records that were taken before, without making them again.

        Raises:
            ValueError: ``count`` is more than is left of :attr:`taken`.
        """
        if count > self._to_pass:
            raise ValueError(f"cannot skip {count} records: {self._to_pass} were taken before")
        self._to_pass -= count

    def flush(self) -> int:
        """Append everything taken so far; return how many records that were.

        Raises:
            LogFull: no room; the records are kept, and flushing again is harmless.
        """
        return self._unsent.flush()

    def close(self) -> None:
        """Flush, and take no more records. Harmless when it is closed already.

        Raises:
            LogFull: no room; the records are kept for another :meth:`flush`, and nothing but that
                sends them: they are the caller's now.
        """
        self._unsent.close()

    def discard(self) -> int:
        """Take no more records, and forget those that are not sent; return how many those were.

        Of a batch whose acknowledgement was lost, the log may have them nevertheless.
        """
        forgotten = self._unsent.count
        self._unsent.closed = True
        release(self._unsent)
        self._unsent.waiting, self._unsent.unacknowledged = [], []
        return forgotten

    def __enter__(self) -> Self:
        if self._unsent.closed:
            raise self._closed()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            self.close()
        except Exception as failed:
            note = f"not sent: {self._unsent.text}"
            if error is None:
                failed.add_note(note)
                raise
            error.add_note(f"{note}: {failed}")

    def __del__(self) -> None:
        unsent = getattr(self, "_unsent", None)  # absent if the constructor raised
        if unsent is not None:
            let_go(unsent)

    def _closed(self) -> IngestError:
        return IngestError(
            f"the producer of {self._unsent.topic} is closed, and takes no more records: send "
            "inside its `with` block and before close(), or make another producer"
        )


def key_bytes(key: Any) -> bytes | None:
    """A record's key as it is sent: bytes as they are, text as UTF-8, None for none.

    Raises:
        TypeError, ValueError: it is anything else.
    """
    return None if key is None else _bytes(key, "key")


def _check_timestamp(given: Any) -> None:
    if not isinstance(given, int) or given not in _INT64:
        raise TypeError(
            "timestamp_ms: expected milliseconds since 1970 as an int of 64 bits, "
            f"got {given!r}; give int(moment.timestamp() * 1000)"
        )


def _bytes(given: Any, name: str) -> bytes:
    if isinstance(given, bytes | bytearray | memoryview):
        return bytes(given)
    if isinstance(given, str):
        try:
            return given.encode()
        except UnicodeEncodeError as error:
            raise ValueError(f"{name}: text with half a surrogate pair has no UTF-8") from error
    advice = (
        "encode it, json.dumps(value) say, or use project.producer(stream, judged=True)"
        if name == "value"
        else "write it as text: str(...)"
    )
    raise TypeError(f"{name}: expected bytes, str or None, got {type(given).__name__}; {advice}")


def _headers(given: Any) -> tuple[tuple[str, bytes | None], ...]:
    if not isinstance(given, tuple | list):
        raise TypeError(
            f"headers: expected pairs of name and value, got {type(given).__name__}; "
            'give (("name", b"value"),)'
        )
    pairs = []
    for position, pair in enumerate(given):
        if not isinstance(pair, tuple | list) or len(pair) != 2 or not isinstance(pair[0], str):
            raise TypeError(
                f"headers[{position}]: expected a pair of name and value, got {pair!r}; "
                'give ("name", b"value")'
            )
        name, value = pair
        _bytes(name, f"headers[{position}] name")
        pairs.append((name, None if value is None else _bytes(value, f"headers[{position}]")))
    return tuple(pairs)
