"""Lakegate: a data contract at the gate of the lakehouse.

::

    import lakegate as lg

    gate = lg.compile("contracts/orders.odcs.yaml")
    verdict = gate(records)  # bytes, or an Arrow binary array
    verdict.accepted  # pyarrow.Table of the contract's exact types
    for r in verdict.rejected:
        print(r.index, r.failures)

    with lg.open(".") as project:
        with project.producer("orders") as producer:
            producer.send(b"{…}", key=b"7")
        project.run(until="idle")
        project.audit("orders").publish()
        project.sql("select count(*) from orders").show()
        assert project.status().proven

Nothing heavy is imported before it is used.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from lakegate.errors import LakegateError

if TYPE_CHECKING:
    from lakegate.contract import Contract, load
    from lakegate.contract.stream import Stream
    from lakegate.gate import Gate
    from lakegate.gate.verdict import Failure, Rejected, Verdict
    from lakegate.guard import FrameVerdict, Guard, RecordRefused
    from lakegate.guard.resolve import Contracting
    from lakegate.pipeline.project import Project

__all__ = [
    "Contract",
    "Failure",
    "FrameVerdict",
    "Gate",
    "Guard",
    "LakegateError",
    "Project",
    "RecordRefused",
    "Rejected",
    "Stream",
    "Verdict",
    "__version__",
    "compile",
    "judge_frame",
    "load",
    "open",
]

__version__ = "0.1.0"

_HOMES = {
    "Contract": "lakegate.contract",
    "Failure": "lakegate.gate.verdict",
    "FrameVerdict": "lakegate.guard",
    "Gate": "lakegate.gate",
    "Guard": "lakegate.guard",
    "Project": "lakegate.pipeline.project",
    "RecordRefused": "lakegate.guard",
    "Rejected": "lakegate.gate.verdict",
    "Stream": "lakegate.contract.stream",
    "Verdict": "lakegate.gate.verdict",
    "load": "lakegate.contract",
}


def compile(contract: Contracting, *, object: str | None = None) -> Gate:  # noqa: A001, A002
    """The gate of a contract: a file, a loaded contract, or one of its streams.

    ``object`` names the schema object when the contract has several. A gate or a guard has one
    already.

    Raises:
        ContractError: the contract cannot be used; the message says all that is wrong with it.
        GateError: it is nothing that has a contract.
    """
    from lakegate.guard.resolve import gate_of

    return gate_of(contract, object)


def judge_frame(
    contract: Contracting,
    frame: Any,
    *,
    object: str | None = None,  # noqa: A002
) -> FrameVerdict:
    """Judge the rows of a pandas, Polars, DuckDB or PyArrow frame as the records they would be.

    Raises:
        ContractError: as :func:`compile`.
        GateError: it is no frame, or nothing that has a contract.
    """
    from lakegate.guard import judge_frame

    return judge_frame(compile(contract, object=object), frame)


def open(path: str | Path = ".") -> Project:  # noqa: A001
    """Open the project in ``path`` or a folder above it; use it in a ``with`` block.

    Raises:
        ProjectError: no ``lakegate.toml``, or a wrong one.
        ContractError: a contract cannot be used.
        NewerState: the state was written by a newer Lakegate.
    """
    from lakegate.pipeline.project import open_project

    return open_project(path)


def __getattr__(name: str) -> Any:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(home), name)
