"""The gate: ``(contract, batch of bytes) -> verdict``, exact per record (SEMANTICS, "The verdict").

A decoder turns the batch into columns, one set of vectorised rules certifies rows of them, and
every record that is not certified is judged by the reference path. The verdict is that of the
reference, whatever the decoder is.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal, TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from lakegate.contract.stream import Stream, UnknownFields
from lakegate.errors import GateError
from lakegate.gate.certify import Certified, Certifier
from lakegate.gate.decode.base import Decoded, Decoder, Undeclared
from lakegate.gate.decode.struct import StructDecoder
from lakegate.gate.reference import Judgement, Reference, unknown_text
from lakegate.gate.schema import arrow_schema
from lakegate.gate.verdict import Noted, Rejected, Verdict, joined

__all__ = ["Gate", "Values", "compile"]

Values: TypeAlias = Sequence[bytes | None] | pa.Array | pa.ChunkedArray
_BATCH_BYTES = 1 << 30  # a string column of Arrow holds 2 GiB; larger batches are halved
_FEW = 64  # below this, judging one by one costs less than columns do


def compile(  # noqa: A001 - lakegate.compile, as re.compile
    stream: Stream, *, decoder: Decoder | Literal["reference"] | None = None
) -> Gate:
    """The gate of a stream.

    ``decoder`` None is the fast path of the pure Python install, ``"reference"`` judges record by
    record, and anything else is a decoder of the caller's. The gate of a stream of changes is a
    :class:`~lakegate.gate.debezium.ChangeGate`.

    Raises:
        ContractError: a pattern, format or SQL rule of the stream cannot be enforced.
    """
    if stream.cdc is not None:
        from lakegate.gate.debezium import ChangeGate

        return ChangeGate(stream, decoder)
    if decoder is None:
        decoder = StructDecoder(stream)
    return Gate(stream, None if decoder == "reference" else decoder)


class Gate:
    """Judges batches of records of one stream. Calls may come from several threads."""

    def __init__(self, stream: Stream, decoder: Decoder | None) -> None:
        self.stream = stream
        self.schema = arrow_schema(stream)
        self._decoder = decoder
        self._certifier = Certifier(stream)
        self._reference = Reference(stream)
        self._keeps_unknown = stream.unknown_fields is UnknownFields.KEEP

    def __call__(self, values: Values, *, keys: Values | None = None) -> Verdict:
        """Judge a batch; never raises for bad data.

        ``values`` and ``keys`` are sequences of bytes or None, or Arrow arrays of ``binary`` or
        ``large_binary``, of equal length. A null value with a key is a tombstone, without a key it
        is rejected as ``record.null``.

        Raises:
            GateError: the input has another shape than this.
        """
        records = _as_sequence(values, "values")
        if len(records) > 1 and _size(records, self.stream.size_limit_bytes) > _BATCH_BYTES:
            half = len(records) // 2
            first = self(values[:half], keys=None if keys is None else keys[:half])
            second = self(values[half:], keys=None if keys is None else keys[half:])
            return joined([(0, first), (half, second)])
        tombstones = _tombstones(records, keys)
        judged = self._certify(records)
        certified, doubts = judged.rows, judged.doubts
        sure = np.zeros(len(records), dtype=bool)
        sure[certified.index] = True
        sure[tombstones] = True
        rest = _Rest()
        for position in np.flatnonzero(~sure).tolist():
            value = records[position]
            if value is not None and position in doubts:
                found = self._reference.judge_columns(value, doubts[position])
            else:
                found = self._reference.judge(value)
            rest.add(position, value, found)
        return Verdict(
            contract=self.stream.contract,
            accepted=self._accepted(certified, rest),
            accepted_index=pa.array(np.sort(np.concatenate([certified.index, rest.index]))),
            rejected=rest.rejected,
            noted=rest.noted,
            tombstones=tombstones,
            unknown_paths=frozenset(rest.unknown_paths | _patterns(certified, self._keeps_unknown)),
        )

    def _certify(self, records: Sequence[bytes | None]) -> Certified:
        if self._decoder is None or len(records) < _FEW:
            return _nothing()
        return self._certifier.certify(self._decoder.decode(records))

    def _table(self, rows: list[dict[str, Any]]) -> pa.Table:
        """Rows of the reference path as a table; one conversion for all columns."""
        columns = pa.array(rows, pa.struct(self.schema)).flatten()
        return pa.Table.from_arrays(columns, schema=self.schema)

    def _accepted(self, certified: Decoded, rest: _Rest) -> pa.Table:
        columns = list(certified.columns)
        if not len(certified.index):
            return self._table(rest.rows)
        if self._keeps_unknown:
            columns.append(_unknown_column(certified))
        table = pa.Table.from_arrays(columns, schema=self.schema)
        if not rest.rows:
            return table
        table = pa.concat_tables([table, self._table(rest.rows)])
        order = np.argsort(np.concatenate([certified.index, rest.index]), kind="stable")
        return table.take(pa.array(order)).combine_chunks()


class _Rest:
    """What the reference path found, sorted into its kinds, in input order."""

    def __init__(self) -> None:
        self._index: list[int] = []
        self.rows: list[dict[str, Any]] = []
        self.rejected: list[Rejected] = []
        self.noted: list[Noted] = []
        self.unknown_paths: set[str] = set()

    @property
    def index(self) -> npt.NDArray[np.int64]:
        """Positions of the accepted rows."""
        return np.array(self._index, dtype=np.int64)

    def add(self, position: int, value: bytes | None, found: Judgement) -> None:
        if found.rejects:
            self.rejected.append(Rejected(position, value, tuple(found.failures)))
            return
        self._index.append(position)
        self.rows.append(found.row)
        self.unknown_paths |= found.unknown_paths
        if found.failures:
            self.noted.append(Noted(position, tuple(found.failures)))


def _size(records: Sequence[bytes | None], limit: int) -> int:
    """At most this many bytes come to the decoder; counted only when it could be too many."""
    if len(records) * limit <= _BATCH_BYTES:
        return 0
    return sum(len(record) for record in records if record is not None)


def _as_sequence(values: Values, name: str) -> Sequence[bytes | None]:
    if isinstance(values, pa.Array | pa.ChunkedArray):
        if not (pa.types.is_binary(values.type) or pa.types.is_large_binary(values.type)):
            raise GateError(f"{name}: expected binary or large_binary, got {values.type}")
        return values.to_pylist()  # type: ignore[no-any-return]
    return values


def _tombstones(records: Sequence[bytes | None], keys: Values | None) -> list[int]:
    if keys is None:
        return []
    if len(keys) != len(records):
        raise GateError(f"expected as many keys as values: {len(keys)} and {len(records)}")
    if None not in records:
        return []
    known = _as_sequence(keys, "keys")
    return [
        position
        for position, value in enumerate(records)
        if value is None and known[position] is not None
    ]


def _nothing() -> Certified:
    return Certified(Decoded(np.array([], dtype=np.int64), [], {}), {})


def _patterns(certified: Decoded, keeps_unknown: bool) -> set[str]:
    if not keeps_unknown:
        return set()
    return {field.pattern for fields in certified.undeclared.values() for field in fields}


def _unknown_column(certified: Decoded) -> pa.Array:
    undeclared: Mapping[int, Sequence[Undeclared]] = certified.undeclared
    if not undeclared:
        return pa.nulls(len(certified.index), pa.string())
    return pa.array(
        [
            unknown_text({field.path: field.text for field in undeclared.get(position, ())})
            for position in certified.index.tolist()
        ],
        pa.string(),
    )
