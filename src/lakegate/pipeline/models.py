"""Models, wired: files and contracts to a graph, a graph to a run, a run to its memory."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from lakegate.audit.base import Limits
from lakegate.contract.problem import Problem
from lakegate.contract.stream import Stream
from lakegate.errors import ProjectError
from lakegate.lake.derived import as_of
from lakegate.runner.lease import FileLease
from lakegate.transform.binding import Columns, bind
from lakegate.transform.graph import Graph, find_models, load_models
from lakegate.transform.model import Model
from lakegate.transform.problem import ModelReport
from lakegate.transform.result import ModelResult, ModelTestResult, RunReport
from lakegate.transform.run import Runner, judge_published, pin_published
from lakegate.transform.session import PinnedTable, Pins

if TYPE_CHECKING:
    import pyarrow as pa
    from pyiceberg.table import Table

    from lakegate.lake.maintain import MaintenanceReport
    from lakegate.pipeline.project import Project
    from lakegate.state.model_store import ModelStore
    from lakegate.transform.lineage import Lineage

__all__ = [
    "Models",
    "ModelsBusy",
    "check_models",
    "models_of",
    "published_models",
    "run_models",
]

_WAIT_S = 30.0


class ModelsBusy(ProjectError):
    """Another run of the project's models has not ended; nothing happened."""

    transient = True


@dataclass(frozen=True, slots=True)
class Models:
    """The models of a project, checked.

    ``columns`` has the columns of every model and every stream's table (name to DuckDB type).
    """

    project: Project
    graph: Graph
    columns: Mapping[str, Columns]

    def model(self, name: str) -> Model:
        """A model by name.

        Raises:
            ContractError: none is called that; names the nearest.
        """
        return self.graph.model(name)

    def run(
        self,
        *names: str,
        full: bool = False,
        wait_s: float = _WAIT_S,
        tell: Callable[[ModelResult], None] = lambda _result: None,
    ) -> RunReport:
        """Build the named models, or all, and what they need; see :func:`run_models`."""
        return _run(self, names, full=full, wait_s=wait_s, tell=tell)

    def test(self, *names: str) -> dict[str, tuple[ModelTestResult, ...]]:
        """Judge what is published now by the models' tests; changes and remembers nothing.

        Raises:
            ModelFailed: a model was never published.
        """
        project = self.project
        chosen = [self.model(name) for name in names] or list(self.graph.models.values())
        pins = _pins(project, self.graph)
        limits, workspace = _limits(project), project.state_folder / "tmp"
        return {
            model.name: judge_published(model, pins, self.graph, limits=limits, workspace=workspace)
            for model in chosen
        }

    def lineage(self) -> Lineage:
        """What every column of every model is made of, down to the fields of topics."""
        from lakegate.transform.lineage import trace

        return trace(self.graph, self.columns, _topics(self.project))

    def history(self, model: str | None = None, *, limit: int = 100) -> tuple[ModelResult, ...]:
        """What became of a model in earlier runs, or of all, the newest first."""
        return _store(self.project).history(model, limit=limit)

    def docs(self, folder: Path) -> list[Path]:
        """Write a Markdown page per model, and an index; returns them."""
        from lakegate.transform.docs import write_pages

        store = _store(self.project)
        last = {name: store.last_built(name) for name in self.graph.models}
        return write_pages(folder, self.graph, self.columns, self.lineage(), last)

    def maintain(self) -> dict[str, MaintenanceReport]:
        """Compact, expire and sweep the models' tables; publishes what was compacted.

        A table with rows that are written and not published is left alone until they are.
        """
        done = {}
        with _exclusive(self.project, _WAIT_S):
            for model in self.graph.models.values():
                report = None if model.is_view else _maintained(self.project, model)
                if report is not None:
                    done[model.name] = report
        return done


def models_of(project: Project) -> Models:
    """The project's models, every one of them usable.

    Raises:
        ContractError: a model is wrong; the message names every problem with file, line, column.
    """
    report = ModelReport()
    graph, columns = _checked(
        _folder(project), [file.stream for file in project.found.values()], report
    )
    report.raise_errors()
    return Models(project, graph, columns)


def check_models(folder: Path, streams: Sequence[Stream]) -> tuple[list[Problem], int]:
    """Every problem of the models in a folder, by place, and how many models there are."""
    report = ModelReport()
    _checked(folder, streams, report)
    return report.sorted(), len(find_models(folder))


def run_models(
    project: Project,
    names: Sequence[str],
    *,
    full: bool = False,
    tell: Callable[[ModelResult], None] = lambda _result: None,
) -> RunReport:
    """Build models in order over what is published, pinned at one snapshot each.

    Each is written to ``staged``, tested there and published, or its ``main`` stays as it was and
    what needs it is skipped. Results are kept; ``tell`` hears each as it is known.

    Raises:
        ContractError: a model is wrong, or none has that name.
        ModelsBusy: another run has not ended within half a minute.
        LakeUnavailable: the catalog is locked or unreachable.
    """
    return models_of(project).run(*names, full=full, tell=tell)


def published_models(project: Project) -> tuple[dict[str, PinnedTable], dict[str, Model]]:
    """Models that can be queried now: tables at their ``main``, and views in order.

    A model with a problem is left out: a query of another table needs no fixing of it first.
    """
    folder = _folder(project)
    files = find_models(folder)
    if not files:
        return {}, {}
    graph = load_models(files, _sources(project), ModelReport())
    pins = _pins(project, graph)
    tables = {name: pins.tables[name] for name in graph.models if name in pins.tables}
    return tables, dict(pins.views)


