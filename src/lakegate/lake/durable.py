"""Local files that survive a power cut: on disk, and in their directory, before anyone names them.

A commit to the catalog names files. SQLite waits for the disk, so the files it names must have been
there before; hence every local file is synchronised when it is closed, and so is the directory that
lists it. Object stores do this on their side.
"""

from __future__ import annotations

import io
import os
from pathlib import Path

from pyiceberg.catalog.sql import SqlCatalog
from pyiceberg.io import OutputStream
from pyiceberg.io.pyarrow import PyArrowFile, PyArrowFileIO
from sqlalchemy import Engine, NullPool, create_engine, event

__all__ = ["FILE_IO", "DurableFileIO", "LocalCatalog", "make_directory", "wait_for_disk"]

# property `py-io-impl` of a catalog
FILE_IO = f"{__name__}.DurableFileIO"


class DurableFileIO(PyArrowFileIO):
    """PyIceberg's :class:`PyArrowFileIO`, whose local files are on disk once they are closed."""

    def new_output(self, location: str) -> PyArrowFile:
        """A file to be written; local ones are durable when their stream has been closed."""
        scheme, netloc, path = self.parse_location(location, self.properties)
        if scheme != "file":
            return super().new_output(location)
        return _LocalFile(location, path, self.fs_by_scheme(scheme, netloc))


class _LocalFile(PyArrowFile):
    def create(self, overwrite: bool = False) -> OutputStream:
        path = Path(self._path)
        make_directory(path.parent)
        return _Stream(path, "wb" if overwrite else "xb")


class _Stream(io.BufferedWriter):
    def __init__(self, path: Path, mode: str) -> None:
        super().__init__(io.FileIO(path, mode), buffer_size=1 << 20)
        self._directory = path.parent

    def close(self) -> None:
        if self.closed:
            return
        try:
            self.flush()
            os.fsync(self.fileno())
        finally:
            super().close()
        _synchronise(self._directory)


class LocalCatalog(SqlCatalog):
    """A catalog in a SQLite file that holds it open only while it reads or commits."""

    def __init__(self, name: str, **properties: str) -> None:
        try:
            super().__init__(name, **properties)
        except BaseException:
            if "engine" in self.__dict__:
                self.engine.dispose()
            raise
        pooled = self.engine
        self.engine = create_engine(pooled.url, poolclass=NullPool)
        pooled.dispose()


def make_directory(path: Path) -> None:
    """Make a directory and its parents, each listed durably in the one above; idempotent.

    Raises:
        OSError: no room, no permission, or a file is in the way.
    """
    if path.is_dir():
        return
    make_directory(path.parent)
    path.mkdir(exist_ok=True)
    _synchronise(path.parent)


def _synchronise(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def wait_for_disk(engine: Engine) -> None:
    """Make commits to a SQLite database durable when they return (``synchronous=EXTRA``).

    SQLite's default, FULL, keeps the database whole, but a commit whose journal was deleted a
    moment before the power went may be rolled back: https://sqlite.org/pragma.html#pragma_synchronous
    """

    def connected(connection: object, record: object) -> None:
        connection.execute("PRAGMA synchronous = EXTRA")  # type: ignore[attr-defined]

    event.listen(engine, "connect", connected)
    engine.dispose()  # connections opened before
