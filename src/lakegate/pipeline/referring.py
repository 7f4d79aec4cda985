"""Relationships at the gate, wired: keys from the published tables, read again as these move.

What a gate is judged by is what ``main`` of the target had when it was last looked at; the snapshot
is named in every verdict, and each change of it is remembered (docs/reference/references.md).
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

import duckdb
import pyarrow as pa

from lakegate.audit.base import Limits, Unjudgeable
from lakegate.audit.session import open_session
from lakegate.audit.source import source_of
from lakegate.contract.stream import Reference, Stream
from lakegate.errors import GateError, LakeError, LakegateError
from lakegate.gate import Gate
from lakegate.gate.references import ReferenceSet, hold, judged_here
from lakegate.pipeline.current import reader_of
from lakegate.runner.judge import JudgeGate
from lakegate.state.reference_store import Keys, ReferenceStore

if TYPE_CHECKING:
    from lakegate.pipeline.project import Project

__all__ = ["References", "keys_in_force", "said_of"]

_log = logging.getLogger("lakegate.pipeline")
_LONGEST_S = 20.0  # records wait meanwhile


class References:
    """The keys of one stream's relationships; a :class:`lakegate.runner.referring.KeySource`.

    Looks at the targets every ``references_s`` of ``[gate]`` at most. What cannot be read leaves
    what was in force; what is not there, or too large, leaves the relationship to the audit.
    ``remember``: write down what is in force (``lakegate status`` shows it).
    """

    def __init__(
        self,
        project: Project,
        *,
        remember: bool = False,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._project = project
        self._remember = remember
        self._clock = clock
        self._every_s = project.config.gate.references_s
        self._asked: JudgeGate | None = None
        self._given: JudgeGate | None = None
        self._look_at = float("-inf")
        self._sets: dict[str, ReferenceSet] = {}
        self._refused: dict[str, tuple[int, str]] = {}  # snapshots whose keys cannot be held
        self.problems: Mapping[str, str] = {}
        """Relationships for which there are no newer keys, or none, and why."""

    def __call__(self, gate: JudgeGate) -> JudgeGate:
        """The gate with the keys in force; never raises."""
        if not isinstance(gate, Gate) or not judged_here(gate.stream):
            return gate
        same = gate is self._asked and self._given is not None
        if same and self._clock() < self._look_at:
            return self._given or gate
        changed = self._look(gate.stream)
        if changed or not same:
            self._asked, self._given = gate, gate.refer(self._sets)
        self._look_at = self._clock() + self._every_s
        return self._given or gate

    def _look(self, stream: Stream) -> bool:
        """Bring the keys to what is published; whether any are other ones now."""
        before, told = self._sets, self.problems
        self._sets, problems = {}, {}
        for reference in _linked(self._project, stream):
            name = reference.name
            try:
                found = self._keys(stream, reference, before.get(name))
            except LakegateError as error:
                if name in before:
                    self._sets[name] = before[name]
                found = str(error)
            if isinstance(found, ReferenceSet):
                self._sets[name] = found
                continue
            problems[name] = found
            if told.get(name) != found:
                left = (
                    "the last keys stay in force" if name in self._sets else "the audit judges it"
                )
                _log.warning("%s: relationship %s: %s; %s", stream.name, name, found, left)
        self.problems = problems
        changed = {name: one.snapshot_id for name, one in self._sets.items()} != {
            name: one.snapshot_id for name, one in before.items()
        }
        if self._remember and (changed or problems != told or self._asked is None):
            self._record(stream)
        return changed

    def _keys(
        self, stream: Stream, reference: Reference, known: ReferenceSet | None
    ) -> ReferenceSet | str:
        """The keys of the newest published snapshot, or why there are none."""
        file = self._project.found.get(reference.to_stream)
        if file is None:
            return f"no stream {reference.to_stream} is in this project"
        target = file.stream
        reader = reader_of(self._project, target)
        head = reader.head(target, "main") if reader.exists(target) else None
        if head is None:
            return f"{target.name} has published nothing yet"
        if known is not None and known.snapshot_id == head.snapshot_id:
            return known
        refused = self._refused.get(reference.name)
        if refused is not None and refused[0] == head.snapshot_id:
            return refused[1]
        most = reference.limit or self._project.config.gate.reference_keys
        found = _read(self._project, target, reference, head.snapshot_id, most)
        if isinstance(found, ReferenceSet):
            try:
                hold(replace(stream, references=(reference,)), {reference.name: found})
            except GateError as error:
                found = str(error)
        if isinstance(found, str):
            self._refused[reference.name] = head.snapshot_id, found
        return found

    def _record(self, stream: Stream) -> None:
        of = {item.name: item for item in judged_here(stream)}
        try:
            ReferenceStore(self._project.state).record(
                stream.name,
                [
                    Keys(
                        name,
                        item.to_stream,
                        None if (one := self._sets.get(name)) is None else one.snapshot_id,
                        None if one is None else len(one),
                        self.problems.get(name),
                    )
                    for name, item in of.items()
                ],
            )
        except LakegateError as error:  # the verdicts name the snapshots all the same
            _log.warning("%s: the keys in force are not remembered: %s", stream.name, error)


def keys_in_force(project: Project, gate: Gate) -> tuple[Gate, Mapping[str, str]]:
    """A gate with the keys of now, for a look from outside; and what is not judged, with why."""
    source = References(project)
    found = source(gate)
    assert isinstance(found, Gate)
    return found, source.problems


def said_of(project: Project, stream: Stream) -> Iterator[str]:
    """Sentences on relationships that should be judged at the gate and are not."""
    wanted = {item.name for item in judged_here(stream)}
    if not wanted:
        return
    for keys in ReferenceStore(project.state).newest(stream.name):
        if keys.reference in wanted and keys.problem is not None:
            left = (
                f"judged by snapshot {keys.snapshot_id} until then"
                if keys.snapshot_id is not None
                else "it is judged at the audit"
            )
            yield f"{stream.name}: relationship {keys.reference}: {keys.problem}; {left}"


def _linked(project: Project, stream: Stream) -> Iterator[Reference]:
    """The relationships judged here, pointing to streams of the project.

    A contract that was loaded again alone knows only itself: its names are those the author wrote.
    """
    file = project.found.get(stream.name)
    known = {item.name: item for item in (file.stream.references if file is not None else ())}
    by_object = {found.stream.object_name: name for name, found in project.found.items()}
    for item in judged_here(stream):
        if item.to_stream in project.found:
            yield item
        elif item.name in known:
            linked = known[item.name]
            yield replace(item, to_stream=linked.to_stream, to_columns=linked.to_columns)
        else:
            yield replace(item, to_stream=by_object.get(item.to_stream, item.to_stream))


def _read(
    project: Project, target: Stream, reference: Reference, snapshot_id: int, most: int
) -> ReferenceSet | str:
    """The distinct keys of a snapshot, in memory bounded by the limit."""
    with open_session(Limits()) as session:
        reader_of(project, target).relation(
            session.connection, target, snapshot_id=snapshot_id, name="published"
        )
        try:
            source = source_of(target, reference.to_columns, view="published")
        except Unjudgeable as error:
            return str(error)
        columns = ", ".join(source.columns)
        present = " AND ".join(f"{column} IS NOT NULL" for column in source.columns)
        query = f"SELECT DISTINCT {columns} FROM ({source.sql}) WHERE {present} LIMIT {most + 1}"  # noqa: S608
        timer = threading.Timer(_LONGEST_S, session.connection.interrupt)
        timer.start()
        try:
            rows = _exact(session.connection.sql(query).to_arrow_table())
        except duckdb.InterruptException:
            return f"the keys of {target.name} are not read within {_LONGEST_S:.0f} s"
        except (duckdb.Error, pa.ArrowException) as error:
            raise LakeError(f"the keys of {target.name} cannot be read: {error}") from error
        finally:
            timer.cancel()
    if rows.num_rows > most:
        return (
            f"{target.name} has more than {most:,} keys (raise `lakegate.referenceLimit` of the "
            "relationship, or `reference_keys` of `[gate]`)"
        )
    limit = project.config.gate.reference_bytes
    if rows.nbytes > limit:
        return (
            f"the keys of {target.name} take {rows.nbytes:,} bytes, more than {limit:,} "
            "(`reference_bytes` of `[gate]`)"
        )
    return ReferenceSet(rows, table=target.table, snapshot_id=snapshot_id)


def _exact(rows: pa.Table) -> pa.Table:
    """The columns in the types the gate has: DuckDB names the session's zone, and large strings."""
    return rows.cast(pa.schema([_column(item) for item in rows.schema]))


def _column(item: pa.Field) -> pa.Field:
    if pa.types.is_timestamp(item.type):
        return item.with_type(pa.timestamp("us", tz="UTC"))
    if pa.types.is_large_string(item.type) or pa.types.is_string_view(item.type):
        return item.with_type(pa.string())
    return item
