"""``lakegate merge``: bring merged tables of streams of changes to what is published."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from lakegate.cli.options import ProjectOption
from lakegate.cli.output import Format, console, emit
from lakegate.wording import counted

if TYPE_CHECKING:
    from lakegate.lake.merge import MergeReport

__all__ = ["merge"]


def merge(*streams: str, project: ProjectOption = Path(), format: Format = "text") -> int:
    """Apply what was published since the last merge; harmless to repeat.

    Parameters
    ----------
    streams:
        Streams of changes (`lakegate.cdc` in the contract); all of the project's if none is named.
    """
    from lakegate.pipeline.project import open_project

    with open_project(project) as opened:
        chosen = opened.selected(streams)
        for stream in chosen if streams else [item for item in chosen if item.cdc is not None]:
            report = opened.merge(stream.name)
            if format == "json":
                emit(report)
            else:
                console().print(_sentence(report))
    return 0


def _sentence(report: MergeReport) -> str:
    if report.source_snapshot_id is None:
        return f"{report.stream}: nothing is published yet"
    if report.snapshot_id is None:
        return f"{report.table}: up to date, {counted(report.rows, 'row')}"
    more = [
        f"{count:,} {what}"
        for count, what in (
            (report.repeated, "sent again and passed over"),
            (report.late, "replayed"),
        )
        if count
    ]
    if report.truncates:
        more.append(counted(report.truncates, "truncate"))
    inside = f" ({', '.join(more)})" if more else ""
    how = "derived anew" if report.rebuilt else f"{report.rewritten_files} of {report.files} files"
    changes, rows = counted(report.changes, "change"), counted(report.rows, "row")
    return f"{report.table}: {changes}{inside}, {rows}, {how}"
