"""The file loader: a file's records into a topic, resumable, and never twice.

The producer's id is the SHA-256 of stream and content, a record's sequence its position. So the
log itself knows how far a load came before it was killed, and that a file was loaded under another
name.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from lakegate.contract.record_format import FormatName
from lakegate.contract.stream import Stream
from lakegate.errors import LogFull
from lakegate.fault import reach
from lakegate.ingest.csv_file import csv_records, csv_rows
from lakegate.ingest.error import IngestError
from lakegate.ingest.file import DamagedFile, FileFormat, Source, digest, opened
from lakegate.ingest.json_file import json_records, ndjson_records
from lakegate.ingest.key import Key
from lakegate.ingest.producer import Producer, StampedLog

__all__ = ["Loaded", "Reading", "Step", "load_file"]

_STEP_RECORDS = 2_000


@dataclass(frozen=True, slots=True)
class Reading:
    """How files are read: their format (None: by name), and which CSV texts are null (None: those
    of the stream's dialect).
    """

    format: FileFormat | None = None
    nulls: frozenset[str] | None = None


@dataclass(frozen=True, slots=True)
class Step:
    """How far a load has come: ``fraction`` of the file, from 0 to 1."""

    path: Path
    records: int
    fraction: float


@dataclass(frozen=True, slots=True)
class Loaded:
    """What became of a file: records in it, of which ``before`` were in the topic already."""

    path: Path
    records: int
    before: int
    digest: str

    @property
    def appended(self) -> int:
        """Records appended by this call."""
        return self.records - self.before

    @property
    def already(self) -> bool:
        """Whether all of it was there before."""
        return self.records == self.before


def load_file(
    log: StampedLog,
    stream: Stream,
    topic: str,
    path: Path,
    *,
    key: Key,
    reading: Reading = Reading(),
    again: bool = False,
    on_step: Callable[[Step], None] = lambda _step: None,
) -> Loaded:
    """Load one file; what an earlier call has loaded of it is passed over.

    ``again`` begins from the start whatever was loaded; interrupted, it is finished without it.

    Raises:
        DamagedFile: the file's structure is broken. What was before the damage is loaded.
        LogFull: no room; call again to go on.
        IngestError: the file cannot be read, or changed meanwhile, or the stream takes no records
            of its format.
    """
    source = digest(path, reading.format)
    _check_format(source, stream)
    producer_id = hashlib.sha256(f"{stream.name}\n{source.digest}".encode()).hexdigest()
    producer = Producer(log, topic, producer_id=f"file:{producer_id}", again=again)
    before = producer.taken
    records = 0
    try:
        for value, fraction in _records(source, stream, reading):
            records += 1
            if records <= before:
                producer.skip(1)
            else:
                producer.send(value, key=key(value))
            if records % _STEP_RECORDS == 0:
                on_step(Step(path, records, fraction()))
                reach("ingest.load.step")
    except DamagedFile as error:
        producer.flush()
        raise DamagedFile(_damaged(path, error, records)) from error
    except LogFull as error:
        there = before + producer.acknowledged
        raise LogFull(f"{error} ({path}: {there:,} records are loaded; load it again)") from error
    producer.flush()
    if records < before:
        raise IngestError(
            f"{path}: {before:,} records were loaded of it before, now it reads as {records:,}; "
            "was it loaded with another --format-of?"
        )
    if not source.unchanged():
        raise IngestError(
            f"{path} changed while it was loaded ({records:,} records are in {topic}); "
            "load files that nobody writes"
        )
    on_step(Step(path, records, 1.0))
    return Loaded(path, records, before, source.digest)


def _check_format(source: Source, stream: Stream) -> None:
    takes = stream.format.name
    if takes is FormatName.CONFLUENT_JSON:
        raise IngestError(
            f"{stream.name} takes records behind Confluent's header, and files have no ids of "
            "schemas; send them with a producer that registers its schema"
        )
    if takes is FormatName.CSV and source.format is not FileFormat.CSV:
        raise IngestError(
            f"{stream.name} takes rows of CSV, and {source.path} is {source.format}; load CSV "
            "files, or leave `lakegate.format` out of the contract"
        )


def _damaged(path: Path, error: DamagedFile, records: int) -> str:
    return (
        f"{path}: {error}; the {records:,} records before that are loaded and stay; mend the rest "
        "and load it as a file of its own"
    )


def _records(
    source: Source, stream: Stream, reading: Reading
) -> Iterator[tuple[bytes, Callable[[], float]]]:
    """Each record, with a function that says how far into the file it is."""
    size = max(source.size_bytes, 1)
    if source.format is FileFormat.PARQUET:
        from lakegate.ingest.parquet_file import parquet_records

        seen = [0.0]

        def see(fraction: float) -> None:
            seen[0] = fraction

        for value in parquet_records(source.path, stream, on_rows=see):
            yield value, lambda: seen[0]
        return
    with opened(source) as (file, position):

        def fraction() -> float:
            return min(position.bytes() / size, 1.0)

        match source.format:
            case FileFormat.NDJSON:
                values = ndjson_records(file)
            case FileFormat.JSON:
                values = json_records(file)
            case _ if stream.format.name is FormatName.CSV:
                values = csv_rows(file, stream)
            case _:
                values = csv_records(file, stream, nulls=reading.nulls)
        for value in values:
            yield value, fraction
