"""JSONPath (RFC 9535) of a value in a record, as failures and unknown fields write it."""

from __future__ import annotations

import re
from typing import TypeAlias

__all__ = [
    "BASE_BYTES",
    "FAILURE_BYTES",
    "PATHS_CODE",
    "PER_BYTE",
    "ROOT",
    "Steps",
    "child",
    "most_path_bytes",
    "path_at",
    "utf8_size",
]

ROOT = "$"
PATHS_CODE = "record.paths"
"""The code of a record of which there is more to tell than :func:`most_path_bytes`."""

Steps: TypeAlias = "tuple[Steps, str | int] | None"
"""Where a value stands: the steps to what it is in, and the one from there (the text of a member's
step, or an index); None is the record. A path is made of them only where somebody asks: it repeats
every key on the way, and a key may be as long as a record.
"""

BASE_BYTES, PER_BYTE = 64 << 10, 8
"""What :func:`most_path_bytes` is made of."""

FAILURE_BYTES = 32
"""What a failure counts beside its path and what was expected."""

_SHORTHAND = re.compile(r"[A-Za-z_\u0080-\U0010ffff][0-9A-Za-z_\u0080-\U0010ffff]*")


def child(path: str, name: str) -> str:
    """The path of a member: ``$.a``, or ``$['a b']`` where the shorthand does not do."""
    if _SHORTHAND.fullmatch(name):
        return f"{path}.{name}"
    escaped = name.replace("\\", "\\\\").replace("'", "\\'")
    # RFC 9535 wants control characters escaped, and they would break a terminal.
    escaped = re.sub(r"[\x00-\x1f]", lambda found: f"\\u{ord(found[0]):04x}", escaped)
    return f"{path}['{escaped}']"


def path_at(steps: Steps) -> str:
    """The path as text."""
    path = ""
    while steps is not None:
        steps, step = steps
        path = f"{step}{path}" if type(step) is str else f"[{step}]{path}"
    return ROOT + path


def most_path_bytes(record_bytes: int) -> int:
    """How many bytes may be told of a record of that size.

    Counted, in UTF-8, is what a record can have any number of: the path of each undeclared field
    that is kept, and of each failure in an array or a map, or of an undeclared field, the path,
    what was expected, and :data:`FAILURE_BYTES` for the rest.
    """
    return BASE_BYTES + PER_BYTE * record_bytes


def utf8_size(text: str) -> int:
    """How many bytes the text has in UTF-8."""
    return len(text) if text.isascii() else len(text.encode())
