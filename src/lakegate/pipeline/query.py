"""SQL over what is published: each table and model as ``main`` is now."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lakegate.errors import LakeError

if TYPE_CHECKING:
    import duckdb

    from lakegate.pipeline.project import Project

__all__ = ["connect", "known_tables", "relation", "translate"]


def connect(project: Project) -> duckdb.DuckDBPyConnection:
    """A DuckDB connection in UTC with a view of every published table and model, as of now."""
    import duckdb

    from lakegate.lake.reading import relation as view
    from lakegate.lake.spelling import identifier
    from lakegate.pipeline.models import published_models

    connection = duckdb.connect()
    connection.execute("SET TimeZone = 'UTC'")
    for found in project.found.values():
        stream = found.stream
        head = project.lake.head(stream, "main") if project.lake.exists(stream) else None
        if head is not None:
            name = stream.table.rpartition(".")[2]
            project.lake.relation(connection, stream, snapshot_id=head.snapshot_id, name=name)
        if stream.cdc is not None and project.lake.exists(stream.cdc.current_table):
            merged = stream.cdc.current_table
            head = project.lake.head(merged, "main")
            if head is not None:
                name = merged.rpartition(".")[2]
                project.lake.relation(connection, merged, snapshot_id=head.snapshot_id, name=name)
    tables, views = published_models(project)
    for name, pinned in tables.items():
        view(connection, pinned.table, snapshot_id=pinned.snapshot_id, name=name)
    for name, model in views.items():
        connection.execute(f"CREATE TEMP VIEW {identifier(name)} AS {model.sql}\n")
    return connection


def relation(project: Project, query: str) -> duckdb.DuckDBPyRelation:
    """A lazy relation over views of the published snapshots.

    Raises:
        LakeError: the SQL is wrong; says where, and which tables there are.
    """
    import duckdb

    connection = connect(project)
    try:
        found = connection.sql(query)
    except duckdb.Error as error:
        raise translate(error, connection) from error
    if found is None:
        raise LakeError("the statement gives no rows; `lakegate query` takes a SELECT")
    return found


def known_tables(connection: duckdb.DuckDBPyConnection) -> dict[str, dict[str, str]]:
    """The columns (name to type, in order) of every published table and model, by name."""
    found: dict[str, dict[str, str]] = {}
    listed = connection.execute(
        "SELECT table_name, column_name, data_type FROM duckdb_columns() "
        "WHERE NOT internal ORDER BY table_name, column_index"
    ).fetchall()
    for table, column, kind in listed:
        found.setdefault(table, {})[column] = kind
    return found


def translate(error: duckdb.Error, connection: duckdb.DuckDBPyConnection) -> LakeError:
    """What DuckDB says, and which tables there are."""
    known = ", ".join(sorted(known_tables(connection))) or "none yet"
    return LakeError(f"{error}\n(published tables: {known})")
