"""The demo's work, without its looks: make the project, send the year, judge and land it."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from importlib import resources
from pathlib import Path

from lakegate.demo.sender import Sender
from lakegate.demo.source import Event, events, months
from lakegate.errors import ProjectError
from lakegate.pipeline.gateway import Gateway
from lakegate.pipeline.project import Project

__all__ = ["DIRECTORY", "IMPACT", "STREAMS", "Step", "make_project", "send_year"]

STREAMS = ("flights", "weather")
DIRECTORY = ("airlines", "airports", "planes")
_MARKER = "lakegate-demo"

# Delays by airline, in fair and in bad weather: what the year was for. `departures` is silver.
IMPACT = """
SELECT airline,
       count(*) AS flights,
       round(avg(delay) FILTER (NOT bad_weather), 1) AS delay_fair,
       round(avg(delay) FILTER (bad_weather), 1) AS delay_bad,
       round(100.0 * count(*) FILTER (cancelled AND bad_weather)
             / count(*) FILTER (bad_weather), 1) AS cancelled_bad_pct
FROM departures
GROUP BY airline
HAVING count(*) > 5000
ORDER BY delay_bad DESC
"""


@dataclass(frozen=True, slots=True)
class Step:
    """How far one stream is; counts are of records, from the start."""

    stream: str
    month: str = ""
    sent: int = 0
    accepted: int = 0
    rejected: int = 0
    landed: int = 0


def make_project(folder: Path) -> Path:
    """A fresh copy of the demo's project in ``folder``.

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


def send_year(project: Project, tell: Callable[[Step], None]) -> None:
    """Send every event in time order to the gateway; judge and land each month as it comes."""
    gateway = Gateway(project, port=0)
    gateway.start()
    try:
        with Sender(gateway.host, gateway.port) as sender:
            flow = _Flow(project, sender, tell)
            for name in DIRECTORY:
                flow.take("always", name, events(name))
            for month, batches in months(*(events(name) for name in STREAMS)):
                for name, batch in zip(STREAMS, batches, strict=True):
                    flow.take(month, name, batch)
    finally:
        gateway.drain()


@dataclass(slots=True)
class _Flow:
    """One stream's month after the other: sent, judged, landed, each told of as it is done."""

    project: Project
    sender: Sender
    tell: Callable[[Step], None]
    steps: dict[str, Step] = field(default_factory=dict)

    def take(self, month: str, name: str, batch: Sequence[Event]) -> None:
        if not batch:
            return
        stream = self.project.stream(name)
        step = self.steps.get(name, Step(name))
        send = self.sender.changes if stream.cdc is not None else self.sender.records
        send(name, batch)
        step = self._told(replace(step, month=month, sent=step.sent + len(batch)))
        done = self.project.run(stream.name, until="idle", land=False)[stream.name]
        step = self._told(
            replace(
                step,
                accepted=step.accepted + done.accepted,
                rejected=step.rejected + done.rejected,
            )
        )
        landed = self.project.land(stream.name)
        self.steps[name] = self._told(replace(step, landed=step.landed + landed))

    def _told(self, step: Step) -> Step:
        self.tell(step)
        return step
