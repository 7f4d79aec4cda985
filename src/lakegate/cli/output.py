"""How commands speak: Rich for people, one JSON object per line for machines, errors on stderr."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from rich.console import Console

__all__ = ["Format", "console", "emit", "errors", "say_error", "unwrapped"]

Format = Literal["text", "json"]
_WHOLE = 10_000  # characters; no row is longer


def console() -> Console:
    """Standard output for people."""
    from rich.console import Console

    return Console(highlight=False, soft_wrap=False)


def unwrapped() -> Console:
    """Standard output, on which a row is one line where nobody gave it a width: in a pipe."""
    out = console()
    if not out.is_terminal:
        out.width = _WHOLE
    return out


def errors() -> Console:
    """Standard error for people."""
    from rich.console import Console

    return Console(stderr=True, highlight=False, soft_wrap=True)


def emit(document: Any) -> None:
    """One JSON object on one line of standard output; flushed, so that a pipe sees it now.

    Dataclasses, decimals, dates, bytes (base64) and enums are understood.
    """
    import msgspec

    sys.stdout.buffer.write(msgspec.json.encode(document) + b"\n")
    sys.stdout.buffer.flush()


def say_error(message: str) -> None:
    """``error: …`` on standard error."""
    from rich.text import Text

    errors().print(Text.assemble(("error: ", "bold red"), message))
