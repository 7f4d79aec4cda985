"""``lakegate audit`` and ``publish``: judge what is staged, then move ``main`` to it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Literal

from lakegate.cli.options import ProjectOption
from lakegate.cli.output import Format, console, emit

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from rich.console import RenderableType

    from lakegate.audit.late import WindowResult
    from lakegate.audit.result import AuditReport, RuleResult
    from lakegate.pipeline.project import Project

__all__ = ["audit", "publish", "render"]


def audit(
    *streams: str,
    clock: Literal["wall", "event"] = "wall",
    history: bool = False,
    project: ProjectOption = Path(),
    format: Format = "text",
) -> int:
    """Judge what is staged by the contract's rules and SLAs; exit 1 if it may not be published.

    Parameters
    ----------
    streams:
        Streams to audit; all of the project's if none is named.
    clock:
        ``event``: the newest event time is now, for replaying history.
    history:
        Judge nothing; show what earlier audits found, newest first.
    """
    from lakegate.audit.base import EventClock, WallClock
    from lakegate.pipeline.project import open_project

    passed = True
    with open_project(project) as opened:
        for stream in opened.selected(streams):
            if history:
                _show_history(opened, stream.name, format)
                continue
            chosen = EventClock() if clock == "event" else WallClock()
            report = opened.audit(stream.name, clock=chosen).report
            passed &= report.passed
            if format == "json":
                emit(report)
            else:
                console().print(render(report))
    return 0 if passed else 1


def publish(
    *streams: str,
    accept: tuple[str, ...] = (),
    reason: str | None = None,
    by: str | None = None,
    project: ProjectOption = Path(),
    format: Format = "text",
) -> int:
    """Move ``main`` to the staged snapshot that was audited last; exit 1 if refused.

    Refuses when an error-level rule failed, nothing was audited, or ``main`` has moved since.

    Parameters
    ----------
    streams:
        Streams to publish; all of the project's if none is named.
    accept:
        A failed rule to publish in spite of, for this audit only; may be repeated. One stream.
    reason:
        Why it is accepted; kept with who and when.
    by:
        Who accepts it; whoever runs this, if not given.
    """
    from lakegate.cli.output import say_error
    from lakegate.errors import PublishRefused
    from lakegate.pipeline.auditing import publish_last
    from lakegate.pipeline.project import open_project

    if accept and len(streams) != 1:
        say_error("--accept is a decision about one stream: name it")
        return 2
    refused = 0
    with open_project(project) as opened:
        for stream in opened.selected(streams):
            try:
                published = publish_last(opened, stream, accept=accept, reason=reason, by=by)
            except PublishRefused as error:
                refused += 1
                if format == "json":
                    emit({"stream": stream.name, "published": None, "refused": str(error)})
                else:
                    say_error(str(error))
                continue
            if format == "json":
                emit(published)
            else:
                console().print(
                    f"[green]✓[/] [bold]{stream.name}[/]  main is at snapshot "
                    f"{published.snapshot_id}"
                    + (f", in spite of {', '.join(accept)}: {reason}" if accept else "")
                )
    return 1 if refused else 0


def _show_history(project: Project, stream: str, format: Format) -> None:
    from rich.table import Table
    from rich.text import Text

    entries = project.audits.history(stream)
    windows = project.windows.history(stream)
    accepted = project.quarantines.acceptances(stream)
    quarantines = project.quarantines.quarantines(stream)
    if format == "json":
        for entry in entries:
            emit({"stream": stream, "entry": entry})
        for window, audit_id, at in windows:
            emit({"stream": stream, "window": window, "audit_id": audit_id, "finished_at": at})
        for one in accepted:
            emit({"stream": stream, "accepted": one})
        for note in quarantines:
            emit({"stream": stream, "quarantine": note})
        return
    table = Table(box=None, header_style="bold", pad_edge=False, title=stream, title_justify="left")
    for column in ("audited at", "rule", "status", "observed"):
        table.add_column(column)
    for entry in entries:
        mark, style = _mark(entry.result)
        table.add_row(
            f"{entry.finished_at:%Y-%m-%d %H:%M:%S}",
            entry.result.name,
            f"[{style}]{mark} {entry.result.status}[/]",
            entry.result.observed_text(),
        )
    console().print(table)
    if windows:
        console().print(_windows(windows))
    for one in accepted:
        when = f"{one.at:%Y-%m-%d %H:%M:%S}"
        said = f"! {when} {one.by} accepted {one.rule} of audit {one.audit_id}: {one.reason}"
        console().print(Text(said, "yellow"))
    for note in quarantines:
        rules = ", ".join(rule.rule for rule in note.rules)
        said = f"· {note.at:%Y-%m-%d %H:%M:%S} {note.by} quarantined {note.rows:,} rows: {rules}"
        console().print(Text(said if note.reason is None else f"{said}; {note.reason}"))


def _windows(found: Sequence[tuple[WindowResult, str, datetime]]) -> RenderableType:
    """Every revision of a window's result, the newest first."""
    from rich.table import Table

    table = Table(box=None, header_style="bold", pad_edge=False)
    columns = ("audited at", "rule", "window from", "state", "status", "observed", "rows", "why")
    for column in columns:
        table.add_column(column)
    for window, _, at in found:
        late = f" ({window.late:+,})" if window.late else ""
        table.add_row(
            f"{at:%Y-%m-%d %H:%M:%S}",
            window.rule,
            f"{window.start:%Y-%m-%d %H:%M:%S}",
            window.state,
            window.status,
            window.observed_text(),
            f"{window.rows:,}{late}",
            window.reason,
        )
    return table


def render(report: AuditReport, *, brief: bool = False) -> RenderableType:
    """The verdict on the whole, then a line per rule, failures first (``brief``: only those)."""
    from rich.console import Group
    from rich.table import Table
    from rich.text import Text

    from lakegate.audit.result import Status

    table = Table(box=None, show_header=False, pad_edge=False, padding=(0, 2, 0, 0))
    table.add_column()
    table.add_column(no_wrap=True, overflow="ellipsis", max_width=36)
    table.add_column()
    for result in sorted(report.results, key=lambda result: not result.failed):
        if brief and not result.failed:
            continue
        mark, style = _mark(result)
        table.add_row(Text(mark, style), result.name, Text(_tail(result.name, result.sentence())))
    verdict = (
        Text("may be published", "bold green") if report.passed else Text("held back", "bold red")
    )
    passed = sum(result.status is Status.PASSED for result in report.results)
    head = Text.assemble(
        (report.stream, "bold"),
        f"  snapshot {report.snapshot_id}, {report.rows:,} rows, {passed} of "
        f"{len(report.results)} rules passed: ",
        verdict,
    )
    return Group(head, table)


def _tail(name: str, sentence: str) -> str:
    return sentence.removeprefix(f"{name}: ")


def _mark(result: RuleResult) -> tuple[str, str]:
    from lakegate.audit.result import Status

    if result.holds_back:
        return "✗", "red"
    if result.failed:
        return "!", "yellow"
    return ("·", "dim") if result.status is Status.NOT_MEASURED else ("✓", "green")
