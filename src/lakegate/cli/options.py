"""Options that many commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

__all__ = ["ProjectOption"]

ProjectOption = Annotated[
    Path, Parameter(name=["--project", "-p"], help="The project's folder, or one inside it.")
]
