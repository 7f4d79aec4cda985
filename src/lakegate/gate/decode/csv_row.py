"""One row of CSV (RFC 4180) taken apart, strictly.

Where the standard is silent or unusable: any character but delimiter, quote and line ends may stand
in a value without quotes (the grammar knows ASCII only), and one line end may close the row.
"""

from __future__ import annotations

from lakegate.contract.record_format import CsvDialect
from lakegate.gate.json_text import Malformed, observe
from lakegate.gate.rules.base import Code

__all__ = ["CODES", "split"]

CODES = (
    Code("csv.magic", "the first bytes are those of another format"),
    Code("csv.bom", "the row starts with a byte order mark"),
    Code("csv.utf8", "the bytes are not UTF-8"),
    Code("csv.fields", "the row has another number of values than columns"),
    Code("csv.quote", "a quote stands within a value, or something follows the closing one"),
    Code("csv.unclosedQuote", "a value begins with a quote that is never closed"),
    Code("csv.lineBreak", "a line ends where no quotes are around it"),
)


def split(text: str, dialect: CsvDialect, width: int | None) -> list[str]:
    """The texts of a row's ``width`` values, or of as many as there are, quotes removed.

    Raises:
        Malformed: on the first thing that is wrong, from left to right; then the number of values.
    """
    text = without_line_end(text)
    delimiter, quote = dialect.delimiter, dialect.quote
    if not quote or quote not in text:
        _check_line(text, 0, len(text))
        count = text.count(delimiter) + 1
        if width is not None and count != width:
            raise _fields(count, width)
        return text.split(delimiter)
    found: list[str] = []
    count = position = 0
    while True:
        if text.startswith(quote, position):
            value, position = _quoted(text, position, dialect)
        else:
            end = text.find(delimiter, position)
            end = len(text) if end < 0 else end
            value = text[position:end]
            _check_line(text, position, end)
            if quote in value:
                raise _quote("quotes around all of a value", text, text.index(quote, position))
            position = end
        count += 1
        if width is None or count <= width:  # what is too much is counted, not kept
            found.append(value)
        if position == len(text):
            break
        position += 1
    if width is not None and count != width:
        raise _fields(count, width)
    return found


def without_line_end(text: str) -> str:
    """The text without the one line end that may close it."""
    return text[:-2] if text.endswith("\r\n") else text.removesuffix("\n")


def _quoted(text: str, start: int, dialect: CsvDialect) -> tuple[str, int]:
    """The value whose opening quote stands at ``start``, and where what follows it stands."""
    quote = dialect.quote
    close = start + 1
    while True:
        close = text.find(quote, close)
        if close < 0:
            raise Malformed("csv.unclosedQuote", f"a closing {quote}", _excerpt(text, start))
        if not text.startswith(quote, close + 1):
            break
        close += 2
    after = close + 1
    if after < len(text) and text[after] != dialect.delimiter:
        _check_line(text, after, after + 1)
        raise _quote("a delimiter after the closing quote", text, after)
    return text[start + 1 : close].replace(quote + quote, quote), after


def _check_line(text: str, start: int, end: int) -> None:
    for character in "\r\n":
        at = text.find(character, start, end)
        if at >= 0:
            raise Malformed("csv.lineBreak", "one row", _excerpt(text, at))


def _quote(expected: str, text: str, position: int) -> Malformed:
    return Malformed("csv.quote", expected, _excerpt(text, position))


def _fields(count: int, width: int) -> Malformed:
    return Malformed("csv.fields", f"{width} values", f"{count} values")


def _excerpt(text: str, position: int) -> str:
    return f"{observe(text[position : position + 20])} at character {position}"
