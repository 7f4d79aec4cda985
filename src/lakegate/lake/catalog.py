"""Where the tables are: the catalog, table names, and the properties every table is made with."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from lakegate.errors import LakeError
from lakegate.lake.failure import LakeUnavailable, translated
from lakegate.lake.snapshot import STAGED
from lakegate.lock import locked

if TYPE_CHECKING:
    from pyiceberg.catalog import Catalog
    from pyiceberg.table import Table
    from pyiceberg.table.update import TableRequirement, TableUpdate
    from pyiceberg.typedef import Identifier

__all__ = [
    "LAYOUT",
    "LAYOUT_VERSION",
    "TABLE_PROPERTIES",
    "commit",
    "identify",
    "load",
    "look_up",
    "open_catalog",
    "refresh",
    "staged_id",
]

NAMESPACE = "lakegate"

LAYOUT = "lakegate.layout"
LAYOUT_VERSION = 1
_LOOKS = 10

# PyIceberg rebases a refused commit and tries again, which would land a stale writer's batch
# twice: hence no retries of its own.
TABLE_PROPERTIES = {
    LAYOUT: str(LAYOUT_VERSION),
    "format-version": "2",
    "commit.retry.num-retries": "0",
    "commit.manifest-merge.enabled": "true",
    "commit.manifest.min-count-to-merge": "20",
    "write.delete.isolation-level": "snapshot",
    "write.update.isolation-level": "snapshot",
    "write.metadata.delete-after-commit.enabled": "true",
    "write.metadata.previous-versions-max": "10",
    "write.parquet.compression-codec": "zstd",
    "write.target-file-size-bytes": str(128 << 20),
}


def open_catalog(location: Path, properties: Mapping[str, str] | None) -> Catalog:
    """The catalog that ``properties`` name, else SQLite at ``<location>/catalog.db``.

    Raises:
        LakeUnavailable: it cannot be reached, or is locked.
        LakeError: it is damaged, or the properties name no catalog.
    """
    from pyiceberg.catalog import load_catalog

    from lakegate.lake.durable import FILE_IO, LocalCatalog, make_directory

    with translated(f"cannot open the catalog of the lake at {location}"):
        if properties is not None:
            local = properties.get("warehouse", "").startswith(("file:", "/"))
            given = {"py-io-impl": FILE_IO} if local else {}
            return _durable(load_catalog(NAMESPACE, **(given | dict(properties))))
        if set("#?%") & set(str(location)):
            raise LakeError(
                f"a lake cannot be in {location}: table locations are URIs, in which '#', '?' and "
                "'%' mean something else; choose a directory without them"
            )
        make_directory(location)
        # PyIceberg looks for its tables and then creates them: one process at a time.
        doing = f"opening the catalog in {location}"
        with locked(location, doing=doing, refusal=LakeUnavailable):
            properties = {
                "type": "sql",
                "uri": f"sqlite:///{location / 'catalog.db'}",
                "warehouse": f"file://{location / 'warehouse'}",
                "py-io-impl": FILE_IO,
            }
            return _durable(LocalCatalog(NAMESPACE, **properties))


def _durable(catalog: Catalog) -> Catalog:
    """The catalog, its commits on disk when they return, if it is SQLite."""
    from pyiceberg.catalog.sql import SqlCatalog

    from lakegate.lake.durable import wait_for_disk

    if isinstance(catalog, SqlCatalog) and catalog.engine.dialect.name == "sqlite":
        wait_for_disk(catalog.engine)
    return catalog


def identify(table: str) -> Identifier:
    """``orders`` is ``("lakegate", "orders")``; ``sales.orders`` names its own namespace.

    Raises:
        LakeError: an empty name or part.
    """
    parts = tuple(table.split("."))
    if not all(parts):
        raise LakeError(
            f"expected a table name such as `orders` or `sales.orders`, got {table!r}: "
            "set physicalName in the contract"
        )
    return parts if len(parts) > 1 else (NAMESPACE, *parts)


def look_up(catalog: Catalog, table: str) -> Table | None:
    """The table as it is now, or None if there is none.

    Between the catalog's answer and the reading of the metadata file it names, ten quick commits of
    others may have removed that file: then the catalog is asked again.
    """
    from pyiceberg.exceptions import NoSuchTableError

    with translated(f"cannot read table {table}"):
        for attempt in range(1, _LOOKS + 1):
            try:
                return catalog.load_table(identify(table))
            except NoSuchTableError:
                return None
            except FileNotFoundError:
                if attempt == _LOOKS:
                    raise
                time.sleep(0.01 * attempt)
    return None


def refresh(table: Table) -> None:
    """Bring ``table`` to what it is now; see :func:`look_up` on files that vanish meanwhile.

    Raises:
        LakeUnavailable: the catalog is locked.
        LakeError: the table cannot be read.
    """
    with translated(f"cannot read table {'.'.join(table.name())}"):
        for attempt in range(1, _LOOKS + 1):
            try:
                table.refresh()
                return
            except FileNotFoundError:
                if attempt == _LOOKS:
                    raise
                time.sleep(0.01 * attempt)


def load(catalog: Catalog, table: str) -> Table:
    """The table as it is now.

    Raises:
        LakeError: no such table, or it was written by a newer Lakegate.
    """
    loaded = look_up(catalog, table)
    if loaded is None:
        raise LakeError(f"no table {table} in the lake: it is created when its stream first lands")
    layout = int(loaded.properties.get(LAYOUT, "1"))
    if layout > LAYOUT_VERSION:
        raise LakeError(
            f"table {table} has layout {layout}, and this Lakegate knows {LAYOUT_VERSION}: "
            "it was written by a newer version; upgrade Lakegate"
        )
    return loaded


def commit(
    table: Table, requirements: Iterable[TableRequirement], updates: Iterable[TableUpdate]
) -> None:
    """One commit to the catalog, tried once; all of ``requirements`` hold, or nothing happens.

    Raises (untranslated):
        CommitFailedException: a requirement does not hold, or somebody else committed meanwhile.
    """
    from pyiceberg.exceptions import CommitFailedException
    from pyiceberg.table.update import AssertTableUUID

    try:
        response = table.catalog.commit_table(
            table,
            (AssertTableUUID(uuid=table.metadata.table_uuid), *requirements),
            tuple(updates),
        )
    except FileNotFoundError as error:  # before anything is written; see look_up
        raise CommitFailedException(f"others committed meanwhile: {error}") from error
    dropped = {entry.metadata_file for entry in table.metadata.metadata_log} - {
        entry.metadata_file for entry in response.metadata.metadata_log
    }
    for file in dropped:
        with suppress(OSError):  # the sweep of maintenance takes what is left
            table.io.delete(file)
    table.metadata = response.metadata
    table.metadata_location = response.metadata_location


def staged_id(table: Table) -> int:
    """The snapshot at the head of ``staged``.

    Raises:
        LakeError: the branch is missing.
    """
    reference = table.metadata.refs.get(STAGED)
    if reference is None:
        raise LakeError(
            f"table {'.'.join(table.name())} has no branch `{STAGED}`: it was not made by "
            "Lakegate, or somebody has removed the branch; choose another table name, make the "
            "branch at the snapshot that was staged last, or drop the table if it is empty"
        )
    return reference.snapshot_id
