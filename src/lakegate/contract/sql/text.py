"""Text functions of row rules. Positions and lengths count code points, as DuckDB's do."""

from __future__ import annotations

import operator
import re
from collections.abc import Callable
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from lakegate.contract.sql.function import Function, Undefined
from lakegate.contract.sql.literal import Unsupported
from lakegate.contract.sql.rule import Expression, Literal
from lakegate.contract.sql.vector import (
    Answer,
    Array,
    constant,
    is_ascii,
    one_by_one,
    to_mask,
)

__all__ = ["FUNCTIONS", "SPACES", "lower"]

# Unicode's space separators (Zs), which DuckDB's trim takes off; tabs and line ends stay.
SPACES = " \u00a0\u1680\u202f\u205f\u3000" + "".join(map(chr, range(0x2000, 0x200B)))
_STRING = pa.string()
_INTEGER = pa.int64()
# Letters whose case is younger than Unicode 15: DuckDB leaves them, a newer Arrow may not.
_YOUNG = (
    "\u019b\u0264\u0277\u027c\u1c89\u1c8a\ua7cb-\ua7cf\ua7d2-\ua7d5\ua7da-\ua7dd\ua7e2"
    "\uab4b\uab4c\uab6c\uab6d\U00010d50-\U00010d85\U00016ea0-\U00016ed3\U0001df40-\U0001df7f"
)
_YOUNG_TEXT = re.compile(f"[{_YOUNG}]")
_LARGEST = 1 << 20  # characters that repeat or pad may make


def _mapping(kernel: Callable[..., Any], plain: Callable[[str], str]) -> Callable[[str], str]:
    def record(text: str) -> str:
        if text.isascii():
            return plain(text)
        young = _YOUNG_TEXT.findall(text)
        if not young:
            return kernel(pa.scalar(text)).as_py()  # type: ignore[no-any-return]
        others = _YOUNG_TEXT.split(text)
        mapped = [record(other) for other in others]
        return "".join(map("".join, zip(mapped, [*young, ""], strict=True)))

    return record


def _mapped(kernel: Callable[..., Array], record: Callable[[str], str]) -> Callable[..., Any]:
    def array(texts: Array) -> Array | Answer:
        if is_ascii(texts):
            return kernel(texts)
        young = to_mask(pc.match_substring_regex(texts, f"[{_YOUNG}]"))
        mapped = kernel(texts)
        if not young.any():
            return mapped
        redone = one_by_one(record, _STRING, texts, where=young)
        return pc.if_else(pa.array(young), redone.array, mapped)

    return array


lower = _mapping(pc.utf8_lower, str.lower)
_upper = _mapping(pc.utf8_upper, str.upper)


def _left(text: str, count: int) -> str:
    return text[:count] if count >= 0 else text[: max(len(text) + count, 0)]


def _right(text: str, count: int) -> str:
    return text[max(len(text) - count, 0) :] if count >= 0 else text[-count:]


def _left_array(text: Array, count: Array) -> Array | Answer:
    stop = constant(count)
    if stop is None:
        return one_by_one(_left, _STRING, text, count)
    return pc.utf8_slice_codeunits(text, 0, stop)


def _right_array(text: Array, count: Array) -> Array | Answer:
    width = constant(count)
    if width is None:
        return one_by_one(_right, _STRING, text, count)
    if width == 0:
        return pc.utf8_slice_codeunits(text, 0, 0)
    return pc.utf8_slice_codeunits(text, -width)


def _substring(text: str, start: int, length: int | None = None) -> str:
    size = len(text)
    first = start - 1 if start > 0 else (size + start if start < 0 else -1)
    if length is None:
        return text[max(first, 0) :]
    if length == 0:
        return ""
    low, high = (first, first + length) if length > 0 else (first + length, first)
    return text[max(low, 0) : max(high, 0)]


