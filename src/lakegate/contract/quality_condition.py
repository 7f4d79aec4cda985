"""What a quality rule compares with what: its operator, bounds, unit and arguments."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from lakegate.contract.document import Node
from lakegate.contract.option import check_pattern, json_text
from lakegate.contract.problem import Report, nearest
from lakegate.contract.stream import RuleKind
from lakegate.contract.type import AnyType, Field, StringType

__all__ = [
    "OPERATORS",
    "Arguments",
    "Quality",
    "arguments",
    "bounds",
    "operator",
    "operators",
    "unit",
]

OPERATORS = (
    *("mustBe", "mustNotBe", "mustBeGreaterThan", "mustBeGreaterOrEqualTo"),
    *("mustBeLessThan", "mustBeLessOrEqualTo", "mustBeBetween", "mustNotBeBetween"),
)
_BETWEEN = frozenset({"mustBeBetween", "mustNotBeBetween"})
_ARGUMENTS = {
    "missingValues": ("missingValues",),
    "invalidValues": ("validValues", "pattern"),
    "duplicateValues": ("properties",),
}
_UNITS = {"rows": "rows", "row": "rows", "percent": "percent", "%": "percent"}


@dataclass(frozen=True, slots=True)
class Quality:
    """What a ``quality`` list is about: a column, or the object when ``field`` is None."""

    column: str
    field: Field | None
    in_array: bool = False
    columns: tuple[str, ...] = ()

    @property
    def level(self) -> str:
        """``property`` or ``object``."""
        return "object" if self.field is None else "property"


@dataclass(frozen=True, slots=True)
class Arguments:
    """What a metric was given; texts are JSON texts, None stands for null."""

    valid: tuple[str | None, ...] | None = None
    missing: tuple[str | None, ...] | None = None
    pattern: str | None = None
    properties: tuple[str, ...] = ()


def operators(entry: Node) -> list[str]:
    """The operators an entry has, in its order."""
    return [name for name in entry.mapping() if name in OPERATORS]


def operator(entry: Node, metric: str | None, report: Report) -> str | None:
    """The one operator of a rule, or None: then the report says what is wrong."""
    names = operators(entry)
    if len(names) == 1:
        return names[0]
    if not names:
        if not any(nearest(key, OPERATORS) for key in entry.mapping()):  # else LG103 names it
            message = f"nothing says what {metric or 'the query'} must be"
            report.add("LG501", entry.at, message, advice="add one, such as `mustBe: 0`")
        return None
    at = entry.at_key(names[1])
    advice = "keep one (a range is `mustBeBetween: [low, high]`), or write two rules"
    report.add("LG502", at, f"two operators: {' and '.join(names)}", advice=advice)
    return None


def bounds(
    entry: Node, operator: str | None, kind: RuleKind, report: Report
) -> tuple[Decimal | bool, ...] | None:
    """What the operator compares with: one value, or two for a range; None if it has none."""
    if operator is None:
        return None
    node = entry.find((operator,))
    wanted = "two numbers" if operator in _BETWEEN else "a number"
    values = node.value if isinstance(node.value, list) else [node]
    bounds = [_bound(value, operator, kind) for value in values]
    paired = len(bounds) == 2 if operator in _BETWEEN else not isinstance(node.value, list)
    if not paired or any(bound is None for bound in bounds):
        report.add("LG512", node.at, f"{operator} needs {wanted}", advice="numbers are not quoted")
        return None
    found = tuple(bound for bound in bounds if bound is not None)
    if operator in _BETWEEN:
        low, high = found
        if low > high:
            report.add("LG302", node.at, f"no value can pass: {low} is above {high}")
        text = f"{operator} includes {low} and {high} (ODCS' prose says it does not)"
        report.add("LG510", node.at, text, advice="see docs/reference/deviations.md")
    return found


def _bound(node: Node, operator: str, kind: RuleKind) -> Decimal | bool | None:
    if isinstance(node.value, bool):
        boolean = kind is RuleKind.SQL and operator in ("mustBe", "mustNotBe")
        return node.value if boolean else None
    return Decimal(node.value) if isinstance(node.value, int | Decimal) else None


def unit(entry: Node, report: Report) -> str:
    """``rows`` or ``percent``."""
    text = entry.text("unit")
    if text is None:
        return "rows"
    known = _UNITS.get(text.lower())
    if known is None:
        message = f"unknown unit `{text}`"
        report.add("LG508", entry.find(("unit",)).at, message, advice="use rows or percent")
    return known or "rows"


def arguments(entry: Node, metric: str | None, about: Quality, report: Report) -> Arguments:
    """The arguments of a metric, also where an author put them beside ``arguments``."""
    wanted = _ARGUMENTS.get(metric or "", ())
    source = entry.get("arguments")
    inside = source is not None and isinstance(source.value, dict)
    found = {name: source.get(name) for name in wanted} if inside and source is not None else {}
    for name in wanted:
        beside = entry.get(name)
        if beside is None or found.get(name) is not None:
            continue
        found[name] = beside
        if source is not None or entry.get("rule") is None:
            message = f"`{name}` stands beside `arguments`, where ODCS does not read it"
            advice = "indent it below `arguments:`"
            report.add("LG505", entry.at_key(name), message, advice=advice)
    given = {name: node for name, node in found.items() if node is not None}
    needed = metric in ("missingValues", "invalidValues") or (
        metric == "duplicateValues" and about.field is None
    )
    if needed and not given:
        advice = f"add `arguments:` with {' or '.join(f'`{name}:`' for name in wanted)}"
        report.add("LG505", entry.at, f"`{metric}` needs arguments", advice=advice)
    return _read_arguments(given, about, report)


def _read_arguments(given: dict[str, Node], about: Quality, report: Report) -> Arguments:
    pattern = given.get("pattern")
    text = pattern.value if pattern is not None else None
    if pattern is not None and not (
        isinstance(text, str)
        and check_pattern(pattern, report)
        and _is_text(pattern, about, report)
    ):
        text = None
    valid, missing = given.get("validValues"), given.get("missingValues")
    properties = given.get("properties") if about.field is None else None
    names: list[str] = []
    if properties is not None and isinstance(properties.value, list):
        for child in properties.value:
            name = str(child.value)
            if name not in about.columns:
                near = nearest(name, about.columns)
                advice = f"did you mean `{near}`?" if near else ""
                report.add("LG513", child.at, f"no property `{name}`", advice=advice)
            names.append(name)
    return Arguments(
        valid=_texts(valid, report),
        missing=_texts(missing, report),
        pattern=text if isinstance(text, str) else None,
        properties=tuple(names),
    )


def _is_text(pattern: Node, about: Quality, report: Report) -> bool:
    """Whether the column is text; if not, it is reported. A number has many spellings."""
    if about.field is None or isinstance(about.field.type, StringType | AnyType):
        return True
    message = f"`pattern` does not apply to `{about.column}`, which is no string"
    advice = "judge it with `validValues`, a `minimum` or a `maximum`, or make it a string"
    report.add("LG301", pattern.at, message, advice=advice)
    return False


def _texts(node: Node | None, report: Report) -> tuple[str | None, ...] | None:
    if node is None:
        return None
    if not isinstance(node.value, list) or any(
        isinstance(child.value, dict | list) for child in node.value
    ):
        report.add("LG505", node.at, "a list of values is needed", advice="write [a, b]")
        return None
    return tuple(json_text(child.value) for child in node.value)
