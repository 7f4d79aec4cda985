"""``lakegate init``: a working project in a second."""

from __future__ import annotations

from pathlib import Path

from lakegate.cli.output import Format, console, emit

__all__ = ["init"]


def init(folder: Path = Path(), *, format: Format = "text") -> int:
    """Make a project in a folder: a contract, sample records, a fix, a consumer and two models.

    Nothing that is there is overwritten.

    Parameters
    ----------
    folder:
        Where; made if it is not there.
    """
    from lakegate.pipeline.scaffold import scaffold

    made = scaffold(folder)
    if format == "json":
        emit({"folder": str(folder), "files": [str(path) for path in made.files]})
        return 0
    out = console()
    for path in made.files:
        out.print(f"[green]+[/] {folder / path}")
    out.print("\nNext:\n")
    for command in made.next_commands:
        out.print(f"  {command}", soft_wrap=True)
    return 0
