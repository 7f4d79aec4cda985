"""``lakegate demo``: a year of real flights through the whole circle, proven at the end."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING

from lakegate.cli.output import console as standard_output
from lakegate.wording import counted

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

    from lakegate.demo.year import Step
    from lakegate.pipeline.project import Project

__all__ = ["demo", "show"]

_SHOWN = 10  # dead letters that stay, at most, of a cause


def demo(folder: Path = Path("lakegate-demo")) -> int:
    """Send a year of New York flights and weather through a project of their own.

    336,776 flights are posted to the gateway and 26,115 hours of weather come as a database's
    changes, in time order: judged by their contracts, landed in Iceberg, rejected ones repaired and
    replayed, audited, alerted on, published, modelled, proven. Exits 1 if the proof fails.

    Parameters
    ----------
    folder:
        Where the project is made; an earlier demo there is replaced, anything else is refused.
    """
    return show(folder, standard_output())


def show(folder: Path, console: Console) -> int:
    """Run the demo in ``folder``; 0 if the proof holds, else 1."""
    from lakegate.cli.status import render
    from lakegate.demo.source import data_folder
    from lakegate.demo.year import make_project
    from lakegate.gate.native.choice import said
    from lakegate.pipeline.project import open_project

    started = time.monotonic()
    data_folder()
    make_project(folder)
    with open_project(folder) as project:
        console.print(
            "\n[bold]Lakegate[/]  a year of New York flights and weather, judged by "
            f"[bold]{folder}/contracts[/]\n{said()}\n"
        )
        _send(project, console)
        console.print("\n[bold]Why records were rejected[/]  (each is kept, with every reason)")
        console.print(_causes(project))
        _repair(project, console)
        console.print("\n[bold]Audit[/]  of what is staged, then publish what may be")
        _publish(project, console)
        _alert(project, console)
        _model(project, console)
        console.print("\n[bold]Proof[/]")
        status = project.status()
        console.print(render(status))
        console.print(
            "\n[bold]Departure delay by airline, in fair and in bad weather[/]  (minutes)"
        )
        console.print(_answer(project))
    console.print(
        f"\n{time.monotonic() - started:.0f} s. Look around:\n"
        f"  lakegate status -p {folder}\n"
        f"  lakegate deadletter list flights -p {folder}\n"
        f"  lakegate incident list -p {folder}\n"
        f"  lakegate model lineage departures.delay -p {folder}\n"
        f'  lakegate query "from weather_impact" -p {folder}\n'
    )
    return 0 if status.proven else 1


def _send(project: Project, console: Console) -> None:
    from rich.live import Live

    from lakegate.demo.year import send_year

    steps: dict[str, Step] = {}
    started = time.monotonic()
    with Live(_progress(steps, 0.0), console=console, refresh_per_second=8) as live:

        def tell(step: Step) -> None:
            steps[step.stream] = step
            live.update(_progress(steps, time.monotonic() - started))

        send_year(project, tell)


def _progress(steps: dict[str, Step], seconds: float) -> Table:
    table = _table("stream", "until", "sent", "accepted", "rejected", "landed", right=2)
    for step in steps.values():
        table.add_row(
            step.stream,
            step.month,
            f"{step.sent:,}",
            f"[green]{step.accepted:,}[/]",
            f"[red]{step.rejected:,}[/]" if step.rejected else "0",
            f"{step.landed:,}",
        )
    sent = sum(step.sent for step in steps.values())
    rate = f"{sent / seconds:,.0f} records/s" if seconds > 1 else ""
    table.caption = f"{seconds:.0f} s  {rate}"
    table.caption_justify = "left"
    return table


def _causes(project: Project) -> Table:
    from lakegate.demo.year import STREAMS

    table = _table(
        "cause", "stream", "where", "rule", "expected", "for example", "records", right=6
    )
    for name in STREAMS:
        for cause in project.deadletters(name).causes().causes:
            table.add_row(
                cause.id,
                name,
                cause.path,
                cause.rule,
                cause.expected,
                cause.observed,
                f"{cause.count:,}",
            )
    return table


def _repair(project: Project, console: Console) -> None:
    """Try the fixes that stand in ``fixes/``, then replay what they mend."""
    from rich.markup import escape

    from lakegate.cli.fix import render as render_preview
    from lakegate.deadletter.cause import samples
    from lakegate.deadletter.triage import State

    console.print("\n[bold]Fix[/]  by what is in fixes/: first a preview, which changes nothing")
    for found in project.preview("flights"):
        console.print(render_preview(found))
    (replayed,) = project.replay("flights", why="the two reviewed fixes of the demo")
    project.run("flights", until="idle")
    causes = project.deadletters("flights").causes()
    console.print(
        f"\n[green]✓[/]  replayed: {replayed.requested:,} records through the same gate, "
        f"[bold]{causes.states[State.REPLAYED]:,} came back[/]; what stays is explained:"
    )
    for cause in causes.causes:
        for letter in samples(project.log, project.stream("flights"), cause.id, _SHOWN):
            why = "{path}: expected {expected}, got {observed}".format_map(letter["reason"])
            console.print(f"[red]✗[/]  {escape(why)}", soft_wrap=True)


def _publish(project: Project, console: Console) -> None:
    from lakegate.audit.base import EventClock
    from lakegate.cli.publish import render
    from lakegate.demo.year import DIRECTORY, STREAMS
    from lakegate.errors import PublishRefused

    for name in (*DIRECTORY, *STREAMS):
        audited = project.audit(name, clock=EventClock())
        if name in STREAMS:
            console.print(render(audited.report, brief=True))
        try:
            published = audited.publish()
        except PublishRefused as error:
            console.print(f"[yellow]held back[/] {error}")
            continue
        console.print(
            f"[green]✓[/]  published: [bold]{name}[/], {audited.report.rows:,} rows, main is at "
            f"snapshot {published.snapshot_id}"
        )
        if project.stream(name).cdc is not None:
            merged = project.merge(name)
            console.print(
                f"[green]✓[/]  merged: [bold]{merged.table}[/], the rows as the source has them now"
            )


def _alert(project: Project, console: Console) -> None:
    from lakegate.pipeline.watching import Watch

    console.print("\n[bold]Alerts[/]  to owners and to every consumer of what is hit")
    with Watch(project, write=lambda line: console.print(line, markup=False)) as watch:
        watch.tick()
        watch.deliver(wait_s=10)


def _model(project: Project, console: Console) -> None:
    console.print("\n[bold]Models[/]  silver and gold, over what is published")
    for result in project.run_models().results:
        done = result.status == "built"
        size = "a view" if result.rows is None else f"{result.rows:,} rows"
        tests = counted(len(result.tests), "test")
        said = f"{size}, {tests}" if done else f"{result.status}: {result.reason}"
        mark = "[green]✓[/]" if done else "[red]✗[/]"
        console.print(f"{mark}  {result.model}: {said}")


def _answer(project: Project) -> Table:
    from lakegate.demo.year import IMPACT

    relation = project.sql(IMPACT)
    table = _table(*(name.replace("_", " ") for name in relation.columns), right=1)
    for row in relation.fetchall():
        table.add_row(*[f"{cell:,}" if isinstance(cell, int) else str(cell) for cell in row])
    return table


def _table(*columns: str, right: int) -> Table:
    """A plain table whose columns from ``right`` on hold numbers."""
    from rich.table import Table

    table = Table(box=None, header_style="bold", pad_edge=False)
    for index, column in enumerate(columns):
        table.add_column(
            column,
            justify="right" if index >= right else "left",
            overflow="ellipsis",
            max_width=40,
            no_wrap=True,
        )
    return table
