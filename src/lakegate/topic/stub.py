"""What is left of an erased record: a row of the same schema that holds nothing of it but a hash.

Columns that say where a row comes from and when are kept; nullable ones become null; the others
take the zero of their type, because a typed row must still fit its schema. The headers are one:
``lakegate.erased``, the SHA-256 of what was there, in hexadecimal. docs/reference/topics.md
documents what the hash is taken of.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from lakegate.errors import TopicError
from lakegate.topic.base import TopicPartition

__all__ = ["ERASED", "digest", "erased", "stubs"]

ERASED = "lakegate.erased"

_HEADERS = ("headers", "_headers")
_KEYS = ("key", "_key")
_KEPT = frozenset(
    {
        "timestamp",
        "source_topic",
        "source_partition",
        "source_offset",
        "contract_id",
        "contract_version",
        "contract_digest",
        "rejected_at",
        "_timestamp",
        "_topic",
        "_source_partition",
        "_offset",
        "_ingested_at",
    }
)
_NULL = b"\xff\xff\xff\xff"
_SHA256 = re.compile(rb"[0-9a-f]{64}")


def erased(
    source: TopicPartition, rows: pa.RecordBatch, positions: Sequence[int]
) -> tuple[pa.RecordBatch, int]:
    """The rows with stubs at ``positions``, and how many of these were not stubs before.

    Raises:
        TopicError: the rows have no headers to put the hash in.
    """
    headers = next((name for name in _HEADERS if name in rows.schema.names), None)
    if headers is None:
        raise TopicError(
            f"records of {source} cannot be erased: their rows have no headers column to hold the "
            f"hash, only {', '.join(rows.schema.names)}; let retention remove them"
        )
    blanks = _blanks(rows.schema, headers)
    chosen = rows.take(pa.array(positions, pa.int64())).to_pylist()
    alive = [
        (position, row)
        for position, row in zip(positions, chosen, strict=True)
        if not _is_stub(row, headers, blanks)
    ]
    if not alive:
        return rows, 0
    places = [position for position, _ in alive]
    columns = []
    for name, column in zip(rows.schema.names, rows.columns, strict=True):
        if name == headers:
            column = _replaced(column, places, [_mark(row) for _, row in alive])
        elif name == "reasons":
            column = _replaced(column, places, [_silent(row[name]) for _, row in alive])
        elif name in blanks:
            column = _replaced(column, places, [blanks[name]] * len(alive))
        columns.append(column)
    return pa.RecordBatch.from_arrays(columns, schema=rows.schema), len(alive)


def stubs(rows: pa.RecordBatch) -> npt.NDArray[np.bool_]:
    """Which rows are what is left of an erased record, and not only called so by a producer."""
    found = np.zeros(rows.num_rows, dtype=bool)
    headers = next((name for name in _HEADERS if name in rows.schema.names), None)
    if headers is None:
        return found
    held = rows.column(headers)
    if held.null_count == len(held):
        return found
    ours = np.flatnonzero(pc.equal(held.flatten().field(0), ERASED).to_numpy(zero_copy_only=False))
    if not len(ours):
        return found
    lengths = pc.fill_null(held.value_lengths(), 0).to_numpy(zero_copy_only=False)
    marked = np.unique(np.searchsorted(np.cumsum(lengths), ours, side="right"))
    blanks = _blanks(rows.schema, headers)
    chosen = rows.take(pa.array(marked, pa.int64())).to_pylist()
    found[marked] = [_is_stub(row, headers, blanks) for row in chosen]
    return found


def digest(row: Mapping[str, Any]) -> str:
    """SHA-256 in hexadecimal of a row's key, value and headers.

    Each field is its length in 4 bytes (big-endian) and its bytes, or FFFFFFFF for null: key,
    value, then name and value of each header. A typed row's value is its contract columns as JSON.
    """
    key = next((row[name] for name in _KEYS if name in row), None)
    headers = next((row[name] for name in _HEADERS if name in row), None) or ()
    value = row["value"] if "value" in row and "_key" not in row else _json(row)
    whole = hashlib.sha256(_field(key) + _field(value))
    for header in headers:
        whole.update(_field(header["key"].encode()) + _field(header["value"]))
    return whole.hexdigest()


def _field(data: bytes | None) -> bytes:
    return _NULL if data is None else len(data).to_bytes(4, "big") + data


def _json(row: Mapping[str, Any]) -> bytes:
    """Contract columns in order, without spaces; bytes in hexadecimal, times in ISO 8601."""
    content = {
        name: value
        for name, value in row.items()
        if name not in _KEPT and name not in _HEADERS and name not in _KEYS
    }
    return json.dumps(content, ensure_ascii=False, separators=(",", ":"), default=_text).encode()


def _text(value: Any) -> str:
    if isinstance(value, bytes):
        return value.hex()
    return str(value.isoformat()) if hasattr(value, "isoformat") else str(value)


def _blanks(schema: pa.Schema, headers: str) -> dict[str, Any]:
    return {
        field.name: _zero(field)
        for field in schema
        if field.name not in _KEPT and field.name not in (headers, "reasons")
    }


def _zero(field: pa.Field) -> Any:
    kind: Any = field.type
    if field.nullable:
        return None
    if pa.types.is_struct(kind):
        return {child.name: _zero(child) for child in kind}
    if pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_map(kind):
        return []
    if pa.types.is_string(kind) or pa.types.is_large_string(kind):
        return ""
    if pa.types.is_fixed_size_binary(kind):
        return bytes(kind.byte_width)
    if pa.types.is_binary(kind) or pa.types.is_large_binary(kind):
        return b""
    if pa.types.is_decimal(kind):
        return Decimal(0)
    if pa.types.is_boolean(kind):
        return False
    narrow = pa.types.is_date32(kind) or pa.types.is_time32(kind)
    return pa.scalar(0, pa.int32() if narrow else pa.int64()).cast(kind).as_py()


def _is_stub(row: Mapping[str, Any], headers: str, blanks: Mapping[str, Any]) -> bool:
    """Whether nothing is left to erase; the header alone proves nothing, a producer may send it."""
    marks = row[headers]
    return (
        marks is not None
        and len(marks) == 1
        and marks[0]["key"] == ERASED
        and _SHA256.fullmatch(marks[0]["value"] or b"") is not None
        and all(row[name] == blank for name, blank in blanks.items())
        and all(not reason["observed"] for reason in row.get("reasons") or ())
    )


def _mark(row: Mapping[str, Any]) -> list[dict[str, Any]]:
    return [{"key": ERASED, "value": digest(row).encode()}]


def _silent(reasons: Sequence[Mapping[str, Any]] | None) -> list[dict[str, Any]] | None:
    return None if reasons is None else [{**reason, "observed": ""} for reason in reasons]


def _replaced(column: pa.Array, positions: Sequence[int], values: Sequence[Any]) -> pa.Array:
    """The column with other values at the positions, whatever its type."""
    order = list(range(len(column)))
    for step, position in enumerate(positions):
        order[position] = len(column) + step
    return pa.concat_arrays([column, pa.array(values, column.type)]).take(
        pa.array(order, pa.int64())
    )
