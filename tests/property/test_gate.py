"""The laws of the gate: partition, cutting, agreement of all paths, and writing back."""

from __future__ import annotations

from dataclasses import replace

import pyarrow as pa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lakegate.gate import compile  # noqa: A004 - as users write it
from lakegate.gate.decode.reference import ReferenceDecoder
from lakegate.gate.decode.struct import StructDecoder
from lakegate.gate.native.choice import native_module
from lakegate.testing.sample import to_json
from lakegate.testing.strategy import batches, streams
from tests.property.paths import assert_same, in_columns

_LAW = settings(
    max_examples=100,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)


@_LAW
@given(st.data())
def test_accepted_rejected_and_tombstones_partition_the_input_in_order(data: st.DataObject) -> None:
    stream = data.draw(streams())
    values = data.draw(batches(stream))
    keys = data.draw(
        st.lists(st.sampled_from([b"k", None]), min_size=len(values), max_size=len(values))
    )
    verdict = compile(stream)(values, keys=keys)
    accepted = verdict.accepted_index.to_pylist()
    rejected = [found.index for found in verdict.rejected]
    assert accepted == sorted(accepted)
    assert rejected == sorted(rejected)
    assert sorted([*accepted, *rejected, *verdict.tombstones]) == list(range(len(values)))
    assert all(values[found.index] == found.value for found in verdict.rejected)
    assert verdict.accepted.num_rows == len(accepted)
    verdict.accepted.validate(full=True)


@_LAW
@given(st.data())
def test_all_paths_agree(data: st.DataObject) -> None:
    stream = data.draw(streams())
    values = data.draw(batches(stream))
    reference = compile(stream, decoder="reference")(values)
    assert_same(in_columns(stream, values, StructDecoder(stream)), reference)
    assert_same(in_columns(stream, values, ReferenceDecoder(stream)), reference)
    if native_module() is not None:
        native = compile(stream, decoder="native")
        assert native.path == "native"
        assert_same(native(values), reference)
        assert_same(native(pa.array(values, pa.large_binary())), reference)


@_LAW
@given(st.data())
def test_cutting_the_batch_anywhere_changes_nothing(data: st.DataObject) -> None:
    stream = data.draw(streams())
    values = data.draw(batches(stream))
    cut = data.draw(st.integers(0, len(values)))
    gate = compile(stream)
    whole = in_columns(stream, values)
    head, tail = gate(values[:cut]), gate(values[cut:])
    assert whole.accepted.to_pylist() == head.accepted.to_pylist() + tail.accepted.to_pylist()
    assert [found.failures for found in whole.rejected] == [
        found.failures for part in (head, tail) for found in part.rejected
    ]
    assert whole.accepted_index.to_pylist() == [
        *head.accepted_index.to_pylist(),
        *(cut + index for index in tail.accepted_index.to_pylist()),
    ]


@_LAW
@given(st.data())
def test_an_accepted_row_written_back_is_accepted_as_an_equal_row(data: st.DataObject) -> None:
    # What is written back may be longer: numbers get all their decimals.
    stream = replace(data.draw(streams()), size_limit_bytes=1 << 20)
    gate = compile(stream)
    verdict = gate(data.draw(batches(stream)))
    noted = {found.index for found in verdict.noted}
    rows = [
        row
        for index, row in zip(
            verdict.accepted_index.to_pylist(), verdict.accepted.to_pylist(), strict=True
        )
        if index not in noted
    ]
    again = gate([to_json(row, stream) for row in rows])
    assert [found.failures for found in again.rejected] == []
    assert again.accepted.to_pylist() == rows
