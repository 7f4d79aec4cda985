"""From logical and physical type to :data:`~lakegate.contract.type.Type`.

The logical type decides; the physical type adds what the logical one cannot say (decimal precision,
timestamp behind a 3.0 ``date``) and stands in when there is none.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from lakegate.contract.document import Node
from lakegate.contract.problem import Report
from lakegate.contract.temporal import FormatError, time_zone
from lakegate.contract.temporal_format import compile_format
from lakegate.contract.type import (
    AnyType,
    BooleanType,
    DateType,
    DecimalType,
    IntegerType,
    NumberType,
    StringType,
    TimestampType,
    TimeType,
    Type,
)

__all__ = ["Physical", "logical_of", "physical_of", "scalar_type"]

_FAMILIES: dict[str, str] = {
    **dict.fromkeys(
        [
            "varchar",
            "char",
            "text",
            "string",
            "nvarchar",
            "nchar",
            "varchar2",
            "nvarchar2",
            "clob",
            "bpchar",
            "citext",
            "character",
            "uuid",
        ],
        "string",
    ),
    **dict.fromkeys(
        [
            "int",
            "integer",
            "bigint",
            "smallint",
            "tinyint",
            "mediumint",
            "int2",
            "int4",
            "int8",
            "int16",
            "int32",
            "int64",
            "long",
            "short",
            "byteint",
            "serial",
            "bigserial",
        ],
        "integer",
    ),
    **dict.fromkeys(
        ["double", "float", "real", "float4", "float8", "float32", "float64"], "number"
    ),
    **dict.fromkeys(["decimal", "numeric", "dec", "number", "bignumeric"], "decimal"),
    **dict.fromkeys(["boolean", "bool"], "boolean"),
    **dict.fromkeys(
        [
            "timestamp",
            "timestamptz",
            "datetime",
            "datetime2",
            "timestamp_ntz",
            "timestamp_tz",
            "timestamp_ltz",
            "datetimeoffset",
            "smalldatetime",
        ],
        "timestamp",
    ),
    "date": "date",
    "time": "time",
}
_PHYSICAL = re.compile(r"\s*([A-Za-z_][A-Za-z0-9_]*)\s*(?:\(([^()]*)\))?\s*([A-Za-z ]*)\Z")
_WITHOUT_ZONE = frozenset({"timestamp_ntz", "datetime2", "smalldatetime"})
_FITS = {
    "string": {"string"},
    "integer": {"integer", "decimal"},
    "number": {"number", "decimal", "integer"},
    "boolean": {"boolean", "integer"},
    "date": {"date", "timestamp", "time", "string"},
    "timestamp": {"timestamp", "date", "string", "integer"},
    "time": {"time", "timestamp", "string"},
}
_TIME_LETTERS = re.compile(r"[HhKkmsSn]")
_DATE_LETTERS = re.compile(r"[yYuMDdE]")


@dataclass(frozen=True, slots=True)
class Physical:
    """A physical type taken apart: its family, its numbers, and whether it says "without zone"."""

    family: str
    numbers: tuple[int, ...] | None
    without_zone: bool


def physical_of(text: str | None) -> Physical | None:
    """The physical type of a property, or None when it is absent or of no known family."""
    match = _PHYSICAL.match(text or "")
    family = _FAMILIES.get(match[1].lower()) if match is not None else None
    if match is None or family is None:
        return None
    if match[1].lower() == "number" and not match[2]:
        family = "number"
    parts = [part.strip() for part in (match[2] or "").split(",")]
    digits = all(part.isdecimal() and len(part) < 6 for part in parts)
    numbers = tuple(int(part) for part in parts) if digits else None
    without = "without" in match[3].lower() or match[1].lower() in _WITHOUT_ZONE
    return Physical(family, numbers, without)


def logical_of(node: Node) -> str | None:
    """The logical type that holds for a property: the declared one, else the physical one's.

    A ``date`` whose physical type or format has a time is a ``timestamp`` (or ``time``): ODCS 3.0
    had no other word for it.
    """
    declared = node.text("logicalType")
    physical = physical_of(node.text("physicalType"))
    if declared is None and physical is not None:
        return "number" if physical.family == "decimal" else physical.family
    if declared != "date":
        return declared
    options = node.get("logicalTypeOptions")
    layout = re.sub(r"'[^']*'", "", (options.text("format") if options is not None else None) or "")
    if layout and _TIME_LETTERS.search(layout):
        return "timestamp" if _DATE_LETTERS.search(layout) else "time"
    if not layout and physical is not None and physical.family in ("timestamp", "time"):
        return physical.family
    return declared


def scalar_type(logical: str | None, node: Node, report: Report) -> Type:
    """The type of a property that is neither array nor object."""
    physical = physical_of(node.text("physicalType"))
    declared = node.text("logicalType")
    if declared is not None and physical is not None and logical is not None:
        fits = _FITS.get(logical)
        if fits is not None and physical.family not in fits:
            message = f"physicalType {node.text('physicalType')} does not hold a {logical}"
            report.add(
                "LG309", node.at_key("physicalType"), message, advice="the logical type decides"
            )
    if logical == "string":
        return StringType()
    if logical == "boolean":
        return BooleanType()
    if logical in ("integer", "number"):
        return _numeric(logical, node, physical, report)
    if logical in ("date", "time", "timestamp"):
        return _temporal(logical, node, physical, report)
    if logical is None:
        message = "no logical type, and the physical type tells none: any JSON value passes"
        report.add("LG310", node.at, message, advice="add `logicalType`")
    return AnyType()


def _numeric(logical: str, node: Node, physical: Physical | None, report: Report) -> Type:
    options = node.get("logicalTypeOptions")
    width = options.text("format") if options is not None else None
    if physical is not None and physical.family == "decimal":
        decimal = _decimal(logical, node, physical, report)
        if decimal is not None:
            return decimal
    if logical == "number":
        return NumberType()
    if width in ("i128", "u128"):
        message = f"{width} is kept as decimal(38,0): values of 39 digits are rejected"
        report.add("LG307", options.at_key("format") if options else node.at, message)
        return DecimalType(38, 0)
    if width is not None and re.fullmatch(r"[iu](8|16|32|64)", width):
        return IntegerType(int(width[1:]), signed=width[0] == "i")
    return IntegerType()


def _decimal(logical: str, node: Node, physical: Physical, report: Report) -> DecimalType | None:
    at = node.at_key("physicalType")
    text = node.text("physicalType")
    if physical.numbers is None or len(physical.numbers) > 2:
        if logical == "integer":
            return None
        message = f"physicalType {text} has no precision: values become doubles, not exact"
        report.add("LG313", at, message, advice="write decimal(precision, scale)")
        return None
    precision, scale = (*physical.numbers, 0)[:2]
    if logical == "integer" and scale > 0:
        report.add("LG309", at, f"an integer in {text}", advice="use logicalType: number")
    if not 1 <= precision <= 38 or scale > precision:
        message = f"{text} cannot be stored exactly"
        advice = "precision is 1 to 38, scale at most the precision"
        report.add("LG308", at, message, advice=advice)
        return DecimalType(38, 0)
    return DecimalType(precision, scale)


def _temporal(logical: str, node: Node, physical: Physical | None, report: Report) -> Type:
    options = node.get("logicalTypeOptions")
    layout = options.text("format") if options is not None else None
    zoned_format: bool | None = None
    if layout is not None and options is not None:
        try:
            zoned_format = compile_format(layout, logical).zoned
        except FormatError as cause:
            report.add("LG306", options.find(("format",)).at, str(cause))
            layout = None
    if logical == "date":
        return DateType(layout)
    if logical == "time":
        return TimeType(layout)
    flag = options.get("timezone") if options is not None else None
    zoned = not (physical is not None and physical.without_zone)
    if zoned_format is not None:
        zoned = zoned_format
    if flag is not None and isinstance(flag.value, bool):
        if zoned_format is not None and flag.value is not zoned_format:
            message = f"timezone is {str(flag.value).lower()}, but the format says otherwise"
            report.add("LG306", flag.at, message, advice="add or remove the zone letter `X`")
        zoned = flag.value
    return TimestampType(zoned=zoned, default_timezone=_zone(node, report), format=layout)


def _zone(node: Node, report: Report) -> str:
    options = node.get("logicalTypeOptions")
    name = options.text("defaultTimezone") if options is not None else None
    if name is None or options is None:
        return "UTC"
    try:
        time_zone(name)
    except FormatError as cause:
        report.add("LG311", options.find(("defaultTimezone",)).at, str(cause))
        return "UTC"
    return name
