"""The gate: ``(contract, batch of bytes) -> verdict``, exact per record (SEMANTICS, "The verdict").

A decoder turns the batch into columns, one set of vectorised rules certifies rows of them, and
every record that is not certified is judged by the reference path. The verdict is that of the
reference, whatever the decoder is.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from copy import copy
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from lakegate.contract.stream import Stream, UnknownFields
from lakegate.errors import GateError
from lakegate.gate import batch
from lakegate.gate.batch import Values
from lakegate.gate.certify import Certified, Certifier
from lakegate.gate.decode.base import Decoded, Decoder, Undeclared
from lakegate.gate.decode.choice import format_of
from lakegate.gate.decode.format import Format
from lakegate.gate.judgement import Doubt, Judgement, too_much
from lakegate.gate.native.choice import Path, chosen_path, native_module, native_path
from lakegate.gate.reference import Reference, unknown_text
from lakegate.gate.references import ReferenceSet, hold, named
from lakegate.gate.rejections import Notes, Rejections
from lakegate.gate.schema import arrow_schema
from lakegate.gate.verdict import Noted, Rejected, Verdict, joined

if TYPE_CHECKING:
    from lakegate.gate.native.path import Found, NativePath

__all__ = ["Gate", "Values", "compile"]

_RULES = Doubt(rules=True)
_PATHS = ("native", "fast", "reference")
_FEW = 64  # below this, judging one by one costs less than columns do


def compile(  # noqa: A001 - lakegate.compile, as re.compile
    stream: Stream,
    *,
    decoder: Decoder | Path | None = None,
    format: Format | None = None,  # noqa: A002
) -> Gate:
    """The gate of a stream.

    ``decoder`` selects a path by name: ``"native"`` (``lakegate-native`` is installed), ``"fast"``
    (pure Python) or ``"reference"`` (record by record); None is what ``LAKEGATE_GATE`` says, else
    the native path where it is installed, else the fast one. Anything else is a decoder of the
    caller's. The verdict is the same on all paths. ``format`` None is what the contract says
    records are written in. The gate of a stream of changes is a
    :class:`~lakegate.gate.debezium.gate.ChangeGate`.

    Raises:
        ContractError: a pattern, format or SQL rule of the stream cannot be enforced.
        GateError: the native path is asked for by name and cannot be used, no path has that name,
            or ``stream`` is none.
    """
    if not isinstance(stream, Stream):
        raise GateError(
            f"expected a Stream, got {batch.kind_of(stream)}: take one from a contract, "
            "load(file).stream(), or use lakegate.compile, which takes a file"
        )
    if isinstance(decoder, str) and decoder not in _PATHS:
        raise GateError(f"decoder {decoder!r}: expected one of {', '.join(_PATHS)}, or a Decoder")
    if decoder is None:
        decoder = chosen_path()
    made = _compiled(stream, decoder, format)
    made._recipe = (stream, decoder, format)
    return made


def _compiled(stream: Stream, decoder: Decoder | Path, format: Format | None) -> Gate:  # noqa: A002
    if stream.cdc is not None:
        from lakegate.gate.debezium.gate import ChangeGate

        return ChangeGate(stream, decoder, format)
    if format is None:
        format = format_of(stream)  # noqa: A001
    if decoder == "reference":
        return Gate(stream, None, format)
    if decoder == "native":
        # What it does not cover (another format, a type) is the fast path's.
        native = native_path(stream, format)
        return Gate(stream, format.decoder(), format, native=native)
    return Gate(stream, format.decoder() if decoder == "fast" else decoder, format)


class Gate:
    """Judges batches of records of one stream. Calls may come from several threads.

    A gate may be pickled: it is compiled again from its stream where it is loaded, and takes the
    fast path there if the native one is not installed.
    """

    def __init__(
        self,
        stream: Stream,
        decoder: Decoder | None,
        format: Format | None = None,  # noqa: A002
        *,
        native: NativePath | None = None,
    ) -> None:
        self.stream = stream
        self.schema = arrow_schema(stream)
        self._decoder = decoder
        self._native = native
        self._certifier = Certifier(stream)
        self._reference = Reference(stream, format)
        self._recipe: tuple[Stream, Decoder | Path, Format | None]  # what `compile` was given
        self._sets: Mapping[str, ReferenceSet] = {}
        self._keeps_unknown = stream.unknown_fields is UnknownFields.KEEP
        self.references: Mapping[str, int] = {}
        """The relationships that are judged, each with the snapshot its keys come from."""

    def refer(self, sets: Mapping[str, ReferenceSet]) -> Self:
        """This gate with these keys to judge relationships by, in place of any it had.

        ``sets`` are by the name of the relationship. Cheap: nothing is compiled again. A
        relationship without a set is left to the audit.

        Raises:
            GateError: a set is of no relationship that is judged at the gate, or does not fit.
        """
        held = hold(self.stream, sets)
        made = copy(self)
        made._sets = sets
        made.references = {name: found.snapshot_id for name, found in sets.items()}
        made.schema = named(self.schema, sets)
        made._certifier = self._certifier.refer(held)
        made._reference = self._reference.refer(held)
        made._native = None if self._native is None else self._native.refer(held, made.schema)
        return made

    def __copy__(self) -> Self:
        made = object.__new__(type(self))
        made.__dict__.update(self.__dict__)
        return made

    def __reduce__(self) -> tuple[Any, ...]:
        return _recompiled, (*self._recipe, dict(self._sets))

    @property
    def path(self) -> Path:
        """How records are judged: ``"native"``, ``"fast"`` or ``"reference"``."""
        if self._native is not None:
            return "native"
        return "reference" if self._decoder is None else "fast"

    @property
    def fallbacks(self) -> Mapping[str, int]:
        """How many records the native path left to the reference so far, by reason."""
        return {} if self._native is None else self._native.fallbacks

    def __call__(self, values: Values, *, keys: Values | None = None) -> Verdict:
        """Judge a batch; never raises for bad data.

        ``values`` and ``keys`` are sequences of bytes or None, or Arrow arrays of ``binary`` or
        ``large_binary``, of equal length. A null value with a key is a tombstone, without a key it
        is rejected as ``record.null``.

        Raises:
            GateError: the input has another shape than this.
        """
        try:
            return self._judge(values, keys)
        except pa.ArrowCapacityError:
            # More than columns hold: undeclared fields repeat keys, and so take more than was sent.
            if len(values) < 2:
                raise
            return self._halved(values, keys)
        except (TypeError, AttributeError, ValueError) as error:
            batch.refuse_members(values, error)
            raise

    def _judge(self, values: Values, keys: Values | None) -> Verdict:
        is_arrow = batch.is_arrow(values, "values")
        values = values if is_arrow else batch.by_position(values)
        if self._native is not None:
            array = batch.one_array(values) if is_arrow else values
            try:
                natively = self._native.judge(array)
            except OverflowError:
                return self._halved(values, keys)
            if natively is not None:
                return self._native_verdict(self._native, natively, array, keys)
        if batch.is_too_large(values, self.stream.size_limit_bytes):
            return self._halved(values, keys)
        records = values.to_pylist() if is_arrow else values  # type: ignore[union-attr]
        tombstones = batch.tombstones_of(records, keys)
        judged = self._certify(records)
        doubts = judged.doubts
        sure = np.zeros(len(records), dtype=bool)
        sure[judged.rows.index[judged.good]] = True
        sure[tombstones] = True
        rest = _Rest()
        for position in np.flatnonzero(~sure).tolist():
            value = records[position]
            if value is not None and position in doubts:
                found = self._reference.judge_doubt(value, doubts[position])
            else:
                found = self._reference.judge(value)
            rest.add(position, value, found)
        certified = judged.sure(rest.standing)
        return Verdict(
            contract=self.stream.contract,
            accepted=self._accepted(certified, rest),
            accepted_index=pa.array(np.sort(np.concatenate([certified.index, rest.index]))),
            rejected=rest.rejected,
            noted=rest.noted,
            tombstones=tombstones,
            unknown_paths=frozenset(rest.unknown_paths | _patterns(certified, self._keeps_unknown)),
            references=self.references,
        )

    def _halved(self, values: Values, keys: Values | None) -> Verdict:
        half = len(values) // 2
        first = self(values[:half], keys=None if keys is None else keys[:half])
        second = self(values[half:], keys=None if keys is None else keys[half:])
        return joined([(0, first), (half, second)])

    def _native_verdict(
        self, native: NativePath, found: Found, values: Values, keys: Values | None
    ) -> Verdict:
        """The verdict of what the native path found, and of the reference on what it left."""
        tombstones = batch.keyed(found.nulls, len(values), keys)
        rest = _Rest()
        left = found.rest
        if len(found.nulls) > len(tombstones):
            keyed = frozenset(tombstones)
            left = _sorted(left, [at for at in found.nulls if at not in keyed])
        ruled, overlong = frozenset(found.ruled.tolist()), frozenset(found.overlong)
        for position in _sorted(left, [*ruled, *overlong]).tolist():
            value = batch.value_at(values, position)
            if position in overlong:
                rest.add(position, value, too_much(len(value)))
            elif position in ruled:
                rest.add(position, value, self._reference.judge_doubt(value, _RULES))
            else:
                rest.add(position, value, self._reference.judge(value))
        accepted, index, unknown_paths = native.accepted(found, rest.standing)
        if rest.rows:
            both = np.concatenate([index, rest.index])
            order = np.argsort(both, kind="stable")
            accepted = pa.concat_tables([accepted, self._table(rest.rows)])
            accepted, index = accepted.take(pa.array(order)).combine_chunks(), both[order]
        known = {record.index: record for record in rest.rejected}
        noted = {record.index: record for record in rest.noted}
        judgement = found.judgement
        return Verdict(
            contract=self.stream.contract,
            accepted=accepted,
            accepted_index=pa.array(index),
            rejected=Rejections(
                _sorted(found.rejected, [*known]),
                known,
                make=lambda at: native.rejected(at, batch.value_at(values, at), judgement),
                reasons=lambda index: native.reasons(index, judgement),
                is_critical=native.is_critical(judgement),
            ),
            noted=Notes(
                _sorted(found.noted, [*noted]),
                noted,
                make=lambda at: native.noted(at, judgement),
            ),
            tombstones=tombstones,
            unknown_paths=unknown_paths | rest.unknown_paths,
            references=self.references,
        )

    def _certify(self, records: Sequence[bytes | None]) -> Certified:
        if self._decoder is None or len(records) < _FEW:
            return Certified.nothing()
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
        self.standing: list[int] = []  # accepted as the columns have them
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
        if found.stands:
            self.standing.append(position)
        else:
            self._index.append(position)
            self.rows.append(found.row)
            self.unknown_paths |= found.unknown_paths
        if found.failures:
            self.noted.append(Noted(position, tuple(found.failures)))


def _recompiled(
    stream: Stream,
    decoder: Decoder | Path,
    format: Format | None,  # noqa: A002
    sets: Mapping[str, ReferenceSet],
) -> Gate:
    if decoder == "native" and native_module() is None:
        decoder = "fast"
    made = compile(stream, decoder=decoder, format=format)
    return made.refer(sets) if sets else made


def _sorted(one: npt.NDArray[np.int64], other: Sequence[int]) -> npt.NDArray[np.int64]:
    if not other:
        return one
    return np.sort(np.concatenate([one, np.array(other, dtype=np.int64)]))


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
