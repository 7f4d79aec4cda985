"""What users hand over for a contract: a file, a contract, a stream, a gate or a guard."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from lakegate.contract import Contract, load
from lakegate.contract.stream import Stream
from lakegate.errors import GateError
from lakegate.gate import Gate, compile  # noqa: A004 - as users write it

if TYPE_CHECKING:
    from lakegate.guard.guard import Guard

__all__ = ["Contracting", "gate_of"]

Contracting: TypeAlias = "str | Path | Contract | Stream | Gate | Guard"


def gate_of(contract: Contracting | object, name: str | None = None) -> Gate:
    """The gate of it; ``name`` is the schema object of a contract that has several.

    Raises:
        ContractError: the contract cannot be used.
        GateError: it is nothing that has a contract.
    """
    gate = getattr(contract, "gate", contract)
    if isinstance(gate, Gate):
        return gate
    if isinstance(contract, Stream):
        return compile(contract)
    if isinstance(contract, str | Path):
        contract = load(contract)
    if not isinstance(contract, Contract):
        kind = "None" if contract is None else f"an object of type {type(contract).__name__}"
        raise GateError(
            f"contract: expected a contract's file, a Contract, Stream, Gate or Guard, got {kind}; "
            "the contract comes first, the data after it"
        )
    return compile(contract.stream(name))
