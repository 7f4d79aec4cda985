"""JSONPath (RFC 9535) of a value in a record, as failures and unknown fields write it."""

from __future__ import annotations

import re

__all__ = ["ROOT", "child"]

ROOT = "$"
_SHORTHAND = re.compile(r"[A-Za-z_\u0080-\U0010ffff][0-9A-Za-z_\u0080-\U0010ffff]*")


def child(path: str, name: str) -> str:
    """The path of a member: ``$.a``, or ``$['a b']`` where the shorthand does not do."""
    if _SHORTHAND.fullmatch(name):
        return f"{path}.{name}"
    escaped = name.replace("\\", "\\\\").replace("'", "\\'")
    # RFC 9535 wants control characters escaped, and they would break a terminal.
    escaped = re.sub(r"[\x00-\x1f]", lambda found: f"\\u{ord(found[0]):04x}", escaped)
    return f"{path}['{escaped}']"
