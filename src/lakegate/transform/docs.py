"""A Markdown page per model: what it is for, its columns and where they come from, its last run."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from lakegate.transform.binding import Columns
from lakegate.transform.graph import Graph
from lakegate.transform.judge import all_tests
from lakegate.transform.lineage import ColumnName, Lineage
from lakegate.transform.model import Model
from lakegate.transform.result import ModelResult, Verdict

__all__ = ["page", "write_pages"]

_MARKS = {Verdict.PASSED: "✓", Verdict.FAILED: "✗", Verdict.ERROR: "!"}


def write_pages(
    folder: Path,
    graph: Graph,
    columns: Mapping[str, Columns],
    lineage: Lineage,
    last: Mapping[str, ModelResult | None],
) -> list[Path]:
    """Write ``README.md`` and a page per model into a folder; returns what was written."""
    folder.mkdir(parents=True, exist_ok=True)
    index = folder / "README.md"
    index.write_text("\n".join(_index(graph)) + "\n", encoding="utf-8")
    written = [index]
    for model in graph.models.values():
        path = folder / f"{model.name}.md"
        text = page(model, graph, columns.get(model.name, {}), lineage, last.get(model.name))
        path.write_text(text, encoding="utf-8")
        written.append(path)
    return written


def page(
    model: Model,
    graph: Graph,
    columns: Columns,
    lineage: Lineage,
    last: ModelResult | None,
) -> str:
    """One model's page, in Markdown. It shows no values."""
    return "\n".join(_lines(model, graph, columns, lineage, last)) + "\n"


def _index(graph: Graph) -> Iterator[str]:
    yield "# Models"
    yield ""
    yield "| model | layer | kind | what it is |"
    yield "|---|---|---|---|"
    for model in graph.models.values():
        cells = (model.layer or "", model.materialisation.value, _cell(model.description or ""))
        yield f"| [{model.name}]({model.name}.md) | {' | '.join(cells)} |"


def _lines(
    model: Model, graph: Graph, columns: Columns, lineage: Lineage, last: ModelResult | None
) -> Iterator[str]:
    yield f"# {model.name}"
    yield ""
    if model.description:
        yield model.description
        yield ""
    yield from _facts(model, graph, last)
    yield ""
    yield "## Columns"
    yield ""
    yield "| column | type | what it means | made of |"
    yield "|---|---|---|---|"
    for name, kind in columns.items():
        fields = ", ".join(f"`{text}`" for text in lineage.fields(ColumnName(model.name, name)))
        said = _cell(model.columns.get(name, ""))
        yield f"| `{name}` | {_cell(kind)} | {said} | {fields} |"
    yield ""
    yield "## Tests"
    yield ""
    results = {} if last is None else {result.name: result for result in last.tests}
    yield "| test | severity | last result |"
    yield "|---|---|---|"
    for test in all_tests(model):
        result = results.get(test.name)
        said = "not run yet"
        if result is not None:
            said = f"{_MARKS[result.verdict]} {result.verdict}"
            if result.offending:
                said += f", {result.offending:,} rows"
        yield f"| {_cell(test.description or test.name)} | {test.severity} | {said} |"
    yield ""
    yield "## SQL"
    yield ""
    yield "```sql"
    yield model.sql.strip()
    yield "```"


def _facts(model: Model, graph: Graph, last: ModelResult | None) -> Iterator[str]:
    def linked(names: list[str]) -> str:
        return ", ".join(f"[{n}]({n}.md)" if n in graph.models else f"`{n}`" for n in names)

    kind = model.materialisation.value
    if model.key:
        kind += f", key {', '.join(model.key)}"
    if model.time:
        kind += f", by {model.time}, looking back {model.lookback}"
    yield f"- **Kind**: {kind}"
    if model.layer:
        yield f"- **Layer**: {model.layer}"
    if model.owner:
        yield f"- **Owner**: {model.owner}"
    yield f"- **Reads**: {linked(list(graph.needs[model.name]))}"
    dependants = graph.dependants(model.name)
    if dependants:
        yield f"- **Read by**: {linked(dependants)}"
    if last is not None:
        rows = "" if last.rows is None else f", {last.rows:,} rows"
        yield f"- **Last run**: {last.finished_at:%Y-%m-%d %H:%M} UTC, {last.status}{rows}"


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")
