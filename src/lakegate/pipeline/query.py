"""SQL over what is published: each table as ``main`` is now."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lakegate.errors import LakeError

if TYPE_CHECKING:
    import duckdb

    from lakegate.pipeline.project import Project

__all__ = ["relation"]


def relation(project: Project, query: str) -> duckdb.DuckDBPyRelation:
    """A lazy relation over views of the published snapshots.

    Raises:
        LakeError: the SQL is wrong; says where, and which tables there are.
    """
    import duckdb

    connection = duckdb.connect()
    connection.execute("SET TimeZone = 'UTC'")
    names = []
    for found in project.found.values():
        stream = found.stream
        head = project.lake.head(stream, "main") if project.lake.exists(stream) else None
        if head is not None:
            name = stream.table.rpartition(".")[2]
            project.lake.relation(connection, stream, snapshot_id=head.snapshot_id, name=name)
            names.append(name)
    try:
        found_relation = connection.sql(query)
    except duckdb.Error as error:
        known = ", ".join(sorted(names)) or "none yet"
        raise LakeError(f"{error}\n(published tables: {known})") from error
    if found_relation is None:
        raise LakeError("the statement gives no rows; `lakegate query` takes a SELECT")
    return found_relation
