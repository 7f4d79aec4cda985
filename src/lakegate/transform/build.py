"""Writing one model: which rows go, which come, and the files that are rewritten for it.

Three ways, all of which end in what a full run would have written:

* *full*: every file goes, the whole result comes;
* *time*: the result from ``max(time) - lookback`` on replaces the rows from there on (rows without
  a time always);
* *key*: the result is compared with the rows that are there; what differs, or is new or gone by
  its key, is replaced. With ``time`` too, only the result from there on is computed, and it
  replaces the rows from there on as well as those of its keys.
"""

# ruff: noqa: S608 - names go through identifier(), texts through literal()

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import duckdb
import pyarrow as pa

from lakegate.lake.datafile import discard
from lakegate.lake.derived import DerivedColumn
from lakegate.lake.generation import type_name
from lakegate.lake.overwrite import write_batches
from lakegate.lake.reading import files_of, read_tasks
from lakegate.lake.spelling import identifier, literal
from lakegate.transform.failure import ModelFailed, said
from lakegate.transform.increment import Watch, too_old
from lakegate.transform.kind import stored_type
from lakegate.transform.model import Model
from lakegate.transform.session import ModelSession

if TYPE_CHECKING:
    from pyiceberg.manifest import DataFile
    from pyiceberg.table import Table

__all__ = ["CURRENT", "Rewrite", "columns_of", "write_changes", "write_full"]

CURRENT = "lakegate_current"  # the table's own rows, in the session of an incremental run
_ROWS, _FRESH, _GONE, _FILE = (f"lakegate_{name}" for name in ("rows", "fresh", "gone", "file"))
_BATCH = 1 << 17


@dataclass(frozen=True, slots=True)
class Rewrite:
    """Files written and files to remove; ``since`` is from when on, if that was the way."""

    added: list[DataFile]
    removed: list[DataFile]
    since: str | None = None


def columns_of(session: ModelSession, model: Model) -> list[DerivedColumn]:
    """The columns the model's SQL gives, as a table stores them.

    Raises:
        ModelFailed: the SQL does not fit its tables, or a column cannot be stored.
    """
    try:
        bound = session.connection.sql(model.sql)
    except duckdb.Error as error:
        raise ModelFailed(f"{model.location.file}: {said(error)}") from error
    docs = {name.casefold(): text for name, text in model.columns.items()}
    seen: set[str] = set()
    for name in bound.columns:
        if name.casefold() in seen:
            raise ModelFailed(f"{model.location.file}: two columns are called {name}; rename one")
        seen.add(name.casefold())
    return [
        DerivedColumn(name, stored_type(kind, name), docs.get(name.casefold()))
        for name, kind in zip(bound.columns, bound.types, strict=True)
    ]


def write_full(
    session: ModelSession, model: Model, table: Table, columns: Sequence[DerivedColumn]
) -> Rewrite:
    """Write the whole result; every file of ``staged`` is to go.

    Raises:
        ModelFailed: the query fails or takes too long. LakeUnavailable: no room.
    """
    added = write_batches(table, _batches(session, _select(model, columns)))
    return Rewrite(added, [task.file for task in files_of(table, _head(table))])


def write_changes(
    session: ModelSession,
    model: Model,
    table: Table,
    columns: Sequence[DerivedColumn],
    watched: Watch,
) -> Rewrite | str:
    """Write what changed; or say, in a sentence, why it must be written whole.

    The session knows the table's rows as :data:`CURRENT`.

    Raises:
        ModelFailed: as :func:`write_full`, or a key stands twice in the result.
    """
    since = None
    if model.time is not None:
        since = _since(session, model)
        if since is None:
            return "it has no rows with a time"
        old = too_old(session, watched, since)
        if old is not None:
            return old
    select = _select(model, columns)
    late = _late(model, since)
    if late is not None:
        select = f"SELECT * FROM ({select}) WHERE {late}"
    if not model.key:
        added = write_batches(table, _batches(session, select))
        gone = late or "false"
    else:
        added = _merge(session, model, table, select, late)
        gone = f"EXISTS (SELECT 1 FROM {_GONE} g WHERE {_same_key(model, 'g', 't')})"
    try:
        removed = _rewritten(session, model, table, gone, since, added)
    except BaseException:
        discard(table, added)
        raise
    return Rewrite(added, removed, since)


def _since(session: ModelSession, model: Model) -> str | None:
    """``max(time) - lookback`` as an SQL literal, or None when there is no row with a time."""
    microseconds = round(model.lookback.total_seconds() * 1_000_000)
    column = identifier(model.time or "")
    (found,) = session.row(
        f"SELECT CAST(max({column}) - to_microseconds({microseconds}) AS VARCHAR) FROM {CURRENT}"
    )
    return None if found is None else str(found)


def _late(model: Model, since: str | None, of: str = "") -> str | None:
    """The condition of the rows that are computed anew."""
    if since is None or model.time is None:
        return None
    column = f"{of}{identifier(model.time)}"
    return (
        f"({column} >= CAST({literal(since)} AS TIMESTAMPTZ) OR {column} IS NULL)"
        if ("+" in since)
        else f"({column} >= CAST({literal(since)} AS TIMESTAMP) OR {column} IS NULL)"
    )


