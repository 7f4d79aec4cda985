"""Seals: ranges of offsets proven once, remembered so that the raw data may go."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import msgspec

from lakegate.errors import LedgerError
from lakegate.lock import locked

__all__ = ["Seal", "SealBook"]


class Seal(msgspec.Struct, frozen=True):
    """Offsets ``[0, next_offset)`` of one raw partition, as they were proven.

    Every accepted one of them was in the table, or quarantined; ``validated_next`` and
    ``deadletter_next`` are the offsets behind their outputs, below which those topics need not be
    read again. ``content`` is
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
    quarantined: int = 0  # of the accepted and replayed, are no longer in the table
    letters_next: int = 0  # dead letters of these offsets below it are counted here
    replayed: int = 0  # rows of theirs that were repaired, and are in the table too
    triage_next: int = 0  # events below this one have been taken into account

    @property
    def rows(self) -> int:
        """Rows of theirs in the table."""
        return self.accepted + self.replayed - self.quarantined


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

    def extend(
        self, stream: str, seals: Mapping[int, Seal], *, over: Mapping[int, Seal]
    ) -> dict[int, Seal]:
        """Put each seal in the place of the one it was proven ``over``; return what is kept.

        Where another proof has sealed since, that one stays: retention may have followed it, and
        what this one has not seen (a row replayed meanwhile, say) would be asked for in vain. Nor
        does a seal become shorter. Durable when it returns; several processes may do it at once.

        Raises:
            LedgerError: they cannot be written, or another process has been at it for 20 s; the
                old ones stay.
        """
        path = self._path(stream)
        fresh = path.with_suffix(".new")
        try:
            self.directory.mkdir(parents=True, exist_ok=True)
            doing = f"writing the seals in {self.directory}"
            with locked(self.directory, doing=doing, refusal=LedgerError) as directory:
                kept = self.read(stream)
                kept |= {
                    number: seal
                    for number, seal in seals.items()
                    if kept.get(number) == over.get(number) and not _shorter(seal, kept.get(number))
                }
                with fresh.open("wb") as file:
                    file.write(msgspec.json.encode([kept[number] for number in sorted(kept)]))
                    file.flush()
                    os.fsync(file.fileno())
                fresh.replace(path)
                os.fsync(directory)
        except OSError as error:
            message = (
                f"cannot write the seals of {stream} to {path}: {error}; the old ones stay: "
                "make room, or make it writable, then try again"
            )
            raise LedgerError(message) from error
        return kept

    def _path(self, stream: str) -> Path:
        return self.directory / f"{stream.replace('/', '.')}.seals.json"


def _shorter(seal: Seal, than: Seal | None) -> bool:
    return than is not None and seal.next_offset < than.next_offset
