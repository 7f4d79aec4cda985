from __future__ import annotations

from collections.abc import Iterator

import pytest

from .survival import end_the_spawned, spawned


@pytest.fixture(autouse=True)
def no_process_outlives_its_test() -> Iterator[None]:
    before = spawned()  # those of fixtures with a wider scope
    yield
    end_the_spawned(since=before)
