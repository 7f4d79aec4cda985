"""The lake's edge: errors of PyIceberg, its catalog, Parquet and the disk become Lakegate's."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager

from lakegate.errors import CommitConflict, LakeError, LakegateError

__all__ = ["LakeUnavailable", "translated"]


class LakeUnavailable(LakeError):
    """No room, a locked catalog, a store that does not answer: nothing was committed; try again."""

    transient = True


_NO_ROOM = {errno.ENOSPC, errno.EDQUOT}
_NO_ROOM_SAID = ("disk is full", "disk I/O error")  # a full disk fails SQLite in both ways


@contextmanager
def translated(doing: str) -> Iterator[None]:
    """Run a block that calls PyIceberg, pyarrow or DuckDB; ``doing`` begins the message.

    Raises:
        CommitConflict: another writer committed to the table first.
        LakeUnavailable: no room, or the catalog is locked or cannot be reached.
        LakeError: anything else that those libraries raise.
    """
    try:
        yield
    except LakegateError:
        raise
    except Exception as error:
        raise _translate(doing, error) from error


def _translate(doing: str, error: Exception) -> LakeError:
    import pyarrow as pa
    from pyiceberg.exceptions import CommitFailedException, CommitStateUnknownException
    from sqlalchemy.exc import DatabaseError, OperationalError

    said = f"{doing}: {str(error).splitlines()[0] if str(error) else type(error).__name__}"
    match error:
        case CommitFailedException():
            return CommitConflict(
                f"{said}; another writer committed first, nothing of this commit happened: "
                "read the table again and retry"
            )
        case CommitStateUnknownException():
            return LakeUnavailable(
                f"{said}; the catalog did not say whether the commit happened: "
                "read the landed offsets again before trying once more"
            )
        case FileNotFoundError():
            return LakeError(
                f"{said}; a file the table refers to is missing: restore it from a backup, "
                "or roll the branch back to a snapshot that does not need it"
            )
        case OSError() if error.errno in _NO_ROOM:
            return LakeUnavailable(f"{said}; nothing was committed: make room, then retry")
        case OSError() if error.errno == errno.EROFS:
            return LakeUnavailable(f"{said}; nothing was committed: make the disk writable, retry")
        case OperationalError() if any(sign in str(error) for sign in _NO_ROOM_SAID):
            return LakeUnavailable(f"{said}; nothing was committed: make room, then retry")
        case OperationalError() if "readonly" in str(error):
            return LakeUnavailable(
                f"{said}; nothing was committed: the disk, or catalog.db, is read-only; "
                "make it writable, then retry"
            )
        case OperationalError() if "locked" in str(error) or "unable to open" in str(error):
            return LakeUnavailable(f"{said}; is another process holding the catalog? retry")
        case DatabaseError():
            return LakeError(
                f"{said}; the catalog database is damaged or not one of this version: restore "
                "catalog.db from a backup, or register the tables again from their newest metadata"
            )
        case pa.ArrowInvalid() | OSError():
            return LakeError(f"{said}; a file is damaged or unreadable: restore it from a backup")
        case _:
            return LakeError(f"{said} ({type(error).__name__})")
