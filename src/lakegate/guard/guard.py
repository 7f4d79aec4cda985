"""One record at a time, before it leaves the program that made it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from lakegate.contract.stream import Enforcement, Stream
from lakegate.errors import LakegateError
from lakegate.gate.verdict import Failure, Verdict
from lakegate.guard.json_form import json_form
from lakegate.guard.resolve import Contracting, gate_of

__all__ = ["Guard", "RecordRefused", "to_record"]

_SHOWN = 5


class RecordRefused(LakegateError):
    """A record that the stream's gate would reject; ``failures`` are all of its reasons.

    ``index`` is its position among the records that were judged together. The message has the
    first five reasons, and so parts of the record: log ``failures`` by path and rule instead where
    values must not be seen.
    """

    def __init__(self, stream: str, failures: Sequence[Failure], *, index: int = 0) -> None:
        self.stream = stream
        self.failures = tuple(failures)
        self.index = index
        shown = "; ".join(str(failure) for failure in self.failures[:_SHOWN])
        more = len(self.failures) - _SHOWN
        super().__init__(
            f"record {index} breaks the contract of {stream}: {shown}"
            + (f"; and {more} more" if more > 0 else "")
        )


class Guard:
    """Refuses records a stream would reject, with every reason; lets the others through as bytes.

    ::

        guard = lg.Guard("contracts/orders.odcs.yaml")
        kafka.produce("orders.raw", guard({"order_id": 7, ...}), key=b"7")

    May be used by several threads, and pickled. A stream that only observes
    (``lakegate.enforcement``) refuses nothing here either.
    """

    def __init__(
        self,
        contract: Contracting,
        *,
        object: str | None = None,  # noqa: A002
    ) -> None:
        """``object`` names the schema object of a contract that has several.

        Raises:
            ContractError: the contract cannot be used.
            GateError: ``contract`` is nothing that has one.
        """
        self.gate = gate_of(contract, object)
        self._enforces = self.gate.stream.enforcement is Enforcement.ENFORCE

    @property
    def stream(self) -> Stream:
        """The stream whose contract holds."""
        return self.gate.stream

    def __call__(self, record: Any) -> bytes:
        """The record as the bytes to send.

        ``record`` is JSON (bytes or str), or anything that has a plain JSON form: a mapping, a
        dataclass, an attrs class, a msgspec ``Struct``, a pydantic model. Dates and times are
        written in ISO 8601, decimals as numbers with all their digits.

        Raises:
            RecordRefused: the gate rejects it.
            TypeError: it has no JSON form; names the path of what has none.
        """
        value = to_record(record)
        self.check([value])
        return value

    def check(
        self, values: Sequence[bytes | None], keys: Sequence[bytes | None] | None = None
    ) -> Verdict:
        """Judge a batch as the gate does.

        Raises:
            RecordRefused: the first record that is rejected.
        """
        verdict = self.gate(values, keys=keys)
        if verdict.rejected and self._enforces:
            first = verdict.rejected[0]
            raise RecordRefused(self.stream.name, first.failures, index=first.index)
        return verdict


def to_record(record: Any) -> bytes:
    """A record as JSON bytes; bytes and text are taken as they are.

    Raises:
        TypeError: it has no JSON form (a function, NaN, text with half a surrogate pair).
    """
    if isinstance(record, bytes):
        return record
    if isinstance(record, bytearray | memoryview):
        return bytes(record)
    if isinstance(record, str):
        try:
            return record.encode()
        except UnicodeEncodeError as error:
            raise TypeError(f"a str has no JSON form: {error}") from error
    dump = getattr(record, "model_dump", None)  # pydantic; its own JSON has decimals as text
    if callable(dump) and not isinstance(record, type):
        record = dump(by_alias=True)
    return json_form(record)
