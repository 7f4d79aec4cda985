"""The project's contracts: found, loaded, watched."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from lakegate.contract import load
from lakegate.contract.link import link
from lakegate.contract.stream import Stream
from lakegate.errors import LakegateError, ProjectError

__all__ = ["ContractWatch", "StreamFile", "find_contracts", "streams"]

_log = logging.getLogger("lakegate.pipeline")
_SUFFIXES = (".odcs.yaml", ".odcs.yml")


@dataclass(frozen=True, slots=True)
class StreamFile:
    """A stream and the contract file it comes from."""

    stream: Stream
    file: Path


def find_contracts(folder: Path) -> list[Path]:
    """Every ``*.odcs.yaml`` below a folder, by name.

    Raises:
        ProjectError: there is none.
    """
    found = sorted(path for path in folder.rglob("*") if path.name.endswith(_SUFFIXES))
    if not found:
        raise ProjectError(f"no contract (*.odcs.yaml) in {folder}; write one there first")
    return found


def streams(folder: Path) -> dict[str, StreamFile]:
    """Every stream of every contract below a folder, by name.

    Raises:
        ContractError: a contract cannot be used; says all that is wrong with it.
        ProjectError: two contracts define one stream, topic or table.
    """
    found: dict[str, StreamFile] = {}
    taken: dict[str, StreamFile] = {}
    for file, stream in _all(folder):
        mine = StreamFile(stream, file)
        for what in (
            f"stream {stream.name}",
            f"topic {stream.topic('raw')}",
            f"table {stream.table}",
        ):
            other = taken.setdefault(what, mine)
            if other is not mine:
                message = f"{what} is defined by {other.file} and by {file}; rename one of them"
                raise ProjectError(message)
        found[stream.name] = mine
    return found


def _all(folder: Path) -> Iterator[tuple[Path, Stream]]:
    files = find_contracts(folder)
    contracts = [load(file) for file in files]
    origin = [
        file for file, contract in zip(files, contracts, strict=True) for _ in contract.streams
    ]
    yield from zip(origin, link(contracts), strict=True)


class ContractWatch:
    """The newest good contract of one stream; a :class:`lakegate.runner.base.StreamSource`.

    A file that changed is loaded again when it is next asked for. One that is broken, gone, or
    refused by ``claim`` (the same version with another digest) leaves the last good one in force,
    and says so once.
    """

    def __init__(self, found: StreamFile, claim: Callable[[Stream], None]) -> None:
        claim(found.stream)
        self._file = found.file
        self._stream = found.stream
        self._claim = claim
        self._seen = self._stamp()

    def current(self) -> Stream:
        """The stream as its newest good contract says."""
        stamp = self._stamp()
        if stamp != self._seen:
            self._seen = stamp
            self._reload()
        return self._stream

    def _reload(self) -> None:
        try:
            fresh = load(self._file).stream(self._stream.object_name)
            self._claim(fresh)
        except LakegateError as error:
            _log.warning(
                "%s changed and cannot be used; version %s stays in force: %s",
                self._file,
                self._stream.contract.version,
                error,
            )
            return
        self._stream = fresh

    def _stamp(self) -> tuple[int, int, int] | None:
        try:
            status = self._file.stat()
        except OSError:
            return None
        return (status.st_mtime_ns, status.st_size, status.st_ino)
