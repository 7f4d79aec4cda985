"""The gate on a data frame: pandas, Polars, DuckDB or PyArrow in, accepted and rejected rows out.

Each row is judged as the record it would be if it were sent: as JSON, which this module does not
write for rows whose columns say it already. Columns in the contract's types go to the vectorised
rules as they are; the rows these do not certify, and frames of other types, become JSON and go to
the gate.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from lakegate.errors import GateError
from lakegate.gate import Gate
from lakegate.gate.certify import Certifier
from lakegate.gate.decode.base import Decoded
from lakegate.gate.verdict import Failure, Rejected, Verdict
from lakegate.guard.column import typed
from lakegate.guard.library import library_of
from lakegate.ingest.arrow_json import row_texts

__all__ = ["REASONS", "FrameVerdict", "judge_frame"]

REASONS = "_reasons"
_REASON = pa.struct(
    [(name, pa.string()) for name in ("path", "rule", "expected", "observed", "severity")]
)
_BATCH_ROWS = 10_000
_NONE = Decoded(np.array([], dtype=np.int64), [], {})


@dataclass(frozen=True, slots=True)
class FrameVerdict:
    """What the gate says of a frame; both parts are frames of the library the input came from.

    ``accepted`` has the accepted rows in the contract's exact types and columns (with
    ``_unknown_fields`` where the contract keeps them). ``rejected`` has the other rows as they
    came, with ``_reasons`` beside them: a list of ``{path, rule, expected, observed, severity}``
    each. ``failures`` are the same reasons by the row's position in the input. Both keep the order,
    and the index of a pandas frame.
    """

    accepted: Any
    rejected: Any
    failures: dict[int, tuple[Failure, ...]]

    @property
    def is_clean(self) -> bool:
        """Whether every row is accepted."""
        return not self.failures


def judge_frame(gate: Gate, frame: Any) -> FrameVerdict:
    """Judge every row of a frame.

    ``frame`` is a pandas or Polars ``DataFrame``, a DuckDB relation, a PyArrow ``Table`` or
    ``RecordBatch``, or anything with ``__arrow_c_stream__``, for which the parts are tables. A
    missing value (pandas' NaN in a float column among them) is null. A timestamp without a zone is
    one, and so is refused where the contract wants a zone.

    Raises:
        GateError: it is no frame, two of its columns have one name, one is called ``_reasons``, one
            has values that have no JSON form, or the contract is of change events, which are no
            rows.
    """
    if gate.stream.cdc is not None:
        raise GateError(f"{gate.stream.name} takes change events: a frame holds none")
    library = library_of(frame)
    frame = library.settle(frame)
    types = {field.name: field.type for field in gate.stream.fields}
    columns = library.columns(frame, types)
    _check_names(columns.table.column_names)
    certifier = Certifier(gate.stream)
    accepted, at, rejected, start = [gate.schema.empty_table()], [], [], 0
    for batch in columns.table.to_batches(max_chunksize=_BATCH_ROWS):
        certain = _NONE if columns.written else _certain(certifier, batch, gate)
        rest = np.setdiff1d(np.arange(batch.num_rows), certain.index)
        verdict = gate(list(row_texts(batch.take(pa.array(rest)), types, columns.written)))
        accepted.append(_in_order(certain, verdict, rest, gate.schema))
        judged = rest[np.asarray(verdict.accepted_index, dtype=np.int64)]
        at.append(start + np.sort(np.concatenate([certain.index, judged])))
        rejected += [
            Rejected(start + int(rest[record.index]), None, record.failures)
            for record in verdict.rejected
        ]
        start += batch.num_rows
    good = pa.concat_tables(accepted).combine_chunks()
    where = np.concatenate([np.array([], dtype=np.int64), *at])
    bad = np.array([record.index for record in rejected], dtype=np.int64)
    return FrameVerdict(
        library.accepted(frame, good, where),
        library.rejected(frame, columns, bad, REASONS, _reasons(rejected)),
        {record.index: record.failures for record in rejected},
    )


def _check_names(names: Sequence[str]) -> None:
    if len(set(names)) != len(names):
        twice = sorted({name for name in names if names.count(name) > 1})
        raise GateError(f"the frame has more than one column {', '.join(map(repr, twice))}")
    if REASONS in names:
        raise GateError(
            f"the frame has a column {REASONS!r}, which is the name of what is set beside the "
            "rejected rows: rename it, or drop it, if the frame is the rejected rows of an earlier "
            "verdict"
        )


def _certain(certifier: Certifier, batch: pa.RecordBatch, gate: Gate) -> Decoded:
    decoded = typed(batch, gate.stream)
    if decoded is None or not len(decoded.index):
        return _NONE
    return certifier.certify(decoded).sure()


def _in_order(
    certain: Decoded, verdict: Verdict, rest: npt.NDArray[np.int64], schema: pa.Schema
) -> pa.Table:
    """The accepted rows of both ways, as they stood in the batch."""
    if not len(certain.index):
        return verdict.accepted
    columns = list(certain.columns)
    if len(schema) > len(columns):  # _unknown_fields: a frame that has any goes the other way
        columns.append(pa.nulls(len(certain.index), pa.string()))
    table = pa.Table.from_arrays(columns, schema=schema)
    if not verdict.accepted.num_rows:
        return table
    judged = rest[np.asarray(verdict.accepted_index)]
    order = np.argsort(np.concatenate([certain.index, judged]), kind="stable")
    return pa.concat_tables([table, verdict.accepted]).take(pa.array(order))


def _reasons(rejected: Sequence[Rejected]) -> pa.Array:
    reasons = [
        [
            {
                "path": failure.path,
                "rule": failure.rule,
                "expected": failure.expected,
                "observed": failure.observed,
                "severity": failure.severity.value,
            }
            for failure in record.failures
        ]
        for record in rejected
    ]
    return pa.array(reasons, pa.list_(_REASON))
