"""Streams paused by a critical failure, remembered as one small file each."""

from __future__ import annotations

import os
import threading
from contextlib import suppress
from datetime import datetime
from pathlib import Path

import msgspec

from lakegate.errors import RunnerError
from lakegate.runner.base import Pause
from lakegate.topic.base import TopicPartition

__all__ = ["FileBrake"]


class _Note(msgspec.Struct):
    stream: str
    topic: str
    partition: int
    next_offset: int
    reason: str
    at: datetime


class FileBrake:
    """Pauses as ``<directory>/<stream>.json``, written whole or not at all."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def pause(self, stream: str, pause: Pause) -> None:
        """Remember; durable when it returns. The first pause of a stream stays.

        Raises:
            RunnerError: the note cannot be written; the worker must not go on.
        """
        path = self._path(stream)
        note = _Note(
            stream,
            pause.source.topic,
            pause.source.partition,
            pause.next_offset,
            pause.reason,
            pause.at,
        )
        # Several workers of a stream may pause it at once; a link is made by one of them only.
        fresh = path.with_suffix(f".{os.getpid()}-{threading.get_ident()}.new")
        try:
            self._directory.mkdir(parents=True, exist_ok=True)
            with fresh.open("wb") as file:
                file.write(msgspec.json.encode(note))
                file.flush()
                os.fsync(file.fileno())
            with suppress(FileExistsError):
                path.hardlink_to(fresh)
            fresh.unlink()
        except OSError as error:
            raise RunnerError(f"cannot remember the pause of {stream}: {error}") from error

    def paused(self, stream: str) -> Pause | None:
        """The pause in force.

        Raises:
            RunnerError: the note is there but cannot be read: better to wait than to go on.
        """
        path = self._path(stream)
        try:
            note = msgspec.json.decode(path.read_bytes(), type=_Note)
        except FileNotFoundError:
            return None
        except (OSError, msgspec.DecodeError) as error:
            message = f"cannot read {path}: {error}; look at it, then `lakegate resume {stream}`"
            raise RunnerError(message) from error
        source = TopicPartition(note.topic, note.partition)
        return Pause(source, note.next_offset, note.reason, note.at)

    def resume(self, stream: str, *, reason: str, at: datetime) -> bool:
        """Forget the pause, and keep why in ``resumed.ndjson``; False if there was none.

        Raises:
            RunnerError: it cannot be written down; the pause stays.
        """
        path = self._path(stream)
        if not path.exists():
            return False
        try:
            pause = path.read_text("utf-8", errors="replace")
            note = {"stream": stream, "reason": reason, "at": at, "pause": pause}
            with (self._directory / "resumed.ndjson").open("ab") as file:
                file.write(msgspec.json.encode(note) + b"\n")
                file.flush()
                os.fsync(file.fileno())
            path.unlink()
        except OSError as error:
            raise RunnerError(f"cannot resume {stream}: {error}") from error
        return True

    def _path(self, stream: str) -> Path:
        return self._directory / f"{stream.replace('/', '.')}.json"
