"""Configuration: ``lakegate.toml``, overridden by the environment; unknown keys are errors.

::

    [project]
    contracts = "contracts"      # files and folders of *.odcs.yaml, from the project's folder
    state = ".lakegate"          # everything Lakegate writes

    [log]
    partitions = 1               # of a new topic
    retention_age_s = 604800     # of raw and validated topics; proven and landed data only
    # retention_bytes = …        # per partition

    [gate]
    batch_records = 10000
    references_s = 5.0           # between looks at the tables that relationships point to
    reference_keys = 200000      # most keys of such a table that a gate holds

    [landing]
    max_rows = 200000            # per commit
    interval_s = 5.0             # between commits while data flows

    [ledger]
    seal_after_s = 86400         # proven ranges older than this are sealed

    [models]
    folder = "models"            # *.sql, from the project's folder
    memory = "4GB"               # DuckDB spills beyond it
    timeout_s = 3600             # per query

    [up]                         # docs/reference/up.md
    host = "127.0.0.1"           # of /health, /ready and /metrics
    port = 8641
    workers = 0                  # processes that share the streams' gates; 0: as many as cores
    drain_s = 30.0               # after SIGTERM; what is left is killed
    hang_s = 60.0                # a part that has not moved for so long is killed and started again
    restarts = 10                # of a part within restart_window_s; then it stays down
    restart_window_s = 600.0

    [schedule]                   # five-field cron (UTC), "30s", "5m", "1h", or "" for never
    audit = "5m"                 # of streams whose contract has no schedule; publishes what passed
    publish = true               # after an audit that passed
    models = true                # after something was published
    merge = "1m"                 # current-state tables of CDC streams
    maintain = "17 * * * *"
    maintain_models = "37 * * * *"
    prove = "43 3 * * *"         # the proof; seals what it has proven
    limit_s = 3600.0             # a job that takes longer is killed

    [gateway]                    # docs/reference/gateway.md
    host = "127.0.0.1"
    port = 8321
    # tokens = { shop = "sha256:…", billing = "env:BILLING_TOKEN", all = "file:tokens.txt" }

    [lake]                       # any PyIceberg catalog; by default SQLite and local files
    # catalog = { type = "rest", uri = "…" }

    [alerts]                     # docs/reference/alerts.md
    default = ["stdout"]         # channels of owners nobody says how to reach
    deadletter_threshold = 100   # rejected records within window_s
    # [alerts.channels.ops]
    # url = "${OPS_CHAT}"        # an Apprise address; or webhook = … and secret = …; or stdout = …

``LAKEGATE_LOG__PARTITIONS=4`` overrides ``partitions`` of ``[log]``.
"""

from __future__ import annotations

import difflib
import os
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import msgspec

from lakegate.errors import ProjectError

__all__ = ["CONFIG_FILE", "Config", "find_root", "load_config"]

CONFIG_FILE = "lakegate.toml"


