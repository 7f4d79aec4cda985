"""Which small things to merge: files of a partition, or manifests of a table."""

from __future__ import annotations

from collections.abc import Sequence

__all__ = ["growing_group"]


def growing_group(sizes: Sequence[int], *, count: int, limit: int) -> list[int]:
    """Positions of at least ``count`` items worth merging into one of at most ``limit``, or none.

    Smallest first, and never an item more than twice as big as all smaller ones together: so
    whatever is merged grows by half at least, all is rewritten O(log n) times, O(log n) are left
    (the size-tiered merge of O'Neil et al., "The log-structured merge-tree", 1996).
    """
    group: list[int] = []
    total = 0
    for position in sorted(range(len(sizes)), key=sizes.__getitem__):
        size = sizes[position]
        if total + size > limit or (size > 2 * total and len(group) >= count):
            break
        if size > 2 * total:
            group, total = [], 0
        group.append(position)
        total += size
    return group if len(group) >= count else []
