"""A run: every model in order, over tables pinned once; written, tested, published, one by one.

What a model was made of is in its snapshot: the digest of its SQL, and snapshot and schema of every
table it read. The newest such snapshot on ``staged`` decides what is left to do, so that a run that
was killed anywhere is finished by the next one.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from lakegate.audit.base import Limits, Unjudgeable
from lakegate.errors import LakegateError
from lakegate.lake.catalog import look_up, staged_id
from lakegate.lake.commit import lineage
from lakegate.lake.derived import as_of, prepare
from lakegate.lake.overwrite import MODEL, overwrite, publish_derived
from lakegate.lake.snapshot import KIND, Kind
from lakegate.transform.build import CURRENT, Rewrite, columns_of, write_changes, write_full
from lakegate.transform.failure import ModelFailed
from lakegate.transform.graph import Graph
from lakegate.transform.increment import MODE, SINCE, Watch, watch
from lakegate.transform.judge import judge
from lakegate.transform.model import Materialisation, Model
from lakegate.transform.result import Mode, ModelResult, ModelTestResult, RunReport, Status
from lakegate.transform.session import PinnedTable, Pins, model_session

if TYPE_CHECKING:
    from pyiceberg.catalog import Catalog
    from pyiceberg.table import Table

__all__ = ["Runner", "judge_published", "pin_published"]

_NAME = "lakegate.model.name"
_DIGEST = "lakegate.model.digest"
_TESTS = "lakegate.model.tests"
_INPUTS = "lakegate.model.inputs"  # JSON {table: [snapshot id, schema id]}

_KEEP = 10


@dataclass(frozen=True, slots=True)
class _Made:
    """What a snapshot says it was made of."""

    digest: str
    tests: str
    inputs: dict[str, tuple[int, int]]


@dataclass(slots=True)
class Runner:
    """Builds models. ``sources`` are the full table names of the streams' tables, by plain name.

    ``times`` are, per model, the columns that tell the age of rows of the tables it reads.
    ``tell`` is called with each result as it is known.
    """

    graph: Graph
    catalog: Catalog
    sources: Mapping[str, str]
    run_id: str
    workspace: Path
    times: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    limits: Limits = field(default_factory=Limits)
    tell: Callable[[ModelResult], None] = lambda _result: None

    def run(self, names: Iterable[str] = (), *, full: bool = False) -> RunReport:
        """Build the named models (all, if none is named) and what they need.

        Raises:
            ContractError: no such model.
            LakeUnavailable: the catalog is locked or unreachable.
        """
        chosen = self.graph.closure(names)
        wanted = {need for model in chosen for need in self.graph.needs[model.name]}
        pins = Pins(needs=self.graph.needs)
        for name in self.graph.sources:
            if name in wanted:
                pinned = pin_published(self.catalog, self.sources[name])
                if pinned is not None:
                    pins.tables[name] = pinned
        results: dict[str, ModelResult] = {}
        for model in chosen:
            started = datetime.now(UTC)
            result = self._held_up(model, pins, results)
            if result is None:
                try:
                    result = self._build(model, pins, full)
                except (LakegateError, Unjudgeable) as error:
                    result = self._result(model, Status.FAILED, reason=str(error))
            result = replace(result, started_at=started, finished_at=datetime.now(UTC))
            results[model.name] = result
            self.tell(result)
        return RunReport(self.run_id, tuple(results.values()))

    def _result(self, model: Model, status: Status, *, reason: str = "") -> ModelResult:
        now = datetime.now(UTC)
        return ModelResult(self.run_id, model.name, status, now, now, reason=reason)

    def _held_up(
        self, model: Model, pins: Pins, results: Mapping[str, ModelResult]
    ) -> ModelResult | None:
        for need in self.graph.needs[model.name]:
            found = results.get(need)
            if found is not None and found.status in (Status.FAILED, Status.SKIPPED):
                reason = f"{need} {'failed' if found.status is Status.FAILED else 'was skipped'}"
                return self._result(model, Status.SKIPPED, reason=reason)
        for need in self.graph.needs[model.name]:
            if need not in pins.tables and need not in pins.views:
                reason = f"{need} was never published"
                return self._result(model, Status.WAITING, reason=reason)
        return None

    def _build(self, model: Model, pins: Pins, full: bool) -> ModelResult:
        if model.is_view:
            return self._view(model, pins)
        reads = _reads(model, self.graph)
        inputs = {name: pinned.stamp for name, pinned in pins.base(reads).items()}
        digest = _digest(model, pins, reads)
        wanted = _Made(digest, model.tests_digest(), inputs)
        table = look_up(self.catalog, model.name)
        made = None if table is None else _made(table)
        known = made is not None and (made.digest, made.inputs) == (digest, inputs)
        if table is None or not known or full:
            return self._written(model, pins, wanted, made, table, full)
        head = staged_id(table)
        seen = as_of(table, head)
        if made is not None and made.tests == wanted.tests:
            if table.metadata.current_snapshot_id == head:
                pins.tables[model.name] = PinnedTable(seen, head)
                result = self._result(model, Status.UP_TO_DATE, reason="nothing changed")
                return replace(result, snapshot_id=head, rows=_rows(table, head), digest=digest)
            reason = "an earlier run wrote it and did not publish it"
        else:
            reason = "its tests changed"
            head = self._commit(seen, model, wanted, Rewrite([], []), Mode.SAME)
            table = seen
        return self._published(model, pins, table, head, Mode.SAME, reason, digest)

    def _view(self, model: Model, pins: Pins) -> ModelResult:
        pins.views[model.name] = model
        needs = (model.name, *self.graph.needs[model.name])
        with model_session(pins, needs, limits=self.limits, workspace=self.workspace) as session:
            columns_of(session, model)
            tests = judge(session, model)
        result = self._result(model, Status.BUILT)
        digest = _digest(model, pins, _reads(model, self.graph))
        result = replace(result, mode=Mode.VIEW, tests=tests, digest=digest)
        return _held_back(result) or result

    def _written(
        self,
        model: Model,
        pins: Pins,
        wanted: _Made,
        made: _Made | None,
        table: Table | None,
        full: bool,
    ) -> ModelResult:
        """Write the model, in part if that gives what a full run would give, then publish it."""
        reads = _reads(model, self.graph)
        part = self._in_part(model, pins, wanted, made, table, full)
        watched = part if isinstance(part, Watch) else Watch()
        own: dict[str, PinnedTable] = {}
        if isinstance(part, Watch) and table is not None:
            own[CURRENT] = PinnedTable(as_of(table, staged_id(table)), staged_id(table))
        with model_session(
            pins,
            reads,
            limits=self.limits,
            workspace=self.workspace,
            extra=own,
            bind=watched.bind,
        ) as session:
            columns = columns_of(session, model)
            seen, differs = prepare(self.catalog, model.name, columns, model.partitions)
            changes: Rewrite | str
            if isinstance(part, str):
                changes = part
            elif differs:
                changes = "its columns changed"
            else:
                changes = write_changes(session, model, seen, columns, watched)
            mode = Mode.KEY if model.time is None else Mode.TIME
            why = ""
            if isinstance(changes, str):
                mode, why = Mode.FULL, changes
                changes = write_full(session, model, seen, columns)
        head = self._commit(seen, model, wanted, changes, mode)
        if changes.since is not None:
            why = f"from {changes.since} on"
        return self._published(model, pins, seen, head, mode, why, wanted.digest)

    def _in_part(
        self,
        model: Model,
        pins: Pins,
        wanted: _Made,
        made: _Made | None,
        table: Table | None,
        full: bool,
    ) -> Watch | str:
        """What to look at before it is written in part; or why it must be written whole."""
        if made is None or table is None:
            return "the first time"
        if full:
            return "asked for"
        if made.digest != wanted.digest:
            return "its SQL or header changed"
        if model.materialisation is not Materialisation.INCREMENTAL:
            stamps = wanted.inputs.items()
            changed = [name for name, stamp in stamps if made.inputs.get(name) != stamp]
            return f"{', '.join(changed)} changed" if changed else "its inputs changed"
        if table.metadata.current_snapshot_id != staged_id(table):
            return "the last run was not published"
        if model.time is None:
            return Watch()
        inputs = {name: pins.tables[name] for name in wanted.inputs}
        return watch(inputs, made.inputs, self.times.get(model.name, {}))

    def _commit(
        self, table: Table, model: Model, wanted: _Made, changes: Rewrite, mode: Mode
    ) -> int:
        properties = {
            _NAME: model.name,
            _DIGEST: wanted.digest,
            _TESTS: wanted.tests,
            _INPUTS: json.dumps(wanted.inputs, sort_keys=True, separators=(",", ":")),
            MODE: mode.value,
        }
        if changes.since is not None:
            properties[SINCE] = changes.since
        return overwrite(
            table, added=changes.added, removed=changes.removed, properties=properties, keep=_KEEP
        )

    def _published(
        self,
        model: Model,
        pins: Pins,
        table: Table,
        head: int,
        mode: Mode,
        reason: str,
        digest: str,
    ) -> ModelResult:
        """Test one snapshot of ``staged``, and publish exactly that one."""
        pinned = PinnedTable(as_of(table, head), head)
        tests = _judged(model, pins, self.graph, pinned, self.limits, self.workspace)
        result = replace(
            self._result(model, Status.BUILT, reason=reason),
            mode=mode,
            snapshot_id=head,
            rows=_rows(table, head),
            digest=digest,
            tests=tests,
        )
        failed = _held_back(result)
        if failed is not None:
            return failed
        main = table.metadata.current_snapshot_id
        publish_derived(table, snapshot_id=head, expected_main=main)
        pins.tables[model.name] = pinned
        return result


def pin_published(catalog: Catalog, table: str) -> PinnedTable | None:
    """A table at what is published of it now; None if nothing ever was."""
    found = look_up(catalog, table)
    if found is None or found.metadata.current_snapshot_id is None:
        return None
    head = found.metadata.current_snapshot_id
    snapshot = found.metadata.snapshot_by_id(head)
    if snapshot is None or snapshot.summary is None:
        return PinnedTable(found, head)
    if snapshot.summary.get(KIND) == Kind.CREATE.value:
        return None
    return PinnedTable(found, head)


def judge_published(
    model: Model, pins: Pins, graph: Graph, *, limits: Limits, workspace: Path
) -> tuple[ModelTestResult, ...]:
    """Judge what is published of a model now; changes nothing.

    Raises:
        ModelFailed: it, or a table its tests read, was never published.
    """
    for name in (model.name, *graph.needs[model.name]):
        if name not in pins.tables and name not in pins.views:
            raise ModelFailed(f"{name} was never published; `lakegate model run` builds models")
    return _judged(model, pins, graph, pins.tables.get(model.name), limits, workspace)


def _judged(
    model: Model,
    pins: Pins,
    graph: Graph,
    pinned: PinnedTable | None,
    limits: Limits,
    workspace: Path,
) -> tuple[ModelTestResult, ...]:
    own = {} if pinned is None else {model.name: pinned}
    needs = [model.name] if pinned is None else []
    needs += [name for name in graph.needs[model.name] if name not in own]
    with model_session(pins, needs, limits=limits, workspace=workspace, extra=own) as session:
        return judge(session, model)


def _held_back(result: ModelResult) -> ModelResult | None:
    failed = [test.name for test in result.tests if test.holds_back]
    if not failed:
        return None
    noun = "test" if len(failed) == 1 else "tests"
    return replace(result, status=Status.FAILED, reason=f"{noun} failed: {', '.join(failed)}")


def _reads(model: Model, graph: Graph) -> list[str]:
    """What the model's SQL reads, spelt as it is known; tests may read more."""
    written = {use.name.casefold() for use in model.reads}
    return [need for need in graph.needs[model.name] if need.casefold() in written]


