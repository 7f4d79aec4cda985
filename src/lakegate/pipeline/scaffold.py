"""A working project to begin with: small files from ``pipeline/template``, copied."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from lakegate.errors import ProjectError

__all__ = ["Scaffold", "scaffold"]

_TEMPLATE = Path(__file__).with_name("template")
_NAMED = ("lakegate.toml", "README.md")  # they carry the project's name
_HIDDEN = {"gitignore": ".gitignore"}


@dataclass(frozen=True, slots=True)
class Scaffold:
    """What was made: files relative to the folder, and the commands that come next."""

    folder: Path
    files: tuple[Path, ...]
    next_commands: tuple[str, ...]


def scaffold(folder: Path) -> Scaffold:
    """Make a project in ``folder``, which may exist; all of it or nothing.

    Raises:
        ProjectError: one of its files is there already, or the folder cannot be written.
    """
    wanted = dict(_files(_name_of(folder)))
    there = [name for name in wanted if os.path.lexists(folder / name)]
    if there:
        raise ProjectError(
            f"{folder / there[0]} is there already, and nothing is overwritten; choose another "
            "folder: lakegate init FOLDER"
        )
    try:
        for name, text in wanted.items():
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            with path.open("x", encoding="utf-8") as file:
                file.write(text)
    except OSError as error:
        raise ProjectError(f"cannot make {error.filename}: {error.strerror}") from error
    return Scaffold(folder, tuple(wanted), tuple(_next(folder)))


def _files(name: str) -> Iterator[tuple[Path, str]]:
    for source in sorted(_TEMPLATE.rglob("*")):
        relative = source.relative_to(_TEMPLATE)
        if source.is_dir() or "__pycache__" in relative.parts:
            continue
        text = source.read_text(encoding="utf-8")
        if source.name in _NAMED:
            text = text.format(name=name)
        yield relative.with_name(_HIDDEN.get(source.name, source.name)), text


def _name_of(folder: Path) -> str:
    """The folder's name, as far as it may stand in a TOML string."""
    return re.sub(r"[^\w .-]", "-", folder.resolve().name) or "project"


def _next(folder: Path) -> Iterator[str]:
    here = folder.resolve() == Path.cwd()
    if not here:
        yield f"cd {folder}"
    yield "lakegate up                                     # everything runs; Ctrl-C ends it"
    yield "lakegate topic send orders.raw sample.ndjson    # in another terminal"
    yield "lakegate status --watch                         # see it flow"
