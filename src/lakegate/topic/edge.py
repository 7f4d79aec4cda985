"""Where errors of the operating system and of SQLite become errors of the log."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import apsw

from lakegate.errors import DamagedLog, LogFull, TopicError

__all__ = ["translated"]

_FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
_READ_ONLY = frozenset({errno.EROFS, errno.EACCES, errno.EPERM})


@contextmanager
def translated(path: Path, connection: apsw.Connection | None = None) -> Iterator[None]:
    """Raise what goes wrong inside as an error of the log at ``path``, from its cause.

    Raises:
        LogFull: no room on the disk, in the quota, or in a file of this size.
        DamagedLog: SQLite says that its file is not a database, or malformed.
        TopicError: read-only, busy for too long, or any other failure of the disk.
    """
    try:
        yield
    except OSError as error:
        raise _of_code(path, error.errno, error) from error
    except apsw.FullError as error:
        raise _full(path, error) from error
    except (apsw.CorruptError, apsw.NotADBError) as error:
        raise DamagedLog(
            f"{path}: the log's index is damaged ({error}); restore the whole directory from a "
            "backup, or move it aside and start with an empty log"
        ) from error
    except apsw.BusyError as error:
        raise TopicError(
            f"{path}: the log's index stayed locked by another process ({error}); "
            "end the process that hangs, then try again"
        ) from error
    except apsw.ConnectionClosedError as error:
        raise TopicError(f"{path}: this log was closed; open it again") from error
    except apsw.ReadOnlyError as error:
        raise _read_only(path, error) from error
    except apsw.Error as error:
        if isinstance(error, apsw.CantOpenError) and not os.access(path.parent, os.W_OK):
            raise _read_only(path, error) from error
        code = 0 if connection is None else connection.system_errno
        raise _of_code(path, code, error) from error


def _of_code(path: Path, code: int | None, error: Exception) -> TopicError:
    if code in _FULL:
        return _full(path, error)
    if code in _READ_ONLY:
        return _read_only(path, error)
    return TopicError(f"{path}: {error}; nothing was appended; check the disk, then try again")


def _full(path: Path, error: Exception) -> LogFull:
    return LogFull(
        f"{path}: no room for the log ({error}); nothing was appended; "
        "free space or shorten retention, then try again"
    )


def _read_only(path: Path, error: Exception) -> TopicError:
    return TopicError(
        f"{path}: the log cannot be written ({error}); nothing was appended; "
        "mount it writable or give this user the right to write"
    )
