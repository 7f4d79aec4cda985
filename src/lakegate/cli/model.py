"""``lakegate model``: check, build, test, trace and document SQL models."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import cyclopts

from lakegate.cli.options import ProjectOption
from lakegate.cli.output import Format, console, emit
from lakegate.wording import counted

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.text import Text

    from lakegate.transform.result import ModelResult, ModelTestResult

__all__ = ["app"]

app = cyclopts.App(name="model")

_STYLES = {
    "built": ("✓", "green"),
    "up to date": ("·", "dim"),
    "failed": ("✗", "red"),
    "skipped": ("-", "yellow"),
    "waiting": ("…", "dim"),
    "passed": ("✓", "green"),
    "error": ("✗", "red"),
}


@app.command(name="list")
def list_models(*, project: ProjectOption = Path(), format: Format = "text") -> int:
    """Every model, in building order: its kind, what it reads, how it last went."""
    from lakegate.cli.query import table
    from lakegate.pipeline.project import open_project

    rows: list[tuple[object, ...]] = []
    with open_project(project) as opened:
        models = opened.models()
        for name, model in models.graph.models.items():
            last = next(iter(models.history(name, limit=1)), None)
            needs = models.graph.needs[name]
            if format == "json":
                emit(
                    {
                        "model": name,
                        "layer": model.layer,
                        "materialise": model.materialisation,
                        "needs": needs,
                        "file": model.location.file,
                        "last": last,
                    }
                )
            status = "" if last is None else f"{last.status} {last.finished_at:%Y-%m-%d %H:%M}"
            count = "" if last is None or last.rows is None else f"{last.rows:,}"
            kind = model.materialisation.value
            rows.append((name, model.layer or "", kind, ", ".join(needs), count, status))
    if format == "text":
        console().print(table(["model", "layer", "kind", "needs", "rows", "last run"], rows))
    return 0


@app.command
def check(*, project: ProjectOption = Path(), format: Format = "text") -> int:
    """Report every problem of every model at once; exit 1 if there is one.

    Headers, SQL, tables, columns and types are checked against the contracts; no data is read.
    """
    from lakegate.pipeline.config import find_root, load_config
    from lakegate.pipeline.contracts import streams
    from lakegate.pipeline.models import check_models

    root = find_root(project.resolve())
    config = load_config(root)
    found = streams(root / config.project.contracts)
    folder = root / config.models.folder
    problems, count = check_models(folder, [file.stream for file in found.values()])
    if format == "json":
        for problem in problems:
            emit(problem)
        return 1 if problems else 0
    from rich.text import Text

    for problem in problems:
        line = Text.assemble(
            (str(problem.location), "bold"), " ", (f"error {problem.code}", "bold red"), " "
        )
        console().print(line.append(problem.message), soft_wrap=True)
        if problem.help:
            console().print(Text.assemble(("       = help: ", "bold"), problem.help))
    many = len(problems)
    said = counted(many, "problem") if many else "no problems"
    console().print(f"{'✗' if many else '✓'} {counted(count, 'model')} checked: {said}")
    return 1 if problems else 0


@app.command
def run(
    *models: str,
    full: bool = False,
    wait_s: float = 30.0,
    project: ProjectOption = Path(),
    format: Format = "text",
) -> int:
    """Build models over what is published, test them, publish them; exit 1 if one failed.

    What did not change is not built again. A model that fails keeps what was published of it, and
    what needs it is skipped.

    Parameters
    ----------
    models:
        Models to build, with what they need; all of the project's if none is named.
    full:
        Build everything from scratch, whether something changed or not.
    wait_s:
        How long to wait for another run of this project's models to end, seconds.
    """
    from lakegate.pipeline.project import open_project

    def tell(result: ModelResult) -> None:
        if format == "json":
            emit(result)
        else:
            for line in _lines(result):
                console().print(line, soft_wrap=True)

    with open_project(project) as opened:
        report = opened.models().run(*models, full=full, wait_s=wait_s, tell=tell)
    if not report.results and format == "text":
        console().print("no models; write a SELECT into models/NAME.sql")
    return 0 if report.ok else 1


@app.command(name="test")
def judge(*models: str, project: ProjectOption = Path(), format: Format = "text") -> int:
    """Judge what is published now by the models' tests; exit 1 if one fails. Changes nothing.

    Parameters
    ----------
    models:
        Models to test; all of the project's if none is named.
    """
    from lakegate.pipeline.project import open_project

    held = False
    with open_project(project) as opened:
        for name, results in opened.models().test(*models).items():
            held |= any(result.holds_back for result in results)
            if format == "json":
                for result in results:
                    emit({"model": name, "result": result})
                continue
            console().print(f"[bold]{name}[/]  {counted(len(results), 'test')}")
            for line in _test_lines(results, every=True):
                console().print(line, soft_wrap=True)
    return 1 if held else 0


@app.command
def show(model: str, *, project: ProjectOption = Path(), format: Format = "text") -> int:
    """One model: what it is, its columns, its last runs, its SQL."""
    from lakegate.cli.query import table
    from lakegate.pipeline.project import open_project

    with open_project(project) as opened:
        models = opened.models()
        found = models.model(model)
        history = models.history(found.name, limit=5)
        columns = models.columns[found.name]
        needs = models.graph.needs[found.name]
    if format == "json":
        emit({"model": found, "columns": columns, "needs": needs, "history": history})
        return 0
    out = console()
    layer = f"  {found.layer}" if found.layer else ""
    out.print(f"[bold]{found.name}[/]{layer}  {found.materialisation}  {found.location.file}")
    if found.description:
        out.print(found.description)
    out.print(f"reads {', '.join(needs)}\n", style="dim")
    rows = [(name, kind, found.columns.get(name, "")) for name, kind in columns.items()]
    out.print(table(["column", "type", "what it means"], rows))
    out.print()
    for result in history:
        for line in _lines(result):
            out.print(line, soft_wrap=True)
    out.print()
    out.print(found.sql.strip(), markup=False, soft_wrap=True)
    return 0


@app.command
def lineage(
    column: str | None = None, *, project: ProjectOption = Path(), format: Format = "text"
) -> int:
    """What columns are made of, down to the fields of topics.

    Parameters
    ----------
    column:
        ``MODEL`` or ``MODEL.COLUMN``; every column of every model if none is named.
    """
    from lakegate.pipeline.project import open_project

    with open_project(project) as opened:
        traced = opened.models().lineage()
    wanted = list(traced.parents) if column is None else traced.find(column)
    if format == "json":
        for name in wanted:
            emit(
                {
                    "column": str(name),
                    "of": [str(parent) for parent in traced.parents[name]],
                    "fields": traced.fields(name),
                }
            )
        return 0
    from rich.tree import Tree

    for name in wanted:
        tree = Tree(f"[bold]{name}[/]")
        waiting = [(tree, name)]
        while waiting:
            branch, at = waiting.pop()
            for parent in traced.parents.get(at, ()):
                known = parent in traced.parents
                text = str(parent) if known else f"{parent}  [dim]{traced.field(parent)}[/]"
                waiting.append((branch.add(text), parent))
        console().print(tree)
    return 0


@app.command
def docs(
    *, out: Path = Path("docs/models"), project: ProjectOption = Path(), format: Format = "text"
) -> int:
    """Write a Markdown page per model: columns and their lineage, tests, the last run.

    Parameters
    ----------
    out:
        Where, from the project's folder.
    """
    from lakegate.pipeline.project import open_project

    with open_project(project) as opened:
        written = opened.models().docs(opened.root / out)
    for path in written:
        if format == "json":
            emit({"file": str(path)})
        else:
            console().print(str(path), soft_wrap=True)
    return 0


def _lines(result: ModelResult) -> list[Text]:
    from rich.text import Text

    mark, style = _STYLES[result.status.value]
    seconds = (result.finished_at - result.started_at).total_seconds()
    rows = "" if result.rows is None else counted(result.rows, "row")
    passed = sum(test.verdict == "passed" for test in result.tests)
    tests = f"{passed} of {len(result.tests)} tests passed" if result.tests else ""
    mode = "" if result.mode is None else result.mode.value
    why = f"({result.reason})" if result.reason else ""
    parts = [part for part in (mode, rows, tests, why, f"{seconds:.1f} s") if part]
    head = Text.assemble(
        (mark, style), " ", (result.model, "bold"), "  ", (result.status.value, style), "  "
    )
    return [head.append("  ".join(parts)), *_test_lines(result.tests, every=False)]


def _test_lines(results: Sequence[ModelTestResult], *, every: bool) -> list[Text]:
    from rich.text import Text

    lines = []
    for result in results:
        if result.verdict == "passed" and not every:
            continue
        mark, style = _STYLES[result.verdict.value]
        if result.verdict != "passed" and not result.holds_back:
            mark, style = "!", "yellow"
        said = result.message or (f"{result.offending:,} rows" if result.offending else "")
        lines.append(Text.assemble("    ", (mark, style), f" {result.name}  {said}"))
        lines.extend(Text(f"        {sample}", style="dim") for sample in result.samples)
    return lines
