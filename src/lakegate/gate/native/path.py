"""The native path: a whole batch judged in one pass by ``lakegate-native``, where it is installed.

It says what the reference says, of accepted and of rejected records. What it leaves to the
reference (a record that is no JSON, whose fault only the reference words) is counted by reason in
:attr:`NativePath.fallbacks`. Rules over the whole record, and checks that it does not know, are
judged over its columns by the vectorised rules all paths share.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from copy import copy
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any, Protocol, Self

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from lakegate.contract.stream import Stream, UnknownFields
from lakegate.contract.type import (
    ArrayType,
    Constraint,
    Field,
    MapType,
    ObjectType,
    Severity,
    Type,
)
from lakegate.errors import GateError
from lakegate.gate.certify import Certifier
from lakegate.gate.decode.base import Decoded
from lakegate.gate.decode.frame import Frame
from lakegate.gate.native.choice import missing, native_module
from lakegate.gate.native.plan import Code, native_plan
from lakegate.gate.native.undeclared import declared_steps, patterns
from lakegate.gate.references import HeldReference
from lakegate.gate.rejections import REASONS
from lakegate.gate.schema import UNKNOWN_FIELDS, arrow_schema
from lakegate.gate.sql.columns import NotVectorised, evaluate_columns
from lakegate.gate.sql.rule import row_rules
from lakegate.gate.verdict import Failure, Noted, Rejected

__all__ = ["Found", "NativePath"]

_Index = npt.NDArray[np.int64]
_Mask = npt.NDArray[np.bool_]
_NOWHERE: _Index = np.array([], dtype=np.int64)
_FAILED = "the native path failed"
_OVERLONG = "paths"  # no reason to fall back: what is to be said is clear


class _Judgement(Protocol):
    """``lakegate_native.Judgement``; positions are int64 in bytes."""

    kept: bytes
    refused: bytes
    rejected: bytes
    noted: bytes
    unknown_paths: list[str]
    nulls: list[int]
    rest: list[tuple[int, int]]

    def move_rows(self, take: Callable[[int], Any]) -> Any: ...
    def move_reasons(self, take: Callable[[int], Any]) -> Any: ...
    def failures(self, position: int) -> list[tuple[int, str, str]]: ...
    def has_code(self, codes: list[int]) -> bool: ...


@dataclass(frozen=True, slots=True)
class Found:
    """What the native path is sure of in a batch, and what it leaves to the reference.

    ``rows`` are records in the schema's types and ``index`` their positions; of them ``good`` are
    accepted, and those at the positions ``ruled`` unless a rule over the whole record, or a
    relationship, rejects them, which nothing else does (:meth:`NativePath.accepted`). ``rejected``
    and ``noted`` are positions, of which the path makes records when asked; ``overlong`` are those
    of records with more to tell than may be, ``rest`` the positions left, ``nulls`` those of nulls.
    ``unknown_paths`` are those of all ``rows``.
    """

    rows: pa.Table
    index: _Index
    good: _Mask
    ruled: _Index
    rejected: _Index
    noted: _Index
    overlong: Sequence[int]
    rest: _Index
    nulls: Sequence[int]
    unknown_paths: frozenset[str]
    judgement: _Judgement


class NativePath:
    """Judges batches of one stream natively; calls may come from several threads.

    Raises (when made):
        GateError: ``lakegate-native`` is not installed, or is of another version.
    """

    def __init__(self, stream: Stream, frame: Frame) -> None:
        module = native_module()
        if module is None:
            raise GateError(missing())
        plan = native_plan(stream, frame)
        self.codes: tuple[Code, ...] = plan.codes
        self._plan = module.Plan(plan.text)
        self._reasons: Sequence[str] = module.REASONS
        self.uncovered: Sequence[str] = tuple(self._plan.uncovered)
        """Paths of values of a type that is not covered; with any, the path is not to be used."""
        self.foreign: Sequence[Code] = tuple(self.codes[code] for code in self._plan.foreign)
        """Checks that are judged over the columns instead."""
        self._schema = arrow_schema(stream)
        self._rules = row_rules(stream)
        self._references: tuple[HeldReference, ...] = ()
        self._others = _Others(stream, self.foreign) if self.foreign else None
        self._steps = declared_steps(ObjectType(stream.fields))
        self._keeps_unknown = stream.unknown_fields is UnknownFields.KEEP
        critical = Severity.CRITICAL
        self._critical = [at for at, code in enumerate(self.codes) if code.severity is critical]
        self._counts: Counter[str] = Counter()
        self._lock = threading.Lock()

    def refer(self, references: tuple[HeldReference, ...], schema: pa.Schema) -> Self:
        """This path with relationships to judge, and rows that name what they are judged by."""
        made = copy(self)
        made._references, made._schema = references, schema
        return made

    @property
    def fallbacks(self) -> Mapping[str, int]:
        """How many records were left to the reference so far, by reason."""
        with self._lock:
            return MappingProxyType(dict(self._counts))

    def judge(self, values: Any) -> Found | None:
        """The batch judged; None when the native path failed, which is a bug and is counted.

        ``values`` is an Arrow array of ``binary`` or ``large_binary``, or a sequence of bytes and
        None.

        Raises:
            OverflowError: the batch, of more than one record, has more than columns hold; halve it.
        """
        try:
            judgement: _Judgement = self._plan.judge(values)
            batch = judgement.move_rows(self._import_rows)
        except OverflowError:
            if len(values) > 1:
                raise
            return None
        except Exception:  # whatever it is, the records get their verdict
            self._count(_FAILED, len(values))
            return None
        index = np.frombuffer(judgement.kept, dtype=np.int64)
        rejected = np.frombuffer(judgement.rejected, dtype=np.int64)
        rest = _NOWHERE
        left, overlong = judgement.rest, []
        if left:
            overlong = [position for position, why in left if self._reasons[why] == _OVERLONG]
            left = [one for one in left if self._reasons[one[1]] != _OVERLONG]
        if left:
            rest = np.array([position for position, _ in left], dtype=np.int64)
            for why, records in Counter(why for _, why in left).items():
                self._count(self._reasons[why], records)
        noted = np.frombuffer(judgement.noted, dtype=np.int64)
        table = pa.Table.from_batches([batch])
        good, ruled = np.ones(len(index), dtype=bool), _NOWHERE
        if self._rules or self._references or self._others is not None:
            sure, passed = self._judge_columns(table)
            good = sure & passed
            doubted = ~good
            good[np.frombuffer(judgement.refused, dtype=np.int64)] = False
            failed = np.concatenate([rejected, noted])
            by_rule = sure & ~passed & ~np.isin(index, failed)
            ruled, again = index[by_rule], index[doubted & ~by_rule]
            if len(again):
                rest = np.union1d(rest, again)
                rejected = np.setdiff1d(rejected, again, assume_unique=True)
                noted = np.setdiff1d(noted, again, assume_unique=True)
        return Found(
            rows=table,
            index=index,
            good=good,
            ruled=ruled,
            rejected=rejected,
            noted=noted,
            overlong=overlong,
            rest=rest,
            nulls=judgement.nulls,
            unknown_paths=frozenset(judgement.unknown_paths),
            judgement=judgement,
        )

    def accepted(
        self, found: Found, standing: Sequence[int]
    ) -> tuple[pa.Table, _Index, frozenset[str]]:
        """The accepted rows, their positions and their undeclared paths.

        ``standing`` are those of ``found.ruled`` that no rule rejects.
        """
        keep = found.good
        if standing:
            keep = keep | np.isin(found.index, np.array(standing))
        if keep.all():
            return found.rows, found.index, found.unknown_paths
        rows, paths = found.rows.filter(pa.array(keep)), found.unknown_paths
        if paths:
            paths = patterns(rows.column(UNKNOWN_FIELDS), self._steps)
        return rows, found.index[keep], paths

    def _judge_columns(self, table: pa.Table) -> tuple[_Mask, _Mask]:
        """Which rows certainly pass the checks left to columns, and which the rules over them."""
        sure = np.ones(table.num_rows, dtype=bool)
        if self._others is not None:
            sure = self._others.passed(table)
            self._count("a check judged over columns", int(np.count_nonzero(~sure)))
        passed = np.ones(table.num_rows, dtype=bool)
        for rule in self._rules:
            try:
                rejects = evaluate_columns(rule.rule, table).fill_null(False)
            except NotVectorised:
                passed[:] = False
                self._count("a SQL rule that columns cannot answer", table.num_rows)
            else:
                hit = rejects.to_numpy(zero_copy_only=False)
                self._count("a SQL rule that is true", int(np.count_nonzero(hit & passed)))
                passed &= ~hit
        for reference in self._references:
            known = reference.passes(table)
            self._count("a key that is not known", int(np.count_nonzero(passed & ~known)))
            passed &= known
        return sure, passed

    def rejected(self, position: int, value: bytes, judgement: _Judgement) -> Rejected:
        """The rejected record at that position."""
        return Rejected(position, value, self._failures(judgement.failures(position)))

    def noted(self, position: int, judgement: _Judgement) -> Noted:
        """The accepted record at that position, with what it fails."""
        return Noted(position, self._failures(judgement.failures(position)))

    def reasons(self, index: _Index, judgement: _Judgement) -> pa.Array:
        """The failures of the rejected records at these positions, as ``REASONS``."""
        reasons = judgement.move_reasons(_import_reasons)
        if len(reasons) == len(index):
            return reasons
        every = np.frombuffer(judgement.rejected, dtype=np.int64)
        return reasons.take(pa.array(np.searchsorted(every, index)))

    def is_critical(self, judgement: _Judgement) -> bool:
        """Whether a failure of a rejected record pauses the stream."""
        return bool(self._critical) and judgement.has_code(self._critical)

    def _failures(self, found: Sequence[tuple[int, str, str]]) -> tuple[Failure, ...]:
        failures = []
        for number, path, observed in found:
            code = self.codes[number]
            failures.append(Failure(path, code.rule, code.expected, observed, code.severity))
        return tuple(failures)

    def _import_rows(self, address: int) -> pa.RecordBatch:
        return pa.RecordBatch._import_from_c(address, self._schema)

    def _count(self, reason: str, records: int) -> None:
        if records:
            with self._lock:
                self._counts[reason] += records


def _import_reasons(address: int) -> pa.Array:
    return pa.Array._import_from_c(address, REASONS)


class _Others:
    """The checks of a stream that the native path does not know, over its columns."""

    def __init__(self, stream: Stream, foreign: Sequence[Code]) -> None:
        self._kept = {id(code.constraint) for code in foreign}
        fields = [(at, self._only(field)) for at, field in enumerate(stream.fields)]
        self._columns = [at for at, field in fields if _has_checks(field)]
        reduced = replace(
            stream,
            fields=tuple(field for _, field in fields if _has_checks(field)),
            constraints=(),
            rules=(),
            unknown_fields=UnknownFields.IGNORE,
        )
        self._certifier = Certifier(reduced)

    def passed(self, table: pa.Table) -> npt.NDArray[np.bool_]:
        """Which rows certainly pass."""
        columns = [table.column(at).combine_chunks() for at in self._columns]
        everywhere = np.arange(table.num_rows)
        sure = self._certifier.certify(Decoded(everywhere, columns, {})).sure().index
        found = np.zeros(table.num_rows, dtype=bool)
        found[sure] = True
        return found

    def _only(self, field: Field) -> Field:
        """The field with nothing asked of it but those checks."""
        kept: tuple[Constraint, ...] = tuple(
            constraint for constraint in field.constraints if id(constraint) in self._kept
        )
        return replace(field, required=False, constraints=kept, type=self._only_inside(field.type))

    def _only_inside(self, type_: Type) -> Type:
        match type_:
            case ArrayType(item=item):
                return ArrayType(self._only(item))
            case MapType(key=key, value=value):
                return MapType(self._only(key), self._only(value))
            case ObjectType(fields=fields):
                return ObjectType(tuple(map(self._only, fields)))
            case _:
                return type_


def _has_checks(field: Field) -> bool:
    if field.constraints:
        return True
    match field.type:
        case ArrayType(item=item):
            return _has_checks(item)
        case MapType(key=key, value=value):
            return _has_checks(key) or _has_checks(value)
        case ObjectType(fields=fields):
            return any(map(_has_checks, fields))
        case _:
            return False
