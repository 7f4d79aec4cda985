"""Paths: what is one, what is not, and that writing one gives it back."""

from __future__ import annotations

import pytest

from lakegate.deadletter.path import generalised, parse_path


@pytest.mark.parametrize(
    ("text", "segments"),
    [
        ("$.a", ("a",)),
        ("$.lines[*].sku", ("lines", None, "sku")),
        ("$['a b'][0].c", ("a b", 0, "c")),
        (r"$['it\'s'].x", ("it's", "x")),
        ('$["q"]', ("q",)),
    ],
)
def test_a_path(text: str, segments: tuple[object, ...]) -> None:
    path = parse_path(text)
    assert path.segments == segments
    assert parse_path(str(path)) == path
    assert path.stars == segments.count(None)


@pytest.mark.parametrize(
    "text", ["", "a", "$", "$.", "$.a..b", "$.a[x]", "$[0]", "$.a[", "$.a[-1]"]
)
def test_no_path(text: str) -> None:
    with pytest.raises(ValueError, match="path"):
        parse_path(text)


def test_failures_that_differ_by_index_are_alike() -> None:
    assert generalised("$.lines[12].parts[0]") == "$.lines[*].parts[*]"
