"""Which columns of a data file are worth a dictionary: those whose values repeat.

Parquet writers try a dictionary on every column and give it up once it has grown too large, which
costs half of the time it takes to write identifiers, measures and free text, and leaves them larger
than without (docs/decisions/0015-loop.md has the figures).
"""

from __future__ import annotations

from collections.abc import Iterator

import pyarrow as pa
import pyarrow.compute as pc

__all__ = ["repetitive"]

_SAMPLE = 4_096
_WORTH_LOOKING = 2_048
_REPEATS = 4  # each value at least so often, on average


def repetitive(rows: pa.Table) -> list[str] | bool:
    """The columns to encode by dictionary, as Parquet paths; True (all) for a few rows.

    Judged by the first rows, nulls left out; a wrong guess costs size and time, never content.
    """
    if rows.num_rows < _WORTH_LOOKING:
        return True
    sample = rows.slice(0, _SAMPLE).combine_chunks()
    return [
        path
        for name, column in zip(sample.schema.names, sample.columns, strict=True)
        for path, values in _leaves(name, column.chunk(0))
        if pc.count_distinct(values).as_py() * _REPEATS <= max(len(values), _REPEATS)
    ]


def _leaves(path: str, values: pa.Array) -> Iterator[tuple[str, pa.Array]]:
    kind = values.type
    if pa.types.is_struct(kind):
        for number, field in enumerate(kind):
            yield from _leaves(f"{path}.{field.name}", values.field(number))
    elif pa.types.is_list(kind) or pa.types.is_large_list(kind):
        yield from _leaves(f"{path}.list.element", values.flatten())
    elif pa.types.is_map(kind):
        ends = values.offsets.to_numpy()
        first, count = int(ends[0]), int(ends[-1] - ends[0])
        yield f"{path}.key_value.key", values.keys.slice(first, count)
        yield from _leaves(f"{path}.key_value.value", values.items.slice(first, count))
    else:
        yield path, values
