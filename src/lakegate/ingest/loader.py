"""The file loader: a file's records into a topic, resumable, and never twice.

The producer's id is the SHA-256 of stream and content, a record's sequence its position. So the
log itself knows how far a load came before it was killed, and that a file was loaded under another
name.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from lakegate.contract.stream import Stream
from lakegate.errors import LogFull
from lakegate.fault import reach
from lakegate.ingest.error import IngestError
from lakegate.ingest.file import DamagedFile, digest
from lakegate.ingest.key import Key
from lakegate.ingest.producer import Producer, StampedLog
from lakegate.ingest.reader import Reading, check_taken, contents
from lakegate.wording import counted

__all__ = ["Loaded", "Reading", "Step", "load_file"]

_STEP_RECORDS = 2_000
_BY_NAME = Reading()


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
    reading: Reading = _BY_NAME,
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
    check_taken(path, source.format, stream)
    producer_id = hashlib.sha256(f"{stream.name}\n{source.digest}".encode()).hexdigest()
    producer = Producer(log, topic, producer_id=f"file:{producer_id}", again=again)
    before = producer.taken
    records = 0
    try:
        with contents(path, source.format, stream, nulls=reading.nulls, as_json=True) as content:
            for _, value in content.records:
                records += 1
                if records <= before:
                    producer.skip(1)
                else:
                    producer.send(value, key=key(value))
                if records % _STEP_RECORDS == 0:
                    on_step(Step(path, records, content.fraction()))
                    reach("ingest.load.step")
    except DamagedFile as error:
        producer.flush()
        raise DamagedFile(_damaged(path, error, records)) from error
    except LogFull as error:
        there = before + producer.acknowledged
        raise LogFull(f"{error} ({path}: {there:,} records are loaded; load it again)") from error
    else:
        producer.flush()
    finally:
        producer.discard()  # what a run that failed has left, the next one sends
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


def _damaged(path: Path, error: DamagedFile, records: int) -> str:
    there = counted(records, "record")
    stay = "are loaded and stay" if records != 1 else "is loaded and stays"
    return (
        f"{path}: {error}; the {there} before that {stay}; mend the rest and load it as a file of "
        "its own"
    )
