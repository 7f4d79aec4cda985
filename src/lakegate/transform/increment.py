"""When a model may be written from a point in time on: what changed in its inputs since it was.

An input may only have been added to, and nothing that was added may be older than that point. For
an input the age of added rows is read from the column the model's time is made of, else from the
event time its contract declares. An input that changed and has neither could change any row.
"""

# ruff: noqa: S608 - names go through identifier(), texts through literal()

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from lakegate.lake.commit import lineage
from lakegate.lake.reading import added
from lakegate.lake.snapshot import KIND, Kind
from lakegate.lake.spelling import identifier, literal
from lakegate.transform.result import Mode

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection
    from pyiceberg.table import Table

    from lakegate.transform.session import ModelSession, PinnedTable

__all__ = ["MODE", "SINCE", "Watch", "too_old", "watch"]

MODE = "lakegate.model.mode"
SINCE = "lakegate.model.since"  # of mode `time`: from when on rows were replaced

_FORWARD = {Kind.LAND.value, Kind.COMPACT.value, Kind.CREATE.value}


@dataclass(frozen=True, slots=True)
class _Added:
    source: str
    table: Table
    since: int
    until: int
    column: str


@dataclass(frozen=True, slots=True)
class Watch:
    """What to look at before a point in time is trusted: rows added, and points others chose."""

    added: tuple[_Added, ...] = ()
    since: tuple[tuple[str, str], ...] = ()  # (model, point)

    def bind(self, connection: DuckDBPyConnection) -> None:
        """Make views of the added rows; before the session is locked."""
        for index, item in enumerate(self.added):
            added(connection, item.table, since=item.since, until=item.until, name=_view(index))


def watch(
    inputs: Mapping[str, PinnedTable],
    before: Mapping[str, tuple[int, int]],
    times: Mapping[str, str],
) -> Watch | str:
    """What to look at; or, in a sentence, why everything must be computed.

    ``inputs`` are the tables read now, ``before`` their stamps when the model was last written,
    ``times`` the columns that tell the age of an input's rows.
    """
    rows: list[_Added] = []
    points: list[tuple[str, str]] = []
    if set(before) != set(inputs):
        return "it reads other tables than before"
    for name, pinned in inputs.items():
        if before[name] == pinned.stamp:
            continue
        if before[name][1] != pinned.stamp[1]:
            return f"the columns of {name} changed"
        chosen = _points(pinned.table, before[name][0], pinned.snapshot_id)
        if chosen is None:
            return f"{name} was rewritten, not only added to"
        if chosen:
            points.extend((name, point) for point in chosen)
        elif name in times:
            rows.append(
                _Added(name, pinned.table, before[name][0], pinned.snapshot_id, times[name])
            )
        else:
            return f"{name} changed, and nothing tells the age of its rows"
    return Watch(tuple(rows), tuple(points))


def too_old(session: ModelSession, watched: Watch, since: str) -> str | None:
    """In a sentence, what is older than the point in time; None if nothing is."""
    cutoff = f"CAST({literal(since)} AS TIMESTAMPTZ)"
    for index, item in enumerate(watched.added):
        (old,) = session.row(
            f"SELECT coalesce(CAST(min({identifier(item.column)}) AS TIMESTAMPTZ) < {cutoff}, "
            f"false) FROM {_view(index)}"
        )
        if old:
            return f"rows were added to {item.source} that are older than the lookback"
    for name, point in watched.since:
        (old,) = session.row(f"SELECT CAST({literal(point)} AS TIMESTAMPTZ) < {cutoff}")
        if old:
            return f"{name} looks back further"
    return None


def _points(table: Table, since: int, until: int) -> list[str] | None:
    """From when on models replaced rows between two snapshots; empty if rows were only added.

    None if something else happened, or it is not known any more.
    """
    points: list[str] = []
    for snapshot in lineage(table.metadata, until):
        if snapshot.snapshot_id == since:
            return points
        summary = {} if snapshot.summary is None else snapshot.summary.additional_properties
        if summary.get(MODE) == Mode.TIME.value and SINCE in summary:
            points.append(summary[SINCE])
        elif summary.get(KIND) not in _FORWARD and summary.get(MODE) != Mode.SAME.value:
            return None
    return None


def _view(index: int) -> str:
    return f"lakegate_added_{index}"
