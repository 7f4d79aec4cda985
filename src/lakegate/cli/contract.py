"""``lakegate contract``: check contracts, and show what is enforced where."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import cyclopts

from lakegate.cli.options import ProjectOption
from lakegate.cli.output import console, emit, say_error, unwrapped
from lakegate.wording import counted

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import RenderableType

    from lakegate.contract.coverage import Statement
    from lakegate.contract.problem import Problem
    from lakegate.contract.stream import Stream

__all__ = ["app"]

app = cyclopts.App(name="contract", help="Check contracts and see what is enforced where.")
app.command("lakegate.cli.sample:sample", name="sample")

_DEFAULT = Path("contracts")
_CANNOT_READ = frozenset({"LG001"})
_COLOURS = {"error": "red", "warning": "yellow", "note": "cyan"}
_WHERE_COLOURS = {"gate": "green", "audit": "blue", "land": "magenta", "check": "cyan"}

Format = Annotated[Literal["text", "json"], cyclopts.Parameter(name="--format")]


@app.command
def check(*paths: Path, output: Format = "text", project: ProjectOption = Path()) -> int:
    """Report every problem of every contract at once.

    When none is named, of ``consumers/`` and ``models/`` too.

    Exits with 0 when there is no error (warnings and notes are fine), 1 when there is one, and 2
    when a file cannot be read or none is found.

    Parameters
    ----------
    paths
        Files, or directories to search for ``*.odcs.yaml``; ``contracts/`` when none is given.
    output
        ``text`` for people, or one JSON object per problem.
    project
        Where ``contracts/`` is looked for.
    """
    from lakegate.contract.loading import contract_files, examine

    wanted = paths or (_root(project) / _DEFAULT,)
    files = contract_files(wanted)
    places = ", ".join(str(path) for path in wanted)
    if not files or (not paths and not wanted[0].is_dir()):
        say_error(f"no contract (*.odcs.yaml) in {places}; name a file or folder")
        return 2
    problems, streams = examine(files, variables=os.environ)
    problems += _sql_problems(_root(project), paths, problems, streams)
    problems.sort(key=lambda p: (p.location.file, p.location.line, p.location.column))
    fixes = 0 if paths else _check_fixes(_root(project), problems)
    if not paths:
        problems += _consumer_problems(_root(project), files)
        problems += _model_problems(_root(project), problems)
    if output == "json":
        for problem in problems:
            emit(_as_json(problem))
    else:
        _show_problems(problems, len(files), fixes)
    if any(problem.code in _CANNOT_READ for problem in problems):
        return 2
    return 1 if any(problem.level == "error" for problem in problems) else 0


@app.command
def coverage(
    file: Path | None = None,
    *,
    paths: bool = False,
    output: Format = "text",
    project: ProjectOption = Path(),
) -> int:
    """List each statement of a contract: where it is enforced, or why it is not.

    Exits with 0, or 2 when a contract cannot be used or none is found.

    Parameters
    ----------
    file
        The contract, or a directory to search for ``*.odcs.yaml``; ``contracts/`` when none is
        given.
    paths
        List what the gate judges instead: natively, or what falls back, and why.
    output
        ``text`` for people, or one JSON object per statement.
    project
        Where ``contracts/`` is looked for.
    """
    from lakegate.contract.loading import contract_files

    wanted = _root(project) / _DEFAULT if file is None else file
    files = contract_files([wanted])
    if not files or (file is None and not wanted.is_dir()):
        say_error(f"no contract (*.odcs.yaml) in {wanted}; name a file or folder")
        return 2
    if paths:
        from lakegate.cli.path_coverage import show

        return show(files, output)
    from lakegate.contract.coverage import coverage as statements_of
    from lakegate.contract.loading import load
    from lakegate.errors import ContractError

    try:
        statements = [
            statement
            for one in files
            for statement in statements_of(load(one, variables=os.environ))
        ]
    except ContractError as cause:
        say_error(str(cause))
        return 2
    if output == "json":
        for statement in statements:
            emit(_statement_json(statement))
    else:
        _show_coverage(statements)
    return 0


def _sql_problems(
    root: Path,
    paths: Sequence[Path],
    problems: Sequence[Problem],
    streams: Sequence[Stream],
) -> Sequence[Problem]:
    """What DuckDB says of the SQL rules; it is imported only where there are some.

    The rules of files that were named may read the tables of the project's other contracts too.
    """
    from lakegate.contract.loading import contract_files, examine
    from lakegate.contract.stream import RuleKind

    if not any(rule.kind is RuleKind.SQL for stream in streams for rule in stream.rules):
        return []
    from lakegate.pipeline.sql_check import sql_problems

    others: Sequence[Stream] = ()
    if paths and (root / _DEFAULT).is_dir():
        others = examine(contract_files([root / _DEFAULT]), variables=os.environ)[1]
    return sql_problems(streams, problems, others=others)


def _consumer_problems(root: Path, files: Sequence[Path]) -> Sequence[Problem]:
    """What is wrong with the project's consumers; imported only where there may be some."""
    from lakegate.pipeline.config import CONFIG_FILE, Config, load_config

    config = load_config(root) if (root / CONFIG_FILE).is_file() else Config()
    if not (root / config.alerts.consumers).is_dir():
        return []
    from lakegate.pipeline.alerting import consumer_problems

    return consumer_problems(root, config, files)


