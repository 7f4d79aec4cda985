"""When something runs: five-field cron as crontab(5) reads it, or every so often; all in UTC."""

from __future__ import annotations

import re
from typing import Any

from lakegate.contract.duration import is_cron
from lakegate.errors import ProjectError

__all__ = ["check", "trigger"]

_EVERY = re.compile(r"(?:every )?(\d+) ?(s|m|h)\Z")
_SECONDS = {"s": 1, "m": 60, "h": 3600}
_DAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")


def check(text: str, where: str) -> None:
    """Whether it is a schedule, or empty, which is never.

    Raises:
        ProjectError: it is neither; ``where`` names the place.
    """
    if text and _EVERY.match(text) is None and not is_cron(text):
        raise ProjectError(
            f"{where}: `{text}` is no schedule; write five-field cron (minute, hour, day of month, "
            'month, day of week: "*/5 * * * *"), an interval ("30s", "5m", "1h"), or "" for never'
        )


def trigger(text: str) -> Any:
    """The APScheduler trigger of a schedule that :func:`check` has passed.

    APScheduler counts week days from Monday and wants day of month *and* day of week to match;
    crontab(5) counts from Sunday and, where both are given, wants *either*.
    """
    from apscheduler.triggers.combining import OrTrigger
    from apscheduler.triggers.cron import CronTrigger
    from apscheduler.triggers.interval import IntervalTrigger

    every = _EVERY.match(text)
    if every is not None:
        return IntervalTrigger(seconds=int(every[1]) * _SECONDS[every[2]], timezone="UTC")
    minute, hour, day, month, week_day = text.lower().split()
    at = {"minute": minute, "hour": hour, "month": month, "timezone": "UTC"}
    days = None if week_day == "*" else _week_days(week_day)
    if days is None:
        return CronTrigger(day=day, **at)
    if day == "*":
        return CronTrigger(day_of_week=days, **at)
    return OrTrigger([CronTrigger(day=day, **at), CronTrigger(day_of_week=days, **at)])


def _week_days(field: str) -> str:
    """A day-of-week field as a list of names, which both ways of counting read alike."""
    found: list[str] = []
    for part in field.split(","):
        span, _, step = part.partition("/")
        first, _, last = span.partition("-")
        if first == "*":
            numbers = range(0, 7, int(step or 1))
        else:
            begin = _number(first)
            end = _number(last) if last else (6 if step else begin)
            numbers = range(begin, end + 1, int(step or 1))
        found += [_DAYS[number % 7] for number in numbers]
    return ",".join(dict.fromkeys(found))


def _number(text: str) -> int:
    return _DAYS.index(text) if text in _DAYS else int(text)