def _checked(
    folder: Path, streams: Sequence[Stream], report: ModelReport
) -> tuple[Graph, dict[str, Columns]]:
    schemas = {_plain(stream.table): _schema(stream) for stream in _with_merged(streams)}
    files = find_models(folder)
    graph = load_models(files, schemas, report)
    return graph, bind(graph, schemas, report)


def _schema(stream: Stream) -> pa.Schema:
    import pyarrow as pa

    from lakegate.lake.schema import columns_of

    return pa.schema([(column.name, column.type) for column in columns_of(stream)])


def _with_merged(streams: Iterable[Stream]) -> Iterator[Stream]:
    """The streams, and beside each stream of changes its merged table."""
    for stream in streams:
        yield stream
        if stream.cdc is not None:
            from lakegate.lake.merge import current_stream

            yield current_stream(stream)


def _sources(project: Project) -> dict[str, str]:
    return {_plain(stream.table): stream.table for stream in _streams(project)}


def _streams(project: Project) -> Iterator[Stream]:
    return _with_merged(file.stream for file in project.found.values())


def _plain(table: str) -> str:
    return table.rpartition(".")[2]


def _topics(project: Project) -> dict[str, str]:
    return {
        _plain(stream.table): stream.topic("raw" if stream.cdc is None else "cdc")
        for stream in _streams(project)
    }


def _times(models: Models) -> dict[str, dict[str, str]]:
    """Per model by time, which column of each stream's table tells the age of its rows.

    The one its time is made of, else the event time that the contract declares.
    """
    timed = [model for model in models.graph.models.values() if model.time is not None]
    if not timed:
        return {}
    from lakegate.transform.lineage import ColumnName

    declared = {
        _plain(stream.table): stream.event_time
        for stream in _streams(models.project)
        if stream.event_time is not None
    }
    parents = models.lineage().parents
    result: dict[str, dict[str, str]] = {}
    for model in timed:
        columns = dict(declared)
        made_of = parents.get(ColumnName(model.name, str(model.time)), ())
        for source in _sources(models.project):
            mine = [parent.column for parent in made_of if parent.table == source]
            if len(mine) == 1:
                columns[source] = mine[0]
        result[model.name] = columns
    return result


def _folder(project: Project) -> Path:
    return project.root / project.config.models.folder


def _limits(project: Project) -> Limits:
    config = project.config.models
    return Limits(timeout_s=config.timeout_s, memory=config.memory, threads=config.threads)


def _store(project: Project) -> ModelStore:
    from lakegate.state.model_store import ModelStore

    return ModelStore(project.state)


def _pins(project: Project, graph: Graph) -> Pins:
    """Every table at what is published of it now, and the views that can be read."""
    pins = Pins(needs=graph.needs)
    lake = project.lake.catalog
    for name, table in _sources(project).items():
        pinned = pin_published(lake, table)
        if pinned is not None:
            pins.tables[name] = pinned
    for name, model in graph.models.items():
        if model.is_view:
            reads = {use.name.casefold() for use in model.reads}
            needs = [need for need in graph.needs[name] if need.casefold() in reads]
            if all(need in pins.tables or need in pins.views for need in needs):
                pins.views[name] = model
            continue
        pinned = pin_published(lake, name)
        if pinned is not None:
            seen = as_of(pinned.table, pinned.snapshot_id)
            pins.tables[name] = PinnedTable(seen, pinned.snapshot_id)
    return pins


@contextmanager
def _exclusive(project: Project, wait_s: float) -> Iterator[None]:
    lease = FileLease(project.state_folder / "locks" / "models")
    if not lease.acquire(stopped=lambda: False, timeout_s=wait_s):
        raise ModelsBusy(
            f"process {lease.holder()} has been running this project's models for more than "
            f"{wait_s:g} s; wait for it or end it, then try again"
        )
    try:
        yield
    finally:
        lease.release()


def _run(
    models: Models,
    names: Sequence[str],
    *,
    full: bool,
    wait_s: float,
    tell: Callable[[ModelResult], None],
) -> RunReport:
    project = models.project
    store = _store(project)

    def keep(result: ModelResult) -> None:
        store.record(result)
        tell(result)

    models.graph.closure(names)
    with _exclusive(project, wait_s):
        runner = Runner(
            graph=models.graph,
            catalog=project.lake.catalog,
            sources=_sources(project),
            run_id=f"{datetime.now(UTC):%Y%m%dT%H%M%S}-{uuid.uuid4().hex[:8]}",
            workspace=project.state_folder / "tmp",
            times=_times(models),
            limits=_limits(project),
            tell=keep,
        )
        return runner.run(names, full=full)


def _maintained(project: Project, model: Model) -> MaintenanceReport | None:
    from lakegate.lake.catalog import look_up, staged_id
    from lakegate.lake.maintain import maintain
    from lakegate.lake.overwrite import publish_derived

    table = look_up(project.lake.catalog, model.name)
    if table is None:
        return None
    if _only_compacted(table):  # by a run that was cut short before it published
        expected = table.metadata.current_snapshot_id
        publish_derived(table, snapshot_id=staged_id(table), expected_main=expected)
    if table.metadata.current_snapshot_id != staged_id(table):
        return None
    report = maintain(table, keep=10)
    main = table.metadata.current_snapshot_id
    publish_derived(table, snapshot_id=staged_id(table), expected_main=main)
    return report


def _only_compacted(table: Table) -> bool:
    """Whether all that ``staged`` is ahead of ``main`` is compaction: the same rows."""
    from lakegate.lake.catalog import staged_id
    from lakegate.lake.commit import lineage
    from lakegate.lake.snapshot import KIND, Kind

    for snapshot in lineage(table.metadata, staged_id(table)):
        if snapshot.snapshot_id == table.metadata.current_snapshot_id:
            return True
        if snapshot.summary is None or snapshot.summary.get(KIND) != Kind.COMPACT:
            break
    return False