def _digest(model: Model, pins: Pins, reads: Iterable[str]) -> str:
    """Of the model and of the views it reads through, since they are part of its SQL."""
    parts = [model.digest(), *(view.digest() for view in pins.views_in_order(reads).values())]
    return parts[0] if len(parts) == 1 else hashlib.sha256("".join(parts).encode()).hexdigest()


def _made(table: Table) -> _Made | None:
    """What the newest snapshot of ours on ``staged`` was made of; compaction changes nothing."""
    for snapshot in lineage(table.metadata, staged_id(table)):
        summary = snapshot.summary
        if summary is None or summary.get(KIND) == Kind.COMPACT.value:
            continue
        if summary.get(KIND) != MODEL or _INPUTS not in summary.additional_properties:
            return None
        inputs = json.loads(summary[_INPUTS] or "{}")
        return _Made(
            digest=summary[_DIGEST] or "",
            tests=summary[_TESTS] or "",
            inputs={name: (stamp[0], stamp[1]) for name, stamp in inputs.items()},
        )
    return None


def _rows(table: Table, snapshot_id: int) -> int:
    snapshot = table.metadata.snapshot_by_id(snapshot_id)
    summary = None if snapshot is None else snapshot.summary
    return 0 if summary is None else int(summary.get("total-records") or 0)
