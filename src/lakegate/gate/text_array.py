"""A column of texts as bytes, for checks that look at all of them at once."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

__all__ = ["lengths_bytes", "lengths_characters", "offsets", "utf8"]


def offsets(texts: pa.StringArray) -> npt.NDArray[np.int32]:
    """Where each text begins in the data buffer, and where the last one ends."""
    buffer = texts.buffers()[1]
    if buffer is None or not len(texts):
        return np.zeros(len(texts) + 1, dtype=np.int32)
    return np.frombuffer(buffer, dtype=np.int32)[texts.offset : texts.offset + len(texts) + 1]


def utf8(texts: pa.StringArray) -> bytes:
    """All texts, one after the other."""
    buffer = texts.buffers()[2]
    if buffer is None or not len(texts):
        return b""
    bounds = offsets(texts)
    return buffer.slice(bounds[0], bounds[-1] - bounds[0]).to_pybytes()  # type: ignore[no-any-return]


def lengths_bytes(texts: pa.StringArray) -> npt.NDArray[np.int32]:
    """The length of each text in bytes of UTF-8; of a null any number."""
    return np.diff(offsets(texts))


def lengths_characters(texts: pa.StringArray) -> npt.NDArray[np.int32]:
    """The length of each text in code points; of a null any number."""
    if utf8(texts).isascii():
        return lengths_bytes(texts)
    return pc.utf8_length(texts).fill_null(0).to_numpy()  # type: ignore[no-any-return]
