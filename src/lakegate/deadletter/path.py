"""Places in a record: a small JSONPath (RFC 9535) of names, indices and ``[*]``."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TypeAlias

from lakegate.gate.path import ROOT, child

__all__ = ["Path", "Segment", "generalised", "parse_path"]

Segment: TypeAlias = str | int | None  # None stands for ``[*]``

_NAME = r"[A-Za-z_\u0080-\U0010ffff][0-9A-Za-z_\u0080-\U0010ffff]*"
_STEP = re.compile(
    rf"\.(?P<name>{_NAME})|\[(?P<star>\*)\]|\[(?P<index>0|[1-9][0-9]{{0,8}})\]"
    r"|\['(?P<single>(?:[^'\\]|\\.)*)'\]|\[\"(?P<double>(?:[^\"\\]|\\.)*)\"\]"
)
_ESCAPE = re.compile(r"\\(u[0-9a-fA-F]{4}|.)")
_INDEX = re.compile(r"\[[0-9]+\]")


@dataclass(frozen=True, slots=True)
class Path:
    """Segments from the record's top; ``stars`` of them are ``[*]``."""

    segments: tuple[Segment, ...]

    @property
    def stars(self) -> int:
        """How many ``[*]`` there are."""
        return self.segments.count(None)

    def __str__(self) -> str:
        text = ROOT
        for segment in self.segments:
            if isinstance(segment, str):
                text = child(text, segment)
            else:
                text += "[*]" if segment is None else f"[{segment}]"
        return text


def parse_path(text: str) -> Path:
    """The path that ``text`` writes, such as ``$.lines[*].sku`` or ``$['a b'][0]``.

    Raises:
        ValueError: it is no such path; says where it stops being one.
    """
    if not text.startswith(ROOT):
        raise ValueError(f"the path {text!r} does not start with `$`")
    segments: list[Segment] = []
    at = len(ROOT)
    while at < len(text):
        step = _STEP.match(text, at)
        if step is None:
            raise ValueError(f"the path {text!r} cannot be read at character {at}: {text[at:]!r}")
        segments.append(_segment(step))
        at = step.end()
    if not segments:
        raise ValueError("the path `$` is the whole record; name a field of it")
    if not isinstance(segments[0], str):
        raise ValueError(f"the path {text!r} does not start with a field: a record is an object")
    return Path(tuple(segments))


def _segment(step: re.Match[str]) -> Segment:
    if step["star"]:
        return None
    if step["index"] is not None:
        return int(step["index"])
    if step["name"] is not None:
        return step["name"]
    quoted = step["single"] if step["single"] is not None else step["double"]
    return _ESCAPE.sub(lambda e: chr(int(e[1][1:], 16)) if len(e[1]) == 5 else e[1], quoted)


def generalised(path: str) -> str:
    """The path of a failure with ``[*]`` for each index: failures that differ in it are alike."""
    return _INDEX.sub("[*]", path)
