"""Iceberg: catalog, landing, branches and publishing, reading, maintenance (DESIGN "Lake")."""

from __future__ import annotations

from lakegate.lake.lake import Lake
from lakegate.lake.snapshot import MAIN, STAGED, SnapshotInfo

__all__ = ["FAULT_POINTS", "MAIN", "STAGED", "Lake", "SnapshotInfo"]

# Where the kill harness strikes (lakegate.fault), in the order a row passes them.
FAULT_POINTS = (
    "lake.create.before",
    "lake.create.written",
    "lake.evolve.before",
    "lake.land.before",
    "lake.land.written",
    "lake.land.committed",
    "lake.land.advanced",
    "lake.publish.before",
    "lake.publish.committed",
    "lake.compact.written",
    "lake.compact.committed",
    "lake.sweep.before",
)
