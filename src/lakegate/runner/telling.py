"""What a worker says of the rounds it has committed: numbers, and lines in the log."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence

from lakegate.contract.stream import Stream
from lakegate.runner.base import Progress
from lakegate.runner.judge import Judged, Piece

__all__ = ["Telling"]

_log = logging.getLogger("lakegate.runner")
_UNKNOWN_PATHS = 1_000


class Telling:
    """Counts what was done into ``progress``, and tells what a person should know."""

    def __init__(self, on_undeclared: Callable[[str, Sequence[str]], None]) -> None:
        self._on_undeclared = on_undeclared
        self._unknown_paths: set[str] = set()
        self.progress = Progress()

    def committed(self, stream: Stream, piece: Piece, judged: Judged) -> None:
        """A piece is committed."""
        self._count(piece.source.topic == stream.topic("replay"), judged)
        for error in judged.gate_errors:
            _log.error(
                "the gate failed on a record of %s between offsets %d and %d: %s; it is a dead "
                "letter with rule gate.error - please report this",
                piece.source,
                piece.base_offset,
                piece.next_offset,
                type(error).__name__,
            )
        self._tell_unknown(stream, judged.unknown_paths)
        if judged.critical is not None:
            _log.error(
                "stream %s is paused at %s offset %d: %s at %s; look, then `lakegate resume %s "
                "--reason …`",
                stream.name,
                piece.source,
                piece.next_offset,
                judged.critical.rule,
                judged.critical.path,
                stream.name,
            )

    def _count(self, replayed: bool, judged: Judged) -> None:
        progress, entry = self.progress, judged.entry
        progress.batches += 1
        if replayed:
            progress.replayed += entry.accepted
            progress.failed += entry.rejected
        else:
            progress.accepted += entry.accepted
            progress.rejected += entry.rejected
            progress.tombstones += entry.tombstones
        progress.noted += entry.noted
        progress.gate_errors += len(judged.gate_errors)

    def _tell_unknown(self, stream: Stream, paths: frozenset[str]) -> None:
        """Field names come from outside: neither the log nor memory grows with them for ever."""
        room = _UNKNOWN_PATHS - len(self._unknown_paths)
        fresh = sorted(paths - self._unknown_paths)[:room] if room else []
        if fresh:
            self._on_undeclared(stream.name, fresh)
        for path in fresh:
            _log.info("stream %s: first sight of undeclared field %r", stream.name, path)
            self._unknown_paths.add(path)
            if len(self._unknown_paths) == _UNKNOWN_PATHS:
                _log.warning(
                    "stream %s: more than %d undeclared fields; further ones are not named",
                    stream.name,
                    _UNKNOWN_PATHS,
                )
