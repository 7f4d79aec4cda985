"""Checksums of offsets add up."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from lakegate.topic.checksum import offset_checksum, offset_hash

offsets = st.lists(st.integers(0, 2**62), unique=True)


def test_vectors_of_splitmix64() -> None:
    # The first output of SplitMix64 seeded with 0, as in its authors' code.
    assert offset_hash(np.array([0]))[0] == 0xE220A8397B1DCDAF


@given(offsets, st.integers(0, 100), st.randoms())
def test_order_and_cuts_change_nothing(given_offsets: list[int], at: int, order) -> None:
    whole = offset_checksum(np.array(given_offsets, np.int64))
    order.shuffle(given_offsets)
    first, second = given_offsets[:at], given_offsets[at:]
    parts = [offset_checksum(np.array(part, np.int64)) for part in (first, second)]
    assert sum(parts) % 2**64 == whole
    assert 0 <= whole < 2**64


def test_another_set_has_another_sum() -> None:
    assert offset_checksum(np.array([1, 4])) != offset_checksum(np.array([2, 3]))
