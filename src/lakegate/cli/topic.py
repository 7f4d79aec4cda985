"""``lakegate topic``: list, read and fill topics."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cyclopts

from lakegate.cli.options import FileArgument, ProjectOption
from lakegate.cli.output import Format, console, emit
from lakegate.cli.stopping import stop_on_signal

__all__ = ["app"]

app = cyclopts.App(name="topic")


@app.command(name="list")
def list_topics(*, project: ProjectOption = Path(), format: Format = "text") -> int:
    """Every topic with its partitions and offsets."""
    from lakegate.pipeline.project import open_project
    from lakegate.topic.base import TopicPartition

    rows: list[tuple[str, int, int, int]] = []
    with open_project(project) as opened:
        for topic, partitions in sorted(opened.log.topics().items()):
            for partition in range(partitions):
                source = TopicPartition(topic, partition)
                start, end = opened.log.start_offset(source), opened.log.end_offset(source)
                rows.append((topic, partition, start, end))
    if format == "json":
        for row in rows:
            emit(dict(zip(("topic", "partition", "start", "end"), row, strict=True)))
        return 0
    from rich.table import Table

    table = Table(box=None, header_style="bold")
    for column in ("topic", "partition", "from", "to", "records"):
        table.add_column(column, justify="left" if column == "topic" else "right")
    for topic, partition, start, end in rows:
        table.add_row(topic, str(partition), f"{start:,}", f"{end:,}", f"{end - start:,}")
    console().print(table)
    return 0


@app.command
def tail(
    topic: str,
    *,
    follow: bool = False,
    limit: int = 10,
    project: ProjectOption = Path(),
) -> int:
    """Print the newest records of a topic, one JSON object each.

    Parameters
    ----------
    topic:
        For example ``orders.deadletter``.
    follow:
        Go on printing what arrives.
    limit:
        How many of the newest per partition to begin with.
    """
    from lakegate.errors import UnknownTopic
    from lakegate.pipeline.project import open_project
    from lakegate.topic.base import TopicPartition

    with open_project(project) as opened, stop_on_signal() as stopped:
        log = opened.log
        if topic not in log.topics():
            raise UnknownTopic(f"no topic {topic}; `lakegate topic list` shows those there are")
        offsets = {}
        for partition in range(log.topics()[topic]):
            source = TopicPartition(topic, partition)
            offsets[source] = max(log.start_offset(source), log.end_offset(source) - limit)
        while not stopped():
            for source, offset in offsets.items():
                for batch in log.read(source, offset):
                    for row in _rows(batch):
                        emit(row)
                    offsets[source] = batch.next_offset
            if not follow:
                break
            log.wait(0.5)
    return 0


@app.command
def send(
    topic: str,
    file: FileArgument = Path("-"),
    *,
    key: str | None = None,
    project: ProjectOption = Path(),
    format: Format = "text",
) -> int:
    """Append every line of a file (``-``: standard input) to a topic as a record's value.

    Parameters
    ----------
    topic:
        For example ``orders.raw``.
    key:
        The key of all of them; without it they take turns over the partitions.
    """
    from lakegate.errors import UnknownTopic
    from lakegate.ingest.producer import Producer
    from lakegate.pipeline.project import open_project

    with open_project(project) as opened:
        if topic not in opened.log.topics():
            raise UnknownTopic(f"no topic {topic}; `lakegate topic list` shows those there are")
        encoded = None if key is None else key.encode()
        with Producer(opened.log, topic) as producer:
            for line in _lines(file):
                producer.send(line, key=encoded)
        count = producer.acknowledged
    if format == "json":
        emit({"topic": topic, "records": count})
    else:
        console().print(f"{count:,} records sent to {topic}")
    return 0


def _lines(file: Path) -> Iterator[bytes]:
    """Lines without their ends; empty ones are skipped."""
    stream = sys.stdin.buffer if str(file) == "-" else file.open("rb")
    with stream:
        for line in stream:
            value = line.rstrip(b"\r\n")
            if value:
                yield value


def _rows(batch: Any) -> Iterator[dict[str, Any]]:
    for index, row in enumerate(batch.rows.to_pylist()):
        position = {"partition": batch.source.partition, "offset": batch.base_offset + index}
        yield {**position, **{name: _plain(value) for name, value in row.items()}}


def _plain(value: Any) -> Any:
    """Bytes that are text, as text; other bytes as hex."""
    if isinstance(value, bytes):
        try:
            return value.decode()
        except UnicodeDecodeError:
            return {"hex": value.hex()}
    if isinstance(value, dict):
        return {name: _plain(item) for name, item in value.items()}
    if isinstance(value, list):
        return [_plain(item) for item in value]
    return value
