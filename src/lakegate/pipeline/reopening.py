"""Windows whose result late rows changed, told where the proof of the published rows is shown."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import TYPE_CHECKING

from lakegate.audit.late import WindowResult
from lakegate.contract.stream import Stream

if TYPE_CHECKING:
    from lakegate.pipeline.project import Project

__all__ = ["reopened_windows"]

_NAMED = 5


def reopened_windows(project: Project, stream: Stream) -> Iterator[str]:
    """A sentence for each window reopened since ``main`` was moved the time before; five at most.

    Raises:
        StateError: the operational database cannot be read.
    """
    found = project.windows.reopened(stream.name, since=_before(project, stream))
    for before, after in found[:_NAMED]:
        yield (
            f"{stream.name}: {after.rule} of the window from {after.start:%Y-%m-%d %H:%M:%S} was "
            f"reopened: {after.reason}; it was {_said(before)}, it is {_said(after)}"
        )
    if len(found) > _NAMED:
        yield (
            f"{stream.name}: {len(found) - _NAMED:,} more windows were reopened; "
            f"`lakegate audit {stream.name} --history`"
        )


def _before(project: Project, stream: Stream) -> datetime | None:
    """When ``main`` was moved the time before it was moved last."""
    moved = [one.at for one in project.audits.publications(stream.name, limit=20) if one.moved]
    return moved[1] if len(moved) > 1 else None


def _said(one: WindowResult) -> str:
    observed = one.observed_text()
    return f"{one.status} ({observed})" if observed else str(one.status)
