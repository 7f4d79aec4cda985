"""The package as a whole: its surface, its errors, and what importing it costs."""

from __future__ import annotations

import importlib.metadata
import inspect
import re
import subprocess
import sys

import lakegate
from lakegate import errors


def test_every_public_name_is_there() -> None:
    for name in lakegate.__all__:
        assert getattr(lakegate, name) is not None


def test_importing_is_light() -> None:
    """Nothing heavy is loaded before it is used, neither by the package nor by ``--help``."""
    heavy = [
        "pyarrow",
        "pyiceberg",
        "duckdb",
        "sqlalchemy",
        "numpy",
        "sqlglot",
        "re2",
        "apsw",
    ]
    for statement in ("import lakegate", "import lakegate.cli.main"):
        code = f"{statement}; import sys; print([n for n in {heavy!r} if n in sys.modules])"
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
        assert done.stdout.strip() == "[]", (statement, done.stdout, done.stderr)


def test_the_tree_in_the_docstring_is_the_tree() -> None:
    tree = {
        name
        for name, found in vars(errors).items()
        if inspect.isclass(found) and issubclass(found, errors.LakegateError)
    }
    assert tree == set(errors.__all__)
    drawn = set(re.findall(r"(?:──|^    )\s?([A-Z]\w+)", errors.__doc__ or "", re.MULTILINE))
    assert drawn == tree
    transient = {name for name in tree if getattr(errors, name).transient}
    marked = set(re.findall(r"([A-Z]\w+)\s+(?:\w+/\s+)?\(transient\)", errors.__doc__ or ""))
    assert marked == transient


def test_the_default_install_is_small() -> None:
    """No pandas, no JVM and no test tool comes with ``pip install lakegate``."""
    wanted = importlib.metadata.requires("lakegate") or []
    names = [re.split(r"[\s\[<>=!;~]", line)[0] for line in wanted if "extra ==" not in line]
    default = {re.sub(r"[-_.]+", "-", name).lower() for name in names}
    assert default == {
        "apscheduler",
        "apsw",
        "cyclopts",
        "duckdb",
        "google-re2",
        "jsonschema",
        "msgspec",
        "numpy",
        "prometheus-client",
        "prompt-toolkit",
        "pyarrow",
        "pyiceberg",
        "pytz",
        "rich",
        "ruamel-yaml",
        "sqlalchemy",
        "sqlglot",
        "starlette",
        "tzdata",
        "uvicorn",
    }
