"""Great Expectations on pandas: a suite over a frame, with the rows that fail."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from importlib.metadata import version
from typing import Any

import great_expectations as gx
import great_expectations.expectations as gxe
import orjson
import pandas as pd
from great_expectations.data_context.types.base import ProgressBarsConfig

VERSION = f"{version('great_expectations')}, pandas {version('pandas')}"
NOTE = (
    "orjson, then per field a column of what stood there and one of those of the right type; "
    "`result_format=COMPLETE` for the rows; a timestamp is a pattern and "
    "`datetime.fromisoformat`, an e-mail address a pattern"
)
EXPLAINS = "every failed expectation, with the rows"
COLUMNS = False
LARGEST = 10_000
TOGETHER = True

_TEXT, _WHOLE, _NUMBER = (str,), (int,), (int, float)
_FIELDS: dict[str, tuple[tuple[type, ...], bool]] = {
    "event_id": (_TEXT, True),
    "user_id": (_WHOLE, True),
    "type": (_TEXT, True),
    "occurred_at": (_TEXT, True),
    "amount": (_NUMBER, True),
    "currency": (_TEXT, True),
    "session": (_TEXT, True),
    "address": ((dict,), True),
    "address.city": (_TEXT, True),
    "address.zip": (_TEXT, True),
    "address.country": (_TEXT, True),
    "tags": ((list,), False),
    "email": (_TEXT, False),
    "lat": (_NUMBER, False),
    "lon": (_NUMBER, False),
    "user_agent": (_TEXT, False),
    "referrer": (_TEXT, False),
}
_RFC_3339 = r"^\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(\.\d+)?([Zz]|[+-]\d\d:\d\d)$"


def _suite() -> gx.ExpectationSuite:
    found: list[Any] = []
    for name, (types, required) in _FIELDS.items():
        if required:
            found.append(gxe.ExpectColumnValuesToNotBeNull(column=f"{name} typed"))
        listed = [kind.__name__ for kind in types]
        found.append(gxe.ExpectColumnValuesToBeInTypeList(column=name, type_list=listed))
    for name, low, high in (
        ("user_id", 0, None),
        ("amount", 0, 100_000),
        ("lat", -90, 90),
        ("lon", -180, 180),
    ):
        found.append(
            gxe.ExpectColumnValuesToBeBetween(column=f"{name} typed", min_value=low, max_value=high)
        )
    for name, low, high in (
        ("currency", 3, 3),
        ("session", 16, 16),
        ("address.country", 2, 2),
        ("user_agent", None, 200),
        ("referrer", None, 200),
    ):
        found.append(
            gxe.ExpectColumnValueLengthsToBeBetween(
                column=f"{name} typed", min_value=low, max_value=high
            )
        )
    for name, pattern in (
        ("event_id", r"^[0-9a-f]{32}$"),
        ("occurred_at", _RFC_3339),
        ("address.zip", r"^\d{5}$"),
        ("email", r"^[^@\s]+@[^@\s.]+(\.[^@\s.]+)+$"),
    ):
        found.append(gxe.ExpectColumnValuesToMatchRegex(column=f"{name} typed", regex=pattern))
    return gx.ExpectationSuite(
        "orders",
        expectations=[
            *found,
            gxe.ExpectColumnValuesToBeInSet(
                column="type typed", value_set=["click", "view", "purchase", "login"]
            ),
            gxe.ExpectColumnValuesToBeInSet(column="occurred_at exists", value_set=[True]),
            gxe.ExpectColumnValuesToBeBetween(column="tags count", max_value=10),
            gxe.ExpectColumnValuesToBeBetween(column="tags longest", max_value=20),
            gxe.ExpectColumnValuesToBeInSet(column="tags are text", value_set=[True]),
        ],
    )


_context = gx.get_context(mode="ephemeral")
_context.variables.progress_bars = ProgressBarsConfig(globally=False)
_batches = (
    _context.data_sources.add_pandas("memory")
    .add_dataframe_asset("orders")
    .add_batch_definition_whole_dataframe("batch")
)
_expected = _suite()


def judge(values: Sequence[bytes]) -> list[bool]:
    said = [False] * len(values)
    records, lines = [], []
    for line, value in enumerate(values):
        try:
            record = orjson.loads(value)
        except orjson.JSONDecodeError:
            continue
        if isinstance(record, dict):
            records.append(record)
            lines.append(line)
            said[line] = True
    if not records:
        return said
    batch = _batches.get_batch(batch_parameters={"dataframe": _frame(records)})
    judged = batch.validate(_expected, result_format={"result_format": "COMPLETE"})
    for result in judged.results:
        if not result.success and "unexpected_index_list" not in result.result:
            raise RuntimeError(f"{result.expectation_config.type}: {result.exception_info}")
        for row in result.result.get("unexpected_index_list") or ():
            said[lines[row]] = False
    return said


def _frame(records: list[dict[str, Any]]) -> pd.DataFrame:
    columns: dict[str, Any] = {}
    for name, (types, _) in _FIELDS.items():
        outer, _, inner = name.partition(".")
        values = [record.get(outer) for record in records]
        if inner:
            values = [value.get(inner) if isinstance(value, dict) else None for value in values]
        columns[name] = pd.Series(values, dtype=object)
        typed = [value if type(value) in types else None for value in values]
        numeric = types in (_WHOLE, _NUMBER)
        columns[f"{name} typed"] = pd.Series(typed, dtype=float if numeric else object)
    tags = [value or [] for value in columns["tags typed"]]
    texts = [[tag for tag in found if isinstance(tag, str)] for found in tags]
    columns["tags count"] = [len(found) for found in tags]
    columns["tags longest"] = [max(map(len, found), default=0) for found in texts]
    columns["tags are text"] = [
        all(tag is None or isinstance(tag, str) for tag in found) for found in tags
    ]
    columns["occurred_at exists"] = [
        value is not None and _exists(value) for value in columns["occurred_at typed"]
    ]
    return pd.DataFrame(columns)


def _exists(text: str) -> bool:
    """Of a text that matches the pattern: whether there is such a moment."""
    try:
        datetime.fromisoformat(text.upper())
    except ValueError:
        return False
    return True
