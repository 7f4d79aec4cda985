"""A project: one folder with contracts and a ``lakegate.toml``, and everything wired for it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Literal, Self

from lakegate.contract.stream import Stream
from lakegate.errors import ProjectError
from lakegate.ingest.producer import Producer
from lakegate.ingest.unsent import close_all
from lakegate.ledger.sealing import PROOF_GROUP
from lakegate.pipeline.config import Config, find_root, load_config
from lakegate.pipeline.contracts import StreamFile, streams, streams_in_force
from lakegate.pipeline.current import check_source
from lakegate.runner.base import Progress
from lakegate.runner.pause import FileBrake
from lakegate.topic.base import Retention
from lakegate.topic.embedded import EmbeddedLog
from lakegate.topic.fresh import Fresh

if TYPE_CHECKING:
    import duckdb
    from starlette.routing import BaseRoute

    from lakegate.audit.base import Clock
    from lakegate.deadletter.fix import Fix
    from lakegate.deadletter.preview import Preview
    from lakegate.deadletter.replay import Replayed
    from lakegate.ingest.loader import Loaded, Step
    from lakegate.lake import Lake
    from lakegate.lake.maintain import MaintenanceReport
    from lakegate.lake.merge import MergeReport
    from lakegate.pipeline.auditing import Audited
    from lakegate.pipeline.deadletters import DeadLetters
    from lakegate.pipeline.gateway import Gateway
    from lakegate.pipeline.in_force import InForce
    from lakegate.pipeline.models import Models
    from lakegate.pipeline.numbers import Numbers
    from lakegate.pipeline.quarantining import Quarantined
    from lakegate.pipeline.status import Status
    from lakegate.pipeline.watching import Watch
    from lakegate.state.audit_store import AuditStore
    from lakegate.state.database import Database
    from lakegate.state.incident_store import Incident
    from lakegate.state.quarantine_store import QuarantineStore
    from lakegate.state.window_store import WindowStore
    from lakegate.transform.result import ModelResult, RunReport

__all__ = ["Project", "open_project"]


def open_project(path: str | Path = ".", *, config: Config | None = None) -> Project:
    """Open the project in ``path`` or a folder above it.

    Use it in a ``with`` block: it holds files and locks. An instance belongs to one thread; as many
    processes as you like may have the same project open.

    Raises:
        ProjectError: no ``lakegate.toml``, or a wrong one.
        ContractError: a contract cannot be used; the message says all that is wrong.
        NewerState: the state was written by a newer Lakegate.
    """
    root = find_root(Path(path).resolve())
    return Project(root, load_config(root) if config is None else config)


class Project:
    """See :func:`open_project`."""

    def __init__(self, root: Path, config: Config, *, in_force: InForce | None = None) -> None:
        self.root = root
        self.config = config
        self.in_force = in_force
        # Per stream, change events about no row that its gate here passed over, by what they are.
        self.passed_over: dict[str, Counter[str]] = {}
        self.state_folder = root / config.project.state
        self.found: dict[str, StreamFile] = (
            streams(root / config.project.contracts)
            if in_force is None
            else streams_in_force(in_force, config)
        )
        self.brake = FileBrake(self.state_folder / "paused")
        self.fresh = Fresh()
        self.log = self.open_log()
        for file in self.found.values():
            self._create_topics(file.stream)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the producers, which sends what they have taken; let go of files and locks.

        Raises:
            LogFull: a note says how many records of which producer were not sent.
        """
        try:
            close_all(self.log)
        finally:
            self.log.close()
            for name in ("lake", "state"):
                if name in self.__dict__:
                    self.__dict__[name].close()

    @cached_property
    def lake(self) -> Lake:
        """The tables."""
        from lakegate.lake import Lake

        return Lake(self.state_folder / "lake", catalog=self.config.lake.catalog)

    @cached_property
    def state(self) -> Database:
        """The operational database."""
        from lakegate.state.database import open_database

        self.state_folder.mkdir(parents=True, exist_ok=True)
        return open_database(f"sqlite:///{self.state_folder / 'state.db'}")

    @cached_property
    def audits(self) -> AuditStore:
        """Audits, their results and publications, with their history."""
        from lakegate.state.audit_store import AuditStore

        return AuditStore(self.state)

    @cached_property
    def quarantines(self) -> QuarantineStore:
        """Quarantines and accepted rules, with who, when and why."""
        from lakegate.state.quarantine_store import QuarantineStore

        return QuarantineStore(self.state)

    @cached_property
    def windows(self) -> WindowStore:
        """Results per window of event time, each with its revisions."""
        from lakegate.state.window_store import WindowStore

        return WindowStore(self.state)

    def open_log(self) -> EmbeddedLog:
        """Another view of the project's log, for a thread of its own."""
        return EmbeddedLog(
            self.state_folder / "log",
            segment_bytes=self.config.log.segment_bytes,
            fresh=self.fresh,
        )

    def stream(self, name: str) -> Stream:
        """A stream by name, or by the name of its table.

        Raises:
            ProjectError: none is called that; names those that are there.
        """
        return self._file(name).stream

    def selected(self, names: Sequence[str]) -> list[Stream]:
        """The streams of those names; all of them if there are none."""
        if not names:
            return [file.stream for file in self.found.values()]
        return [self.stream(name) for name in names]

    def producer(
        self, stream: str, *, producer_id: str | None = None, judged: bool = False
    ) -> Producer:
        """A producer for the stream's raw topic.

        With ``judged`` the stream's gate is asked before a record is sent: ``send`` raises
        :class:`lakegate.RecordRefused`, with every reason, for one it would reject. It takes what
        :class:`lakegate.Guard` takes: bytes, text, a mapping, a dataclass, a pydantic model.
        """
        found = self.stream(stream)
        check = encode = None
        if judged:
            from lakegate.guard import Guard
            from lakegate.guard.guard import to_record

            guard, encode = Guard(found), to_record
            check = lambda value, key: guard.check([value], [key])  # noqa: E731
        return Producer(
            self.log, found.topic("raw"), producer_id=producer_id, check=check, encode=encode
        )

    def load(
        self,
        stream: str,
        *files: str | Path,
        key: str | None = None,
        keyed: bool = True,
        file_format: str | None = None,
        nulls: Sequence[str] = (),
        again: bool = False,
        on_step: Callable[[Step], None] = lambda _step: None,
    ) -> list[Loaded]:
        """Load files (NDJSON, JSON, CSV, Parquet; .gz of the text ones), each once.

        ``key`` names the field that is the key, by default the primary key; ``keyed`` False leaves
        it out. ``nulls`` are the texts of a CSV that mean null
        (none: as the contract says, else the empty one). ``again`` loads a file once more.

        Raises:
            IngestError: a file cannot be read or its structure is broken; says what was loaded.
            LogFull: no room; call again to go on.
        """
        from lakegate.pipeline.loading import load_files

        return load_files(
            self,
            self.stream(stream),
            files,
            key=key,
            keyed=keyed,
            file_format=file_format,
            nulls=nulls,
            again=again,
            on_step=on_step,
        )

    def gateway(
        self,
        *,
        host: str | None = None,
        port: int | None = None,
        routes: Sequence[BaseRoute] = (),
    ) -> Gateway:
        """The HTTP gateway, bound and not yet started; ``routes`` are served beside its own.

        Raises:
            IngestError: the address is taken, a token cannot be had, or it would be open to all.
        """
        from lakegate.pipeline.gateway import Gateway

        return Gateway(self, host=host, port=port, routes=routes)

    def run(
        self,
        *names: str,
        until: Literal["idle"] | None = None,
        land: bool = True,
        workers: int = 1,
        stopped: Callable[[], bool] = lambda: False,
        on_progress: Callable[[str, Progress], None] = lambda _stream, _progress: None,
    ) -> dict[str, Progress]:
        """Judge (and ``land``) the named streams, or all; forever, or until nothing is left to do.

        ``workers``: processes that share the partitions of the streams; 1 is this one, 0 one per
        core. Returns what was judged per stream. ``on_progress`` is called after each commit.

        Raises:
            LakegateError: a worker or the lander cannot go on. All that was committed stays.
        """
        from lakegate.pipeline.flow import run_forever, run_until_idle

        chosen = [self._file(stream.name) for stream in self.selected(names)]
        run = run_until_idle if until == "idle" else run_forever
        return run(self, chosen, land=land, stopped=stopped, tell=on_progress, workers=workers)

    def land(self, *names: str) -> int:
        """Land everything that is waiting; return the number of rows."""
        from lakegate.pipeline.flow import land_waiting

        chosen = [self._file(stream.name) for stream in self.selected(names)]
        return sum(land_waiting(self, found) for found in chosen)

    def audit(self, stream: str, *, clock: Clock | None = None) -> Audited:
        """Judge what is staged, on one pinned snapshot, and remember the results.

        Raises:
            AuditError: there is nothing to audit, or it cannot be carried out.
        """
        from lakegate.pipeline.auditing import audit_stream

        return audit_stream(self, self.stream(stream), clock=clock)

    def quarantine(
        self,
        stream: str,
        *,
        rules: Sequence[str],
        reason: str | None = None,
        by: str | None = None,
        dry_run: bool = False,
    ) -> Quarantined:
        """Take rows that offend failed rules off `staged`; they become dead letters.

        Raises:
            AuditError: a rule did not fail in the last audit, or cannot name its rows.
        """
        from lakegate.pipeline.quarantining import quarantine

        found = self.stream(stream)
        return quarantine(self, found, rules=rules, reason=reason, by=by, dry_run=dry_run)

    def status(self, *names: str, full: bool = False) -> Status:
        """The flow with its counts, and the proof (``full``: of everything that is still there)."""
        from lakegate.pipeline.status import status_of

        return status_of(self, self.selected(names), full=full)

    def numbers(self) -> Numbers:
        """The flow in numbers, cheaply and without proof; see :mod:`lakegate.pipeline.numbers`."""
        from lakegate.pipeline.numbers import Collector

        return Collector(self).collect()

    def sql(self, query: str) -> duckdb.DuckDBPyRelation:
        """SQL over what is published: a lazy DuckDB relation, each table as of now.

        Raises:
            LakeError: the query fails; says where.
        """
        from lakegate.pipeline.query import relation

        return relation(self, query)

    def models(self) -> Models:
        """The SQL models, checked; run, test, trace and document them.

        Raises:
            ContractError: a model is wrong; the message names every problem with its place.
        """
        from lakegate.pipeline.models import models_of

        return models_of(self)

    def run_models(
        self,
        *names: str,
        full: bool = False,
        tell: Callable[[ModelResult], None] = lambda _result: None,
    ) -> RunReport:
        """Build the named models, or all, and what they need; see docs/reference/models.md.

        Raises:
            ContractError: a model is wrong, or none has that name.
            ModelsBusy: another run goes on; try again.
        """
        from lakegate.pipeline.models import run_models

        return run_models(self, names, full=full, tell=tell)

    def maintain(self, stream: str) -> MaintenanceReport:
        """Compact small files, expire snapshots, remove orphans; apply retention to the topics."""
        report = self.lake.maintain(self.stream(stream))
        self.log.retain()
        return report

    def watch(self) -> Watch:
        """Who evaluates service levels and breaches as data flows; see its ``tick``.

        Raises:
            ProjectError: ``[alerts]`` is at fault.
        """
        from lakegate.pipeline.watching import Watch

        return Watch(self)

    def incidents(
        self, stream: str | None = None, *, only_open: bool = True
    ) -> tuple[Incident, ...]:
        """Incidents of a stream or of all, the newest first; by default those that are open."""
        from lakegate.pipeline.alerting import incidents_of

        return incidents_of(self, stream, only_open=only_open)

    def deadletters(self, stream: str) -> DeadLetters:
        """The dead letters of a stream: by cause, in full, discarded."""
        from lakegate.pipeline.deadletters import DeadLetters

        return DeadLetters(self, self.stream(stream))

    def fixes(self) -> list[Fix]:
        """The fixes in ``fixes/``, in the order in which they apply.

        Raises:
            ProjectError: a file cannot be used; says all that is wrong, with file and line.
        """
        from lakegate.pipeline.deadletters import fixes_of

        return fixes_of(self)

    def preview(
        self, stream: str | None = None, *fixes: str, again: bool = False, unchanged: bool = False
    ) -> list[Preview]:
        """What :meth:`replay` would do, judged by the same gate; changes nothing."""
        from lakegate.pipeline.deadletters import preview_fixes

        return preview_fixes(self, stream, fixes, again=again, unchanged=unchanged)

    def replay(
        self,
        stream: str | None = None,
        *fixes: str,
        again: bool = False,
        unchanged: bool = False,
        why: str | None = None,
    ) -> list[Replayed]:
        """Repair the open dead letters of a stream (None: of all) and send them to the gate again.

        ``fixes`` are names, all by default. Each dead letter is replayed successfully at most once;
        one that failed by the same fixes under the same contract is left alone unless ``again``.
        ``unchanged``: those no fix matches go as they are, where the contract has changed since or
        all that is wrong is a key that another table lacked.
        Judged by the next :meth:`run`, or by a worker that is running.

        Raises:
            ProjectError: no such fix, or the stream only observes.
        """
        from lakegate.pipeline.deadletters import replay_fixes

        return replay_fixes(self, stream, fixes, again=again, unchanged=unchanged, why=why)

    def merge(self, stream: str) -> MergeReport:
        """Bring the merged table of a stream of changes to what is published; exactly once.

        Raises:
            LakeError: the stream takes plain records.
            CommitConflict: others kept merging; nothing of this merge happened; try again.
        """
        from lakegate.pipeline.current import merge_stream

        return merge_stream(self, self.stream(stream))

    def resume(self, stream: str, *, reason: str) -> bool:
        """Let a paused stream go on, and keep the reason; False if it was not paused."""
        name = self.stream(stream).name
        return self.brake.resume(name, reason=reason, at=datetime.now(UTC))

    def _file(self, name: str) -> StreamFile:
        found = self.found.get(name)
        if found is not None:
            return found
        for file in self.found.values():
            if name in {file.stream.table, file.stream.topic_prefix}:
                return file
        known = ", ".join(sorted(self.found))
        raise ProjectError(f"no stream is called {name}; there are: {known}")

    def _create_topics(self, stream: Stream) -> None:
        config = self.config.log
        age = config.retention_age_s
        bounded = Retention(
            age=None if age is None else timedelta(seconds=age), size_bytes=config.retention_bytes
        )
        there = self.log.topics()
        check_source(self.log, stream)
        for kind, retention in (
            ("raw", bounded),
            ("validated", bounded),
            ("deadletter", Retention()),  # kept until somebody has dealt with them
            ("replay", Retention()),
            ("triage", Retention()),
        ):
            topic = stream.topic(kind)
            if topic not in there:
                count = there.get(stream.topic("raw"), config.partitions)
                self.log.create(topic, partitions=count, retention=retention, groups=(PROOF_GROUP,))
