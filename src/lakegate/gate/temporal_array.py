"""Dates, times and timestamps in their default forms, a whole column at a time.

Texts of the common shapes are read with arithmetic on their bytes; whatever is unusual is left to
:mod:`lakegate.contract.temporal`, one text at a time. The answers are the same.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from lakegate.gate.text_array import lengths_bytes, utf8

__all__ = ["is_usual", "read_dates", "read_times", "read_timestamps"]

_Bytes = npt.NDArray[np.uint8]
_Numbers = npt.NDArray[np.int64]
_Mask = npt.NDArray[np.bool_]
# A reader gets texts of one length, a row for each character position, a column for each text.
_Read = Callable[[_Bytes], tuple[_Numbers, _Mask]]

_USUAL = re.compile(
    r"(?:[0-9]{4}-[0-9]{2}-[0-9]{2})?T?(?:[0-9]{2}:[0-9]{2}:[0-9]{2}(?:\.[0-9]{1,9})?)?"
    r"(?:Z|[+-][0-9]{2}:[0-9]{2})?"
)
_MICROS = 1_000_000
_DAY_US = 86_400 * _MICROS
_SHORTEST = 8  # HH:MM:SS
_LONGEST = 35  # YYYY-MM-DDTHH:MM:SS.nnnnnnnnn+hh:mm
_MIN_US = -62_135_596_800 * _MICROS  # 0001-01-01
_MAX_US = 253_402_300_800 * _MICROS - 1  # the end of 9999


def read_dates(texts: pa.Array) -> tuple[_Numbers, _Mask]:
    """Days since 1970 of each ``YYYY-MM-DD``, and which of the texts were read."""
    return _by_length(texts, _dates)


def read_times(texts: pa.Array) -> tuple[_Numbers, _Mask]:
    """Microseconds of the day of each ``HH:MM:SS[.f]``, and which of the texts were read."""
    return _by_length(texts, _times)


def read_timestamps(texts: pa.Array) -> tuple[_Numbers, _Mask]:
    """UTC microseconds of each RFC 3339 date-time with a zone, and which of the texts were read."""
    return _by_length(texts, _timestamps)


def is_usual(text: str) -> bool:
    """Whether the text has a shape that is read here: then it is certain, or no such value."""
    return _USUAL.fullmatch(text) is not None


def _by_length(texts: pa.Array, read: _Read) -> tuple[_Numbers, _Mask]:
    count = len(texts)
    values, certain = np.zeros(count, dtype=np.int64), np.zeros(count, dtype=bool)
    if texts.buffers()[2] is None or not count:
        return values, certain
    lengths = lengths_bytes(texts)
    if texts.null_count:
        lengths[texts.is_null().to_numpy(zero_copy_only=False)] = 0
    shortest, longest = int(lengths.min()), int(lengths.max())
    if shortest == longest:
        return (
            read(_characters(texts, longest))
            if _SHORTEST <= longest <= _LONGEST
            else (values, certain)
        )
    for length in range(max(shortest, _SHORTEST), min(longest, _LONGEST) + 1):
        chosen = lengths == length
        if chosen.any():
            found = _characters(texts.filter(pa.array(chosen)), length)
            values[chosen], certain[chosen] = read(found)
    return values, certain


def _characters(texts: pa.StringArray, length: int) -> _Bytes:
    found = np.frombuffer(utf8(texts), dtype=np.uint8).reshape(len(texts), length)
    return found.T.copy()


def _are_digits(digits: _Bytes, positions: list[int]) -> _Mask:
    found: _Mask = digits[positions].max(axis=0) <= 9
    return found


def _pair(digits: _Bytes, start: int) -> _Bytes:
    # Of two digits the number fits a byte; of anything else it is wrong, and never certain.
    pair: _Bytes = digits[start] * np.uint8(10) + digits[start + 1]
    return pair


@functools.cache
def _months() -> tuple[npt.NDArray[np.int32], npt.NDArray[np.int32]]:
    """The first day, since 1970, and the length of each month from January of the year 0."""
    months = np.arange("0000-01", "10000-02", dtype="datetime64[M]")
    first = months.astype("datetime64[D]").astype(np.int32)
    return first[:-1], np.diff(first)


def _dates(characters: _Bytes) -> tuple[_Numbers, _Mask]:
    if len(characters) != 10:
        return _none(characters)
    digits = characters - np.uint8(48)
    certain = _are_digits(digits, [0, 1, 2, 3, 5, 6, 8, 9])
    certain &= (characters[4] == ord("-")) & (characters[7] == ord("-"))
    year = _pair(digits, 0).astype(np.int32) * 100 + _pair(digits, 2)
    month, day = _pair(digits, 5), _pair(digits, 8)
    certain &= (year >= 1) & (month >= 1) & (month <= 12) & (day >= 1)
    first, length = _months()
    which = np.where(certain, year * 12 + month - 1, 0)
    certain &= day <= length[which]
    return first[which].astype(np.int64) + day - 1, certain


def _times(characters: _Bytes) -> tuple[_Numbers, _Mask]:
    length = len(characters)
    if length != 8 and not 10 <= length <= 18:
        return _none(characters)
    digits = characters - np.uint8(48)
    certain = _are_digits(digits, [0, 1, 3, 4, 6, 7])
    certain &= (characters[2] == ord(":")) & (characters[5] == ord(":"))
    hour, minute, second = _pair(digits, 0), _pair(digits, 3), _pair(digits, 6)
    certain &= (hour <= 23) & (minute <= 59) & (second <= 59)
    micros = _seconds(hour, minute, second) * np.int64(_MICROS)
    if length > 8:
        certain &= (characters[8] == ord(".")) & _are_digits(digits, list(range(9, length)))
        kept = min(length, 15)
        fraction = np.zeros(characters.shape[1], dtype=np.int32)
        for position in range(9, kept):
            fraction = fraction * 10 + digits[position]
        micros += fraction * 10 ** (15 - kept)
    return micros, certain


def _seconds(hour: _Bytes, minute: _Bytes, second: _Bytes | int) -> npt.NDArray[np.int32]:
    seconds: npt.NDArray[np.int32] = (hour.astype(np.int32) * 60 + minute) * 60 + second
    return seconds


def _timestamps(characters: _Bytes) -> tuple[_Numbers, _Mask]:
    length = len(characters)
    if length < 20:
        return _none(characters)
    in_utc = characters[-1] == ord("Z")
    if in_utc.all():
        return _wall_clock(characters[:-1])
    if not in_utc.any():
        return _with_offset(characters)
    values, certain = _none(characters)
    values[in_utc], certain[in_utc] = _wall_clock(characters[:-1, in_utc])
    values[~in_utc], certain[~in_utc] = _with_offset(characters[:, ~in_utc])
    return values, certain


def _with_offset(characters: _Bytes) -> tuple[_Numbers, _Mask]:
    values, certain = _wall_clock(characters[:-6])
    sign, digits = characters[-6], characters - np.uint8(48)
    certain &= (sign == ord("+")) | (sign == ord("-"))
    certain &= _are_digits(digits, [-5, -4, -2, -1]) & (characters[-3] == ord(":"))
    hours, minutes = _pair(digits, -5), _pair(digits, -2)
    certain &= (hours <= 23) & (minutes <= 59)
    offset = _seconds(hours, minutes, 0) * np.int64(_MICROS)
    values -= np.where(sign == ord("-"), -offset, offset)
    return values, certain & (values >= _MIN_US) & (values <= _MAX_US)


def _wall_clock(characters: _Bytes) -> tuple[_Numbers, _Mask]:
    if len(characters) < 19:
        return _none(characters)
    days, certain = _dates(characters[:10])
    micros, certain_time = _times(characters[11:])
    certain = certain & certain_time & (characters[10] == ord("T"))
    return days * _DAY_US + micros, certain


def _none(characters: _Bytes) -> tuple[_Numbers, _Mask]:
    count = characters.shape[1]
    return np.zeros(count, dtype=np.int64), np.zeros(count, dtype=bool)
