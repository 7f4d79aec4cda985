"""Options that many commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

__all__ = ["FileArgument", "ProjectOption"]

ProjectOption = Annotated[
    Path, Parameter(name=["--project", "-p"], help="The project's folder, or one inside it.")
]

# A file, or ``-`` for standard input, which must not be taken for an option.
FileArgument = Annotated[Path, Parameter(allow_leading_hyphen=True)]
