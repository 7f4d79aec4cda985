"""Column lineage down to topics, and the page that shows it."""

from __future__ import annotations

from pathlib import Path

import pytest

from lakegate.errors import ContractError
from lakegate.transform.binding import bind
from lakegate.transform.docs import write_pages
from lakegate.transform.graph import find_models, load_models
from lakegate.transform.lineage import ColumnName, Lineage, trace
from lakegate.transform.problem import ModelReport

from .test_check import SOURCES, headed

MODELS = {
    "clean": "WITH o AS (SELECT *, \"Note\" || '!' AS loud FROM orders) "
    "SELECT o.number, o.loud, p.name, l.qty FROM o LEFT JOIN places p ON p.code = o.\"Note\", "
    "unnest(o.lines) AS t(l)",
    "pairs": "SELECT number, loud AS text FROM clean UNION ALL SELECT number, name FROM clean",
    "sums": headed("columns: {Total: 'A | b'}",
                   'SELECT text, sum(number) AS "Total", count(*) AS n FROM pairs GROUP BY ALL'),
}  # fmt: skip


@pytest.fixture
def lineage(tmp_path: Path) -> Lineage:
    return made(tmp_path)


def made(folder: Path) -> Lineage:
    for name, sql in MODELS.items():
        (folder / f"{name}.sql").write_text(sql)
    report = ModelReport()
    graph = load_models(find_models(folder), SOURCES, report)
    columns = bind(graph, SOURCES, report)
    assert report.sorted() == []
    found = trace(graph, columns, {"orders": "orders.raw", "places": "places.raw"})
    write_pages(folder / "docs", graph, columns, found, {})
    return found


def test_through_with_join_union_and_aggregates_to_the_fields_of_topics(lineage: Lineage) -> None:
    assert lineage.fields(ColumnName("sums", "Total")) == ("orders.raw $.number",)
    assert lineage.fields(ColumnName("sums", "text")) == ("orders.raw $.Note", "places.raw $.name")
    assert lineage.fields(ColumnName("sums", "n")) == ()
    assert lineage.parents[ColumnName("pairs", "text")] == (
        ColumnName("clean", "loud"),
        ColumnName("clean", "name"),
    )


def test_names_are_found_without_case_and_unknown_ones_named(lineage: Lineage) -> None:
    assert lineage.find("SUMS.total") == [ColumnName("sums", "Total")]
    assert [name.column for name in lineage.find("pairs")] == ["number", "text"]
    with pytest.raises(ContractError, match="one of the models clean, pairs, sums"):
        lineage.find("nothing.x")


def test_a_page_says_what_a_column_means_and_is_made_of(tmp_path: Path) -> None:
    made(tmp_path)
    page = (tmp_path / "docs" / "sums.md").read_text()
    assert "| `Total` | DECIMAL(38, 0) | A \\| b | `orders.raw $.number` |" in page
    assert "- **Reads**: [pairs](pairs.md)" in page
    assert "[sums](sums.md)" in (tmp_path / "docs" / "README.md").read_text()