def _substring_array(text: Array, start: Array, length: Array | None = None) -> Array | Answer:
    first, width = constant(start), None if length is None else constant(length)
    if first is None or first < 1 or (length is not None and (width is None or width < 0)):
        return one_by_one(_substring, _STRING, text, start, *([] if length is None else [length]))
    return pc.utf8_slice_codeunits(text, first - 1, None if width is None else first - 1 + width)


def _position(text: str, part: str) -> int:
    return text.find(part) + 1


def _position_array(text: Array, part: Array) -> Array | Answer:
    needle = constant(part)
    if needle is None or not is_ascii(text):
        return one_by_one(_position, _INTEGER, text, part)
    return pc.add(pc.find_substring(text, needle), 1).cast(_INTEGER)


def _split_part(text: str, separator: str, index: int) -> str:
    parts = text.split(separator) if separator else list(text)
    at = index - 1 if index > 0 else len(parts) + index
    return parts[at] if index != 0 and 0 <= at < len(parts) else ""


def _split_part_array(text: Array, separator: Array, index: Array) -> Array | Answer:
    by, at = constant(separator), constant(index)
    if not by or not at or not isinstance(text, pa.Array):
        return one_by_one(_split_part, _STRING, text, separator, index)
    parts = pc.split_pattern(text, by)
    lengths = pc.list_value_length(parts).fill_null(0)
    reaches = pc.less_equal(pa.scalar(abs(at), pa.int32()), lengths)
    if isinstance(parts, pa.ChunkedArray):
        parts = parts.combine_chunks()
    offsets = parts.offsets
    base = pc.add(offsets[:-1], at - 1) if at > 0 else pc.add(offsets[1:], at)
    found = parts.values.take(pc.if_else(reaches, base, pa.scalar(None, base.type)))
    return found.fill_null("")


def _replace(text: str, old: str, new: str) -> str:
    return text.replace(old, new) if old else text


def _replace_array(text: Array, old: Array, new: Array) -> Array | Answer:
    before, after = constant(old), constant(new)
    if not before or after is None:
        return one_by_one(_replace, _STRING, text, old, new)
    return pc.replace_substring(text, before, after)


