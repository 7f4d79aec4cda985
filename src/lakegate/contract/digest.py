"""The contract digest: one SHA-256 for one meaning (SEMANTICS "Contract digest")."""

from __future__ import annotations

import hashlib
import json
from decimal import Decimal
from typing import Any

__all__ = ["canonical", "digest"]


def canonical(value: Any) -> str:
    """Canonical text of a resolved document of dicts, lists and scalars.

    JSON in ASCII without spaces, keys sorted by code point, numbers as ``<digits>e<exponent>``
    without trailing zeros, so that ``1``, ``1.0`` and ``1.00`` are one number. Equal text means
    equal meaning: quoting, comments, order of keys, aliases and layout are gone; the order of lists
    stays.
    """
    if value is None or isinstance(value, bool):
        return json.dumps(value)
    if isinstance(value, int | Decimal):
        return _number(Decimal(value))
    if isinstance(value, str):
        return json.dumps(value)
    if isinstance(value, dict):
        entries = (f"{json.dumps(key)}:{canonical(value[key])}" for key in sorted(value))
        return "{" + ",".join(entries) + "}"
    return "[" + ",".join(canonical(item) for item in value) + "]"


def _number(value: Decimal) -> str:
    # Decimal.normalize() would round to the context's precision.
    sign, digits, exponent = value.as_tuple()
    text = "".join(map(str, digits)).lstrip("0")
    stripped = text.rstrip("0")
    if not stripped:
        return "0e0"
    power = int(exponent) + len(text) - len(stripped)
    return f"{'-' if sign else ''}{stripped}e{power}"


def digest(document: Any) -> str:
    """SHA-256 of :func:`canonical` text, as 64 hexadecimal digits."""
    return hashlib.sha256(canonical(document).encode("ascii")).hexdigest()