def _merge(
    session: ModelSession, model: Model, table: Table, select: str, late: str | None
) -> list[DataFile]:
    """Make ``_GONE`` (keys whose rows go) and write the rows that come."""
    keys = ", ".join(identifier(name) for name in model.key)
    _run(session, f"CREATE TEMP TABLE {_ROWS} AS {select}")
    doubled = session.rows(f"SELECT {keys} FROM {_ROWS} GROUP BY ALL HAVING count(*) > 1", most=2)
    if doubled:
        raise ModelFailed(
            f"{model.name}: its key ({', '.join(model.key)}) stands on several rows, so that they "
            "cannot be merged; make the SQL give one row per key, or take more columns into it"
        )
    condition = late or "true"
    in_rows = f"EXISTS (SELECT 1 FROM {_ROWS} r WHERE {_same_key(model, 'r', 't')})"
    base = f"SELECT * FROM {CURRENT} t WHERE {condition} OR {in_rows}"
    _run(session, f"CREATE TEMP TABLE {_FRESH} AS SELECT * FROM {_ROWS} EXCEPT ({base})")
    _run(session, f"CREATE TEMP TABLE {_GONE} AS SELECT {keys} FROM (({base}) EXCEPT "
                  f"SELECT * FROM {_ROWS})")  # fmt: skip
    return write_batches(table, _batches(session, f"SELECT * FROM {_FRESH}"))


def _rewritten(
    session: ModelSession,
    model: Model,
    table: Table,
    gone: str,
    since: str | None,
    added: list[DataFile],
) -> list[DataFile]:
    """The files that hold rows to go; what stays of them is written again, onto ``added``."""
    removed: list[DataFile] = []
    for task in files_of(table, _head(table)):
        if not model.key and since is not None and _before(table, model, task.file, session, since):
            continue
        rows = pa.Table.from_batches(list(read_tasks(table, [task])) or [], schema=_arrow(table))
        session.connection.register(_FILE, rows)
        try:
            kept = f"SELECT * FROM {_FILE} t WHERE NOT coalesce({gone}, false)"
            (count,) = session.row(f"SELECT count(*) FROM ({kept})")
            if count == rows.num_rows:
                continue
            if count:
                added.extend(write_batches(table, _batches(session, kept)))
        finally:
            session.connection.unregister(_FILE)
        removed.append(task.file)
    return removed


def _arrow(table: Table) -> pa.Schema:
    from lakegate.lake.conform import arrow_fields

    return arrow_fields(table.schema())


def _before(table: Table, model: Model, file: DataFile, session: ModelSession, since: str) -> bool:
    """Whether the file's bounds say that all of its rows are older, so that it need not be read."""
    from pyiceberg.conversions import from_bytes

    item = table.schema().find_field(model.time or "")
    upper = (file.upper_bounds or {}).get(item.field_id)
    nulls = (file.null_value_counts or {}).get(item.field_id)
    if upper is None or nulls != 0 or not item.field_type.is_primitive:
        return False
    newest = from_bytes(item.field_type, upper)  # type: ignore[arg-type]
    if str(item.field_type) == "date":
        stored = f"(DATE '1970-01-01' + {int(newest)})::TIMESTAMP"
    else:
        stored = f"make_timestamp({int(newest)})"
    text = since.removesuffix("+00")
    (older,) = session.row(f"SELECT {stored} < CAST({literal(text)} AS TIMESTAMP)")
    return bool(older)


def _same_key(model: Model, one: str, other: str) -> str:
    return " AND ".join(
        f"{one}.{identifier(name)} IS NOT DISTINCT FROM {other}.{identifier(name)}"
        for name in model.key
    )


def _select(model: Model, columns: Sequence[DerivedColumn]) -> str:
    casts = ", ".join(
        f"CAST({identifier(column.name)} AS {type_name(column.type)}) AS {identifier(column.name)}"
        for column in columns
    )
    return f"SELECT {casts} FROM (\n{model.sql}\n) AS model"


def _head(table: Table) -> int:
    from lakegate.lake.catalog import staged_id

    return staged_id(table)


def _run(session: ModelSession, sql: str) -> None:
    with _limited(session):
        session.connection.execute(sql)


def _batches(session: ModelSession, sql: str) -> Iterator[pa.RecordBatch]:
    with _limited(session):
        yield from session.connection.sql(sql).to_arrow_reader(_BATCH)


@contextmanager
def _limited(session: ModelSession) -> Iterator[None]:
    """Stop the query at the time limit; say what DuckDB says."""
    seconds = session.limits.timeout_s
    timer = threading.Timer(seconds, session.connection.interrupt)
    timer.daemon = True
    timer.start()
    try:
        yield
    except duckdb.InterruptException as error:
        message = f"stopped after {seconds:g} s; make it cheaper or raise `timeout_s` of [models]"
        raise ModelFailed(message) from error
    except (duckdb.Error, pa.ArrowException) as error:
        raise ModelFailed(said(error)) from error
    finally:
        timer.cancel()