def _pad(text: str, width: int, fill: str, *, left: bool) -> str:
    if width <= len(text):
        return text[: max(width, 0)]
    if not fill:
        raise Undefined("nothing to pad with")
    missing = width - len(text)
    padding = (fill * (missing // len(fill) + 1))[:missing]
    return padding + text if left else text + padding


def _lpad(text: str, width: int, fill: str) -> str:
    return _pad(text, width, fill, left=True)


def _rpad(text: str, width: int, fill: str) -> str:
    return _pad(text, width, fill, left=False)


def _pad_array(
    kernel: Callable[..., Array], record: Callable[..., str]
) -> Callable[..., Array | Answer]:
    def array(text: Array, width: Array, fill: Array) -> Array | Answer:
        size, char = constant(width), constant(fill)
        if size is None or char is None or len(char) != 1 or size < 0:
            return one_by_one(record, _STRING, text, width, fill)
        return pc.utf8_slice_codeunits(kernel(text, size, char), 0, size)

    return array


def _repeat(text: str, times: int) -> str:
    return text * times


def _repeat_array(text: Array, times: Array) -> Array | Answer:
    count = constant(times)
    if count is None or count < 0:
        return one_by_one(_repeat, _STRING, text, times)
    return pc.binary_repeat(text, count)


def _strip(
    record: Callable[[str, str], str], kernel: Callable[..., Array]
) -> tuple[Callable[..., str], Callable[..., Array | Answer]]:
    def array(text: Array, chars: Array | None = None) -> Array | Answer:
        if chars is None:
            return kernel(text, SPACES)
        taken = constant(chars)
        if not taken:
            return one_by_one(record, _STRING, text, chars)
        return kernel(text, taken)

    return (lambda text, chars=SPACES: record(text, chars) if chars else text), array


def _part(record: Callable[..., bool], kernel: Callable[..., Array]) -> tuple[Any, Any]:
    def array(text: Array, part: Array) -> Array | Answer:
        wanted = constant(part)
        if wanted is None:
            return one_by_one(record, pa.bool_(), text, part)
        return kernel(text, wanted)

    return record, array


def _concat_array(*texts: Array) -> Array:
    return pc.binary_join_element_wise(*texts, "", null_handling="emit_null")


def _first_point(of_nothing: int) -> tuple[Callable[[str], int], Callable[..., Answer]]:
    def record(text: str) -> int:
        return ord(text[0]) if text else of_nothing

    return record, lambda text: one_by_one(record, _INTEGER, text)


def _translate(text: str, old: str, new: str) -> str:
    table: dict[int, str | None] = {}
    for at, char in enumerate(old):
        table.setdefault(ord(char), new[at] if at < len(new) else None)
    return text.translate(table)


def _bounded(at: int) -> Callable[[tuple[Expression, ...]], None]:
    def check(args: tuple[Expression, ...]) -> None:
        count = args[at]
        if not isinstance(count, Literal) or (count.value or 0) > _LARGEST:
            raise Unsupported("a text of a length that is not a constant, or over 1,048,576")

    return check


_BYTES = Function(
    "strlen",
    "string -> integer",
    lambda text: len(text.encode()),
    lambda text: pc.binary_length(text).cast(_INTEGER),
)
FUNCTIONS = (
    Function("lower", "string -> string", lower, _mapped(pc.utf8_lower, lower), ("lcase",)),
    Function("upper", "string -> string", _upper, _mapped(pc.utf8_upper, _upper), ("ucase",)),
    Function("length", "string -> integer", len, lambda text: pc.utf8_length(text).cast(_INTEGER),
             ("len", "char_length", "character_length")),
    _BYTES,
    Function("bit_length", "string -> integer", lambda text: 8 * len(text.encode()),
             lambda text: pc.multiply(pc.binary_length(text).cast(_INTEGER), 8)),
    Function("trim", "string [, string] -> string", *_strip(str.strip, pc.utf8_trim)),
    Function("ltrim", "string [, string] -> string", *_strip(str.lstrip, pc.utf8_ltrim)),
    Function("rtrim", "string [, string] -> string", *_strip(str.rstrip, pc.utf8_rtrim)),
    Function("left", "string, integer -> string", _left, _left_array),
    Function("right", "string, integer -> string", _right, _right_array),
    Function("substring", "string, integer [, integer] -> string", _substring, _substring_array,
             ("substr",)),
    Function("strpos", "string, string -> integer", _position, _position_array,
             ("instr", "position")),
    Function("split_part", "string, string, integer -> string", _split_part, _split_part_array),
    Function("replace", "string, string, string -> string", _replace, _replace_array),
    Function("lpad", "string, integer!, string -> string", _lpad, _pad_array(pc.utf8_lpad, _lpad),
             check=_bounded(1)),
    Function("rpad", "string, integer!, string -> string", _rpad, _pad_array(pc.utf8_rpad, _rpad),
             check=_bounded(1)),
    Function("repeat", "string, integer! -> string", _repeat, _repeat_array, check=_bounded(1)),
    Function("translate", "string, string, string -> string", _translate,
             lambda *args: one_by_one(_translate, _STRING, *args)),
    Function("ascii", "string -> integer", *_first_point(0)),
    Function("unicode", "string -> integer", *_first_point(-1), ("ord",)),
    Function("starts_with", "string, string -> boolean", *_part(str.startswith, pc.starts_with),
             ("prefix", "^@")),
    Function("ends_with", "string, string -> boolean", *_part(str.endswith, pc.ends_with),
             ("suffix",)),
    Function("contains", "string, string -> boolean",
             *_part(operator.contains, pc.match_substring)),
    Function("||", "string, string... -> string", lambda *texts: "".join(texts), _concat_array),
)  # fmt: skip
