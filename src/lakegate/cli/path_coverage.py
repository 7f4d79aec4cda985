"""``lakegate contract coverage --paths``: what the gate judges natively, and what falls back."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Literal

from lakegate.cli.output import console, emit, say_error

__all__ = ["show"]


def show(file: Path, output: Literal["text", "json"]) -> int:
    """List every type, check and rule of each stream with its path; 0, or 2 for a bad contract."""
    from lakegate.contract.loading import load
    from lakegate.errors import ContractError
    from lakegate.gate.native.coverage import path_coverage

    try:
        found = [
            (stream.name, judged)
            for stream in load(file, variables=os.environ).streams
            for judged in path_coverage(stream)
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
    for stream, one in found:
        colour = "yellow" if one.falls_back else "green"
        cells = (stream, one.subject, one.what, Text(one.path, colour), one.reason)
        table.add_row(*(cell if isinstance(cell, Text) else Text(cell) for cell in cells))
    out = console()
    out.print(table)
    falling = sum(one.falls_back for _, one in found)
    out.print(f"\nfalls back: {f'{falling} of {len(found)}' if falling else 'none'}")
    return 0
