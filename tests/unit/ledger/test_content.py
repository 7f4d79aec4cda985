"""Row hashes: the same row, however it is stored; another row, another hash."""

from __future__ import annotations

import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from lakegate.ledger.content import row_hash

ROWS = st.lists(
    st.fixed_dictionaries(
        {
            "n": st.none() | st.integers(-(2**31), 2**31 - 1),
            "s": st.none() | st.text(max_size=20),
            "l": st.none() | st.lists(st.none() | st.text(max_size=9), max_size=3),
            "o": st.none() | st.fixed_dictionaries({"x": st.none() | st.floats(allow_nan=False)}),
        }
    ),
    min_size=1,
    max_size=12,
)
SCHEMA = pa.schema(
    [
        ("n", pa.int32()),
        ("s", pa.string()),
        ("l", pa.list_(pa.string())),
        ("o", pa.struct([("x", pa.float64())])),
    ]
)
NAMES = SCHEMA.names


def table(rows: list[dict[str, object]], schema: pa.Schema = SCHEMA) -> pa.Table:
    return pa.Table.from_pylist(rows, schema=schema)


@given(ROWS)
def test_storage_does_not_matter(rows: list[dict[str, object]]) -> None:
    expected = list(row_hash(table(rows), NAMES))
    wide = pa.schema(
        [
            ("l", pa.large_list(pa.large_string())),
            ("o", pa.struct([("x", pa.float64())])),
            ("s", pa.large_string()),
            ("n", pa.int64()),
        ]
    )
    assert list(row_hash(table(rows, wide), NAMES)) == expected
    chunked = pa.concat_tables([table(rows[:1]), table(rows[1:])])
    assert list(row_hash(chunked, NAMES)) == expected
    assert list(row_hash(table(rows).slice(1), NAMES)) == expected[1:]


@given(ROWS, st.data())
def test_content_matters(rows: list[dict[str, object]], data: st.DataObject) -> None:
    index = data.draw(st.integers(0, len(rows) - 1))
    name = data.draw(st.sampled_from(NAMES))
    other = data.draw(ROWS)[0][name]
    changed = [dict(row) for row in rows]
    changed[index][name] = other
    before, after = row_hash(table(rows), NAMES), row_hash(table(changed), NAMES)
    same = table(rows).equals(table(changed))
    assert (before[index] == after[index]) == same


def test_order_and_place_matter() -> None:
    def one(**columns: object) -> int:
        return int(row_hash(pa.table({k: [v] for k, v in columns.items()}), list(columns))[0])

    assert one(a="x", b="y") != one(a="y", b="x")
    assert one(a=["x", "y"]) != one(a=["y", "x"])
    assert one(a=["xy"]) != one(a=["x", "y"])
    assert one(a="") != one(a="\0")
    assert one(a="a" * 8) != one(a="a" * 16)


def test_a_missing_column_is_null() -> None:
    whole = pa.table({"a": [1], "b": pa.array([None], pa.string())})
    assert list(row_hash(whole, ["a", "b"])) == list(row_hash(whole.drop(["b"]), ["a", "b"]))
