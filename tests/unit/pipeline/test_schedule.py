"""Schedules mean what crontab(5) says."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from lakegate.contract.stream import ContractRef, Place, QualityRule, RuleKind, Stream
from lakegate.contract.type import Severity
from lakegate.errors import ProjectError
from lakegate.pipeline.agenda import Entry, entries
from lakegate.pipeline.config import ScheduleSection
from lakegate.pipeline.schedule import check, trigger

MONDAY = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)


def fires(text: str, count: int) -> list[str]:
    found, moment = [], MONDAY
    schedule = trigger(text)
    for _ in range(count):
        moment = schedule.get_next_fire_time(None, moment)
        found.append(f"{moment:%a %d %H:%M}")
        moment += timedelta(seconds=1)
    return found


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("*/20 * * * *", ["Mon 23 12:00", "Mon 23 12:20", "Mon 23 12:40"]),
        ("30 6 * * 0", ["Sun 29 06:30", "Sun 06 06:30"]),  # Sunday, not Monday
        ("30 6 * * 7", ["Sun 29 06:30"]),
        ("30 6 * * 1-5", ["Tue 24 06:30", "Wed 25 06:30", "Thu 26 06:30", "Fri 27 06:30"]),
        ("30 6 * * 5-7", ["Fri 27 06:30", "Sat 28 06:30", "Sun 29 06:30"]),
        ("30 6 * * MON,sat", ["Sat 28 06:30", "Mon 30 06:30"]),
        ("30 6 * * */3", ["Wed 25 06:30", "Sat 28 06:30", "Sun 29 06:30"]),
        ("0 0 1 * 2", ["Tue 24 00:00", "Tue 01 00:00", "Tue 08 00:00"]),  # either, not both
        ("0 0 25 nov *", ["Wed 25 00:00"]),
    ],
)
def test_cron(text: str, expected: list[str]) -> None:
    check(text, "here")
    assert fires(text, len(expected)) == expected


def test_intervals() -> None:
    for text, seconds in (("30s", 30), ("5m", 300), ("every 2 h", 7200)):
        check(text, "here")
        assert trigger(text).interval == timedelta(seconds=seconds)
    check("", "here")


@pytest.mark.parametrize("text", ["soon", "* * * *", "61 * * * *", "5 minutes", "-5s"])
def test_what_is_no_schedule_is_refused(text: str) -> None:
    with pytest.raises(ProjectError, match=r"\[schedule\] audit: `.*` is no schedule; write"):
        check(text, "[schedule] audit")


def stream(name: str, *schedules: str) -> Stream:
    rules = tuple(
        QualityRule(f"r{i}", RuleKind.METRIC, Place.AUDIT, "", Severity.ERROR, schedule=text,
                    bounds=(Decimal(0),))
        for i, text in enumerate(schedules)
    )  # fmt: skip
    return Stream(ContractRef(name, "1.0.0", "d"), name, name, (), rules=rules)


NEVER = {"maintain": "", "maintain_models": "", "prove": ""}


def test_a_contracts_own_schedule_replaces_the_projects() -> None:
    config = ScheduleSection(audit="5m", **NEVER)
    found = entries([stream("a"), stream("b", "0 6 * * *", "0 6 * * *")], config)
    assert found == [Entry("audit", "a", "5m"), Entry("audit", "b", "0 6 * * *", always=True)]


def test_the_whole_agenda() -> None:
    found = entries([stream("a")], ScheduleSection())
    assert [entry.job for entry in found] == ["audit", "maintain", "maintain_models", "prove"]
    assert [entry.name for entry in found[1:3]] == ["maintain a", "maintain_models"]
    assert entries([stream("a")], ScheduleSection(audit="", **NEVER)) == []
    with pytest.raises(ProjectError, match=r"\[schedule\] maintain_models"):
        entries([], ScheduleSection(maintain_models="hourly"))
    with pytest.raises(ProjectError, match=r"\[schedule\] prove"):
        entries([], ScheduleSection(prove="nightly"))