class ProjectSection(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """``[project]``."""

    name: str | None = None
    contracts: str = "contracts"
    state: str = ".lakegate"


class LogSection(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """``[log]``."""

    partitions: int = 1
    segment_bytes: int = 64 << 20
    retention_age_s: float | None = 7 * 86_400
    retention_bytes: int | None = None


class GateSection(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """``[gate]``."""

    batch_records: int = 10_000
    batch_bytes: int = 32 << 20
    references_s: float = 5.0
    reference_keys: int = 200_000
    reference_bytes: int = 64 << 20


class LandingSection(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """``[landing]``."""

    max_rows: int = 200_000
    interval_s: float = 5.0


class LedgerSection(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """``[ledger]``."""

    seal_after_s: float = 86_400


class ModelsSection(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """``[models]``."""

    folder: str = "models"
    memory: str = "4GB"
    timeout_s: float = 3600
    threads: int | None = None


class UpSection(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """``[up]``."""

    host: str = "127.0.0.1"
    port: int = 8641
    workers: int = 0
    drain_s: float = 30.0
    hang_s: float = 60.0
    start_s: float = 120.0
    restarts: int = 10
    restart_window_s: float = 600.0
    numbers_s: float = 5.0
    alert_s: float = 10.0


class ScheduleSection(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """``[schedule]``."""

    audit: str = "5m"
    publish: bool = True
    models: bool = True
    merge: str = "1m"
    maintain: str = "17 * * * *"
    maintain_models: str = "37 * * * *"
    prove: str = "43 3 * * *"
    limit_s: float = 3600.0


class LakeSection(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """``[lake]``."""

    catalog: dict[str, str] | None = None


class ChannelSection(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """``[alerts.channels.NAME]``: one of ``url``, ``webhook`` (with ``secret``) and ``stdout``."""

    url: str | None = None
    webhook: str | None = None
    secret: str | None = None
    stdout: Literal["text", "json"] | None = None


class AlertsSection(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """``[alerts]``."""

    consumers: str = "consumers"
    default: tuple[str, ...] = ("stdout",)
    channels: dict[str, ChannelSection] = {}
    owners: dict[str, tuple[str, ...]] = {}
    mail: str | None = None
    clock: Literal["wall", "event"] = "wall"
    deadletter_threshold: int = 100
    warning_threshold: int = 1_000
    window_s: float = 300
    sla_window_s: float = 3_600
    stuck_after_s: float = 60
    settle_s: float = 60
    repeat_s: float = 4 * 3_600
    timeout_s: float = 10
    max_age_s: float = 86_400
    keep_s: float = 30 * 86_400


class GatewaySection(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """``[gateway]``; times in seconds."""

    host: str = "127.0.0.1"
    port: int = 8321
    tokens: dict[str, str] = {}
    allow_anonymous: bool = False  # listen beyond this machine without tokens
    judge: bool = False
    max_body_bytes: int = 16 << 20  # inflated
    max_records: int = 50_000  # per request
    max_pending_bytes: int = 256 << 20  # bodies in hand, all requests together
    max_connections: int = 10_000
    max_lag: int | None = None
    idempotency_window_s: float = 86_400
    head_timeout_s: float = 10.0
    body_timeout_s: float = 60.0
    keep_alive_s: float = 30.0
    drain_timeout_s: float = 10.0


class Config(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The whole file; every value has a default."""

    project: ProjectSection = ProjectSection()
    log: LogSection = LogSection()
    gate: GateSection = GateSection()
    landing: LandingSection = LandingSection()
    ledger: LedgerSection = LedgerSection()
    lake: LakeSection = LakeSection()
    gateway: GatewaySection = GatewaySection()
    up: UpSection = UpSection()
    schedule: ScheduleSection = ScheduleSection()
    alerts: AlertsSection = AlertsSection()
    models: ModelsSection = ModelsSection()


def find_root(start: Path) -> Path:
    """The nearest folder at or above ``start`` with a ``lakegate.toml``.

    Raises:
        ProjectError: there is none.
    """
    for folder in (start, *start.parents):
        if (folder / CONFIG_FILE).is_file():
            return folder
    message = (
        f"no {CONFIG_FILE} in {start} or any folder above it; create an empty one where your "
        "project starts, or name the folder with --project"
    )
    raise ProjectError(message)


def load_config(root: Path, environment: Mapping[str, str] = os.environ) -> Config:
    """Read ``lakegate.toml`` of a project, then the environment.

    Raises:
        ProjectError: not TOML, an unknown key (named, with the nearest right one), a wrong type.
    """
    path = root / CONFIG_FILE
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, OSError) as error:
        raise ProjectError(f"cannot read {path}: {error}") from error
    _override(document, environment)
    try:
        return msgspec.convert(document, Config)
    except msgspec.ValidationError as error:
        hint = _nearest(document)
        raise ProjectError(f"{path}: {error}{hint}") from error


def _override(document: dict[str, Any], environment: Mapping[str, str]) -> None:
    for name, text in environment.items():
        section, separator, key = name.removeprefix("LAKEGATE_").lower().partition("__")
        if not name.startswith("LAKEGATE_") or not separator:
            continue
        try:
            value = tomllib.loads(f"value = {text}")["value"]
        except tomllib.TOMLDecodeError:
            value = text
        document.setdefault(section, {})[key] = value


def _nearest(document: Mapping[str, Any]) -> str:
    """A hint for the first key that no section knows."""
    sections = {field.name: field.type for field in msgspec.structs.fields(Config)}
    for section, content in document.items():
        if section not in sections:
            return _hint(section, sections)
        known = [field.name for field in msgspec.structs.fields(sections[section])]
        for key in content if isinstance(content, dict) else ():
            if key not in known:
                return _hint(key, known)
    return ""


def _hint(wrong: str, known: Any) -> str:
    near = difflib.get_close_matches(wrong, list(known), n=1)
    right = f"did you mean `{near[0]}`?" if near else f"known: {', '.join(known)}"
    return f" - `{wrong}` is not known; {right}"
