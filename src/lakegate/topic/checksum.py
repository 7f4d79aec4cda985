"""Checksums that add up: the sum over a set of offsets does not depend on how it was cut."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

__all__ = ["offset_checksum", "offset_hash"]


def offset_hash(offsets: npt.NDArray[np.int64]) -> npt.NDArray[np.uint64]:
    """SplitMix64 of each offset (Steele, Lea, Flood 2014): 64 well-mixed bits, one to one."""
    with np.errstate(over="ignore"):
        x = offsets.astype(np.uint64) + np.uint64(0x9E3779B97F4A7C15)
        x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        return x ^ (x >> np.uint64(31))


def offset_checksum(offsets: npt.NDArray[np.int64]) -> int:
    """Sum of :func:`offset_hash` modulo 2**64: equal for equal sets, whatever their order."""
    with np.errstate(over="ignore"):
        return int(offset_hash(offsets).sum(dtype=np.uint64))
