"""Where values stand while columns are built from them, and what is noticed on the way."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence

from lakegate.gate.decode.base import Undeclared
from lakegate.gate.path import ROOT, child, most_path_bytes, utf8_size

__all__ = ["Notes", "Place"]


# The reference takes it that of what is certain no more than half is told of what may be.
_MOST_BYTES = most_path_bytes(0) // 2


class Notes:
    """What is noticed, by row: the rows in doubt, and the undeclared fields of a row."""

    __slots__ = ("_path_bytes", "doubtful", "undeclared")

    def __init__(self) -> None:
        self.doubtful: set[int] = set()
        self.undeclared: dict[int, list[Undeclared]] = {}
        self._path_bytes: dict[int, int] = {}

    def keep(self, row: int, field: Undeclared) -> None:
        """Note an undeclared field; the row is in doubt when their paths get long."""
        if row in self.doubtful:
            return
        self.undeclared.setdefault(row, []).append(field)
        size = self._path_bytes.get(row, 0) + utf8_size(field.path)
        self._path_bytes[row] = size
        if size > _MOST_BYTES:
            self.doubtful.add(row)
            del self.undeclared[row]


class Place:
    """Where values stand: the row and the path of each, worked out when asked.

    Without a parent the values are records, ``first_row`` the row of the first; with ``name`` they
    are that member of each of the parent's values; with ``ends`` they are items of arrays, of which
    ``ends`` has the running total, and with ``keys`` the values of maps under those keys.
    """

    __slots__ = ("_ends", "_first_row", "_keys", "_name", "_parent", "depth", "notes")

    def __init__(
        self,
        notes: Notes,
        parent: Place | None = None,
        *,
        first_row: int = 0,
        name: str = "",
        ends: Sequence[int] | None = None,
        keys: Sequence[str] | None = None,
    ) -> None:
        self.notes = notes
        self.depth: int = 0 if parent is None else parent.depth + 1
        self._parent = parent
        self._first_row = first_row
        self._name = name
        self._ends = ends
        self._keys = keys

    def locate(self, position: int) -> tuple[int, str, str]:
        """The row, the path, and the path with ``[*]`` for indices.

        The paths of a row in doubt are of no use: they may repeat a key as long as a record.
        """
        if self._parent is None:
            return self._first_row + position, ROOT, ROOT
        if self._ends is None:
            row, path, pattern = self._parent.locate(position)
            return row, child(path, self._name), child(pattern, self._name)
        owner = bisect_right(self._ends, position)
        first = self._ends[owner - 1] if owner else 0
        row, path, pattern = self._parent.locate(owner)
        if self._keys is not None:
            if row in self.notes.doubtful:
                return row, ROOT, ROOT
            return row, child(path, self._keys[position]), f"{pattern}[*]"
        return row, f"{path}[{position - first}]", f"{pattern}[*]"
