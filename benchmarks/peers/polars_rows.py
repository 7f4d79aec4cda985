"""Records to rows of a Polars frame, strictly, by a declared schema; for the peers that take one.

``read_ndjson`` refuses a whole batch for one record it cannot read, and with ``ignore_errors=True``
puts null for what does not fit, which an optional field then takes for granted. So a batch that
cannot be read is halved until the records at fault stand alone: what a careful user would do.
"""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

LINE = "line"
_FIELDS = {
    "event_id": pl.String,
    "user_id": pl.Int64,
    "type": pl.String,
    "occurred_at": pl.String,
    "amount": pl.Float64,
    "currency": pl.String,
    "session": pl.String,
    "address": pl.Struct({"city": pl.String, "zip": pl.String, "country": pl.String}),
    "tags": pl.List(pl.String),
    "email": pl.String,
    "lat": pl.Float64,
    "lon": pl.Float64,
    "user_agent": pl.String,
    "referrer": pl.String,
}


def rows(values: Sequence[bytes]) -> pl.DataFrame | None:
    """What could be read, ``address`` taken apart, with the position of each; None: nothing."""
    frames = _read(values, 0)
    if not frames:
        return None
    return pl.concat(frames).unnest("address", separator="_")


def _read(values: Sequence[bytes], first: int) -> list[pl.DataFrame]:
    try:
        frame = pl.read_ndjson(b"\n".join(values), schema=_FIELDS)
    except pl.exceptions.PolarsError:
        frame = None
    if frame is not None and frame.height == len(values):
        return [frame.with_row_index(LINE, first)]
    if len(values) == 1:
        return []
    middle = len(values) // 2
    return _read(values[:middle], first) + _read(values[middle:], first + middle)
