"""LakeLogic: its own contract, run over a Polars frame; rows it quarantines are refused."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path

import polars as pl
from lakelogic import DataProcessor
from loguru import logger
from polars_rows import LINE, rows

VERSION = f"{version('lakelogic')}, Polars {version('polars')}"
NOTE = (
    "`DataProcessor(contract, engine='polars').run(frame)`; the frame read as for pandera, because "
    "its own reader takes one JSON document per file and all of it or nothing; lengths, items and "
    "the e-mail address are SQL rules"
)
EXPLAINS = "every failed rule, in a column of the quarantined row; of what cannot be read, nothing"
COLUMNS = True
LARGEST = 10_000

_CONTRACT = r"""
version: 1.0.0
dataset: orders
info: {title: Orders, owner: shop, target_layer: bronze}
model:
  fields:
    - {name: line, type: long}
    - {name: event_id, type: string, required: true}
    - {name: user_id, type: long, required: true, min: 0}
    - {name: type, type: string, required: true, accepted_values: [click, view, purchase, login]}
    - {name: occurred_at, type: timestamp, required: true}
    - {name: amount, type: double, required: true, min: 0, max: 100000}
    - {name: currency, type: string, required: true}
    - {name: session, type: string, required: true}
    - {name: address_city, type: string, required: true}
    - {name: address_zip, type: string, required: true}
    - {name: address_country, type: string, required: true}
    - {name: tags_count, type: long}
    - {name: tags_longest, type: long}
    - {name: email, type: string}
    - {name: lat, type: double}
    - {name: lon, type: double}
    - {name: user_agent, type: string}
    - {name: referrer, type: string}
quality:
  row_rules:
    - regex_match: {field: event_id, pattern: '^[0-9a-f]{32}$'}
    - regex_match: {field: address_zip, pattern: '^\d{5}$'}
    - {name: currency_length, sql: "LENGTH(currency) = 3"}
    - {name: session_length, sql: "LENGTH(session) = 16"}
    - {name: country_length, sql: "LENGTH(address_country) = 2"}
    - {name: tags_few, sql: "tags_count IS NULL OR tags_count <= 10"}
    - {name: tags_short, sql: "tags_longest IS NULL OR tags_longest <= 20"}
    - {name: email_form, sql: "email IS NULL OR REGEXP_LIKE(email, '^[^@\\s]+@[^@\\s.]+(\\.[^@\\s.]+)+$')"}
    - {name: lat_range, sql: "lat IS NULL OR (lat >= -90 AND lat <= 90)"}
    - {name: lon_range, sql: "lon IS NULL OR (lon >= -180 AND lon <= 180)"}
    - {name: user_agent_length, sql: "user_agent IS NULL OR LENGTH(user_agent) <= 200"}
    - {name: referrer_length, sql: "referrer IS NULL OR LENGTH(referrer) <= 200"}
"""  # noqa: E501 - a rule a line

logger.remove()
_file = Path(tempfile.mkdtemp()) / "orders.yaml"
_file.write_text(_CONTRACT)


def judge(values: Sequence[bytes]) -> list[bool]:
    said = [False] * len(values)
    frame = rows(values)
    if frame is None:
        return said
    frame = frame.with_columns(
        pl.col("tags").list.len().alias("tags_count"),
        pl.col("tags").list.eval(pl.element().str.len_chars()).list.max().alias("tags_longest"),
    )
    result = DataProcessor(str(_file), engine="polars").run(frame)
    for line in result.good[LINE]:
        said[line] = True
    return said
