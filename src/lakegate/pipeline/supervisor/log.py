"""One log of all parts: each writes JSON lines to standard error, the supervisor passes them on.

A line that is not JSON (a traceback on the way out, a library that prints) becomes a message too,
under the name of the part that said it.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

import msgspec

__all__ = ["LineFormatter", "Lines", "LogLine", "configure_logging", "parse"]

_QUIET = ("pyiceberg", "sqlalchemy", "apscheduler", "httpx", "uvicorn", "apprise")
_LONGEST = 16_384  # characters of one line


@dataclass(frozen=True, slots=True)
class LogLine:
    """What one part said. ``at`` is aware, UTC; ``level`` is a name of :mod:`logging`."""

    at: datetime
    level: str
    part: str
    message: str

    def json(self) -> str:
        """One JSON object without a newline: ``at``, ``level``, ``part``, ``message``."""
        return msgspec.json.encode(self).decode()


class LineFormatter(logging.Formatter):
    """A log record as one line of JSON; a traceback is part of the message."""

    def format(self, record: logging.LogRecord) -> str:
        """See the class."""
        message = record.getMessage()
        if record.exc_info:
            message = f"{message}\n{self.formatException(record.exc_info)}"
        document = {
            "at": datetime.fromtimestamp(record.created, UTC),
            "level": record.levelname,
            "message": message,
        }
        return msgspec.json.encode(document).decode()


def configure_logging() -> None:
    """Let this process log as a part: JSON lines on standard error."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(LineFormatter())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.INFO)
    logging.captureWarnings(True)
    for name in _QUIET:
        logging.getLogger(name).setLevel(logging.ERROR)


def parse(part: str, text: str) -> LogLine:
    """A line a part wrote, as a log line."""
    if text.startswith("{"):
        try:
            document = msgspec.json.decode(text, type=_Said)
        except msgspec.DecodeError:
            pass
        else:
            return LogLine(document.at, document.level, part, document.message)
    return LogLine(datetime.now(UTC), "WARNING", part, text)


class _Said(msgspec.Struct):
    at: datetime
    level: str
    message: str


class Lines:
    """Bytes of a pipe, cut into lines; one too long is cut short."""

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, data: bytes) -> Iterator[str]:
        """The lines that are complete now."""
        *whole, self._rest = (self._rest + data).split(b"\n")
        if len(self._rest) > _LONGEST:
            whole.append(self._rest)
            self._rest = b""
        for line in whole:
            if line:
                yield line[:_LONGEST].decode(errors="replace")

    def end(self) -> Iterator[str]:
        """What was left without a newline."""
        if self._rest:
            yield self._rest.decode(errors="replace")
        self._rest = b""
