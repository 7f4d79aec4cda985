"""docs/reference/audit.md: the figures of its worked example are those computed."""

from __future__ import annotations

import re
from decimal import Decimal
from pathlib import Path

import pytest

from lakegate.audit.comparison import _WORDS as OPERATORS

PAGE = Path(__file__).parents[3] / "docs" / "reference" / "audit.md"
EXAMPLES = {
    "of `state`": ("state",),
    'of `state`, `[null, "N/A"]`': ("state",),
    "of `state`, `validValues: [new, old]`": ("state",),
    'of `state`, `pattern: "^[a-z]+$"`': ("state",),
    "of `price`, `validValues: [1.5]`": ("price",),
    "of `id`": ("id",),
    "of `id` and `state`": ("id", "state"),
    "": (),
}
ARGUMENTS = {
    "[null": {"missing_values": (None, "N/A")},
    "new, old": {"valid_values": ("new", "old")},
    "pattern": {"pattern": "^[a-z]+$"},
    "[1.5]": {"valid_values": ("1.5",)},
}


def cells(heading):
    section = PAGE.read_text().split(heading, 1)[1].split("\n## ", 1)[0]
    lines = [line for line in section.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


def example_rows():
    rows = [row for row in cells("## Library metrics") if len(row) == 3][2:]
    return [
        {
            "id": None if number == "*null*" else int(number),
            "state": None if state == "*null*" else state,
            "price": None if price == "*null*" else Decimal(price),
        }
        for number, state, price in rows
    ]


def metric_rows():
    name = ""
    for first, _, example, observed in [r for r in cells("## Library metrics") if len(r) == 4][2:]:
        name = first.strip("`") or name
        yield name, example, int(observed)


@pytest.mark.parametrize(("name", "example", "observed"), list(metric_rows()))
def test_worked_example(room, name, example, observed):
    parts = {k: v for sign, more in ARGUMENTS.items() if sign in example for k, v in more.items()}
    (result,) = room.judge(example_rows(), room.metric(name, *EXAMPLES[example], **parts))
    assert result.observed == observed, result.message


def test_percent_and_sql(room):
    query = re.search(r"```sql\n(.*?)\n```", PAGE.read_text())[1]
    share, count = room.judge(
        example_rows(), room.metric("nullValues", "state", unit="percent"), room.sql(query)
    )
    assert (share.observed, count.observed) == (25, 1)


def test_every_operator_is_there():
    listed = {word for row in cells("### Operators") for word in re.findall(r"`(\w+)`", row[0])}
    assert listed == set(OPERATORS)
