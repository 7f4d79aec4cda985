"""pandera on Polars: ``read_ndjson`` by a declared schema, then a lazy validation of the batch."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.metadata import version

import pandera.polars as pa
import polars as pl
from polars_rows import LINE, rows

VERSION = f"{version('pandera')}, Polars {version('polars')}"
NOTE = (
    "`read_ndjson` with a declared schema, `validate(lazy=True)`; a batch that Polars cannot read "
    "is halved until the records at fault stand alone; an e-mail address is a pattern"
)
EXPLAINS = "every failed check; of what cannot be read, one message of the parser"
COLUMNS = True
LARGEST = 10_000


def _timestamp(data: pa.PolarsData) -> pl.LazyFrame:
    read = pl.col(data.key).str.to_datetime("%+", time_unit="us", time_zone="UTC", strict=False)
    return data.lazyframe.select(read.is_not_null())


def _few(data: pa.PolarsData) -> pl.LazyFrame:
    return data.lazyframe.select(pl.col(data.key).list.len() <= 10)


def _short(data: pa.PolarsData) -> pl.LazyFrame:
    return data.lazyframe.select(
        pl.col(data.key).list.eval(pl.element().str.len_chars() <= 20).list.all()
    )


def _text(*checks: pa.Check, nullable: bool = False) -> pa.Column:
    return pa.Column(pl.String, list(checks), nullable=nullable)


_EMAIL = r"^[^@\s]+@[^@\s.]+(\.[^@\s.]+)+$"
_schema = pa.DataFrameSchema(
    {
        "event_id": _text(pa.Check.str_matches(r"^[0-9a-f]{32}$")),
        "user_id": pa.Column(pl.Int64, pa.Check.ge(0)),
        "type": _text(pa.Check.isin(["click", "view", "purchase", "login"])),
        "occurred_at": _text(pa.Check(_timestamp, name="timestamp")),
        "amount": pa.Column(pl.Float64, pa.Check.in_range(0, 100_000)),
        "currency": _text(pa.Check.str_length(3, 3)),
        "session": _text(pa.Check.str_length(16, 16)),
        "address_city": _text(),
        "address_zip": _text(pa.Check.str_matches(r"^\d{5}$")),
        "address_country": _text(pa.Check.str_length(2, 2)),
        "tags": pa.Column(
            pl.List(pl.String),
            [pa.Check(_few, name="at most 10"), pa.Check(_short, name="at most 20 characters")],
            nullable=True,
        ),
        "email": _text(pa.Check.str_matches(_EMAIL), nullable=True),
        "lat": pa.Column(pl.Float64, pa.Check.in_range(-90, 90), nullable=True),
        "lon": pa.Column(pl.Float64, pa.Check.in_range(-180, 180), nullable=True),
        "user_agent": _text(pa.Check.str_length(max_value=200), nullable=True),
        "referrer": _text(pa.Check.str_length(max_value=200), nullable=True),
    }
)


def judge(values: Sequence[bytes]) -> list[bool]:
    said = [False] * len(values)
    frame = rows(values)
    if frame is None:
        return said
    for line in frame[LINE]:
        said[line] = True
    try:
        _schema.validate(frame, lazy=True)
    except pa.errors.SchemaErrors as found:
        for row in found.failure_cases["index"].unique():
            said[frame[LINE][row]] = False
    return said
