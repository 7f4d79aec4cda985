"""A table is born whole: schema, an empty snapshot on ``main`` and ``staged`` in one commit.

Nobody ever sees a table without its branches, whoever is killed and whoever comes second.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from typing import TYPE_CHECKING

from lakegate.fault import reach
from lakegate.lake import catalog
from lakegate.lake.snapshot import KIND, MAIN, STAGED, Kind

if TYPE_CHECKING:
    from pyiceberg.catalog import Catalog
    from pyiceberg.partitioning import PartitionSpec
    from pyiceberg.schema import Schema
    from pyiceberg.table import Table
    from pyiceberg.typedef import Identifier

__all__ = ["create_table"]


def create_table(
    lake: Catalog,
    name: str,
    schema: Schema,
    spec: PartitionSpec,
    *,
    properties: Mapping[str, str],
    summary: Mapping[str, str],
) -> Table:
    """The new table, or the one that somebody else has created first.

    ``properties`` are added to those every table is made with, ``summary`` to what the empty
    snapshot says of itself.

    Raises (untranslated):
        CommitFailedException: the catalog has refused, and there is no table: try again.
        whatever else PyIceberg, the catalog or the disk raises: there is no table, or the catalog
            did not say.
    """
    from pyiceberg.exceptions import CommitFailedException, TableAlreadyExistsError
    from pyiceberg.table.update.snapshot import ManageSnapshots

    identity = catalog.identify(name)
    _make_namespace(lake, identity[:-1])
    reach("lake.create.before")
    properties = {**catalog.TABLE_PROPERTIES, **properties}
    try:
        birth = lake.create_table_transaction(
            identity, schema, partition_spec=spec, properties=properties
        )
    except TableAlreadyExistsError:  # a REST catalog says so before anything is written
        return catalog.load(lake, name)
    said = {KIND: Kind.CREATE.value, **summary}
    with birth.update_snapshot(snapshot_properties=said, branch=MAIN).fast_append():
        pass  # no files: a branch begins at a snapshot
    (empty,) = birth.table_metadata.snapshots
    with ManageSnapshots(birth) as branches:
        branches.create_branch(empty.snapshot_id, STAGED)
    reach("lake.create.written")
    try:
        birth.commit_transaction()
    except (CommitFailedException, TableAlreadyExistsError):
        theirs = catalog.look_up(lake, name)
        if theirs is None:
            raise
        with suppress(OSError):  # the sweep of maintenance takes what is left
            theirs.io.delete(empty.manifest_list)
    return catalog.load(lake, name)


def _make_namespace(lake: Catalog, namespace: Identifier) -> None:
    """Whoever comes first makes it; to the second a catalog in SQL may say anything."""
    try:
        lake.create_namespace_if_not_exists(namespace)
    except Exception:
        if not lake.namespace_exists(namespace):
            raise
