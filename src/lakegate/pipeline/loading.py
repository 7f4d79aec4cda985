"""Loading files into a stream of the project."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from lakegate.contract.record_format import FormatName
from lakegate.gate.decode.choice import format_of
from lakegate.ingest.error import IngestError
from lakegate.ingest.file import FileFormat
from lakegate.ingest.key import Key, change_key, member_key, record_key
from lakegate.ingest.loader import Loaded, Reading, Step, load_file

if TYPE_CHECKING:
    from lakegate.contract.stream import Stream
    from lakegate.pipeline.project import Project

__all__ = ["load_files"]


def load_files(
    project: Project,
    stream: Stream,
    files: Sequence[str | Path],
    *,
    key: str | None,
    keyed: bool,
    file_format: str | None,
    nulls: Sequence[str],
    again: bool,
    on_step: Callable[[Step], None],
) -> list[Loaded]:
    """See :meth:`lakegate.pipeline.project.Project.load`."""
    topic = stream.topic("raw" if stream.cdc is None else "cdc")
    known = None if file_format is None else _format(file_format)
    reading = Reading(known, frozenset(nulls) if nulls else None)
    return [
        load_file(
            project.log,
            stream,
            topic,
            Path(file),
            key=_key(stream, key, keyed),
            reading=reading,
            again=again,
            on_step=on_step,
        )
        for file in files
    ]


def _format(name: str) -> FileFormat:
    try:
        return FileFormat(name)
    except ValueError:
        known = ", ".join(FileFormat)
        raise IngestError(f"{name} is no format of files; there are: {known}") from None


def _key(stream: Stream, field: str | None, keyed: bool) -> Key:
    if not keyed:
        return record_key(())
    fields = stream.primary_key if field is None else (field,)
    if stream.cdc is not None:
        return change_key(fields)
    if stream.format.name is FormatName.JSON:
        return record_key(fields)
    return member_key(format_of(stream), fields)
