"""Deleting files that nothing refers to: of expired snapshots, replaced, or of writers that died.

A file goes when two sweeps, at least the grace period apart, both found no snapshot that refers to
it. Between them stands a list of suspects beside the table's metadata; losing it costs time, never
data. So no clock of a file system matters, and neither a reader of a snapshot just expired nor a
writer about to commit loses its files, if it takes less than the grace period.
"""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from lakegate.fault import reach
from lakegate.lake.catalog import refresh
from lakegate.lake.failure import translated

if TYPE_CHECKING:
    from pyiceberg.table import Table

__all__ = ["GRACE", "Swept", "sweep"]

GRACE = timedelta(hours=1)

_SUSPECTS = "lakegate-sweep.json"


@dataclass(frozen=True, slots=True)
class Swept:
    """How many files were deleted, and how many are suspects."""

    deleted: int
    waiting: int


def sweep(table: Table, *, now: datetime, grace: timedelta = GRACE) -> Swept:
    """Delete the files under the table's location that no kept snapshot needs, after ``grace``.

    Only on stores that PyIceberg reads through pyarrow (local, S3, GCS, ABFS); on others it does
    nothing, and the store's own lifecycle rules are the way.

    Raises:
        LakeError: a manifest cannot be read; nothing was deleted.
    """
    from pyiceberg.io.pyarrow import PyArrowFileIO

    if not isinstance(table.io, PyArrowFileIO):
        return Swept(0, 0)
    with translated(f"cannot sweep table {'.'.join(table.name())}"):
        present = _present(table, table.io)
        # Read after the listing, so that whatever was committed before it is known.
        refresh(table)
        loose = present - {_path(name) for name in _referenced(table)}
        suspects = _suspects(table)
        at = int(now.timestamp())
        limit = at - int(grace.total_seconds())
        due = {path for path in loose if suspects.get(path, at) <= limit}
        reach("lake.sweep.before")
        for path in due:
            with suppress(FileNotFoundError):  # swept by another process
                table.io.delete(path)
        waiting = {path: min(suspects.get(path, at), at) for path in loose - due}
        _remember(table, waiting)
    return Swept(len(due), len(waiting))


def _present(table: Table, io: object) -> set[str]:
    from pyarrow.fs import FileSelector, FileType
    from pyiceberg.io.pyarrow import PyArrowFileIO

    assert isinstance(io, PyArrowFileIO)
    scheme, netloc, path = PyArrowFileIO.parse_location(table.location())
    found = io.fs_by_scheme(scheme, netloc).get_file_info(FileSelector(path, recursive=True))
    prefix = table.location().removesuffix(path) if table.location().endswith(path) else ""
    return {
        _path(prefix + item.path)
        for item in found
        if item.type == FileType.File and not item.path.endswith(_SUSPECTS)
    }


def _path(location: str) -> str:
    return location.removeprefix("file://")


def _referenced(table: Table) -> set[str]:
    metadata = table.metadata
    needed = {table.metadata_location, *(entry.metadata_file for entry in metadata.metadata_log)}
    manifests = {}
    for snapshot in metadata.snapshots:
        needed.add(snapshot.manifest_list)
        for manifest in snapshot.manifests(table.io):
            manifests[manifest.manifest_path] = manifest
    for path, manifest in manifests.items():
        needed.add(path)
        needed.update(e.data_file.file_path for e in manifest.fetch_manifest_entry(table.io))
    needed.update(item.statistics_path for item in metadata.statistics)
    needed.update(item.statistics_path for item in metadata.partition_statistics)
    return needed


def _suspects(table: Table) -> dict[str, int]:
    try:
        with table.io.new_input(_file(table)).open() as stream:
            said = json.loads(stream.read())
    except FileNotFoundError:
        return {}
    except ValueError:
        return {}  # cut short by a crash: everything is a new suspect
    return {str(path): int(at) for path, at in said.items()}


def _remember(table: Table, suspects: dict[str, int]) -> None:
    with table.io.new_output(_file(table)).create(overwrite=True) as stream:
        stream.write(json.dumps(suspects).encode())


def _file(table: Table) -> str:
    return table.location_provider().new_metadata_location(_SUSPECTS)
