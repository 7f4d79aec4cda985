from __future__ import annotations

import pytest

from lakegate.errors import LakeError
from lakegate.lake.snapshot import format_offsets, parse_offsets
from lakegate.topic.base import TopicPartition


def test_offsets_come_back() -> None:
    offsets = {TopicPartition("b", 10): 3, TopicPartition("a", 2): 1, TopicPartition("b", 9): 0}
    assert parse_offsets(format_offsets(offsets)) == offsets
    assert format_offsets(offsets) == format_offsets(dict(sorted(offsets.items())))


@pytest.mark.parametrize("text", ["", "[]", '{"a": 1}', '{"a": {"x": 1}}', '{"a": {"0": null}}'])
def test_what_is_not_offsets_is_named(text: str) -> None:
    with pytest.raises(LakeError, match=r"lakegate\.offsets"):
        parse_offsets(text)
