"""How the flow looks in a terminal: streams, incidents, parts; ``lakegate status --watch``."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import RenderableType

    from lakegate.pipeline.numbers import Numbers, StreamNumbers
    from lakegate.pipeline.supervisor.board import Board, PartView
    from lakegate.state.incident_store import Incident

__all__ = ["History", "flow"]

_BARS = "▁▂▃▄▅▆▇█"
_RATE_OVER_S = 5.0
_SHOWN_INCIDENTS = 5
_COURSE = 12
_COLOURS = {"up": "green", "starting": "yellow", "waiting": "yellow", "down": "red"}


@dataclass(slots=True)
class History:
    """The last looks, for rates and their course."""

    looks: deque[Numbers] = field(default_factory=lambda: deque(maxlen=120))

    def rate(self, stream: str, count: Callable[[StreamNumbers], int]) -> float:
        """Per second, over the last few seconds; 0 before there are two looks."""
        recent = [look for look in self.looks if look.at_s >= self.looks[-1].at_s - _RATE_OVER_S]
        first, last = recent[0], recent[-1]
        if last.at_s <= first.at_s:
            return 0.0
        change = _of(last, stream, count) - _of(first, stream, count)
        return max(0.0, change / (last.at_s - first.at_s))

    def course(self, stream: str, count: Callable[[StreamNumbers], int], width: int) -> str:
        """The rate between consecutive looks as bars, the newest on the right."""
        looks = list(self.looks)[-width - 1 :]
        values = [_of(look, stream, count) for look in looks]
        steps = [
            max(0.0, (after - before) / max(to.at_s - since.at_s, 1e-3))
            for before, after, since, to in zip(values, values[1:], looks, looks[1:], strict=False)
        ]
        top = max(steps, default=0.0)
        bars = [_BARS[min(7, int(step / top * 7.999))] if step and top else " " for step in steps]
        return "".join(bars).rjust(width)


def _of(look: Numbers, stream: str, count: Callable[[StreamNumbers], int]) -> int:
    return next((count(one) for one in look.streams if one.stream == stream), 0)


def flow(
    name: str,
    history: History,
    board: Board | None,
    incidents: Sequence[Incident],
    *,
    only: set[str] | None = None,
) -> RenderableType:
    """The view at the newest look of ``history``."""
    from rich.console import Group
    from rich.text import Text

    numbers = history.looks[-1]
    rows: list[RenderableType] = [_header(name, numbers, board), Text()]
    for stream in numbers.streams:
        if only is None or stream.stream in only:
            rows += [_card(stream, history, numbers.at_s)]
    rows += [Text(), _incidents(incidents), Text()]
    if board is not None:
        rows.append(_parts(board))
    rows.append(Text("\nq quits; `lakegate status` proves the numbers from the data", "dim"))
    return Group(*rows)


def _header(name: str, numbers: Numbers, board: Board | None) -> RenderableType:
    from rich.table import Table
    from rich.text import Text

    grid = Table.grid(expand=True)
    grid.add_column()
    grid.add_column(justify="right")
    left = Text.assemble(("lakegate ", "bold"), (name, "bold cyan"), "   ")
    if board is None:
        left.append("● not running", "dim").append("  start it with `lakegate up`", "dim")
    else:
        colour = {"ok": "green", "down": "red"}.get(board.status, "yellow")
        word = "up" if board.status == "ok" else board.status
        left.append(f"● {word}", f"bold {colour}")
        left.append(f"  for {_span(numbers.at_s - board.since_s)}, gateway {board.gateway}", "dim")
    grid.add_row(left, Text(time.strftime("%H:%M:%S", time.localtime(numbers.at_s)), "dim"))
    return grid


def _card(one: StreamNumbers, history: History, now_s: float) -> RenderableType:
    """One stream: how far its records are, what waits where, and how fast."""
    from rich import box
    from rich.console import Group
    from rich.panel import Panel
    from rich.table import Table
    from rich.text import Text

    stages = (
        ("raw", one.raw, _raw),
        ("validated", one.accepted + one.replayed, _validated),
        ("staged", one.rows_staged, _staged),
        ("main", one.rows_main, _main),
    )
    grid = Table.grid(expand=True)
    cells: list[tuple[RenderableType, RenderableType, RenderableType]] = []
    waits = (one.waiting_to_judge, one.waiting_to_land, one.waiting_to_publish)
    for place, (title, count, reads) in enumerate(stages):
        if place:
            grid.add_column(justify="center", ratio=4)
            cells.append((Text(), Text("──▶", "dim"), _waiting(waits[place - 1])))
        grid.add_column(justify="center", ratio=4)
        rate = history.rate(one.stream, reads)
        speed = Text(f"{rate:,.0f}/s", "cyan") if rate >= 0.5 else Text("·", "dim")
        cells.append((Text(title, "dim"), Text(f"{count:,}", "bold"), speed))
    for line in zip(*cells, strict=True):
        grid.add_row(*line)
    calm = "yellow" if one.paused else "red" if one.audit_failed else "bright_black"
    return Panel(
        Group(grid, Text(), _foot(one, history, now_s)),
        box=box.ROUNDED,
        title=Text(f" {one.stream} ", "bold" if calm == "bright_black" else f"bold {calm}"),
        title_align="left",
        border_style=calm,
        padding=(0, 1),
    )


def _waiting(count: int) -> RenderableType:
    from rich.text import Text

    return Text(f"{count:,} wait" if count else "", "yellow" if count else "dim")


def _foot(one: StreamNumbers, history: History, now_s: float) -> RenderableType:
    """What was refused, what the audit said, and how the flow went lately."""
    from rich.table import Table
    from rich.text import Text

    foot = Text()
    if one.paused:
        foot.append("‖ paused", "bold yellow").append("   ")
    rate = history.rate(one.stream, _rejected)
    letters = f"{one.open_deadletters:,} of {one.deadletters:,} dead letters open"
    foot.append(letters, "red" if one.open_deadletters else "dim")
    if rate >= 0.5:
        foot.append(f" {rate:,.0f}/s", "red")
    foot.append("   ")
    if one.audit_failed:
        foot.append(f"✗ held back by {', '.join(one.audit_failed[:3])}", "red")
    elif one.audit_passed:
        foot.append(f"✓ {one.audit_passed} rules", "green")
    else:
        foot.append("not audited yet", "dim")
    if one.published_s is not None:
        foot.append(f"   published {_span(now_s - one.published_s)} ago", "dim")
    grid = Table.grid(expand=True)
    grid.add_column(no_wrap=True, overflow="ellipsis", ratio=1)
    grid.add_column(justify="right", no_wrap=True)
    grid.add_row(foot, Text(history.course(one.stream, _raw, _COURSE), "cyan"))
    return grid


def _incidents(incidents: Sequence[Incident]) -> RenderableType:
    from rich.table import Table
    from rich.text import Text

    if not incidents:
        return Text.assemble((" ✓ ", "green"), ("no open incidents", "dim"))
    table = Table.grid(padding=(0, 2, 0, 0), expand=True)
    table.add_column(no_wrap=True)
    table.add_column(no_wrap=True)
    table.add_column(overflow="ellipsis", no_wrap=True, ratio=1)
    for incident in incidents[:_SHOWN_INCIDENTS]:
        table.add_row(
            Text(f" ✗ {incident.number}", "bold red"),
            Text(incident.key.stream or "project", "bold"),
            Text(incident.summary),
        )
    more = len(incidents) - _SHOWN_INCIDENTS
    if more > 0:
        table.add_row("", "", Text(f"and {more} more: lakegate incident list", "dim"))
    return table


def _parts(board: Board) -> RenderableType:
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, header_style="dim", pad_edge=False, padding=(0, 3, 0, 0))
    for column in (" part", "pid", "memory", "restarts", "for", ""):
        table.add_column(
            column,
            justify="right" if column in {"pid", "memory", "restarts", "for"} else "left",
            no_wrap=column != "",
        )
    for part in board.parts:
        colour = _COLOURS.get(part.status, "dim")
        table.add_row(
            Text.assemble((" ● ", colour), part.name),
            Text(str(part.pid or ""), "dim"),
            "" if part.rss_bytes is None else f"{part.rss_bytes / 1e6:,.0f} MB",
            Text(str(part.restarts), "yellow" if part.restarts else "dim"),
            Text(_span(time.time() - part.since_s), "dim"),
            _remark(part, colour),
        )
    return table


def _remark(part: PartView, colour: str) -> RenderableType:
    from rich.text import Text

    if part.troubles:
        name, what = next(iter(part.troubles.items()))
        return Text(f"{name}: {what}", "yellow", overflow="ellipsis", no_wrap=True)
    if part.status == "up":
        return Text(f"after it {part.ended}" if part.ended else "", "dim")
    return Text(f"{part.status}{': ' + part.ended if part.ended else ''}", colour)


def _span(seconds: float) -> str:
    """A length of time, short: 12 s, 3 min, 2 h, 5 d."""
    for length, unit in ((86_400, "d"), (3_600, "h"), (60, "min")):
        if seconds >= 2 * length:
            return f"{seconds / length:,.0f} {unit}"
    return f"{max(0.0, seconds):.0f} s"


def _raw(one: StreamNumbers) -> int:
    return one.raw


def _validated(one: StreamNumbers) -> int:
    return one.accepted + one.replayed


def _rejected(one: StreamNumbers) -> int:
    return one.rejected


def _staged(one: StreamNumbers) -> int:
    return one.rows_staged


def _main(one: StreamNumbers) -> int:
    return one.rows_main
