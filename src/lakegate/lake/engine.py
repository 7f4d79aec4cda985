"""DuckDB as every room uses it: in memory, in UTC, spilling into a directory of its own.

Two that spill into one directory may meet (DuckDB tells its files apart by the process id, which
two containers share), and what a killed process has spilled would stay for ever.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from lakegate.lake.spelling import literal
from lakegate.lock import take

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

__all__ = ["duckdb_session"]

_PREFIX = "lakegate-spill-"


@contextmanager
def duckdb_session(
    *, memory: str, threads: int | None = None, workspace: Path | None = None
) -> Iterator[DuckDBPyConnection]:
    """A connection that takes at most ``memory`` (as DuckDB writes it: ``1GB``).

    What does not fit spills below ``workspace``, or where the system keeps temporary files; it is
    gone with the session, or, if the process is killed, when the next one begins there.

    Raises (untranslated):
        OSError: no room.
        duckdb.Error: a limit is none.
    """
    import duckdb

    with _spill_directory(workspace) as spill, duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'UTC'")
        connection.execute("SET python_enable_replacements = false")
        connection.execute(f"SET memory_limit = {literal(memory)}")
        connection.execute(f"SET temp_directory = {literal(str(spill))}")
        if threads is not None:
            connection.execute(f"SET threads = {int(threads)}")
        yield connection


@contextmanager
def _spill_directory(workspace: Path | None) -> Iterator[Path]:
    """A directory that is locked as long as it is used: what is not locked, nobody uses."""
    parent = Path(tempfile.gettempdir()) if workspace is None else workspace
    parent.mkdir(parents=True, exist_ok=True)
    for left in parent.glob(f"{_PREFIX}*"):
        _remove_if_left(left)
    while True:
        path = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=parent))
        with suppress(FileNotFoundError):  # somebody took it for one that was left
            lock = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            try:
                is_ours = take(lock) and path.exists()
            except BaseException:
                os.close(lock)
                path.rmdir()
                raise
            if is_ours:
                break
            os.close(lock)
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)
        os.close(lock)


def _remove_if_left(path: Path) -> None:
    with suppress(OSError):  # somebody else's, or gone
        lock = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            if take(lock):
                shutil.rmtree(path, ignore_errors=True)
        finally:
            os.close(lock)
