"""References between contracts: from what an author wrote to the stream that is meant.

A contract loaded alone knows only itself; a reference that leaves it names the other object by
its name or its ODCS id. With all contracts of a project at hand, both become the stream and its
columns.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from lakegate.contract.model import Contract, Element
from lakegate.contract.stream import Reference, Stream

__all__ = ["link"]


def link(contracts: Sequence[Contract]) -> tuple[Stream, ...]:
    """Every stream of the contracts, in order, its references pointing to streams of them.

    A reference whose target none of them has is left as it was written; an audit then says so.
    """
    targets = dict(_targets(contracts))
    known = {stream.name for contract in contracts for stream in contract.streams}
    return tuple(
        replace(
            stream,
            references=tuple(
                reference if reference.to_stream in known else _resolved(reference, targets)
                for reference in stream.references
            ),
        )
        for contract in contracts
        for stream in contract.streams
    )


def _targets(contracts: Sequence[Contract]) -> Iterator[tuple[str, tuple[Stream, Element]]]:
    """Objects by id and by name; of two with one name, the later contract's."""
    for contract in contracts:
        for element in contract.schema or ():
            if element.name is None:
                continue
            stream = contract.stream(element.name)
            yield element.name, (stream, element)
            if element.id is not None:
                yield element.id, (stream, element)


def _resolved(reference: Reference, targets: dict[str, tuple[Stream, Element]]) -> Reference:
    target = targets.get(reference.to_stream)
    if target is None:
        return reference
    stream, element = target
    names = {child.id: child.name for child in element.properties or () if child.id is not None}
    columns = tuple(names.get(column) or column for column in reference.to_columns)
    return replace(reference, to_stream=stream.name, to_columns=columns)
