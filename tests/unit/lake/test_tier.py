from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from lakegate.lake.tier import growing_group

SIZES = st.lists(st.integers(1, 1000), max_size=40)


@given(SIZES)
def test_what_is_merged_is_small_enough_and_no_item_outweighs_the_rest(sizes: list[int]) -> None:
    group = growing_group(sizes, count=4, limit=2000)
    chosen = sorted(sizes[position] for position in group)
    assert len(set(group)) == len(group)
    assert not group or len(group) >= 4
    assert sum(chosen) <= 2000
    assert not chosen or chosen[-1] <= 2 * sum(chosen[:-1])


def test_equal_items_are_merged_rarely_and_few_remain() -> None:
    sizes: list[int] = []
    rewritten = 0
    for _ in range(1000):
        sizes.append(1)
        group = growing_group(sizes, count=8, limit=1 << 30)
        if group:
            merged = sum(sizes[position] for position in group)
            rewritten += merged
            sizes = [s for p, s in enumerate(sizes) if p not in set(group)] + [merged]
    assert sum(sizes) == 1000
    assert len(sizes) < 24
    assert rewritten < 1000 * 10


def test_items_over_the_limit_stay() -> None:
    assert growing_group([90] * 20, count=4, limit=100) == []
