"""Dead letters of a project: causes, fixes as they stand in git, preview, replay, discard."""

from __future__ import annotations

import subprocess
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lakegate.contract.problem import nearest
from lakegate.contract.stream import Stream
from lakegate.deadletter.cause import Cause, Causes, causes, samples
from lakegate.deadletter.discard import discard
from lakegate.deadletter.fix import Fix
from lakegate.deadletter.fixfile import fix_files, read_fixes
from lakegate.deadletter.letter import Letter, find
from lakegate.deadletter.preview import Preview, preview
from lakegate.deadletter.repairs import Selection
from lakegate.deadletter.replay import Order, Replayed, replay
from lakegate.errors import LakeError, ProjectError
from lakegate.gate import compile as compile_gate
from lakegate.lake.spelling import identifier
from lakegate.pipeline.quarantining import finish
from lakegate.pipeline.referring import keys_in_force
from lakegate.runner.lineage import AppliedFix

if TYPE_CHECKING:
    from lakegate.contract.problem import Problem
    from lakegate.pipeline.project import Project

__all__ = ["FIXES", "DeadLetters", "check_fixes", "fixes_of", "preview_fixes", "replay_fixes"]

FIXES = "fixes"
"""The folder of fix files, beside ``lakegate.toml``."""

_DRAFT_SAMPLES = 1_000
_MAX_KEYS = 1_000_000
_GIT_TIMEOUT_S = 10


@dataclass(frozen=True, slots=True)
class DeadLetters:
    """The dead letters of one stream."""

    project: Project
    stream: Stream

    def causes(self) -> Causes:
        """Grouped by rule and path, with counts by state; reads all of them."""
        return causes(self.project.log, self.stream)

    def cause(self, identity: str) -> Cause:
        """One cause.

        Raises:
            ProjectError: there is none of that id.
        """
        found = self.causes().causes
        for cause in found:
            if cause.id == identity:
                return cause
        known = ", ".join(cause.id for cause in found[:10]) or "none"
        raise ProjectError(f"stream {self.stream.name} has no cause {identity}; it has: {known}")

    def show(self, identity: str) -> Letter:
        """One dead letter in full, with its history.

        Raises:
            ProjectError: there is none, or ``identity`` is not ``TOPIC:PARTITION:OFFSET``.
        """
        return find(self.project.log, self.stream, identity)

    def discard(self, identity: str | None = None, *, cause: str | None = None, reason: str) -> int:
        """Close an open dead letter, or all of a cause, with a reason; return how many.

        Raises:
            ProjectError: nothing to discard, or no reason.
        """
        if cause is not None:
            self.cause(cause)
        return discard(self.project.log, self.stream, identity=identity, cause=cause, reason=reason)

    def draft(self, cause: str, *, name: str | None = None) -> Path:
        """Write ``fixes/NAME.yaml`` for a cause, to be looked at and committed.

        Raises:
            ProjectError: no such cause, or the file is there.
        """
        from lakegate.deadletter.draft import draft

        found = self.cause(cause)
        name = name or f"{self.stream.table.rpartition('.')[2]}-{found.id}"
        path = self.project.root / FIXES / f"{name}.yaml"
        if path.exists():
            raise ProjectError(f"{path} is there already; give another --name, or remove it")
        few = list(samples(self.project.log, self.stream, found.id, _DRAFT_SAMPLES))
        path.parent.mkdir(exist_ok=True)
        path.write_text(draft(self.stream, found, few, name=name), encoding="utf-8")
        return path


def check_fixes(root: Path, streams: Iterable[str] | None) -> tuple[list[Path], list[Problem]]:
    """The fix files of a project, and every problem in them."""
    files = fix_files(root / FIXES)
    return files, read_fixes(files, streams=streams)[1]


def fixes_of(project: Project) -> list[Fix]:
    """Every fix of a project, in the order in which they apply.

    Raises:
        ProjectError: a file cannot be used; says all that is wrong.
    """
    found, problems = read_fixes(fix_files(project.root / FIXES), streams=list(project.found))
    if problems:
        raise ProjectError("\n".join(str(problem) for problem in problems))
    return found


def preview_fixes(
    project: Project, stream: str | None, names: Sequence[str], *, again: bool, unchanged: bool
) -> list[Preview]:
    """What a replay would do to each stream; see :meth:`Project.preview`."""
    return [
        preview(
            project.log,
            chosen,
            keys_in_force(project, compile_gate(chosen))[0],
            Selection(fixes, again, unchanged),
            PublishedTables(project),
        )
        for chosen, fixes in _chosen(project, stream, names, unchanged)
    ]


