"""Named points at which a test may kill the process or fail a call.

Production code calls :func:`reach` just before and after everything that must be atomic. Nothing
happens there unless ``LAKEGATE_FAULT`` names the point when the process starts::

    LAKEGATE_FAULT=topic.commit.before:3     kill -9 this process the third time it gets there
    LAKEGATE_FAULT=topic.segment.write:2:ENOSPC   raise OSError(ENOSPC) the second time

so that the kill harness hits every commit point of the real program, not of a copy.
"""

from __future__ import annotations

import errno
import os
import signal

__all__ = ["reach"]

_point, _, _rest = os.environ.get("LAKEGATE_FAULT", "").partition(":")
_count, _, _errno = _rest.partition(":")
_left = int(_count or 1)


def reach(point: str) -> None:
    """Pass the named point; costs one comparison unless a test asked for a fault there.

    Raises:
        OSError: when the fault asked for is an errno.
    """
    if _point == point:
        _fail(point)


def _fail(point: str) -> None:
    global _left
    _left -= 1
    if _left != 0:
        return
    if _errno:
        code = getattr(errno, _errno)
        raise OSError(code, os.strerror(code), point)
    os.kill(os.getpid(), signal.SIGKILL)
