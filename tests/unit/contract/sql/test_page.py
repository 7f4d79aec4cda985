"""docs/reference/sql-rules.md names every function the gate judges, and none that it refuses."""

from __future__ import annotations

import re
from pathlib import Path

from lakegate.contract.sql.function import names
from lakegate.contract.sql.refusal import REFUSED

PAGE = Path(__file__).parents[4] / "docs" / "reference" / "sql-rules.md"
INSIDE = re.compile(r"cast |try cast |to |part |\+ months|negate|not$|interval$")


def test_every_function_is_on_the_page() -> None:
    text = PAGE.read_text(encoding="utf-8").lower()
    listed = text.partition("## where duckdb has no answer")[0].replace("\\|", "|")
    missing = [name for name in names() if not INSIDE.match(name) and f"`{name}" not in listed]
    assert [name for name in missing if name.upper() not in listed.upper()] == []


def test_no_function_is_both_judged_and_refused() -> None:
    assert set(REFUSED) & set(names()) == set()
