"""Seals: ranges of offsets proven once, remembered so that the raw data may go."""

from __future__ import annotations

import os
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import msgspec

from lakegate.errors import LedgerError

__all__ = ["Seal", "SealBook"]


class Seal(msgspec.Struct, frozen=True):
    """Offsets ``[0, next_offset)`` of one raw partition, as they were proven.

    Every accepted one of them was in the table; ``validated_next`` and ``deadletter_next`` are the
    offsets behind their outputs, below which those topics need not be read again. ``content`` is
    the sum modulo 2**64 of their :func:`~lakegate.ledger.content.row_hash` over ``columns``; the
    other checksums are sums of offset hashes.
    """

    topic: str
    partition: int
    next_offset: int
    validated_next: int
    deadletter_next: int
    accepted: int
    rejected: int
    tombstones: int
    accepted_checksum: int
    rejected_checksum: int
    content: int
    columns: tuple[str, ...]
    sealed_at: datetime


@dataclass(frozen=True, slots=True)
class SealBook:
    """The seals of a project, one JSON file per stream, replaced whole."""

    directory: Path

    def read(self, stream: str) -> dict[int, Seal]:
        """The seal of each raw partition that has one.

        Raises:
            LedgerError: the file is there and cannot be read.
        """
        path = self._path(stream)
        try:
            seals = msgspec.json.decode(path.read_bytes(), type=list[Seal])
        except FileNotFoundError:
            return {}
        except (OSError, msgspec.DecodeError) as error:
            message = (
                f"cannot read the seals of {stream} in {path}: {error}; restore the file, or "
                "remove it and prove everything that is still there again"
            )
            raise LedgerError(message) from error
        return {seal.partition: seal for seal in seals}

    def write(self, stream: str, seals: dict[int, Seal]) -> None:
        """Replace the seals of a stream; durable when it returns.

        Raises:
            LedgerError: they cannot be written; the old ones stay.
        """
        path = self._path(stream)
        fresh = path.with_suffix(".new")
        try:
            self.directory.mkdir(parents=True, exist_ok=True)
            with fresh.open("wb") as file:
                file.write(msgspec.json.encode([seals[partition] for partition in sorted(seals)]))
                file.flush()
                os.fsync(file.fileno())
            fresh.replace(path)
        except OSError as error:
            raise LedgerError(f"cannot write the seals of {stream} to {path}: {error}") from error

    def _path(self, stream: str) -> Path:
        return self.directory / f"{stream.replace('/', '.')}.seals.json"
