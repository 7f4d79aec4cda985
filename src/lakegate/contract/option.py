"""Options of a logical type (``logicalTypeOptions``) as constraints."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from decimal import Decimal

from lakegate.contract.custom import Settings
from lakegate.contract.document import Node
from lakegate.contract.option_rule import OPTION_RULES, Argument
from lakegate.contract.pattern import PatternError
from lakegate.contract.pattern import compile as compile_pattern
from lakegate.contract.problem import Report
from lakegate.contract.string_format import FORMATS
from lakegate.contract.temporal import (
    FormatError,
    TemporalError,
    parse_date,
    parse_local_timestamp,
    parse_time,
    parse_timestamp,
)
from lakegate.contract.type import (
    ArrayType,
    Bound,
    Constraint,
    DateType,
    DecimalType,
    IntegerType,
    Location,
    MapType,
    NumberType,
    ObjectType,
    StringType,
    TimestampType,
    TimeType,
    Type,
)

__all__ = ["OPTIONS", "check_pattern", "constraints", "enum_texts", "json_text"]

_BOUNDS = frozenset({"minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"})
_NUMERIC = _BOUNDS | {"format"}
_TEMPORAL = _BOUNDS | {"format", "timezone", "defaultTimezone"}
# What each logical type has beside the rules by name; some of it shapes the type itself.
_OTHERS: dict[str, frozenset[str]] = {
    "string": frozenset({"format"}),
    "integer": _NUMERIC,
    "number": _NUMERIC,
    "boolean": frozenset(),
    "date": _TEMPORAL,
    "time": _TEMPORAL,
    "timestamp": _TEMPORAL,
    "array": frozenset(),
    "object": frozenset({"required"}),
    "vector": frozenset(
        [
            "dimensions",
            "elementType",
            "distanceMetric",
            "embeddingModel",
            "embeddingModelVersion",
            "normalized",
        ]
    ),
    "map": frozenset(),
}
# Which options each logical type has.
OPTIONS: dict[str, frozenset[str]] = {
    kind: others | {rule.name for rule in OPTION_RULES.values() if kind in rule.types}
    for kind, others in _OTHERS.items()
}
_PAIRS = (
    ("minLength", "maxLength"),
    ("minItems", "maxItems"),
    ("minProperties", "maxProperties"),
    ("minimum", "maximum"),
    ("exclusiveMinimum", "maximum"),
    ("minimum", "exclusiveMaximum"),
    ("exclusiveMinimum", "exclusiveMaximum"),
)
_UNIX = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class _Reader:
    kind: Type
    settings: Settings
    report: Report

    def constraint(self, name: str, bound: Bound, at: Location) -> Constraint:
        severity = self.settings.severity(name)
        return Constraint(name, bound, severity, at)


def constraints(
    node: Node, kind: Type, settings: Settings, report: Report
) -> tuple[Constraint, ...]:
    """The constraints that the options of a property add to its type, in document order."""
    options = node.get("logicalTypeOptions")
    reader = _Reader(kind, settings, report)
    found: list[Constraint] = []
    if options is not None:
        for name, value in options.mapping().items():
            made = _option(name, value, options, reader)
            if made is not None:
                found.append(made)
        _check_pairs(found, report)
    return tuple(found)


def _option(name: str, value: Node, options: Node, reader: _Reader) -> Constraint | None:
    at = options.at_key(name)
    kind, report = reader.kind, reader.report
    if name in ("exclusiveMinimum", "exclusiveMaximum") and isinstance(value.value, bool):
        return None  # ODCS 3.0: a flag on minimum and maximum, read with them
    if name in _BOUNDS:
        bound = _bound(name, value, reader)
        flag = options.get("exclusive" + name[0].upper() + name[1:])
        exclusive = flag is not None and flag.value is True
        code = "exclusive" + name[0].upper() + name[1:] if exclusive else name
        return None if bound is None else reader.constraint(code, bound, at)
    rule = OPTION_RULES.get(name)
    if rule is not None:
        argument = _argument(name, rule.argument, value, report)
        return None if argument is None else reader.constraint(name, argument, at)
    if name == "format" and isinstance(kind, StringType) and isinstance(value.value, str):
        return _string_format(value.value, at, reader)
    if name == "required" and isinstance(value.value, list):
        names = tuple(item.value for item in value.value if isinstance(item.value, str))
        return reader.constraint("requiredKeys", names, at)
    return None


def _argument(name: str, kind: Argument, node: Node, report: Report) -> Bound | None:
    """What stands behind an option; None when it asks nothing, or is wrong, which is reported."""
    value = node.value
    number = isinstance(value, int | Decimal) and not isinstance(value, bool)
    if kind is Argument.COUNT and number and isinstance(value, int) and value >= 0:
        return value
    if kind is Argument.STEP and number and Decimal(value) > 0:  # type: ignore[arg-type]
        return Decimal(value)  # type: ignore[arg-type]
    if kind is Argument.PATTERN and isinstance(value, str):
        return value if check_pattern(node, report) else None
    if kind is Argument.FLAG and isinstance(value, bool):
        return value or None
    if all(problem.location != node.at for problem in report.problems):
        report.add("LG105", node.at, f"`{name}` must be {kind}")
    return None


def check_pattern(node: Node, report: Report) -> bool:
    """Whether a pattern can be enforced; if not, it is reported."""
    try:
        compile_pattern(str(node.value))
    except PatternError as cause:
        report.add("LG304", node.at, str(cause))
        return False
    return True


def _string_format(name: str, at: Location, reader: _Reader) -> Constraint | None:
    if name in FORMATS:
        return reader.constraint("format", name, at)
    message = f"the string format `{name}` is not enforced"
    advice = f"enforced are: {', '.join(FORMATS)}; or give a pattern"
    reader.report.add("LG305", at, message, advice=advice)
    return None


def _bound(name: str, value: Node, reader: _Reader) -> Bound | None:
    kind, raw, report = reader.kind, value.value, reader.report
    number = isinstance(raw, int | Decimal) and not isinstance(raw, bool)
    if isinstance(kind, IntegerType | NumberType | DecimalType):
        return _number_bound(name, value, reader) if number else None
    if not isinstance(raw, str):
        return None
    parse: Callable[[str], Bound]
    if isinstance(kind, DateType):
        parse = parse_date
    elif isinstance(kind, TimeType):
        parse = _time
    elif isinstance(kind, TimestampType):
        zone = None if kind.zoned else kind.default_timezone

        def parse(text: str) -> Bound:
            return _timestamp(text, zone)
    else:
        return None
    try:
        return parse(raw)
    except (TemporalError, FormatError) as cause:
        report.add(
            "LG303", value.at, f"{name} `{raw}` cannot be read: {cause}", advice="write ISO 8601"
        )
        return None


def _time(text: str) -> time:
    micros = parse_time(text)
    return (_UNIX + timedelta(microseconds=micros)).time()


def _timestamp(text: str, zone: str | None) -> datetime:
    # A bound may carry a zone even where the values carry none, and a space for the T.
    if text[10:11] == " ":
        text = f"{text[:10]}T{text[11:]}"
    try:
        micros = parse_timestamp(text)
    except TemporalError:
        if zone is None:
            raise
        micros = parse_local_timestamp(text, zone)
    return _UNIX + timedelta(microseconds=micros)


def _number_bound(name: str, value: Node, reader: _Reader) -> Bound | None:
    kind, number = reader.kind, Decimal(value.value)  # type: ignore[arg-type]
    if isinstance(kind, IntegerType):
        low = -(1 << kind.bits - 1) if kind.signed else 0
        high = (1 << kind.bits - (1 if kind.signed else 0)) - 1
        if number != number.to_integral_value() or not low <= number <= high:
            message = f"{name} {value.value} is not a value of {_describe(kind)}"
            reader.report.add("LG303", value.at, message, advice=f"from {low} to {high}")
            return None
        return int(number)
    if isinstance(kind, DecimalType):
        digits = max(number.adjusted() + 1, 0) if number else 0
        if _scale(number) > kind.scale or digits > kind.precision - kind.scale:
            message = f"{name} {value.value} is not a value of {_describe(kind)}"
            reader.report.add("LG303", value.at, message, advice="widen the decimal or the bound")
            return None
    return number


def _scale(number: Decimal) -> int:
    digits = number.as_tuple()
    text = "".join(map(str, digits.digits))
    zeros = len(text) - len(text.rstrip("0")) if number else len(text)
    return max(-(int(digits.exponent) + zeros), 0)


def _describe(kind: IntegerType | DecimalType) -> str:
    if isinstance(kind, DecimalType):
        return f"decimal({kind.precision},{kind.scale})"
    return f"{'i' if kind.signed else 'u'}{kind.bits}"


def _check_pairs(found: list[Constraint], report: Report) -> None:
    by_rule = {constraint.rule: constraint for constraint in found}
    for low_rule, high_rule in _PAIRS:
        low, high = by_rule.get(low_rule), by_rule.get(high_rule)
        if low is None or high is None or high.location is None:
            continue
        empty_when_equal = "exclusive" in low_rule + high_rule
        above = low.bound > high.bound  # type: ignore[operator]
        if above or (empty_when_equal and low.bound == high.bound):
            message = f"no value can pass: {low_rule} {low.bound}, {high_rule} {high.bound}"
            report.add("LG302", high.location, message, advice="exchange them or drop one")


def json_text(value: object) -> str | None:
    """A scalar of the contract as the text it is compared by; None for null."""
    if value is None:
        return None
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Decimal):
        return format(value, "f")
    return str(value)


def enum_texts(node: Node, kind: Type, settings: Settings, report: Report) -> Constraint | None:
    """The constraint of an ODCS 3.2 ``enum``: ``invalidValues`` with the texts of its values."""
    entries = node.items("enum")
    if not entries or isinstance(kind, ArrayType | ObjectType | MapType):
        return None
    texts: list[str | None] = []
    for entry in entries:
        value = entry.get("value")
        if value is None:
            continue
        number = isinstance(value.value, int | Decimal) and not isinstance(value.value, bool)
        wrong = isinstance(kind, IntegerType | NumberType | DecimalType) and not number
        if wrong or (isinstance(kind, StringType) and not isinstance(value.value, str)):
            message = f"`{json_text(value.value)}` is not of the property's type"
            report.add("LG312", value.at, message, advice="quote text; leave numbers unquoted")
        texts.append(json_text(value.value))
    severity = settings.severity("enum")
    return Constraint("invalidValues", tuple(texts), severity, node.at_key("enum"))
