"""``lakegate fix`` and ``lakegate replay``: repair dead letters, looking before doing."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import cyclopts
from cyclopts import Parameter

from lakegate.cli.options import ProjectOption
from lakegate.cli.output import Format, console, emit
from lakegate.wording import counted

if TYPE_CHECKING:
    from rich.console import RenderableType

    from lakegate.deadletter.preview import Example, Preview
    from lakegate.deadletter.repairs import StillFailing, Tally

__all__ = ["app", "render", "replay"]

app = cyclopts.App(name="fix", help="Draft fixes for dead letters, list them, and try them out.")

StreamOption = Annotated[str | None, Parameter(name="--stream", help="Only this stream.")]
AgainOption = Annotated[
    bool, Parameter(name="--again", help="Try again what failed by the same fixes and contract.")
]
UnchangedOption = Annotated[
    bool,
    Parameter(
        name="--unchanged",
        help="Take what no fix matches as it is, where the contract has changed since, or all "
        "that is wrong is a key another table lacked.",
    ),
]


@app.command
def new(
    cause: str,
    *,
    stream: StreamOption = None,
    name: str | None = None,
    project: ProjectOption = Path(),
    format: Format = "text",
) -> int:
    """Draft ``fixes/NAME.yaml`` for a cause, with samples and a guess at the steps.

    Parameters
    ----------
    cause:
        As ``lakegate deadletter list`` calls it.
    name:
        What the fix, and its file, are called; made from table and cause if not given.
    """
    from lakegate.cli.deadletter import letters_of
    from lakegate.pipeline.project import open_project

    with open_project(project) as opened:
        path = letters_of(opened, stream, "", cause=cause).draft(cause, name=name)
    if format == "json":
        emit({"file": str(path)})
    else:
        console().print(
            f"{path} is a draft: look at it, then `lakegate fix preview {path.stem}`",
            soft_wrap=True,
        )
    return 0


@app.command(name="list")
def list_(*, project: ProjectOption = Path(), format: Format = "text") -> int:
    """List the fixes in the order in which they apply."""
    from rich.table import Table

    from lakegate.pipeline.project import open_project

    with open_project(project) as opened:
        fixes = opened.fixes()
    if format == "json":
        for fix in fixes:
            keys = ("name", "stream", "description", "digest", "file")
            emit({key: getattr(fix, key) for key in keys})
        return 0
    table = Table(box=None, header_style="bold", pad_edge=False)
    for column in ("fix", "stream", "digest", "description"):
        table.add_column(column)
    for fix in fixes:
        table.add_row(fix.name, fix.stream, fix.digest[:12], fix.description)
    console().print(table)
    return 0


@app.command
def preview(
    *fixes: str,
    stream: StreamOption = None,
    again: AgainOption = False,
    unchanged: UnchangedOption = False,
    project: ProjectOption = Path(),
    format: Format = "text",
) -> int:
    """Say how many dead letters would pass, and why the others would not; change nothing.

    Exits with 1 when none would pass.

    Parameters
    ----------
    fixes:
        Names of fixes; all if none is named.
    """
    from lakegate.pipeline.project import open_project

    with open_project(project) as opened:
        found = opened.preview(stream, *fixes, again=again, unchanged=unchanged)
    for each in found:
        if format == "json":
            emit(each.document())
        else:
            console().print(render(each), soft_wrap=True)
    return 0 if any(each.passing for each in found) else 1


def replay(
    *fixes: str,
    stream: StreamOption = None,
    again: AgainOption = False,
    unchanged: UnchangedOption = False,
    why: str | None = None,
    project: ProjectOption = Path(),
    format: Format = "text",
) -> int:
    """Send repaired dead letters to the gate again, each once; a running worker judges them.

    Exits with 0 also when nothing is left to replay.

    Parameters
    ----------
    fixes:
        Names of fixes; all if none is named.
    why:
        Kept with every dead letter, with your name and the time.
    """
    from lakegate.pipeline.project import open_project

    with open_project(project) as opened:
        done = opened.replay(stream, *fixes, again=again, unchanged=unchanged, why=why)
    for each in done:
        if format == "json":
            emit(each.document())
            continue
        out = console()
        sent = counted(each.requested, "record")
        whose = "its" if each.requested == 1 else "their"
        out.print(f"[bold]{each.stream}[/]  {sent} on {whose} way to the gate")
        for line in _left(each.tally):
            out.print(line, soft_wrap=True)
    if format == "text" and any(each.requested for each in done):
        console().print("a running worker judges them, or `lakegate run --until-idle` does")
    return 0


def render(found: Preview) -> RenderableType:
    """A preview for people."""
    from rich.console import Group
    from rich.text import Text

    tally = found.tally
    lines: list[RenderableType] = [
        Text.assemble(
            (found.stream, "bold"),
            "  ",
            (f"{found.passing:,} of {tally.open:,} now pass", "bold green"),
            f", {_still(found.still_failing)}" if found.still_failing else "",
        )
    ]
    for names, count in tally.by_fixes.most_common(20):
        fixes = " + ".join(names) or "unchanged"
        lines.append(Text(f"  {fixes}: {found.passing_by[names]:,} of {count:,}"))
    lines += [
        Text.assemble(("  ✗ ", "red"), f"{_still(group.count)} because {_reason(group)}")
        for group in found.failing[:20]
    ]
    lines += _left(tally)
    lines += [_example(example) for example in found.examples[:8]]
    return Group(*lines)


def _left(tally: Tally) -> list[RenderableType]:
    """What is not replayed, and why."""
    from rich.text import Text

    said = [
        f"{count:,} cannot be repaired: {problem.where or 'before any step'}: {problem.message}, "
        f"such as {problem.sample}"
        for problem, count in tally.problems.most_common(20)
    ]
    if tally.held:
        said.append(f"{tally.held:,} failed by the same fixes and contract before (--again tries)")
    if tally.unchanged:
        said.append(f"{tally.unchanged:,} are matched, but no step changes them")
    if tally.unmatched:
        said.append(f"{_still(tally.unmatched)} because no fix matches")
        said += [
            f"  {group.count:,} of these: {_reason(group)}"
            for group in tally.unmatched_because.most_common()[:20]
        ]
    return [Text.assemble(("  ‖ ", "yellow"), text) for text in said]


def _reason(group: StillFailing) -> str:
    return (
        f"expected {group.expected}, got {group.observed} - at {group.path} [{group.rule}], "
        f"such as {group.sample}"
    )


def _still(count: int) -> str:
    return f"{count:,} still fails" if count == 1 else f"{count:,} still fail"


def _example(example: Example) -> RenderableType:
    from rich.text import Text

    mark, style = ("✓", "green") if example.passes else ("✗", "red")
    changes = ", ".join(
        f"{name}: {example.before[name] or 'absent'} → {example.after[name] or 'absent'}"
        for name in example.before
    )
    return Text.assemble((f"  {mark} ", style), f"{example.id}  {changes}")