def replay_fixes(
    project: Project,
    stream: str | None,
    names: Sequence[str],
    *,
    again: bool,
    unchanged: bool,
    why: str | None,
) -> list[Replayed]:
    """Replay the dead letters of each stream; see :meth:`Project.replay`."""
    done = []
    for chosen, fixes in _chosen(project, stream, names, unchanged):
        finish(project, chosen)  # a quarantined row comes back only once it is off the table
        order = Order(
            Selection(fixes, again, unchanged),
            [_applied(project.root, fix) for fix in fixes],
            why,
        )
        done.append(replay(project.log, chosen, order, PublishedTables(project)))
    return done


def _chosen(
    project: Project, stream: str | None, names: Sequence[str], unchanged: bool
) -> list[tuple[Stream, list[Fix]]]:
    """Each stream and its fixes, of those that are named, or all."""
    fixes = fixes_of(project)
    known = {fix.name for fix in fixes}
    for name in names:
        if name not in known:
            there = ", ".join(sorted(known)) or f"none in {FIXES}/"
            raise ProjectError(f"no fix is called {name}; there are: {there}")
    wanted = [fix for fix in fixes if not names or fix.name in names]
    if stream is not None:
        streams = [project.stream(stream)]
    else:
        streams = [project.stream(name) for name in dict.fromkeys(fix.stream for fix in wanted)]
    chosen = [
        (each, [fix for fix in wanted if project.stream(fix.stream).name == each.name])
        for each in streams
    ]
    chosen = [(each, mine) for each, mine in chosen if mine or unchanged]
    if not chosen:
        where = f" for stream {stream}" if stream else ""
        raise ProjectError(
            f"there is no fix{where} in {project.root / FIXES}; `lakegate deadletter list` shows "
            "the causes, `lakegate fix new CAUSE` drafts one"
        )
    return chosen


def _applied(root: Path, fix: Fix) -> AppliedFix:
    """The fix and the commit that its file was last changed by, if it is in git."""
    commit = _git(root, "log", "-1", "--format=%H", "--", fix.file)
    changed = _git(root, "status", "--porcelain", "--", fix.file)
    return AppliedFix(fix.name, fix.digest, commit or None, bool(changed))


def _git(root: Path, *arguments: str) -> str | None:
    """What git says, or None if it is not there or this is no repository."""
    command = ["git", "-C", str(root), *arguments]
    try:
        done = subprocess.run(  # noqa: S603, our own arguments
            command, capture_output=True, text=True, timeout=_GIT_TIMEOUT_S, check=True
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip()


@dataclass(frozen=True)
class PublishedTables:
    """Published tables as fixes look things up in them; each column is read once."""

    project: Project

    @cached_property
    def _known(self) -> dict[tuple[str, str, str], Mapping[str, bytes]]:
        return {}

    def column(self, table: str, *, key: str, give: str) -> Mapping[str, bytes]:
        """JSON text of ``give`` by the text of ``key``; keys with several values are left out.

        Raises:
            LakeError: no such table or column, or more than a million keys.
        """
        wanted = (table, key, give)
        if wanted not in self._known:
            self._known[wanted] = self._read(*wanted)
        return self._known[wanted]

    def _read(self, table: str, key: str, give: str) -> Mapping[str, bytes]:
        import duckdb

        from lakegate.pipeline.query import connect, known_tables

        names = [identifier(name) for name in (table, key, give)]
        query = (
            f"SELECT CAST({names[1]} AS VARCHAR), CAST(any_value(to_json({names[2]})) AS VARCHAR) "  # noqa: S608
            f"FROM {names[0]} WHERE {names[1]} IS NOT NULL GROUP BY 1 "
            f"HAVING count(DISTINCT to_json({names[2]})) = 1 LIMIT {_MAX_KEYS + 1}"
        )
        connection = connect(self.project)
        _check_there(known_tables(connection), table, key, give)
        try:
            rows: list[tuple[Any, ...]] = connection.execute(query).fetchall()
        except duckdb.Error as error:
            raise LakeError(f"looking up {give} by {key} in table {table}: {error}") from error
        if len(rows) > _MAX_KEYS:
            raise LakeError(
                f"table {table} has more than {_MAX_KEYS:,} values of {key}: a fix cannot look "
                "things up in it; publish a smaller table for it"
            )
        return {name: text.encode() for name, text in rows}


def _check_there(tables: Mapping[str, Collection[str]], table: str, *columns: str) -> None:
    """Raises LakeError when there is no such table, or it has no such column."""
    if table not in tables:
        raise LakeError(f"no published table is called {table}{_instead(table, tables)}")
    for column in columns:
        if column not in tables[table]:
            instead = _instead(column, tables[table])
            raise LakeError(f"table {table} has no column {column}{instead}")


def _instead(name: str, there: Collection[str]) -> str:
    near = nearest(name, there)
    return f"; did you mean {near}?" if near else f"; there are: {', '.join(there) or 'none yet'}"
