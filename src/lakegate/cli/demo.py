"""``lakegate demo``: a year of real flights, from raw events to a published table, proven."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING

from lakegate.cli.output import console as standard_output

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

    from lakegate.demo.replay import Step
    from lakegate.pipeline.project import Project

__all__ = ["demo", "show"]


def demo(folder: Path = Path("lakegate-demo")) -> int:
    """Replay a year of New York flights and weather through a project of their own.

    336,776 flights and 26,115 hourly weather records, as JSON events in time order: judged by their
    contracts, landed in Iceberg, audited, published, proven, queried. Exits 1 if the proof fails.

    Parameters
    ----------
    folder:
        Where the project is made; an earlier demo there is replaced, anything else is refused.
    """
    return show(folder, standard_output())


def show(folder: Path, console: Console) -> int:
    """Run the demo in ``folder``; 0 if the proof holds, else 1."""
    from lakegate.cli.status import render
    from lakegate.demo.replay import DIRECTORY, STREAMS, make_project
    from lakegate.demo.source import data_folder
    from lakegate.pipeline.project import open_project

    started = time.monotonic()
    data_folder()
    make_project(folder)
    with open_project(folder) as project:
        console.print(
            "\n[bold]Lakegate[/]  a year of New York flights and weather, judged by "
            f"[bold]{folder}/contracts[/]\n"
        )
        _replay(project, console)
        console.print(
            "\n\n[bold]Why records were rejected[/]  (each one is kept, with every reason)"
        )
        console.print(_causes(project))
        console.print("\n[bold]Audit[/]  of what is staged, then publish what may be")
        for name in (*DIRECTORY, *STREAMS):
            _publish(project, name, console)
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
        f"  lakegate topic tail flights.deadletter --limit 1 -p {folder}\n"
        f'  lakegate query "select origin, count(*) from flights group by all" -p {folder}\n'
    )
    return 0 if status.proven else 1


def _replay(project: Project, console: Console) -> None:
    from rich.live import Live

    from lakegate.demo.replay import replay

    steps: dict[str, Step] = {}
    started = time.monotonic()
    with Live(_progress(steps, 0.0), console=console, refresh_per_second=8) as live:

        def tell(step: Step) -> None:
            steps[step.stream] = step
            live.update(_progress(steps, time.monotonic() - started))

        replay(project, tell)


def _progress(steps: dict[str, Step], seconds: float) -> Table:
    from rich.table import Table

    table = Table(box=None, header_style="bold", pad_edge=False)
    table.add_column("stream", min_width=10)
    table.add_column("until")
    for column in ("sent", "accepted", "rejected", "landed"):
        table.add_column(column, justify="right", min_width=9)
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
    from rich.table import Table

    from lakegate.demo.replay import STREAMS, causes

    table = Table(box=None, header_style="bold", pad_edge=False)
    for column in ("stream", "where", "rule", "expected", "for example"):
        table.add_column(column, overflow="ellipsis", max_width=44, no_wrap=True)
    table.add_column("records", justify="right")
    for name in STREAMS:
        for cause in causes(project, name):
            table.add_row(
                name,
                cause.path,
                cause.rule,
                cause.expected,
                cause.observed,
                f"{cause.records:,}",
            )
    return table


def _publish(project: Project, name: str, console: Console) -> None:
    from lakegate.audit.base import EventClock
    from lakegate.cli.publish import render
    from lakegate.demo.replay import STREAMS
    from lakegate.errors import PublishRefused

    audited = project.audit(name, clock=EventClock())
    if name in STREAMS:
        console.print(render(audited.report, brief=True))
    try:
        published = audited.publish()
    except PublishRefused as error:
        console.print(f"[yellow]held back[/] {error}")
        return
    console.print(
        f"[green]✓[/]  published: [bold]{name}[/], {audited.report.rows:,} rows, main is at "
        f"snapshot {published.snapshot_id}"
    )


def _answer(project: Project) -> Table:
    from rich.table import Table

    from lakegate.demo.replay import DELAYS

    relation = project.sql(DELAYS)
    table = Table(box=None, header_style="bold", pad_edge=False)
    for index, name in enumerate(relation.columns):
        table.add_column(name.replace("_", " "), justify="right" if index else "left")
    for row in relation.fetchall():
        table.add_row(*[f"{cell:,}" if isinstance(cell, int) else str(cell) for cell in row])
    return table