def _model_problems(root: Path, problems: Sequence[Problem]) -> Sequence[Problem]:
    """What is wrong with the project's models, once nothing is with its contracts."""
    from lakegate.pipeline.config import CONFIG_FILE, Config, load_config

    config = load_config(root) if (root / CONFIG_FILE).is_file() else Config()
    folder = root / config.models.folder
    if not folder.is_dir() or any(problem.level == "error" for problem in problems):
        return []
    from lakegate.pipeline.contracts import streams
    from lakegate.pipeline.models import check_models

    found = streams(root / config.project.contracts)
    return check_models(folder, [file.stream for file in found.values()])[0]


def _as_json(problem: Problem) -> dict[str, str | int]:
    at = problem.location
    return {
        "code": problem.code,
        "level": str(problem.level),
        "message": problem.message,
        "help": problem.help,
        "file": at.file,
        "line": at.line,
        "column": at.column,
    }


def _statement_json(statement: Statement) -> dict[str, str | int | None]:
    at = statement.location
    return {
        "subject": statement.subject,
        "key": statement.key,
        "value": statement.value,
        "where": str(statement.where),
        "how": statement.how,
        "file": at.file if at is not None else None,
        "line": at.line if at is not None else None,
    }


def _root(start: Path) -> Path:
    """The project: the nearest folder upwards that has a ``lakegate.toml``, else ``start``."""
    folder = start.resolve()
    found = (parent for parent in (folder, *folder.parents) if (parent / "lakegate.toml").is_file())
    return next(found, start)


def _check_fixes(root: Path, problems: list[Problem]) -> int:
    """Add the problems of the project's fixes; how many fix files there are."""
    from lakegate.errors import LakegateError
    from lakegate.pipeline.contracts import streams
    from lakegate.pipeline.deadletters import check_fixes

    try:
        known = list(streams(root / _DEFAULT)) if not problems else None
    except LakegateError:
        known = None  # said by the contracts' own problems
    files, found = check_fixes(root, known)
    problems += found
    return len(files)


def _show_problems(problems: Sequence[Problem], files: int, fixes: int = 0) -> None:
    out = console()
    sources: dict[str, list[str]] = {}
    for problem in problems:
        for line in _lines(problem, sources):
            out.print(line, soft_wrap=True)
    out.print(_summary(problems, files, fixes))


def _lines(problem: Problem, sources: dict[str, list[str]]) -> list[RenderableType]:
    from rich.text import Text

    at, colour = problem.location, _COLOURS[problem.level]
    head = Text.assemble(
        (str(at), "bold"), " ", (f"{problem.level} {problem.code}", f"bold {colour}"), " "
    )
    head.append(problem.message)
    lines: list[RenderableType] = [head]
    source = _source_line(at.file, at.line, sources)
    if source is not None:
        number = f"{at.line:>6}"
        indent = " " * (len(number) + 3 + _width(source[: at.column - 1]))
        lines.append(Text.assemble((f"{number} │ ", "dim"), source))
        lines.append(Text(f"{indent}{'^' * _span(source, at.column)}", style=colour))
    if problem.help:
        lines.append(Text.assemble(("       = ", "dim"), ("help: ", "bold"), problem.help))
    lines.append(Text())
    return lines


def _source_line(file: str, line: int, sources: dict[str, list[str]]) -> str | None:
    from lakegate.contract.document import MAX_BYTES

    if file not in sources:
        try:
            with Path(file).open("rb") as handle:
                data = handle.read(MAX_BYTES)
        except OSError:
            data = b""
        sources[file] = data.decode("utf-8", "replace").splitlines()
    lines = sources[file]
    if not 1 <= line <= len(lines) or not lines[line - 1].strip():
        return None
    shown = lines[line - 1][:160].replace("\t", " ")
    return "".join(char if char.isprintable() else "\N{REPLACEMENT CHARACTER}" for char in shown)


def _width(text: str) -> int:
    from rich.cells import cell_len

    return cell_len(text)


def _span(source: str, column: int) -> int:
    """How far the caret reaches: to the end of the word that starts at the column."""
    rest = source[column - 1 :]
    word = rest.split(" ", 1)[0].rstrip(":,")
    return max(len(word), 1)


def _summary(problems: Sequence[Problem], files: int, fixes: int) -> RenderableType:
    from rich.text import Text

    counts = {level: sum(p.level == level for p in problems) for level in _COLOURS}
    noun = "contract" if files == 1 else "contracts"
    if fixes:
        noun += f" and {fixes} fix{'' if fixes == 1 else 'es'}"
    parts = [counted(count, level) for level, count in counts.items() if count]
    style = "bold red" if counts["error"] else "bold yellow" if counts["warning"] else "bold green"
    mark = "✗" if counts["error"] else "✓"
    found = ", ".join(parts) if parts else "no problems"
    return Text(f"{mark} {files} {noun} checked: {found}", style=style)


def _show_coverage(statements: Sequence[Statement]) -> None:
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, header_style="bold")
    for title in ("statement", "", "enforced", "how"):
        table.add_column(title, overflow="fold")
    last = None
    out = unwrapped()
    for statement in statements:
        colour = _WHERE_COLOURS.get(statement.where, "yellow")
        subject = statement.subject if statement.subject != last else ""
        last = statement.subject
        value = f"{statement.key}: {statement.value}"[: 60 if out.is_terminal else None]
        table.add_row(
            Text(subject, style="bold"),
            Text(value),
            Text(str(statement.where), style=colour),
            Text(statement.how, style="dim"),
        )
    out.print(table)
    open_ = sum(statement.where == "not enforced" for statement in statements)
    total = len(statements)
    out.print(Text(f"{total - open_} of {total} statements enforced", style="bold"))
