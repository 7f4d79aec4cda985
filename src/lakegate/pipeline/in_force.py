"""What ``lakegate up`` goes by, kept beside the data: its configuration and good contracts.

A part that is started again finds files that people edit meanwhile. Where one is broken, gone or
refused, the part goes on with what was in force, as the parts do that kept running.
"""

from __future__ import annotations

import contextlib
import logging
import os
import shutil
from collections.abc import Iterable
from pathlib import Path

from lakegate.contract import Contract, load, loads
from lakegate.errors import LakegateError, ProjectError
from lakegate.pipeline.config import CONFIG_FILE, Config, load_config

__all__ = ["InForce"]

_log = logging.getLogger("lakegate.pipeline")


class InForce:
    """Copies in ``<state>/in_force``: of ``lakegate.toml`` as of the start, and of each contract
    file as it was when last a worker took it.
    """

    def __init__(self, root: Path, state_folder: Path) -> None:
        self._root = root
        self._folder = state_folder / "in_force"
        self._copies = self._folder / "contracts"

    def begin(self, config: Config, files: Iterable[Path]) -> None:
        """Forget what was kept, and keep these contract files and ``lakegate.toml``.

        Raises:
            ProjectError: they cannot be written.
        """
        try:
            shutil.rmtree(self._folder, ignore_errors=True)
            self._folder.mkdir(parents=True)
            _write(self._folder / CONFIG_FILE, (self._root / CONFIG_FILE).read_bytes())
            for file in files:
                _write(self._copy(config, file), file.read_bytes())
        except OSError as error:
            raise ProjectError(
                f"cannot keep a copy of the contracts in {self._folder}: {error}; "
                "make room, or make the folder writable"
            ) from error

    def config(self) -> Config:
        """The configuration as of the start, and the environment.

        Raises:
            ProjectError: there is none.
        """
        return load_config(self._folder)

    def files(self, config: Config) -> list[Path]:
        """The contract files of the start, where the project has them (or had them)."""
        contracts = self._root / config.project.contracts
        return [
            contracts / copy.relative_to(self._copies)
            for copy in sorted(self._copies.rglob("*"))
            if copy.is_file() and not copy.name.endswith(".new")
        ]

    def kept(self, config: Config, file: Path) -> Contract:
        """The contract as it was when last kept.

        Raises:
            ContractError: the copy cannot be read.
        """
        return load(self._copy(config, file))

    def newest(self, config: Config, file: Path) -> Contract:
        """The contract of a file; where that cannot be used, as it was when last kept."""
        try:
            return load(file)
        except LakegateError as error:
            found = self.kept(config, file)
            _log.warning(
                "%s cannot be used; version %s stays in force: %s", file, found.version, error
            )
            return found

    def keep(self, config: Config, file: Path, digest: str) -> None:
        """Keep a contract file that a worker has taken, if it still is that contract.

        What cannot be written is logged, and stops nothing.
        """
        copy = self._copy(config, file)
        try:
            text = file.read_bytes()
            if copy.is_file() and copy.read_bytes() == text:
                return
            if loads(text, file=str(file)).digest == digest:
                _write(copy, text)
        except LakegateError:
            return  # broken again meanwhile: the copy is the last good one
        except OSError as error:
            _log.warning("cannot keep a copy of %s: %s", file, error)

    def _copy(self, config: Config, file: Path) -> Path:
        return self._copies / file.relative_to(self._root / config.project.contracts)


def _write(path: Path, content: bytes) -> None:
    """In one step: a reader finds the old file or the new one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_name(f"{path.name}.{os.getpid()}.new")
    try:
        fresh.write_bytes(content)
        fresh.replace(path)
    finally:
        with contextlib.suppress(OSError):
            fresh.unlink()
