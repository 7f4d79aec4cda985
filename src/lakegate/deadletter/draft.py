"""A draft of a fix, ready to be reviewed: samples as comments, and a guess at the steps."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from lakegate.contract.problem import nearest
from lakegate.contract.stream import Stream
from lakegate.contract.temporal import TemporalError
from lakegate.contract.temporal_format import compile_format
from lakegate.contract.type import Field
from lakegate.deadletter.cause import Cause
from lakegate.gate.json_text import Json, Malformed, parse_text
from lakegate.gate.path import child

__all__ = ["draft"]

_SAMPLES = 5
_FEW = 12
_FORMATS = {
    "date": ("dd.MM.yyyy", "dd/MM/yyyy", "yyyyMMdd", "yyyy/MM/dd", "d.M.yyyy", "dd MMM yyyy"),
    "time": ("HH:mm", "HHmm", "HHmmss", "h:mm a"),
    "timestamp": (
        "yyyy-MM-dd HH:mm:ss",
        "yyyy-MM-dd'T'HH:mm:ss",
        "yyyy-MM-dd HH:mm:ss.SSS",
        "yyyy-MM-dd HH:mm:ssXXX",
        "yyyy-MM-dd HH:mm",
        "dd.MM.yyyy HH:mm:ss",
        "yyyyMMddHHmmss",
        "yyyy-MM-dd",
    ),
}
_CASTS = {"an integer": "integer", "a number": "number", "a string": "string"}
_UNSAFE = re.compile(r"[^\x20-\ud7ff\ue000-\U0010ffff]")


def draft(stream: Stream, cause: Cause, samples: Sequence[dict[str, Any]], *, name: str) -> str:
    """The text of a fix file for a cause; it passes the check, and somebody has to look at it."""
    observed = Counter(sample["reason"]["observed"] for sample in samples)
    seen = f"first seen {cause.first_seen:%Y-%m-%d %H:%M}, last {cause.last_seen:%Y-%m-%d %H:%M}"
    lines = [
        f"# Cause {cause.id}: {cause.open:,} dead letters are open, {seen} UTC",
        f"#   expected {_comment(cause.expected)}",
        *(
            f"#   got {_comment(text)} ({count} of {len(samples)} looked at)"
            for text, count in observed.most_common(_SAMPLES)
        ),
        "# Records, for example:",
        *(f"#   {_comment(_text(sample['value']))}" for sample in samples[:_SAMPLES]),
        f"# This is a draft. Look at it, then: lakegate fix preview {name}",
        f"name: {name}",
        f"stream: {stream.name}",
        f"description: {_quoted(f'{cause.rule} at {cause.path}')}",
        "matches:",
        f"  rule: {cause.rule}",
        f"  path: {_quoted(cause.path)}",
        "steps:",
        *(f"  {line}" for line in _steps(stream, cause, samples, observed)),
    ]
    return "\n".join(lines) + "\n"


def _steps(
    stream: Stream, cause: Cause, samples: Sequence[dict[str, Any]], observed: Counter[str]
) -> Iterator[str]:
    path = cause.path
    kind, _, problem = cause.rule.partition(".")
    if path == "$" or kind in {"json", "record", "gate"}:
        yield "# No step mends this rule by itself; say what must change."
        yield "- set: {path: $.example, value: null}"
    elif kind in _FORMATS and problem in {"format", "zone"}:
        yield from _date(kind, path, observed)
    elif cause.rule == "type" and cause.expected in _CASTS:
        yield f"- cast: {{path: {_quoted(path)}, to: {_CASTS[cause.expected]}}}"
    elif cause.rule == "type" and cause.expected == "a boolean":
        yield f"- cast: {{path: {_quoted(path)}, to: boolean}}"
    elif cause.rule == "unknownField":
        yield from _rename(stream, path)
    elif cause.rule in {"required", "nullValues"}:
        yield from _fill(stream, path, samples)
    elif len(observed) <= _FEW:
        yield from _map(path, observed)
    else:
        yield "# The value goes to a field of its own, which the contract must know."
        yield f"- move: {{from: {_quoted(path)}, to: {_quoted(_beside(path))}}}"


def _map(path: str, observed: Counter[str]) -> Iterator[str]:
    yield "# Say what each value should be; null stands for none."
    yield "- map:"
    yield f"    path: {_quoted(path)}"
    yield "    values:"
    for text, _ in observed.most_common():
        value = _parsed(text)
        key = value if isinstance(value, str) else text
        yield f"      {_quoted(str(key))}: null"


def _date(kind: str, path: str, observed: Counter[str]) -> Iterator[str]:
    texts = [value for text in observed if isinstance(value := _parsed(text), str)]
    fits: Callable[[str], bool] = lambda form: all(_reads(form, kind, text) for text in texts)  # noqa: E731
    known = next((form for form in _FORMATS[kind] if texts and fits(form)), None)
    if known is None:
        yield "# No format known here reads all of the samples; this is the first one to try."
    zone = ", timezone: UTC" if kind == "timestamp" else ""
    yield (
        f"- date: {{path: {_quoted(path)}, kind: {kind}, "
        f"format: {_quoted(known or _FORMATS[kind][0])}{zone}}}"
    )


def _reads(form: str, kind: str, text: str) -> bool:
    try:
        compile_format(form, kind).parse(text)
    except TemporalError:
        return False
    return True


def _rename(stream: Stream, path: str) -> Iterator[str]:
    name = _name(path)
    near = nearest(name, [field.name for field in stream.fields])
    if near is not None and path == child("$", name):
        yield f"- rename: {{path: {_quoted(path)}, to: {_quoted(near)}}}"
    else:
        yield "# Nobody declared it. Declare it in the contract, rename it, or let it go:"
        yield f"- remove: {_quoted(path)}"


def _fill(stream: Stream, path: str, samples: Sequence[dict[str, Any]]) -> Iterator[str]:
    declared = {field.name for field in stream.fields}
    strange: Counter[str] = Counter()
    for sample in samples:
        value = _parsed(_text(sample["value"]))
        if isinstance(value, dict):
            strange.update(key for key in value if key not in declared)
    near = nearest(_name(path), [key for key, _ in strange.most_common(20)])
    if near is not None and path == child("$", _name(path)):
        yield f"- rename: {{path: {_quoted(child('$', near))}, to: {_quoted(_name(path))}}}"
        return
    field = next((f for f in stream.fields if f.path == path), None)
    yield "# The value that stands for one that nobody sent:"
    yield f"- set: {{path: {_quoted(path)}, value: {_zero(field)}}}"


def _zero(field: Field | None) -> str:
    kind = "" if field is None else type(field.type).__name__
    return {"IntegerType": "0", "NumberType": "0", "BooleanType": "false"}.get(kind, '"unknown"')


def _beside(path: str) -> str:
    head, tail = path[: len(path) - len(_last(path))], _last(path)
    return f"{head}{tail}_as_sent" if tail.startswith(".") else f"{path}.as_sent"


def _last(path: str) -> str:
    found = re.search(r"(\.[^.\[\]']+|\['.*'\]|\[\*\])$", path)
    return found[0] if found else path


def _name(path: str) -> str:
    return _last(path).lstrip(".").strip("[]'")


def _parsed(text: str) -> Json:
    try:
        return parse_text(text)
    except Malformed:
        return text


def _text(value: bytes | None) -> str:
    return "null" if value is None else value.decode("utf-8", "backslashreplace")


def _comment(text: str) -> str:
    """One line of printable text, at most 200 characters."""
    line = "".join(char if char.isprintable() else " " for char in text)
    return line if len(line) <= 200 else f"{line[:197]}..."


def _quoted(text: str) -> str:
    """A YAML double-quoted scalar."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    safe = _UNSAFE.sub(lambda found: f"\\u{ord(found[0]):04x}", escaped)
    return f'"{safe}"'
