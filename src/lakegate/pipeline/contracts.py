"""The project's contracts: found, loaded, watched."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from lakegate.contract import load
from lakegate.contract.link import link
from lakegate.contract.loading import contract_files
from lakegate.contract.stream import Stream
from lakegate.errors import LakegateError, ProjectError

if TYPE_CHECKING:
    from lakegate.contract import Contract
    from lakegate.pipeline.config import Config
    from lakegate.pipeline.in_force import InForce

__all__ = [
    "ContractWatch",
    "Stamp",
    "StreamFile",
    "find_contracts",
    "stamp_of",
    "streams",
    "streams_in_force",
]

_log = logging.getLogger("lakegate.pipeline")
Stamp: TypeAlias = tuple[int, int, int] | None


@dataclass(frozen=True, slots=True)
class StreamFile:
    """A stream, the contract file it comes from, and what the file looked like when it was read."""

    stream: Stream
    file: Path
    stamp: Stamp = None


def find_contracts(folder: Path) -> list[Path]:
    """Every ``*.odcs.yaml`` below a folder, by name.

    Raises:
        ProjectError: there is none.
    """
    found = contract_files([folder]) if folder.is_dir() else []
    if not found:
        raise ProjectError(f"no contract (*.odcs.yaml) in {folder}; write one there first")
    return found


def streams(folder: Path) -> dict[str, StreamFile]:
    """Every stream of every contract below a folder, by name.

    Raises:
        ContractError: a contract cannot be used; says all that is wrong with it.
        ProjectError: two contracts define one stream, topic or table.
    """
    files = find_contracts(folder)
    stamps = [stamp_of(file) for file in files]
    return _by_name(files, stamps, [load(file) for file in files])


def streams_in_force(in_force: InForce, config: Config) -> dict[str, StreamFile]:
    """Every stream that ``lakegate up`` began with, by the newest contracts that can be used.

    Raises:
        LakegateError: not even those that were kept can be used.
    """
    files = in_force.files(config)
    stamps = [stamp_of(file) for file in files]
    try:
        return _by_name(files, stamps, [in_force.newest(config, file) for file in files])
    except LakegateError as error:
        _log.warning("the contracts do not go together; earlier ones stay in force: %s", error)
        return _by_name(files, stamps, [in_force.kept(config, file) for file in files])


def _by_name(
    files: Sequence[Path], stamps: Sequence[Stamp], contracts: Sequence[Contract]
) -> dict[str, StreamFile]:
    stamp_of = dict(zip(files, stamps, strict=True))
    found: dict[str, StreamFile] = {}
    taken: dict[str, StreamFile] = {}
    for file, stream in _all(files, contracts):
        mine = StreamFile(stream, file, stamp_of[file])
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


def _all(files: Sequence[Path], contracts: Sequence[Contract]) -> Iterator[tuple[Path, Stream]]:
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
        self._seen = found.stamp  # not that of now: the file may have changed since it was read

    def current(self) -> Stream:
        """The stream as its newest good contract says."""
        stamp = stamp_of(self._file)
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


def stamp_of(file: Path) -> Stamp:
    """What changes when a file does; None when there is none."""
    try:
        status = file.stat()
    except OSError:
        return None
    return (status.st_mtime_ns, status.st_size, status.st_ino)
