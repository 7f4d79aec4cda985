"""The demo's work, without its looks: make the project, replay the year, audit, publish, prove."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

from lakegate.demo.source import Event, events, months
from lakegate.errors import ProjectError
from lakegate.pipeline.project import Project

__all__ = ["DELAYS", "DIRECTORY", "STREAMS", "Cause", "Step", "causes", "make_project", "replay"]

STREAMS = ("flights", "weather")
DIRECTORY = ("airlines", "airports", "planes")
_MARKER = "lakegate-demo"

# Delays by airline, in good and in bad weather: what the year was for.
DELAYS = """
WITH joined AS (
    SELECT a.name AS airline, f.dep_delay, f.dep_time IS NULL AS cancelled,
           coalesce(w.precip > 0 OR w.visib < 3 OR w.wind_speed > 25, false) AS bad
    FROM flights f
    JOIN airlines a ON a.carrier = f.carrier
    LEFT JOIN weather w ON w.origin = f.origin AND w.time_hour = f.time_hour
)
SELECT airline,
       count(*) AS flights,
       round(avg(dep_delay) FILTER (NOT bad), 1) AS delay_fair,
       round(avg(dep_delay) FILTER (bad), 1) AS delay_bad,
       round(100.0 * count(*) FILTER (cancelled AND bad) / count(*) FILTER (bad), 1)
           AS cancelled_bad_pct
FROM joined
GROUP BY airline
HAVING count(*) > 5000
ORDER BY delay_bad DESC
"""


@dataclass(frozen=True, slots=True)
class Step:
    """How far one stream is; counts are of records, from the start."""

    month: str
    stream: str
    sent: int
    accepted: int
    rejected: int
    landed: int


@dataclass(frozen=True, slots=True)
class Cause:
    """Dead letters of one stream that fail one rule at one place, with one of their samples."""

    stream: str
    path: str
    rule: str
    expected: str
    observed: str
    records: int


def make_project(folder: Path) -> Path:
    """A fresh copy of the demo's contracts in ``folder``.

    Raises:
        ProjectError: the folder holds something that is not an earlier demo.
    """
    marker = folder / ".lakegate" / _MARKER
    if folder.exists() and any(folder.iterdir()):
        if not marker.exists():
            message = f"{folder} is not empty and no earlier demo; name another folder"
            raise ProjectError(message)
        shutil.rmtree(folder)
    source = resources.files("lakegate.demo") / "flights"
    with resources.as_file(source) as template:
        shutil.copytree(template, folder, dirs_exist_ok=True)
    marker.parent.mkdir(parents=True, exist_ok=True)
    marker.write_text("made by `lakegate demo`; may be replaced by it\n", encoding="utf-8")
    return folder


def replay(project: Project, tell: Callable[[Step], None]) -> None:
    """Send every event in time order, month by month; judge and land each month as it comes."""
    for name in DIRECTORY:
        _flow(project, "always", name, events(name), tell, {})
    totals: dict[str, Step] = {}
    for month, batches in months(*(events(name) for name in STREAMS)):
        for name, batch in zip(STREAMS, batches, strict=True):
            if batch:
                _flow(project, month, name, batch, tell, totals)


def _flow(
    project: Project,
    month: str,
    name: str,
    batch: list[Event],
    tell: Callable[[Step], None],
    totals: dict[str, Step],
) -> None:
    before = totals.get(name, Step(month, name, 0, 0, 0, 0))
    with project.producer(name) as producer:
        for event in batch:
            at = None if event.at is None else int(event.at.timestamp() * 1000)
            producer.send(event.value, key=event.key, timestamp_ms=at)
    sent = Step(
        month, name, before.sent + len(batch), before.accepted, before.rejected, before.landed
    )
    tell(sent)
    stream = project.stream(name).name
    done = project.run(stream, until="idle", land=False)[stream]
    judged = Step(
        month,
        name,
        sent.sent,
        sent.accepted + done.accepted,
        sent.rejected + done.rejected,
        sent.landed,
    )
    tell(judged)
    landed = judged.landed + project.land(stream)
    totals[name] = Step(month, name, judged.sent, judged.accepted, judged.rejected, landed)
    tell(totals[name])


def causes(project: Project, name: str) -> Iterator[Cause]:
    """The dead letters of a stream by place and rule, most frequent first, read from the topic."""
    from lakegate.topic.base import TopicPartition

    counts: dict[tuple[str, str, str], int] = {}
    samples: dict[tuple[str, str, str], str] = {}
    topic = project.stream(name).topic("deadletter")
    for partition in range(project.log.topics()[topic]):
        source = TopicPartition(topic, partition)
        offset = project.log.start_offset(source)
        while batches := list(project.log.read(source, offset)):
            offset = batches[-1].next_offset
            for batch in batches:
                for reasons in batch.rows.column("reasons").to_pylist():
                    for reason in reasons:
                        cause = (reason["path"], reason["rule"], reason["expected"])
                        counts[cause] = counts.get(cause, 0) + 1
                        samples.setdefault(cause, reason["observed"])
    for cause, records in sorted(counts.items(), key=lambda item: -item[1]):
        yield Cause(name, *cause, samples[cause], records)
