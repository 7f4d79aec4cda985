"""What is known of the parts of a running project, for ``/health``, alerts and the live view."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

import msgspec

from lakegate.runner.lease import FileLease

__all__ = ["Board", "PartStatus", "PartView", "lease_of", "read_board", "write_board"]

_FILE = "up.json"


class PartStatus(StrEnum):
    """Where a part is in its life."""

    STARTING = "starting"
    UP = "up"
    WAITING = "waiting"  # it ended and will be started again
    DOWN = "down"  # it ended too often; a person must look
    LEAVING = "leaving"  # asked to end
    GONE = "gone"  # ended because it was asked to


@dataclass(frozen=True, slots=True)
class PartView:
    """One part. ``restarts`` counts since the supervisor began; ``ended`` tells the last end.

    ``troubles`` says per stream (or "" for the part) what does not go on and is tried again.
    """

    name: str
    role: str
    status: PartStatus
    pid: int | None = None
    since_s: float = 0.0  # Unix time of the last change of status
    restarts: int = 0
    ended: str | None = None
    rss_bytes: int | None = None
    troubles: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Board:
    """All parts at one moment. ``since_s`` is when the supervisor began, in Unix time."""

    pid: int
    since_s: float
    draining: bool
    parts: tuple[PartView, ...]
    gateway: str | None = None  # where it listens
    monitor: str | None = None

    @property
    def down(self) -> tuple[PartView, ...]:
        """Parts that stay down."""
        return tuple(part for part in self.parts if part.status is PartStatus.DOWN)

    @property
    def status(self) -> str:
        """``ok``, ``degraded`` (something is being put right), ``down`` or ``draining``."""
        if self.draining:
            return "draining"
        if self.down:
            return "down"
        well = all(part.status is PartStatus.UP and not part.troubles for part in self.parts)
        return "ok" if well else "degraded"


def lease_of(state_folder: Path) -> FileLease:
    """The lease that the one supervisor of a project holds."""
    return FileLease(state_folder / "locks" / "up")


def write_board(state_folder: Path, board: Board) -> None:
    """Put the board where other processes read it, in one step."""
    path = state_folder / _FILE
    fresh = path.with_suffix(".new")
    fresh.write_bytes(msgspec.json.encode(board))
    fresh.replace(path)


def read_board(state_folder: Path) -> Board | None:
    """The board of the supervisor that runs now, or None if none does."""
    if not (state_folder / "locks" / "up").exists() or lease_of(state_folder).holder() is None:
        return None
    try:
        return msgspec.json.decode((state_folder / _FILE).read_bytes(), type=Board)
    except (OSError, msgspec.DecodeError):
        return None
