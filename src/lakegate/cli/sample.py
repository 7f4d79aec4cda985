"""``lakegate contract sample``: records a contract allows, and records at its edges."""

from __future__ import annotations

import os
import sys
from itertools import islice
from pathlib import Path

from lakegate.cli.output import Format, emit, say_error
from lakegate.errors import LakegateError

__all__ = ["sample"]


def sample(
    file: Path,
    *,
    object: str | None = None,
    n: int = 10,
    seed: int = 0,
    cases: bool = False,
    format: Format = "text",
) -> int:
    """Write records made up from a contract, one a line: valid ones, or cases at its edges.

    Exits with 0, or 2 when the contract cannot be used or contradicts itself.

    Parameters
    ----------
    file
        The contract.
    object
        Which schema object, when it has several.
    n
        How many valid records.
    seed
        The same seed gives the same records.
    cases
        Instead, odd and broken records: one for each way a declared value can be refused, and each
        odd way it can be accepted, with what the gate says. As JSON, ``value`` is base64: not every
        case is text.
    format
        ``text`` writes the records as they are; of a case ``path: what: verdict`` and its text.
    """
    from lakegate.contract.loading import load
    from lakegate.testing.adversarial import adversarial
    from lakegate.testing.sample import samples

    if n < 1:
        say_error(f"--n is {n}: expected 1 or more")
        return 2
    try:
        stream = load(file, variables=os.environ).stream(object)
        if not cases:
            for record in islice(samples(stream, seed=seed), n):
                sys.stdout.buffer.write(record + b"\n")
            return 0
        for case in adversarial(stream, seed=seed):
            if format == "json":
                emit(case)
            else:
                said = ", ".join(case.rules) or "accepted"
                print(f"{case.name}: {said}\n    {_shown(case.value)}")  # noqa: T201 - may be odd text
    except LakegateError as error:
        say_error(str(error))
        return 2
    return 0


def _shown(value: bytes) -> str:
    """As text to copy; what cannot be seen, or is no UTF-8, stands as an escape."""
    read = value.decode("utf-8", "backslashreplace")
    text = "".join(char if " " <= char <= "~" else ascii(char)[1:-1] for char in read)
    return text if len(text) <= 160 else f"{text[:150]}… ({len(value):,} bytes)"
