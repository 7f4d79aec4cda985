"""Files to load: what format they have, and what is in them (a digest)."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from lakegate.ingest.error import IngestError

__all__ = ["DamagedFile", "FileFormat", "Source", "digest"]

CHUNK_BYTES = 1 << 20
_SUFFIXES = {
    ".ndjson": "ndjson",
    ".jsonl": "ndjson",
    ".json": "json",
    ".csv": "csv",
    ".parquet": "parquet",
}


class DamagedFile(IngestError):
    """A file that is not what its format says; the message says from where on."""


class FileFormat(StrEnum):
    """What a file's records are written in."""

    NDJSON = "ndjson"  # a record a line
    JSON = "json"  # an array, or one value after the other
    CSV = "csv"  # RFC 4180, with a header
    PARQUET = "parquet"

    @classmethod
    def of(cls, path: Path) -> FileFormat:
        """By the suffix, ``.gz`` aside.

        Raises:
            IngestError: it says nothing.
        """
        suffixes = [suffix.lower() for suffix in path.suffixes]
        if suffixes and suffixes[-1] == ".gz":
            suffixes.pop()
        name = _SUFFIXES.get(suffixes[-1] if suffixes else "")
        if name is None:
            raise IngestError(
                f"cannot tell from its name what {path} is: expected one of "
                f"{', '.join(_SUFFIXES)} (or .gz of the text ones); say it with --format-of"
            )
        return cls(name)


@dataclass(frozen=True, slots=True)
class Source:
    """A file with what it was when its digest was taken."""

    path: Path
    format: FileFormat
    digest: str  # SHA-256 of the content, in hex
    size_bytes: int
    modified_ns: int

    def unchanged(self) -> bool:
        """Whether it still seems to be that file."""
        status = self.path.stat()
        return (status.st_size, status.st_mtime_ns) == (self.size_bytes, self.modified_ns)


def digest(path: Path, known: FileFormat | None) -> Source:
    """Read the whole file once, for its digest; its format is ``known``, or in its name.

    Raises:
        IngestError: it cannot be read, or its format is not known.
    """
    kind = FileFormat.of(path) if known is None else known
    hashed = hashlib.sha256()
    try:
        with path.open("rb") as file:
            while chunk := file.read(CHUNK_BYTES):
                hashed.update(chunk)
            status = path.stat()
    except OSError as error:
        raise IngestError(f"cannot read {path}: {error.strerror or error}") from error
    return Source(path, kind, hashed.hexdigest(), status.st_size, status.st_mtime_ns)
