"""``lakegate deadletter``: rejected records by cause, in full, and discarded with a reason."""

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

    from lakegate.deadletter.cause import Cause, Causes
    from lakegate.deadletter.letter import Letter
    from lakegate.pipeline.deadletters import DeadLetters
    from lakegate.pipeline.project import Project

__all__ = ["app", "letters_of", "render"]

app = cyclopts.App(name="deadletter", help="See why records were rejected, and deal with them.")

StreamOption = Annotated[
    str | None, Parameter(name="--stream", help="The stream; needed if an ID does not tell.")
]


@app.command(name="list")
def list_(
    *streams: str,
    limit: int = 50,
    project: ProjectOption = Path(),
    format: Format = "text",
) -> int:
    """Group the dead letters by cause: a rule that fails at a place.

    Parameters
    ----------
    streams:
        Streams to look at; all of the project's if none is named.
    limit:
        Show at most so many causes of a stream, those with most open dead letters first.
    """
    from lakegate.pipeline.project import open_project

    with open_project(project) as opened:
        for stream in opened.selected(streams):
            found = opened.deadletters(stream.name).causes()
            if format == "json":
                for cause in found.causes:
                    emit({"stream": stream.name, **cause.document()})
            else:
                console().print(render(found, limit=limit), soft_wrap=True)
    return 0


@app.command
def show(
    id: str,
    *,
    stream: StreamOption = None,
    project: ProjectOption = Path(),
    format: Format = "text",
) -> int:
    """Show one dead letter in full: its bytes, every reason, and what became of it.

    Parameters
    ----------
    id:
        ``orders.deadletter:0:17``, or by the record it was, ``orders.raw:0:4711``.
    """
    from lakegate.pipeline.project import open_project

    with open_project(project) as opened:
        letter = letters_of(opened, stream, id).show(id)
    if format == "json":
        emit(letter)
    else:
        console().print(_letter(letter), soft_wrap=True)
    return 0


@app.command
def discard(
    id: str | None = None,
    *,
    reason: str,
    cause: str | None = None,
    stream: StreamOption = None,
    project: ProjectOption = Path(),
    format: Format = "text",
) -> int:
    """Close dead letters that need no fix, and keep why; exit 1 if none was open.

    Parameters
    ----------
    id:
        One dead letter; or give ``--cause``.
    reason:
        Why; kept with the dead letter, with your name and the time.
    cause:
        All open dead letters of this cause.
    """
    from lakegate.pipeline.project import open_project

    with open_project(project) as opened:
        letters = letters_of(opened, stream, id or "", cause=cause)
        count = letters.discard(id, cause=cause, reason=reason)
    if format == "json":
        emit({"stream": letters.stream.name, "discarded": count})
    else:
        console().print(f"{counted(count, 'dead letter')} discarded")
    return 0 if count else 1


def letters_of(
    project: Project, stream: str | None, identity: str, *, cause: str | None = None
) -> DeadLetters:
    """The dead letters of the stream that is named, or that an identity or cause belongs to."""
    from lakegate.errors import ProjectError

    if stream is not None:
        return project.deadletters(stream)
    topic = identity.rsplit(":", 2)[0] if identity.count(":") >= 2 else ""
    streams = project.selected(())
    for each in streams:
        if topic and topic.startswith(f"{each.topic_prefix}."):
            return project.deadletters(each.name)
    if cause is not None:
        known = (project.deadletters(each.name) for each in streams)
        found = [letters for letters in known if _has(letters, cause)]
        if len(found) == 1:
            return found[0]
    if len(streams) == 1:
        return project.deadletters(streams[0].name)
    names = ", ".join(each.name for each in streams)
    raise ProjectError(f"which stream is meant? Say --stream; there are: {names}")


def _has(letters: DeadLetters, cause: str) -> bool:
    return any(found.id == cause for found in letters.causes().causes)


def render(found: Causes, *, limit: int = 50) -> RenderableType:
    """The causes of one stream, three lines each."""
    from rich.console import Group
    from rich.text import Text

    from lakegate.deadletter.triage import State

    states = {state: found.states[state] for state in State}
    named = ", ".join(f"{count:,} {state.name.lower()}" for state, count in states.items() if count)
    head = Text.assemble((found.stream, "bold"), f"  {counted(found.total, 'dead letter')}")
    head.append(f": {named}" if named else "")
    lines: list[RenderableType] = [head]
    for cause in found.causes[:limit]:
        lines += _cause(cause)
    more = len(found.causes) - limit
    if more > 0 or found.beyond:
        rest = counted(found.beyond, "reason")
        lines.append(Text(f"and {counted(max(more, 0), 'cause')} more, {rest} beyond"))
    return Group(*lines)


def _cause(cause: Cause) -> list[RenderableType]:
    from rich.text import Text

    from lakegate.deadletter.triage import State

    counts = [f"{cause.open:,} open"]
    counts += [
        f"{cause.states[state]:,} {state.name.lower()}"
        for state in State
        if state not in (State.OPEN, State.FAILED) and cause.states[state]
    ]
    seen = f"{cause.first_seen:%Y-%m-%d %H:%M:%S} to {cause.last_seen:%Y-%m-%d %H:%M:%S} UTC"
    return [
        Text.assemble(
            (f"  {cause.id}  ", "bold"),
            (", ".join(counts), "red" if cause.open else "green"),
            f"  {cause.path} [{cause.rule}]",
        ),
        Text(f"            expected {cause.expected}, got {cause.observed}"),
        Text(f"            {seen}, from {', '.join(cause.producers)}, such as {cause.sample}"),
    ]


def _letter(letter: Letter) -> RenderableType:
    from rich.console import Group
    from rich.text import Text

    def printable(raw: bytes | None) -> str:
        return "null" if raw is None else raw.decode("utf-8", "backslashreplace")

    lines: list[RenderableType] = [
        Text.assemble((letter.id, "bold"), f"  {letter.state}"),
        Text(f"  was        {letter.source}, at {letter.timestamp:%Y-%m-%d %H:%M:%S} UTC"),
        Text(f"  judged by  {letter.contract} ({letter.contract_digest[:12]})"),
        Text(f"  rejected   {letter.rejected_at:%Y-%m-%d %H:%M:%S} UTC"),
        Text(f"  key        {printable(letter.key)}"),
        *(Text(f"  header     {name}: {printable(held)}") for name, held in letter.headers),
        Text(f"  value      {printable(letter.value)}"),
    ]
    lines += [_reason(reason, "red") for reason in letter.reasons]
    for event in letter.history:
        said = f"  {event['at']:%Y-%m-%d %H:%M:%S}  {event['event']}"
        said += f" by {event['who']}" if event["who"] else ""
        said += f": {event['why']}" if event["why"] else ""
        lines.append(Text(said))
        if event["fixes"]:
            lines.append(Text(f"    fixes {event['fixes']}"))
        lines += [_reason(reason, "yellow") for reason in event["reasons"] or ()]
    return Group(*lines)


def _reason(reason: dict[str, str], style: str) -> RenderableType:
    from rich.text import Text

    return Text.assemble(
        ("  ✗ ", style),
        f"expected {reason['expected']}, got {reason['observed']} - at {reason['path']} "
        f"[{reason['rule']}]",
    )
