"""The table of hostile inputs is that of the tests."""

from __future__ import annotations

from tests.unit.gate.hostile_page import PAGE, page


def test_the_page_shows_the_corpus() -> None:
    text = PAGE.read_text(encoding="utf-8")
    assert page(text) == text, "run: python -m tests.unit.gate.hostile_page"
    assert text.count("\n|") > 200
