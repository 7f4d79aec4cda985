"""What is found in one record, and what is left to find out.

A record with more to tell than a small multiple of its size has one failure in place of all
(:func:`~lakegate.gate.path.most_path_bytes`). What is told only grows, so judging stops there.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from lakegate.contract.type import Severity
from lakegate.gate.path import FAILURE_BYTES, PATHS_CODE, ROOT, most_path_bytes, utf8_size
from lakegate.gate.verdict import Failure

__all__ = ["Doubt", "Judgement", "TooMuch", "too_much"]

_ERROR, _CRITICAL = Severity.ERROR, Severity.CRITICAL


class TooMuch(Exception):
    """The paths to tell of a record are together too long."""


@dataclass(slots=True)
class Judgement:
    """What is found in one record.

    ``row`` maps every column to its value and is only of use when nothing rejects. ``unknown``
    maps the path of each undeclared field to its JSON text; ``unknown_paths`` are the same paths
    with ``[*]`` for indices. ``stands``: the columns have the row already, and ``row`` is empty.
    """

    failures: list[Failure] = field(default_factory=list)
    row: dict[str, Any] = field(default_factory=dict)
    unknown: dict[str, str] = field(default_factory=dict)
    unknown_paths: set[str] = field(default_factory=set)
    all_typed: bool = True
    stands: bool = False
    path_bytes: int = 0
    most_path_bytes: int = 1 << 62

    def count(self, path: str) -> None:
        """Count the path of an undeclared field.

        Raises:
            TooMuch: there is more than ``most_path_bytes`` to tell.
        """
        self.path_bytes += utf8_size(path)
        if self.path_bytes > self.most_path_bytes:
            raise TooMuch

    def count_failure(self, path: str, expected: str) -> None:
        """Count a failure, of which the record may have any number; see :meth:`count`."""
        self.path_bytes += utf8_size(expected) + FAILURE_BYTES
        self.count(path)

    @property
    def rejects(self) -> bool:
        """Whether any failure rejects the record."""
        for failure in self.failures:
            severity = failure.severity
            if severity is _ERROR or severity is _CRITICAL:
                return True
        return False


@dataclass(frozen=True, slots=True)
class Doubt:
    """What is not known to be good of a record that was decoded into columns.

    ``columns`` are the positions of declared members with a check in doubt. ``is_read``: the values
    of all members are certain, those included. ``rules``: so are the rules over the whole record
    and the relationships, of which then only the first ``is_read`` can be judged by themselves.
    """

    columns: Sequence[int] = ()
    is_read: bool = True
    rules: bool = False


def too_much(record_bytes: int) -> Judgement:
    """The verdict on a record of that size of which there is more to tell than may be."""
    expected = f"paths of at most {most_path_bytes(record_bytes)} bytes in all"
    return Judgement([Failure(ROOT, PATHS_CODE, expected, "more")])
