"""A stream: one schema object of a contract, resolved to what is judged, landed and audited."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from enum import StrEnum

from lakegate.contract.cdc import Cdc
from lakegate.contract.record_format import JSON, RecordFormat
from lakegate.contract.type import Constraint, Field, Location, Severity

__all__ = [
    "ContractRef",
    "Enforcement",
    "Partition",
    "Place",
    "QualityRule",
    "Reference",
    "RuleKind",
    "Scope",
    "SlaRule",
    "Stream",
    "UnknownFields",
]


@dataclass(frozen=True, slots=True)
class ContractRef:
    """What verdicts, batches, dead letters and snapshots name; ``digest`` is SHA-256 in hex."""

    id: str
    version: str
    digest: str


class UnknownFields(StrEnum):
    """``lakegate.unknownFields``: what happens to a field nobody declared."""

    KEEP = "keep"  # as JSON in `_unknown_fields`
    REJECT = "reject"
    IGNORE = "ignore"


class Enforcement(StrEnum):
    """``lakegate.enforcement``: whether verdicts are acted on."""

    ENFORCE = "enforce"
    OBSERVE = "observe"


class Place(StrEnum):
    """Where a rule is judged."""

    GATE = "gate"  # per record, in the stream
    AUDIT = "audit"  # on a pinned snapshot
    NONE = "not enforced"


class RuleKind(StrEnum):
    """The form of a quality rule."""

    METRIC = "library"
    SQL = "sql"
    TEXT = "text"
    CUSTOM = "custom"


class Scope(StrEnum):
    """``lakegate.scope``: which rows an audited rule looks at."""

    TABLE = "table"
    INCREMENT = "increment"  # rows of `staged` that are not yet on `main`


@dataclass(frozen=True, slots=True)
class QualityRule:
    """One ``quality`` entry, or a uniqueness that ``unique`` and ``primaryKey`` imply.

    ``name`` is unique within the stream (ODCS id, else name, else derived from what it checks) and
    stable as long as the rule is. ``operator`` is the ODCS key (``mustBe``, ``mustBeBetween``, …)
    and ``bounds`` has one or two numbers, or one boolean for SQL. ``unit`` is ``rows`` or
    ``percent``. ``query`` keeps the author's text with its placeholders. ``properties`` are the
    columns a metric looks at: one, or several for ``duplicateValues`` of an object.
    """

    name: str
    kind: RuleKind
    place: Place
    reason: str  # why it is judged there, or not at all
    severity: Severity
    metric: str | None = None
    properties: tuple[str, ...] = ()
    operator: str | None = None
    bounds: tuple[Decimal | bool, ...] = ()
    unit: str = "rows"
    valid_values: tuple[str | None, ...] | None = None
    missing_values: tuple[str | None, ...] | None = None
    pattern: str | None = None
    query: str | None = None
    scope: Scope = Scope.TABLE
    schedule: str | None = None
    dimension: str | None = None
    description: str | None = None
    location: Location | None = None
    window: timedelta | None = None  # judged per window of event time of this length


@dataclass(frozen=True, slots=True)
class Reference:
    """A relationship: each non-null value of ``columns`` is in ``to_columns`` of ``to_stream``.

    It is judged at the audit; with ``place`` GATE per record as well, among the keys that
    ``to_stream`` has published, unless they are more than ``limit`` (None: the project's).
    """

    name: str
    columns: tuple[str, ...]
    to_stream: str
    to_columns: tuple[str, ...]
    severity: Severity = Severity.ERROR
    location: Location | None = None
    place: Place = Place.AUDIT
    limit: int | None = None


@dataclass(frozen=True, slots=True)
class SlaRule:
    """One ``slaProperties`` entry under its canonical name (``latency``, ``frequency``, ...).

    Durations are already timedeltas (``duration``); ratios and rates are in ``value``. ``element``
    names the column the property is about, for this stream. ``place`` is AUDIT when it can be
    measured, else NONE with the reason.
    """

    name: str
    place: Place
    reason: str
    value: Decimal | str | None = None
    value_ext: Decimal | str | None = None
    unit: str | None = None
    duration: timedelta | None = None
    element: str | None = None
    driver: str | None = None
    schedule: str | None = None
    severity: Severity = Severity.ERROR
    location: Location | None = None
    window: timedelta | None = None  # told per window of event time of this length


@dataclass(frozen=True, slots=True)
class Partition:
    """Hidden partitioning: ``transform`` is Iceberg's: day, identity, bucket[16], and so on."""

    column: str
    transform: str


@dataclass(frozen=True, slots=True)
class Stream:
    """One ODCS schema object = one stream = one table.

    ``name`` is ``contract/object``, or ``contract`` when the contract has one object, where
    ``contract`` is the contract's ``name``, else its ``id``. ``topic_prefix`` is that with a dot
    for the slash, unless ``physicalName`` renames it (docs/reference/contract.md). ``constraints``
    are those of the record as a whole (minProperties, requiredKeys). ``rules`` holds every quality
    rule, wherever it is judged; those with ``place == GATE`` that are library metrics are already
    in the fields' constraints, and those that are SQL are compiled by the gate from ``query``.
    """

    contract: ContractRef
    name: str
    object_name: str
    fields: tuple[Field, ...]
    constraints: tuple[Constraint, ...] = ()
    rules: tuple[QualityRule, ...] = ()
    references: tuple[Reference, ...] = ()
    sla: tuple[SlaRule, ...] = ()
    primary_key: tuple[str, ...] = ()
    partitions: tuple[Partition, ...] = ()
    unknown_fields: UnknownFields = UnknownFields.KEEP
    enforcement: Enforcement = Enforcement.ENFORCE
    size_limit_bytes: int = 1 << 20
    event_time: str | None = None  # the timestamp column latency and lateness look at
    allowed_lateness: timedelta = timedelta(0)
    draft: bool = False
    topic_prefix: str = ""
    table: str = ""
    owner: str | None = None
    cdc: Cdc | None = None  # it takes change events (docs/reference/cdc.md), not plain records
    format: RecordFormat = JSON  # what its records are written in

    def topic(self, kind: str) -> str:
        """The topic of that kind: ``raw``, ``cdc``, ``validated``, ``deadletter``, ``replay``.

        A stream has one topic where records arrive: the ``raw`` of a stream of changes is ``.cdc``.
        """
        if kind == "raw" and self.cdc is not None:
            kind = "cdc"
        return f"{self.topic_prefix}.{kind}"
