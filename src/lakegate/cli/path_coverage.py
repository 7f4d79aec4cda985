"""``lakegate contract coverage --paths``: what the gate judges natively, and what falls back."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from lakegate.cli.output import emit, say_error, unwrapped

if TYPE_CHECKING:
    from lakegate.contract.stream import Stream
    from lakegate.gate.native.coverage import Judged

__all__ = ["show"]


def show(files: Sequence[Path], output: Literal["text", "json"]) -> int:
    """List every type, check and rule of each stream with its path; 0, or 2 for a bad contract."""
    from lakegate.contract.loading import load
    from lakegate.errors import ContractError
    from lakegate.gate.native.coverage import path_coverage

    try:
        found = [
            (stream.name, judged)
            for file in files
            for stream in load(file, variables=os.environ).streams
            for judged in (*_envelope(stream), *path_coverage(stream))
        ]
    except ContractError as cause:
        say_error(str(cause))
        return 2
    if output == "json":
        for stream, one in found:
            emit(
                {
                    "stream": stream,
                    "subject": one.subject,
                    "what": one.what,
                    "path": one.path,
                    "falls_back": one.falls_back,
                    "reason": one.reason,
                }
            )
        return 0
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, header_style="bold", pad_edge=False)
    for column in ("stream", "value", "asked of it", "path", ""):
        table.add_column(column, overflow="fold")
    falling = [one for _, one in found if one.falls_back]
    reasons = {one.reason for one in falling}
    shared = reasons.pop() if len(reasons) == 1 and len(falling) > 1 else None
    for stream, one in found:
        colour = "yellow" if one.falls_back else "green"
        reason = "" if one.reason == shared else one.reason
        cells = (stream, one.subject, one.what, Text(one.path, colour), reason)
        table.add_row(*(cell if isinstance(cell, Text) else Text(cell) for cell in cells))
    out = unwrapped()
    out.print(table)
    said = f"{len(falling)} of {len(found)}" if falling else "none"
    because = f": {shared}" if shared else ""
    out.print(Text(f"\nfalls back: {said}{because}"), soft_wrap=True)
    return 0


def _envelope(stream: Stream) -> Iterator[Judged]:
    """Of a stream of changes, what is around the rows: they alone are judged natively."""
    if stream.cdc is not None:
        from lakegate.gate.debezium.gate import ENVELOPE
        from lakegate.gate.native.coverage import Judged

        yield Judged("$", "the envelope of a change event", "pure Python", ENVELOPE)
