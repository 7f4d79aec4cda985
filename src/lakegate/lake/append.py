"""Landing rows: one append to ``staged`` that carries the offsets it is made of."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import TYPE_CHECKING

import pyarrow as pa

from lakegate.contract.stream import ContractRef, Stream
from lakegate.errors import CommitConflict, LakeError
from lakegate.fault import reach
from lakegate.lake.catalog import refresh, staged_id
from lakegate.lake.commit import Change, commit_change, lineage
from lakegate.lake.conform import conform
from lakegate.lake.datafile import discard, write_rows
from lakegate.lake.failure import translated
from lakegate.lake.snapshot import (
    KIND,
    OFFSETS,
    STAGED,
    Kind,
    contract_properties,
    format_offsets,
    parse_offsets,
)
from lakegate.lake.sweep import GRACE
from lakegate.lake.table import schema_of_digest
from lakegate.topic.base import TopicPartition

if TYPE_CHECKING:
    from pyiceberg.manifest import DataFile
    from pyiceberg.table import Table

__all__ = ["append", "conformed", "contract_of", "landed"]

_ATTEMPTS = 5

_NOT_LANDED = frozenset({"_key", "_headers", "_timestamp"})


def landed(table: Table) -> dict[TopicPartition, int]:
    """The next offset of every partition that ever landed, as the newest staged snapshot says.

    A snapshot that does not say (another tool's) is passed over for the one before it.
    """
    for snapshot in lineage(table.metadata, staged_id(table)):
        text = None if snapshot.summary is None else snapshot.summary.get(OFFSETS)
        if text is not None:
            return parse_offsets(text)
    return {}


def contract_of(schema: pa.Schema) -> ContractRef | None:
    """The contract that judged rows of this schema, from its metadata (``lakegate.contract.*``)."""
    said = schema.metadata or {}
    names = ("id", "version", "digest")
    values = [said.get(f"lakegate.contract.{name}".encode()) for name in names]
    if any(value is None for value in values):
        return None
    return ContractRef(*(value.decode() for value in values if value is not None))


def conformed(table: Table, stream: Stream, rows: pa.Table) -> pa.Table:
    """Validated rows in the columns of ``table``, whichever contract judged them.

    Rows of a contract that the table has not followed yet come back as they are, if landing would
    refuse them: none of them can be in the table.

    Raises:
        LakeError: they do not fit the table.
    """
    judge = contract_of(rows.schema) or stream.contract
    try:
        with translated(f"cannot bring rows to table {stream.table}"):
            return _in_table_schema(table, stream, rows, judge)
    except LakeError:
        if schema_of_digest(table, judge.digest) is not None:
            raise
        return rows


def append(
    table: Table,
    stream: Stream,
    rows: pa.Table,
    *,
    offsets: Mapping[TopicPartition, tuple[int, int]],
    keep: int,
) -> int:
    """Append ``rows`` to ``staged`` in one snapshot; they are the offsets ``[from, next)`` given.

    Returns the number of rows. No rows, but offsets that advance, is an empty append.

    Raises:
        CommitConflict: the landed offsets are not those of ``from`` (already landed, or a gap), or
            another writer committed first; nothing happened.
        LakeUnavailable: no room; nothing happened.
        LakeError: the rows do not fit the table.
    """
    from pyiceberg.exceptions import CommitFailedException

    _check_offsets(table, landed(table), offsets)
    judge = contract_of(rows.schema) or stream.contract
    reach("lake.land.before")
    with translated(f"cannot land {rows.num_rows} rows in table {stream.table}"):
        written_at = time.monotonic()
        files = write_rows(table, _in_table_schema(table, stream, rows, judge))
        reach("lake.land.written")
        try:
            _commit(table, files, judge, offsets=offsets, keep=keep, written_at=written_at)
        except (CommitConflict, CommitFailedException):
            # Only these say that no snapshot refers to the files; after any other one may.
            discard(table, files)
            raise
    reach("lake.land.committed")
    return int(rows.num_rows)


def _commit(
    table: Table,
    files: list[DataFile],
    judge: ContractRef,
    *,
    offsets: Mapping[TopicPartition, tuple[int, int]],
    keep: int,
    written_at: float,
) -> None:
    """Commit written files, again if a commit of others came between that does not concern them.

    That is a publish, an expiry, a compaction: what decides is that the landed offsets, read anew
    before each try, are still the ones these rows follow.
    """
    from pyiceberg.exceptions import CommitFailedException

    schema_id, spec_id = table.metadata.current_schema_id, table.metadata.default_spec_id
    for attempt in range(1, _ATTEMPTS + 1):
        if time.monotonic() - written_at > GRACE.total_seconds() / 2:
            raise CommitConflict(
                f"the files for table {'.'.join(table.name())} were written over "
                f"{GRACE / 2} ago and may have been swept: read the landed offsets and land again"
            )
        before = landed(table)
        _check_offsets(table, before, offsets)
        now = before | {source: after for source, (_, after) in offsets.items()}
        properties = {KIND: Kind.LAND.value, OFFSETS: format_offsets(now)}
        change = Change(properties=properties | contract_properties(judge), added=files, keep=keep)
        try:
            commit_change(table, change)
            return
        except CommitFailedException:
            refresh(table)
            followed = (table.metadata.current_schema_id, table.metadata.default_spec_id)
            if attempt == _ATTEMPTS or followed != (schema_id, spec_id):
                raise


def _check_offsets(
    table: Table,
    before: Mapping[TopicPartition, int],
    offsets: Mapping[TopicPartition, tuple[int, int]],
) -> None:
    for source, (first, after) in offsets.items():
        if after < first:
            raise LakeError(f"cannot land {source}: offsets [{first}, {after}) go backwards")
        there = before.get(source)
        if there is not None and there != first:
            said = "are already landed" if there > first else "would leave a gap"
            raise CommitConflict(
                f"cannot land {source} [{first}, {after}) in {'.'.join(table.name())}: branch "
                f"{STAGED} has landed up to {there}, so these offsets {said}; another lander is at "
                "work, or this one is stale: read the landed offsets and try again"
            )


def _in_table_schema(table: Table, stream: Stream, rows: pa.Table, judge: ContractRef) -> pa.Table:
    source = schema_of_digest(table, judge.digest)
    if source is None:
        source = table.schema()
        names = {item.name for item in source.fields}
        unknown = [n for n in rows.column_names if n not in names and n not in _NOT_LANDED]
        if unknown:
            raise LakeError(
                f"rows judged by contract {judge.id} {judge.version} have columns that table "
                f"{stream.table} lacks: {', '.join(unknown)}; the table never followed that "
                "contract: bring it to it first (`ensure` with that version)"
            )
    return conform(rows, source, table.schema())
