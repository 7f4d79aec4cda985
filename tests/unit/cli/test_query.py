"""How rows are shown to people."""

from __future__ import annotations

import pytest
from rich.console import Console

from lakegate.cli.query import fitting, table


@pytest.mark.parametrize(
    ("names", "rows", "width", "shown"),
    [
        (["a", "b"], [(1, 2)], 4, [0, 1]),
        (["aaaa", "bbbb", "cccc", "dddd"], [], 22, [0, 1, 2, 3]),
        (["aaaa", "bbbb", "cccc", "dddd"], [], 21, [0, 1, 3]),
        (["aaaa", "bbbb", "cccc", "dddd"], [], 14, [0, 3]),
        (["aaaa", "bbbb", "cccc", "dddd"], [], 3, [0]),
        (["a", "b"], [("x" * 90, None), ("one\ntwo", 5)], 70, [0, 1]),
        (["a", "b"], [("x" * 90, "y" * 9)], 70, [0]),
        ([], [], 10, []),
    ],
)
def test_as_many_columns_as_fit(names, rows, width, shown):
    assert fitting(names, rows, width) == shown


def test_what_is_left_out_is_marked_where_it_stood():
    console = Console(width=40)
    with console.capture() as said:
        console.print(table(["a", "z"], [(1, None)], gap=1))
    assert [line.split() for line in said.get().splitlines()] == [["a", "…", "z"], ["1", "…"]]
