"""The SQL that makes rows of now out of changes (SEMANTICS "CDC"; docs/decisions/0007-cdc.md).

Changes are ordered by when, and then where, the log took them (``_ingested_at``, ``_topic``,
``_source_partition``, ``_offset``): within a partition that is the order of delivery, and replayed
changes stand where they stood. What the source says of its own order is compared for equality only.
"""

# ruff: noqa: S608 - names go through identifier(), texts through literal()

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from lakegate.lake.spelling import identifier, literal

__all__ = ["ORDER", "CurrentRows", "Position", "distinct_changes", "position"]

# One comparable value per change.
ORDER = (
    "struct_pack(us := epoch_us(_ingested_at), topic := _topic, part := _source_partition, "
    "number := _offset)"
)
_BY_ORDER = "_ingested_at, _topic, _source_partition, _offset"
_NEWEST_FIRST = "_ingested_at DESC, _topic DESC, _source_partition DESC, _offset DESC"
_OF_CHANGE = frozenset(
    [
        "_op",
        "_source_position",
        "_source_ts",
        "_transaction",
        "_source_table",
        "_topic",
        "_source_partition",
        "_offset",
        "_ingested_at",
    ]
)

Position = tuple[int, str, int, int]


def position(place: Position | None) -> str:
    """A place in the order as SQL, comparable with :data:`ORDER`; NULL for None."""
    if place is None:
        return "NULL"
    micros, topic, partition, offset = place
    return (
        f"struct_pack(us := {micros}::BIGINT, topic := {literal(topic)}, "
        f"part := {partition}::INTEGER, number := {offset}::BIGINT)"
    )


def identity(key: Sequence[str]) -> list[str]:
    """What a change sent again has in common with the first: compared exactly, never ordered."""
    return ["_source_position", "_transaction", "_source_table", "_op", *map(identifier, key)]


# Without a position nothing says that two events are one. A snapshot's rows upsert: another
# snapshot at the same position was taken at another time; one of the same time is sent again.
UNREPEATABLE = "(_source_position = '' OR (_op = 'r' AND _source_ts IS NULL))"


def distinct_changes(source: str, key: Sequence[str]) -> str:
    """The changes of a relation without those a connector sent again."""
    same = ", ".join(identity(key))
    return (
        f"SELECT * FROM {source} QUALIFY {UNREPEATABLE} OR "
        f"row_number() OVER (PARTITION BY {same}, CASE WHEN _op = 'r' THEN _source_ts END "
        f"ORDER BY {_BY_ORDER}) = 1"
    )


@dataclass(frozen=True, slots=True)
class CurrentRows:
    """The newest row of each key of a table of changes.

    ``columns`` are those of the merged table, ``key`` among them. ``emptied`` is the newest
    truncate known besides those in the changes themselves.
    """

    columns: Sequence[str]
    key: Sequence[str]
    emptied: Position | None = None

    def select(self, source: str) -> str:
        """The rows of now, given a relation of distinct changes; deleted ones are left out."""
        key = ", ".join(identifier(name) for name in self.key)
        columns = ", ".join(identifier(name) for name in self.columns)
        known = " AND ".join(f"{identifier(name)} IS NOT NULL" for name in self.key)
        return f"""
            WITH emptied AS (
                SELECT max(place) AS place FROM (
                    SELECT {ORDER} AS place FROM {source} WHERE _op = 't'
                    UNION ALL SELECT {position(self.emptied)}
                )
            ), live AS (
                SELECT *, {ORDER} AS _order FROM {source} CROSS JOIN emptied
                WHERE _op <> 't' AND {known} AND (emptied.place IS NULL OR {ORDER} > emptied.place)
            ), newest AS (
                SELECT * FROM live
                QUALIFY row_number() OVER (PARTITION BY {key} ORDER BY {_NEWEST_FIRST}) = 1
            ), partial AS (
                SELECT {key} FROM newest WHERE _op <> 'd' AND len(_unavailable) > 0
            ), chain AS (
                SELECT *, max(_order) FILTER (_op = 'd') OVER (PARTITION BY {key}) AS _gone
                FROM live SEMI JOIN partial USING ({key})
            ), lives AS (
                SELECT * FROM chain WHERE _op <> 'd' AND (_gone IS NULL OR _order > _gone)
            ), moved AS (
                {self._moved()}
            ), filled AS (
                SELECT {key}, {self._filled()} FROM (
                    SELECT * FROM lives UNION ALL BY NAME SELECT * FROM moved
                ) GROUP BY {key}
            )
            SELECT {columns} FROM newest WHERE _op <> 'd' AND coalesce(len(_unavailable), 0) = 0
            UNION ALL SELECT {columns} FROM filled
        """

    def _moved(self) -> str:
        """What the row was under its old key, when a change of its key began its life.

        The source sends that as a delete and a create at one position.
        """

        def of_key(alias: str) -> str:
            return ", ".join(f"{alias}.{identifier(name)}" for name in self.key)

        new = ", ".join(f"new.{identifier(name)} AS {identifier(name)}" for name in self.key)
        rest = ", ".join(identifier(name) for name in self.key)
        same = " AND ".join(
            f"old.{name} IS NOT DISTINCT FROM new.{name}"
            for name in ("_source_position", "_transaction", "_source_table")
        )
        return f"""
            SELECT {new}, earlier.* EXCLUDE ({rest})
            FROM lives new JOIN live old ON new._op = 'c' AND len(new._unavailable) > 0
                AND old._op = 'd' AND old._source_position <> '' AND {same}
            JOIN live earlier ON ({of_key("earlier")}) = ({of_key("old")})
                AND earlier._op <> 'd' AND earlier._order < old._order
            WHERE NOT EXISTS (
                SELECT 1 FROM live ended
                WHERE ({of_key("ended")}) = ({of_key("old")})
                AND ended._op = 'd' AND ended._order > earlier._order AND ended._order < old._order
            )
        """

    def _filled(self) -> str:
        """Of each column the newest value that was sent; what never was stays unavailable."""
        parts, missing = [], []
        for name in self.columns:
            if name in self.key or name == "_unavailable":
                continue
            quoted = identifier(name)
            if name in _OF_CHANGE:
                parts.append(f"arg_max({quoted}, _order) AS {quoted}")
                continue
            sent = f"NOT list_contains(coalesce(_unavailable, []), {literal(name)})"
            parts.append(f"(arg_max({{'v': {quoted}}}, _order) FILTER ({sent})).v AS {quoted}")
            missing.append(f"CASE WHEN count(*) FILTER ({sent}) = 0 THEN {literal(name)} END")
        never = f"list_filter([{', '.join(missing)}], lambda name: name IS NOT NULL)"
        parts.append(f"CASE WHEN len({never}) > 0 THEN {never} END AS _unavailable")
        return ", ".join(parts)
