"""``lakegate quarantine``: take the rows that offend a failed rule off ``staged``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from lakegate.cli.options import ProjectOption
from lakegate.cli.output import Format, console, emit

if TYPE_CHECKING:
    from rich.console import RenderableType

    from lakegate.pipeline.quarantining import Quarantined

__all__ = ["quarantine", "render"]


def quarantine(
    stream: str,
    *,
    rule: Annotated[tuple[str, ...], Parameter(required=True)],
    reason: str | None = None,
    by: str | None = None,
    dry_run: bool = False,
    project: ProjectOption = Path(),
    format: Format = "text",
) -> int:
    """Take rows that offend failed rules off `staged`; they become dead letters.

    Rows that are published stay. Exit 1 if no row could be taken off.

    Parameters
    ----------
    stream:
        The stream, audited before.
    rule:
        A rule that failed in the last audit and can name its rows; may be repeated.
    reason:
        Why, for the record.
    by:
        Who decided; whoever runs this, if not given.
    dry_run:
        Change nothing; say how many rows it would be, with a sample.
    """
    from lakegate.pipeline.project import open_project

    with open_project(project) as opened:
        done = opened.quarantine(stream, rules=rule, reason=reason, by=by, dry_run=dry_run)
    if format == "json":
        emit(
            {
                "quarantine": done.note,
                "dry_run": done.dry_run,
                "samples": done.samples,
                "finished": done.finished,
            }
        )
    else:
        console().print(render(done))
    return 0 if done.rows or done.finished else 1


def render(done: Quarantined) -> RenderableType:
    """What was taken off, what stays, a sample, and what to do next."""
    from rich.console import Group
    from rich.table import Table
    from rich.text import Text

    note = done.note
    would = "would be taken" if done.dry_run else "taken"
    lines: list[RenderableType] = [
        Text(f"  finished quarantine {one.id}, cut short: {one.rows:,} rows")
        for one in done.finished
    ]
    lines.append(
        Text.assemble(
            (note.stream, "bold"), f"  {note.rows:,} rows {would} off staged",
            "" if done.dry_run else f", quarantine {note.id}",
        )
    )  # fmt: skip
    for counted, sample in zip(note.rules, done.samples, strict=True):
        lines.append(Text(f"  {counted.rule}: {counted.rows:,} rows"))
        table = Table(box=None, show_header=False, pad_edge=False, padding=(0, 2, 0, 4))
        for row in sample.waiting:
            where = f"{row.topic}[{row.partition}] offset {row.offset}"
            table.add_row(Text(where, "dim"), sample.path, Text(row.observed))
        if sample.waiting:
            lines.append(table)
        if counted.published:
            lines.append(
                Text(
                    f"    {counted.published:,} more are published and stay: main only moves "
                    "forward; correct them at the source, or accept the rule",
                    "yellow",
                )
            )
    if note.rebuilt:
        lines.append(Text(f"  {note.rebuilt:,} originals are gone; built again from the row"))
    if note.rows and not done.dry_run:
        lines.append(
            Text(f"  next: lakegate audit {note.stream}, then lakegate publish {note.stream}")
        )
    return Group(*lines)
