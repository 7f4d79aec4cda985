"""What a batch of records may be given as, and what of it is looked at before it is judged."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

import pyarrow as pa

from lakegate.errors import GateError

__all__ = [
    "Values",
    "by_position",
    "is_arrow",
    "is_too_large",
    "keyed",
    "kind_of",
    "one_array",
    "refuse_count",
    "refuse_members",
    "sequence",
    "tombstones_of",
    "value_at",
]

Values: TypeAlias = Sequence[bytes | None] | pa.Array | pa.ChunkedArray
_BATCH_BYTES = 1 << 30  # a string column of Arrow holds 2 GiB; larger batches are halved


def is_too_large(values: Values, limit_bytes: int) -> bool:
    """Whether it may not fit into columns, where a record has at most ``limit_bytes``."""
    count = len(values)
    if count < 2 or count * limit_bytes <= _BATCH_BYTES:
        return False
    if isinstance(values, pa.Array | pa.ChunkedArray):
        return int(values.nbytes) > _BATCH_BYTES
    return sum(len(value) for value in values if value is not None) > _BATCH_BYTES


def is_arrow(values: Values, name: str) -> bool:
    """Whether it is an array of Arrow, else a sequence.

    Raises:
        GateError: it is neither, or an array of another type; ``name`` says of which argument.
    """
    if not isinstance(values, pa.Array | pa.ChunkedArray):
        if type(values) is not list:
            _refuse_shape(values, name)
        return False
    if not (pa.types.is_binary(values.type) or pa.types.is_large_binary(values.type)):
        raise GateError(f"{name}: expected binary or large_binary, got {values.type}")
    return True


def _refuse_shape(values: Any, name: str) -> None:
    """What has a length and an order is a batch; one record alone, a mapping or a set is none."""
    if isinstance(values, bytes | bytearray | memoryview | str):
        advice = f"one record is a batch of one: [{name[:-1]}]"
    elif isinstance(values, Mapping) or not hasattr(values, "__getitem__"):
        advice = "make a list of them"
    else:
        return
    raise GateError(
        f"{name}: expected a sequence of bytes or None, or an Arrow array of binary, "
        f"got {kind_of(values)}; {advice}"
    )


def refuse_members(values: Any, error: Exception) -> None:
    """Say which member is neither bytes nor None, now that something has failed.

    Raises:
        GateError: there is one.
    """
    if isinstance(values, pa.Array | pa.ChunkedArray):
        return
    for position, value in enumerate(values):
        if value is not None and not isinstance(value, bytes):
            advice = "encode it: value.encode()" if isinstance(value, str) else "make it bytes"
            raise GateError(
                f"values[{position}]: expected bytes or None, got {kind_of(value)}; {advice}"
            ) from error


def kind_of(value: Any) -> str:
    """What a value is, for messages: ``a dict``."""
    if value is None:
        return "None"
    name = type(value).__name__
    return f"{'an' if name[0] in 'aeiouAEIOU' else 'a'} {name}"


def sequence(values: Values, name: str) -> Sequence[bytes | None]:
    """The members one by one; see :func:`is_arrow`."""
    if is_arrow(values, name):
        return values.to_pylist()  # type: ignore[union-attr,no-any-return]
    return by_position(values)


def by_position(values: Any) -> Sequence[bytes | None]:
    """The members in their order: a pandas Series is asked by its index; Arrow's scalars as bytes,
    which is what the native path makes of them.
    """
    members = values if isinstance(values, list | tuple) else list(values)
    first = next((member for member in members if member is not None), None)
    if isinstance(first, pa.Scalar):
        return [one.as_py() if isinstance(one, pa.Scalar) else one for one in members]
    return members


def one_array(values: pa.Array | pa.ChunkedArray) -> pa.Array:
    """All chunks as one array; copied only when there are several."""
    if isinstance(values, pa.Array):
        return values
    if values.num_chunks == 1:
        return values.chunk(0)
    large = values.cast(pa.large_binary()) if values.nbytes > _BATCH_BYTES else values
    return pa.concat_arrays(large.chunks) if large.num_chunks else pa.array([], values.type)


def value_at(values: Values, position: int) -> Any:
    """One member, as bytes or None."""
    value = values[position]
    return value.as_py() if isinstance(value, pa.Scalar) else value


def tombstones_of(records: Sequence[bytes | None], keys: Values | None) -> list[int]:
    """The positions of null values that have a key; see :func:`keyed`."""
    if keys is None or None not in records:
        nulls: list[int] = []
    else:
        nulls = [position for position, value in enumerate(records) if value is None]
    return keyed(nulls, len(records), keys)


def keyed(nulls: Sequence[int], count: int, keys: Values | None) -> list[int]:
    """Which of the null values have a key.

    Raises:
        GateError: there are not ``count`` keys.
    """
    if keys is None:
        return []
    refuse_count(keys, count)
    if not nulls:
        return []
    known = sequence(keys, "keys")
    return [position for position in nulls if known[position] is not None]


def refuse_count(keys: Values, count: int) -> None:
    """Refuse keys that are not one for each of ``count`` values.

    Raises:
        GateError: they are not.
    """
    is_arrow(keys, "keys")  # refuses what has no length
    if len(keys) != count:
        raise GateError(f"expected as many keys as values: {len(keys)} and {count}")
