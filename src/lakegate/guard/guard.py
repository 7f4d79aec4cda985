"""One record at a time, before it leaves the program that made it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from lakegate.contract import Contract, load
from lakegate.contract.stream import Enforcement, Stream
from lakegate.errors import LakegateError
from lakegate.gate import Gate, compile  # noqa: A004 - as users write it
from lakegate.gate.verdict import Failure, Verdict

__all__ = ["Guard", "RecordRefused", "to_record"]

# Numbers of decimals are written in full; the gate reads their text.
_ENCODER = msgspec.json.Encoder(decimal_format="number")
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

    May be used by several threads. A stream that only observes (``lakegate.enforcement``) refuses
    nothing here either.
    """

    def __init__(
        self,
        contract: str | Path | Contract | Stream | Gate,
        *,
        object: str | None = None,  # noqa: A002
    ) -> None:
        """``object`` names the schema object of a contract that has several.

        Raises:
            ContractError: the contract cannot be used.
        """
        self.gate = _gate(contract, object)
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
            TypeError: it has no JSON form.
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


def _gate(contract: str | Path | Contract | Stream | Gate, name: str | None) -> Gate:
    if isinstance(contract, Gate):
        return contract
    if isinstance(contract, str | Path):
        contract = load(contract)
    return compile(contract if isinstance(contract, Stream) else contract.stream(name))


def to_record(record: Any) -> bytes:
    """A record as JSON bytes; bytes and text are taken as they are.

    Raises:
        TypeError: it has no JSON form (a function, NaN, text with half a surrogate pair).
    """
    if isinstance(record, bytes):
        return record
    if isinstance(record, bytearray | memoryview):
        return bytes(record)
    try:
        if isinstance(record, str):
            return record.encode()
        dump = getattr(record, "model_dump", None)  # pydantic; its own JSON has decimals as text
        if callable(dump):
            record = dump(by_alias=True)
        _refuse_nan(record)
        return _ENCODER.encode(record)
    except (TypeError, ValueError, RecursionError) as error:
        raise TypeError(f"a {type(record).__name__} has no JSON form: {error}") from error


def _refuse_nan(value: Any) -> None:
    """The encoder would write null for NaN, and the record would be another one."""
    if isinstance(value, float):
        if not math.isfinite(value):
            raise ValueError(f"JSON has no {value}")
    elif isinstance(value, Mapping):
        for member in value.values():
            _refuse_nan(member)
    elif isinstance(value, list | tuple):
        for member in value:
            _refuse_nan(member)
    elif not isinstance(value, str | int | None):
        _refuse_nan_members(value)


def _refuse_nan_members(value: Any) -> None:
    names = getattr(value, "__struct_fields__", ())  # msgspec
    for name in names or getattr(value, "__dataclass_fields__", ()):
        _refuse_nan(getattr(value, name))
