"""The rules, one module per family; :data:`RULES` has those a contract can declare.

Adding a rule: docs/reference/gate.md.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from lakegate.gate.rules import (
    format,  # noqa: A004 - named as ODCS names it
    items,
    length,
    metric,
    multiple,
    pattern,
    properties,
    range,  # noqa: A004
    record,
)
from lakegate.gate.rules.base import Code, Rule

__all__ = ["CODES", "RULES", "Code", "Rule"]

_FAMILIES = (length, pattern, format, range, multiple, items, properties, metric)

RULES: Mapping[str, Rule] = MappingProxyType(
    {rule.code: rule for family in _FAMILIES for rule in family.RULES}
)

CODES: Mapping[str, str] = MappingProxyType(
    {code.code: code.meaning for code in record.CODES}
    | {rule.code: rule.meaning for rule in RULES.values()}
)
