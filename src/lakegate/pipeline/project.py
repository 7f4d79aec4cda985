"""A project: one folder with contracts and a ``lakegate.toml``, and everything wired for it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Literal, Self

from lakegate.contract.stream import Stream
from lakegate.errors import ProjectError
from lakegate.ingest.producer import Producer
from lakegate.ledger.sealing import PROOF_GROUP
from lakegate.pipeline.config import Config, find_root, load_config
from lakegate.pipeline.contracts import StreamFile, streams
from lakegate.runner.base import Progress
from lakegate.runner.pause import FileBrake
from lakegate.topic.base import Retention
from lakegate.topic.embedded import EmbeddedLog

if TYPE_CHECKING:
    import duckdb

    from lakegate.audit.base import Clock
    from lakegate.lake import Lake
    from lakegate.lake.maintain import MaintenanceReport
    from lakegate.pipeline.auditing import Audited
    from lakegate.pipeline.status import Status
    from lakegate.state.audit_store import AuditStore
    from lakegate.state.database import Database

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

    def __init__(self, root: Path, config: Config) -> None:
        self.root = root
        self.config = config
        self.state_folder = root / config.project.state
        self.found: dict[str, StreamFile] = streams(root / config.project.contracts)
        self.brake = FileBrake(self.state_folder / "paused")
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
        """Let go of files and locks."""
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

    def open_log(self) -> EmbeddedLog:
        """Another view of the project's log, for a thread of its own."""
        return EmbeddedLog(self.state_folder / "log", segment_bytes=self.config.log.segment_bytes)

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

    def producer(self, stream: str, *, producer_id: str | None = None) -> Producer:
        """A producer for the stream's raw topic."""
        return Producer(self.log, self.stream(stream).topic("raw"), producer_id=producer_id)

    def run(
        self,
        *names: str,
        until: Literal["idle"] | None = None,
        land: bool = True,
        stopped: Callable[[], bool] = lambda: False,
        on_progress: Callable[[str, Progress], None] = lambda _stream, _progress: None,
    ) -> dict[str, Progress]:
        """Judge (and ``land``) the named streams, or all; forever, or until nothing is left to do.

        Returns what was judged per stream. ``on_progress`` is called after each commit.

        Raises:
            LakegateError: a worker or the lander cannot go on. All that was committed stays.
        """
        from lakegate.pipeline.flow import run_forever, run_until_idle

        chosen = [self._file(stream.name) for stream in self.selected(names)]
        if until == "idle":
            return run_until_idle(self, chosen, land=land, stopped=stopped, tell=on_progress)
        return run_forever(self, chosen, land=land, stopped=stopped, tell=on_progress)

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

    def status(self, *names: str, full: bool = False) -> Status:
        """The flow with its counts, and the proof (``full``: of everything that is still there)."""
        from lakegate.pipeline.status import status_of

        return status_of(self, self.selected(names), full=full)

    def sql(self, query: str) -> duckdb.DuckDBPyRelation:
        """SQL over what is published: a lazy DuckDB relation, each table as of now.

        Raises:
            LakeError: the query fails; says where.
        """
        from lakegate.pipeline.query import relation

        return relation(self, query)

    def maintain(self, stream: str) -> MaintenanceReport:
        """Compact small files, expire snapshots, remove orphans; apply retention to the topics."""
        report = self.lake.maintain(self.stream(stream))
        self.log.retain()
        return report

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
        for kind, retention in (
            ("raw", bounded),
            ("validated", bounded),
            ("deadletter", Retention()),  # kept until somebody has dealt with them
        ):
            topic = stream.topic(kind)
            if topic not in there:
                count = there.get(stream.topic("raw"), config.partitions)
                self.log.create(topic, partitions=count, retention=retention)
                self.log.register(PROOF_GROUP, topic)
