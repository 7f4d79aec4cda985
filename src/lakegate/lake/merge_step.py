"""One merge: the changes since the last one, the files they touch, the commit.

The properties it writes are described in :mod:`lakegate.lake.merge`.
"""

# ruff: noqa: S608 - names go through identifier(), texts through literal()

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from lakegate.contract.stream import Stream
from lakegate.errors import CommitConflict, LakeError
from lakegate.fault import reach
from lakegate.lake.commit import Change, commit_change, lineage
from lakegate.lake.datafile import discard
from lakegate.lake.engine import duckdb_session
from lakegate.lake.failure import translated
from lakegate.lake.lake import Lake
from lakegate.lake.merge_rewrite import Rewriting, write_result
from lakegate.lake.merge_sql import (
    ORDER,
    UNREPEATABLE,
    CurrentRows,
    Position,
    distinct_changes,
    identity,
    position,
)
from lakegate.lake.snapshot import (
    KIND,
    STAGED,
    Kind,
    contract_properties,
    format_offsets,
    parse_offsets,
)
from lakegate.lake.spelling import identifier, literal
from lakegate.topic.base import TopicPartition

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection
    from pyiceberg.table import Table

__all__ = ["MergeReport", "Merged", "Step", "merged_of"]

SOURCE = "lakegate.merge.source"
POSITIONS = "lakegate.merge.positions"
EMPTIED = "lakegate.merge.emptied"
KEY = "lakegate.merge.key"


@dataclass(frozen=True, slots=True)
class MergeReport:
    """What one merge did.

    ``changes`` were new since the last merge, ``repeated`` of them sent again by the connector and
    passed over, ``late`` of them replays behind what was merged. ``rewritten_files`` of
    ``files`` held a changed key. ``rows`` is what the table has now. ``rebuilt``: derived from the
    whole history. ``snapshot_id`` is None when nothing was published since the last merge.
    """

    stream: str
    table: str
    changes: int = 0
    repeated: int = 0
    late: int = 0
    truncates: int = 0
    rewritten_files: int = 0
    files: int = 0
    rows: int = 0
    rebuilt: bool = False
    source_snapshot_id: int | None = None
    snapshot_id: int | None = None


@dataclass(frozen=True, slots=True)
class Merged:
    """What the newest snapshot says is in the merged table."""

    source: int | None
    positions: Mapping[TopicPartition, int]
    emptied: Position | None
    key: tuple[str, ...]


_NOTHING = Merged(None, {}, None, ())


def merged_of(table: Table) -> Merged:
    """What is merged, as the newest staged snapshot says that a merge made.

    Compactions carry nothing of it forward.
    """
    reference = table.metadata.refs[STAGED]
    for snapshot in lineage(table.metadata, reference.snapshot_id):
        said = snapshot.summary
        if said is not None and said.get(SOURCE) is not None:
            emptied = json.loads(str(said.get(EMPTIED) or "null"))
            return Merged(
                source=int(str(said[SOURCE])),
                positions=parse_offsets(str(said.get(POSITIONS) or "{}")),
                emptied=None if emptied is None else tuple(emptied),
                key=tuple(json.loads(str(said.get(KEY) or "[]"))),
            )
    return _NOTHING


