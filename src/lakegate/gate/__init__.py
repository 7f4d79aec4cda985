"""The gate: records against their contract, exactly, with every reason."""

from lakegate.gate.gate import Gate, compile  # noqa: A004 - as re.compile
from lakegate.gate.references import ReferenceSet
from lakegate.gate.schema import arrow_schema
from lakegate.gate.verdict import Failure, Noted, Rejected, Verdict

__all__ = [
    "Failure",
    "Gate",
    "Noted",
    "ReferenceSet",
    "Rejected",
    "Verdict",
    "arrow_schema",
    "compile",
]
