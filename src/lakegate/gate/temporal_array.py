"""Dates, times and timestamps in their default forms, a whole column at a time.

Texts of the common shapes are read with arithmetic on their bytes; whatever is unusual is left to
:mod:`lakegate.contract.temporal`, one text at a time. The answers are the same.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import pyarrow as pa

__all__ = ["read_dates", "read_times", "read_timestamps"]

_Bytes = npt.NDArray[np.uint8]
_Numbers = npt.NDArray[np.int64]
_Mask = npt.NDArray[np.bool_]
_Read = Callable[[_Bytes], tuple[_Numbers, _Mask]]

_MICROS = 1_000_000
_DAY_US = 86_400 * _MICROS
_LONGEST = 35  # YYYY-MM-DDTHH:MM:SS.nnnnnnnnn+hh:mm
_DAYS_IN_MONTH = np.array([0, 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31], dtype=np.int64)
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


def _by_length(texts: pa.Array, read: _Read) -> tuple[_Numbers, _Mask]:
    count = len(texts)
    values, certain = np.zeros(count, dtype=np.int64), np.zeros(count, dtype=bool)
    _, offsets_buffer, data_buffer = texts.buffers()
    if data_buffer is None or not count:
        return values, certain
    offsets = np.frombuffer(offsets_buffer, dtype=np.int32)[texts.offset :][: count + 1]
    data = np.frombuffer(data_buffer, dtype=np.uint8)
    lengths = np.diff(offsets)
    for length in np.unique(lengths).tolist():
        if not 8 <= length <= _LONGEST:
            continue
        chosen = np.flatnonzero(lengths == length)
        if len(chosen) == count:
            characters = data[offsets[0] : offsets[-1]].reshape(count, length)
        else:
            characters = data[offsets[:-1][chosen, None] + np.arange(length)]
        values[chosen], certain[chosen] = read(characters)
    return values, certain


def _number(digits: _Bytes, start: int, stop: int) -> _Numbers:
    powers = 10 ** np.arange(stop - start - 1, -1, -1, dtype=np.int64)
    total: _Numbers = digits[:, start:stop] @ powers
    return total


def _dates(characters: _Bytes) -> tuple[_Numbers, _Mask]:
    if characters.shape[1] != 10:
        return _none(characters)
    digits = characters - np.uint8(48)
    certain = (digits[:, [0, 1, 2, 3, 5, 6, 8, 9]] <= 9).all(axis=1)
    certain &= (characters[:, 4] == ord("-")) & (characters[:, 7] == ord("-"))
    year, month, day = _number(digits, 0, 4), _number(digits, 5, 7), _number(digits, 8, 10)
    certain &= (year >= 1) & (month >= 1) & (month <= 12) & (day >= 1)
    leap = (year % 4 == 0) & ((year % 100 != 0) | (year % 400 == 0))
    certain &= day <= _DAYS_IN_MONTH[np.minimum(month, 12)] + (leap & (month == 2))
    return _days(year, month, day), certain


def _days(year: _Numbers, month: _Numbers, day: _Numbers) -> _Numbers:
    # Howard Hinnant's days_from_civil: years begin in March, so that the leap day comes last.
    year = year - (month <= 2)
    era = year // 400
    of_era = year - era * 400
    of_year = (153 * ((month + 9) % 12) + 2) // 5 + day - 1
    of_era = of_era * 365 + of_era // 4 - of_era // 100
    days: _Numbers = era * 146_097 + of_era + of_year - 719_468
    return days


def _times(characters: _Bytes) -> tuple[_Numbers, _Mask]:
    length = characters.shape[1]
    if length != 8 and not 10 <= length <= 18:
        return _none(characters)
    digits = characters - np.uint8(48)
    certain = (digits[:, [0, 1, 3, 4, 6, 7]] <= 9).all(axis=1)
    certain &= (characters[:, 2] == ord(":")) & (characters[:, 5] == ord(":"))
    hour, minute, second = _number(digits, 0, 2), _number(digits, 3, 5), _number(digits, 6, 8)
    certain &= (hour <= 23) & (minute <= 59) & (second <= 59)
    micros = ((hour * 60 + minute) * 60 + second) * _MICROS
    if length > 8:
        certain &= (characters[:, 8] == ord(".")) & (digits[:, 9:] <= 9).all(axis=1)
        kept = min(length, 15)
        micros += _number(digits, 9, kept) * 10 ** (15 - kept)
    return micros, certain


def _timestamps(characters: _Bytes) -> tuple[_Numbers, _Mask]:
    length = characters.shape[1]
    if length < 20:
        return _none(characters)
    values = np.zeros(len(characters), dtype=np.int64)
    certain = np.zeros(len(characters), dtype=bool)
    in_utc = characters[:, -1] == ord("Z")
    if in_utc.all():
        return _wall_clock(characters[:, :-1])
    values[in_utc], certain[in_utc] = _wall_clock(characters[in_utc, :-1])
    if length >= 25:
        values[~in_utc], certain[~in_utc] = _with_offset(characters[~in_utc])
    return values, certain


def _with_offset(characters: _Bytes) -> tuple[_Numbers, _Mask]:
    values, certain = _wall_clock(characters[:, :-6])
    sign, digits = characters[:, -6], characters - np.uint8(48)
    certain &= (sign == ord("+")) | (sign == ord("-"))
    certain &= (digits[:, [-5, -4, -2, -1]] <= 9).all(axis=1) & (characters[:, -3] == ord(":"))
    length = characters.shape[1]
    hours, minutes = _number(digits, length - 5, length - 3), _number(digits, length - 2, length)
    certain &= (hours <= 23) & (minutes <= 59)
    offset = (hours * 60 + minutes) * (60 * _MICROS)
    values -= np.where(sign == ord("-"), -offset, offset)
    return values, certain & (values >= _MIN_US) & (values <= _MAX_US)


def _wall_clock(characters: _Bytes) -> tuple[_Numbers, _Mask]:
    if characters.shape[1] < 19:
        return _none(characters)
    days, certain = _dates(characters[:, :10])
    micros, certain_time = _times(characters[:, 11:])
    certain = certain & certain_time & (characters[:, 10] == ord("T"))
    return days * _DAY_US + micros, certain


def _none(characters: _Bytes) -> tuple[_Numbers, _Mask]:
    count = len(characters)
    return np.zeros(count, dtype=np.int64), np.zeros(count, dtype=bool)
