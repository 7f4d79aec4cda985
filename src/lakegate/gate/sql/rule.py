"""The SQL rules of a stream that the gate judges, made ready."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any

from lakegate.contract.sql.rule import NotPerRecord, RowRule, parse_row_rule
from lakegate.contract.stream import Place, RuleKind, Stream
from lakegate.contract.type import Severity
from lakegate.errors import ContractError

__all__ = ["GateRule", "row_rules"]

_OBSERVED_CHARACTERS = 80


@dataclass(frozen=True, slots=True)
class GateRule:
    """A row rule with what to say when it is true of a record."""

    rule: RowRule
    severity: Severity
    expected: str

    def observe(self, row: Mapping[str, Any]) -> str:
        """The columns the rule looks at, as a JSON object of at most 80 characters."""
        seen = {".".join(path): _reach(row, path) for path in self.rule.columns}
        text = json.dumps(seen, ensure_ascii=False, separators=(",", ":"), default=_shown)
        if len(text) > _OBSERVED_CHARACTERS:
            text = text[: _OBSERVED_CHARACTERS - 3] + "..."
        return text


def row_rules(stream: Stream) -> tuple[GateRule, ...]:
    """The stream's SQL rules whose place is the gate, in declared order.

    Raises:
        ContractError: a rule is placed at the gate and cannot be judged per record.
    """
    rules = []
    for rule in stream.rules:
        if rule.place is not Place.GATE or rule.kind is not RuleKind.SQL or rule.query is None:
            continue
        parsed = parse_row_rule(
            rule.query,
            stream.fields,
            property_name=rule.properties[0] if rule.properties else None,
            object_name=stream.object_name,
        )
        if isinstance(parsed, NotPerRecord):
            raise ContractError(
                f"{rule.location or stream.name}: rule `{rule.name}` cannot be judged per record: "
                f"{parsed.reason}; place it at the audit"
            )
        expected = f"NOT ({parsed.text}) (rule {rule.name})"
        rules.append(GateRule(parsed, rule.severity, expected))
    return tuple(rules)


def _reach(row: Mapping[str, Any], path: tuple[str, ...]) -> Any:
    value: Any = row
    for name in path:
        if not isinstance(value, Mapping):
            return None
        value = value.get(name)
    return value


def _shown(value: Any) -> Any:
    if isinstance(value, Decimal):
        return str(value)
    return value.isoformat() if isinstance(value, date) else str(value)
