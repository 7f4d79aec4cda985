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

    [landing]
    max_rows = 200000            # per commit
    interval_s = 5.0             # between commits while data flows

    [ledger]
    seal_after_s = 86400         # proven ranges older than this are sealed

    [lake]                       # any PyIceberg catalog; by default SQLite and local files
    # catalog = { type = "rest", uri = "…" }

``LAKEGATE_LOG__PARTITIONS=4`` overrides ``partitions`` of ``[log]``.
"""

from __future__ import annotations

import difflib
import os
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

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


class LandingSection(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """``[landing]``."""

    max_rows: int = 200_000
    interval_s: float = 5.0


class LedgerSection(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """``[ledger]``."""

    seal_after_s: float = 86_400


class LakeSection(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """``[lake]``."""

    catalog: dict[str, str] | None = None


class Config(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The whole file; every value has a default."""

    project: ProjectSection = ProjectSection()
    log: LogSection = LogSection()
    gate: GateSection = GateSection()
    landing: LandingSection = LandingSection()
    ledger: LedgerSection = LedgerSection()
    lake: LakeSection = LakeSection()


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