class Step:
    """One attempt, over one DuckDB connection."""

    def __init__(
        self,
        lake: Lake,
        stream: Stream,
        target: Stream,
        merged: Merged,
        until: int,
        memory_limit: str,
    ) -> None:
        self._lake = lake
        self._stream = stream
        self._table = lake.table(target)
        self._target = target
        self._until = until
        self._key = stream.primary_key
        self._memory_limit = memory_limit
        self._columns = [item.name for item in self._table.schema().fields]
        same_key = merged.key == self._key
        kept = merged.source is not None and self._knows(merged.source)
        self._merged = merged if same_key and kept else _NOTHING

    def _knows(self, snapshot_id: int) -> bool:
        metadata = self._lake.table(self._stream).metadata
        return metadata.snapshot_by_id(snapshot_id) is not None

    def run(self) -> MergeReport:
        """Merge and commit to ``staged``.

        Raises:
            CommitConflict: another merge committed first; nothing happened.
        """
        workspace = self._lake.location / "spill"
        with (
            translated(f"cannot merge changes into table {self._target.table}"),
            duckdb_session(memory=self._memory_limit, workspace=workspace) as connection,
        ):
            connection.execute("SET preserve_insertion_order = false")
            since = self._merged.source
            if since is not None and self._lost_rows(connection, since):
                self._merged, since = _NOTHING, None
            return self._rebuild(connection) if since is None else self._follow(connection, since)

    def _lost_rows(self, connection: DuckDBPyConnection, since: int) -> bool:
        """Whether rows that were merged are not published any more (erasure): derive anew."""
        self._lake.added(connection, self._stream, since=self._until, until=since, name="lost")
        return _one(connection, "SELECT count(*) FROM lost") > 0

    def _rebuild(self, connection: DuckDBPyConnection) -> MergeReport:
        self._lake.relation(connection, self._stream, snapshot_id=self._until, name="changes")
        connection.execute("CREATE TEMP VIEW events AS " + distinct_changes("changes", self._key))
        counts = self._counts(connection, "changes")
        files = self._files()
        return self._commit(
            connection,
            counts | {"rebuilt": True, "files": len(files), "rewritten_files": len(files)},
            Rewriting(self._table, self._key, removed=files),
            CurrentRows(self._columns, self._key),
        )

    def _follow(self, connection: DuckDBPyConnection, since: int) -> MergeReport:
        self._lake.added(connection, self._stream, since=since, until=self._until, name="changes")
        connection.execute("CREATE TEMP TABLE fresh AS SELECT * FROM changes")
        counts = self._counts(connection, "fresh")
        counts["late"] = self._replayed(connection)
        self._split_moves(connection)
        emptied = self._emptied(connection)
        counts["repeated"] = self._drop_repeated(connection, since)
        keys = ", ".join(identifier(name) for name in self._key)
        connection.execute(
            f"CREATE TEMP TABLE keys AS SELECT DISTINCT {keys} FROM fresh WHERE _op <> 't'"
        )
        older = emptied if emptied != self._merged.emptied else None
        rewriting = Rewriting(self._table, self._key)
        files = self._files()
        try:
            rewriting.take_out(connection, files, older)
            connection.register("base", rewriting.base())
            base = "SELECT * FROM base"
            if counts["late"]:
                base += f" ANTI JOIN late USING ({keys})"
            connection.execute(
                f"CREATE TEMP VIEW events AS SELECT * FROM fresh UNION ALL BY NAME {base}"
            )
            rows = CurrentRows(self._columns, self._key, emptied)
            counts |= {"files": len(files), "rewritten_files": len(rewriting.removed)}
            return self._commit(connection, counts, rewriting, rows, emptied)
        except BaseException:
            rewriting.undo()
            raise

    def _counts(self, connection: DuckDBPyConnection, changes: str) -> dict[str, Any]:
        ((total, truncates),) = connection.execute(
            f"SELECT count(*), count(*) FILTER (_op = 't') FROM {changes}"
        ).fetchall()
        return {"changes": total, "truncates": truncates}

    def _replayed(self, connection: DuckDBPyConnection) -> int:
        """Keys with a change from before what is merged get their whole history; how many changes.

        So a replayed change takes the place it had, and never wins over a newer one.
        """
        merged = ", ".join(
            f"({literal(source.topic)}, {source.partition}, {offset})"
            for source, offset in self._merged.positions.items()
        )
        keys = ", ".join(identifier(name) for name in self._key)
        connection.execute(
            "CREATE TEMP TABLE late AS SELECT fresh.* FROM fresh JOIN "
            f"(VALUES {merged or '(NULL, 0, 0)'}) merged(topic, part, upto) "
            "ON fresh._topic = merged.topic AND fresh._source_partition = merged.part "
            "WHERE fresh._offset < merged.upto AND fresh._op <> 't'"
        )
        late = _one(connection, "SELECT count(*) FROM late")
        if late:
            self._lake.relation(connection, self._stream, snapshot_id=self._until, name="history")
            connection.execute(
                f"CREATE TEMP TABLE again AS SELECT * FROM history SEMI JOIN late USING ({keys}) "
                "WHERE _op <> 't'"
            )
            connection.execute(f"DELETE FROM fresh WHERE ({keys}) IN (SELECT ({keys}) FROM late)")
            connection.execute("INSERT INTO fresh BY NAME SELECT * FROM again")
        return late

    def _split_moves(self, connection: DuckDBPyConnection) -> None:
        """Where a key changed and its delete was merged before: the old key's history comes along.

        This is rare: a publication fell between the two events.
        """
        created = (
            "SELECT * FROM fresh WHERE _op = 'c' AND len(_unavailable) > 0 "
            "AND _source_position <> ''"
        )
        same = ("_source_position", "_transaction", "_source_table")
        matched = " AND ".join(f"old.{name} IS NOT DISTINCT FROM new.{name}" for name in same)
        alone = (
            f"SELECT * FROM ({created}) new WHERE NOT EXISTS "
            f"(SELECT 1 FROM fresh old WHERE old._op = 'd' AND {matched})"
        )
        if not _one(connection, f"SELECT count(*) FROM ({alone})"):
            return
        self._lake.relation(connection, self._stream, snapshot_id=self._until, name="history")
        keys = ", ".join(identifier(name) for name in self._key)
        connection.execute(
            f"INSERT INTO fresh BY NAME SELECT * FROM history WHERE _op <> 't' AND ({keys}) IN ("
            f"SELECT ({', '.join(f'old.{identifier(name)}' for name in self._key)}) "
            f"FROM ({alone}) new JOIN history old ON old._op = 'd' AND {matched})"
            " AND (_topic, _source_partition, _offset) NOT IN "
            "(SELECT (_topic, _source_partition, _offset) FROM fresh)"
        )

    def _emptied(self, connection: DuckDBPyConnection) -> Position | None:
        """The newest truncate there ever was."""
        found = connection.execute(
            "SELECT max(place) FROM ("
            f"SELECT {ORDER} AS place FROM fresh WHERE _op = 't' "
            f"UNION ALL SELECT {position(self._merged.emptied)})"
        ).fetchall()
        at = found[0][0]
        return None if at is None else (at["us"], at["topic"], at["part"], at["number"])

    def _drop_repeated(self, connection: DuckDBPyConnection, since: int) -> int:
        """Changes that are in the history already go; how many.

        A repeat has the source's time of the first, which keeps the look into the history short.
        """
        before = _one(connection, "SELECT count(*) FROM fresh")
        same = " AND ".join(
            f"old.{name} IS NOT DISTINCT FROM fresh.{name}" for name in identity(self._key)
        )
        self._lake.relation(connection, self._stream, snapshot_id=since, name="merged")
        connection.execute(
            f"CREATE OR REPLACE TEMP TABLE fresh AS {distinct_changes('fresh', self._key)}"
        )
        ((oldest, unknown),) = connection.execute(
            "SELECT min(_source_ts), count(*) FILTER (_source_ts IS NULL) FROM fresh "
            f"WHERE NOT {UNREPEATABLE}"
        ).fetchall()
        if oldest is not None or unknown:
            recent = "true" if unknown else f"_source_ts >= TIMESTAMPTZ '{oldest.isoformat()}'"
            connection.execute(
                "CREATE TEMP TABLE repeated AS SELECT fresh._topic, fresh._source_partition, "
                "fresh._offset FROM fresh "
                f"JOIN (SELECT * FROM merged WHERE {recent}) old ON {same} "
                "WHERE fresh._source_position <> '' "
                "AND (fresh._op <> 'r' OR old._source_ts = fresh._source_ts) "
                "AND (old._ingested_at, old._topic, old._source_partition, old._offset) < "
                "(fresh._ingested_at, fresh._topic, fresh._source_partition, fresh._offset)"
            )
            connection.execute(
                "DELETE FROM fresh WHERE (_topic, _source_partition, _offset) IN "
                "(SELECT (_topic, _source_partition, _offset) FROM repeated)"
            )
        return before - _one(connection, "SELECT count(*) FROM fresh")

    def _files(self) -> list[Any]:
        from lakegate.lake.reading import files_of

        reference = self._table.metadata.refs[STAGED]
        return files_of(self._table, reference.snapshot_id)

    def _commit(
        self,
        connection: DuckDBPyConnection,
        counts: dict[str, Any],
        rewriting: Rewriting,
        rows: CurrentRows,
        emptied: Position | None = None,
    ) -> MergeReport:
        from pyiceberg.exceptions import CommitFailedException

        if counts.get("rebuilt"):
            connection.execute("CREATE TEMP VIEW fresh AS SELECT * FROM changes")
            emptied = self._emptied(connection)
            kept = _one(connection, "SELECT count(*) FROM events")
            counts["repeated"] = counts["changes"] - kept
        properties = contract_properties(self._stream.contract) | {
            KIND: Kind.MERGE.value,
            SOURCE: str(self._until),
            POSITIONS: format_offsets(self._positions(connection)),
            EMPTIED: json.dumps(emptied),
            KEY: json.dumps(self._key),
        }
        written = [*rewriting.written]
        try:
            written += write_result(connection, self._table, rows.select("events"), self._key)
            reach("lake.merge.written")
            change = Change(
                properties=properties,
                added=written,
                removed=[task.file for task in rewriting.removed],
                keep=self._lake.keep,
                takes_rows_off=bool(rewriting.removed),
            )
            snapshot_id = commit_change(self._table, change)
        except (CommitConflict, CommitFailedException, LakeError):
            # Only these say that no snapshot refers to the files; after any other one may.
            discard(self._table, written)
            raise
        reach("lake.merge.committed")
        head = self._lake.head(self._target, STAGED)
        return MergeReport(
            stream=self._stream.name,
            table=self._target.table,
            rows=0 if head is None else head.rows,
            source_snapshot_id=self._until,
            snapshot_id=snapshot_id,
            **counts,
        )

    def _positions(self, connection: DuckDBPyConnection) -> dict[TopicPartition, int]:
        found = connection.execute(
            "SELECT _topic, _source_partition, max(_offset) + 1 FROM changes GROUP BY ALL"
        ).fetchall()
        now = dict(self._merged.positions)
        for topic, partition, upto in found:
            source = TopicPartition(topic, partition)
            now[source] = max(upto, now.get(source, 0))
        return now


def _one(connection: DuckDBPyConnection, query: str) -> int:
    return int(connection.execute(query).fetchall()[0][0])
