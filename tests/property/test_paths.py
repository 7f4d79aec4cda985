"""Where there is more to tell of a record than may be, all paths stop at the same record."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from unittest.mock import patch

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lakegate.gate import path
from lakegate.gate.decode import place
from lakegate.gate.native import plan
from lakegate.testing.strategy import batches, streams
from tests.property.paths import assert_same, verdicts


@contextmanager
def _little_may_be_told(base: int) -> Iterator[None]:
    with (
        patch.multiple(path, BASE_BYTES=base, PER_BYTE=0),
        patch.multiple(plan, BASE_BYTES=base, PER_BYTE=0),
        patch.object(place, "_MOST_BYTES", base // 2),
    ):
        yield


@settings(
    max_examples=80,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
@given(data=st.data(), base=st.sampled_from([8, 60, 80, 120, 200]))
def test_all_paths_count_the_same(data: st.DataObject, base: int) -> None:
    stream = data.draw(streams())
    values = data.draw(batches(stream))
    with _little_may_be_told(base):
        reference, *others = verdicts(stream, values)
    for other in others:
        assert_same(other, reference)
