"""What can go wrong on the way in."""

from __future__ import annotations

from lakegate.errors import LakegateError

__all__ = ["Behind", "Closed", "IngestError"]


class IngestError(LakegateError):
    """A file cannot be loaded, the gateway cannot serve, or a producer is closed."""


class Behind(IngestError):
    """The stream is further behind than allowed; nothing was appended."""

    transient = True


class Closed(IngestError):
    """The intake takes nothing more; nothing was appended."""

    transient = True
