"""The demo's numbers, recomputed from the CSV files by other means than Lakegate's."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path

import duckdb
import pytest
from rich.console import Console

import lakegate as lg
from lakegate.cli.demo import show
from lakegate.deadletter.triage import State
from lakegate.demo.source import data_folder
from lakegate.errors import ProjectError

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

# What American and Envoy report instead of a registration.
FLEET = "^N[0-9A-Z]{3}(AA|MQ)$"

# 14 CFR 47.15: N, a digit from 1, up to five characters in all, I and O never.
FAA = r"^N[1-9](\d{0,4}|\d{0,3}[A-HJ-NP-Z]|\d{0,2}[A-HJ-NP-Z]{2})$"


@pytest.fixture(scope="module")
def csv(tmp_path_factory: pytest.TempPathFactory) -> duckdb.DuckDBPyConnection:
    import zipfile

    folder = tmp_path_factory.mktemp("csv")
    with zipfile.ZipFile(data_folder() / "flights.csv.zip") as archive:
        archive.extract("flights.csv", folder)
    connection = duckdb.connect()
    for name in ("flights", "weather", "airports"):
        file = folder / "flights.csv" if name == "flights" else data_folder() / f"{name}.csv"
        connection.execute(f"CREATE TABLE {name} AS SELECT * FROM read_csv('{file}', nullstr='NA')")
    return connection


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[lg.Project, str]]:
    folder = tmp_path_factory.mktemp("demo") / "flights"
    console = Console(file=io.StringIO(), width=120)
    assert show(folder, console) == 0
    assert isinstance(console.file, io.StringIO)
    with lg.open(folder) as project:
        yield project, console.file.getvalue()


def number(connection: duckdb.DuckDBPyConnection, query: str) -> int:
    (row,) = connection.execute(query).fetchall()
    return int(row[0])


def test_what_is_wrong_with_the_flights(
    demo: tuple[lg.Project, str], csv: duckdb.DuckDBPyConnection
) -> None:
    project, _ = demo
    tail = f"tailnum IS NOT NULL AND NOT regexp_matches(tailnum, '{FAA}')"
    causes = project.deadletters("flights").causes()
    found = {(cause.path, cause.rule): cause.count for cause in causes.causes}
    assert found == {
        ("$.tailnum", "pattern"): number(csv, f"SELECT count(*) FROM flights WHERE {tail}"),
        ("$.dep_time", "maximum"): number(csv, "SELECT count(*) FROM flights WHERE dep_time=2400"),
        ("$.arr_time", "maximum"): number(csv, "SELECT count(*) FROM flights WHERE arr_time=2400"),
    }
    assert list(found.values()) == [22_754, 150, 29]
    wrong = f"({tail}) OR dep_time IS NOT DISTINCT FROM 2400 OR arr_time IS NOT DISTINCT FROM 2400"
    rejected = number(csv, f"SELECT count(*) FROM flights WHERE {wrong}")
    (proof,) = project.status("flights").proofs
    assert (proof.total("rejected"), proof.total("raw")) == (rejected, 336_776) == (22_928, 336_776)
    stays = f"({tail}) AND NOT regexp_matches(tailnum, '{FLEET}')"
    assert number(csv, f"SELECT count(*) FROM flights WHERE {stays}") == 4
    good = csv.execute(
        f"SELECT carrier, flight, time_hour, dep_delay FROM flights WHERE NOT coalesce({stays}, "
        "false) ORDER BY ALL"
    ).fetchall()
    ours = project.sql("SELECT carrier, flight, time_hour, dep_delay FROM flights ORDER BY ALL")
    assert ours.fetchall() == good


def test_what_is_wrong_with_the_weather(
    demo: tuple[lg.Project, str], csv: duckdb.DuckDBPyConnection
) -> None:
    project, _ = demo
    (wind,) = project.deadletters("weather").causes().causes
    assert (wind.path, wind.observed, wind.count) == ("$.after.wind_speed", "1048.36058", 1)
    report = project.audits.latest("weather")
    assert report is not None
    (pressure,) = [result for result in report.results if result.failed]
    assert (pressure.name, pressure.offending) == ("pressure_complete", 2_729)
    assert report.passed, "a warning holds nothing back"
    assert project.sql("SELECT count(*) FROM weather").fetchall() == [(26_114,)]
    columns = "origin, time_hour, temp, wind_speed, pressure"
    merged = project.sql(f"SELECT {columns} FROM weather_current ORDER BY ALL").fetchall()
    real = (
        f"SELECT {columns} FROM weather WHERE wind_speed IS DISTINCT FROM 1048.36058 ORDER BY ALL"
    )
    assert merged == csv.execute(real).fetchall()


def test_two_fixes_bring_back_all_but_four(
    demo: tuple[lg.Project, str], csv: duckdb.DuckDBPyConnection
) -> None:
    project, shown = demo
    letters = project.deadletters("flights").causes()
    assert (letters.states[State.REPLAYED], letters.states[State.OPEN]) == (22_924, 4)
    assert "fleet-numbers + midnight: 5 of 5" in shown
    # The four that stay, and what the preview says of them.
    assert shown.count('got "D942DN"') == 4 + 1, "those that stay are shown"
    fleet = f"(regexp_matches(tailnum, '{FLEET}') AND NOT regexp_matches(tailnum, '{FAA}'))"
    midnight = "(dep_time = 2400 OR arr_time = 2400)"
    back = number(csv, f"SELECT count(*) FROM flights WHERE {fleet} OR {midnight}")
    both = number(csv, f"SELECT count(*) FROM flights WHERE {fleet} AND {midnight}")
    assert (back, both) == (22_924, 5)
    moved = project.sql("SELECT count(fleet_number) FROM flights").fetchall()
    assert moved == [(number(csv, f"SELECT count(*) FROM flights WHERE {fleet}"),)]
    (again,) = project.replay("flights")
    assert again.requested == 0, "a dead letter comes back once"


def test_an_owner_and_two_consumers_hear_of_the_pressures(demo: tuple[lg.Project, str]) -> None:
    project, shown = demo
    (incident,) = [
        one for one in project.incidents("weather") if one.key.rule == "pressure_complete"
    ]
    assert incident.count == 2_729
    said = shown[shown.index("weather 1.0.0: pressure_complete") :]
    for who in ("owner Weather desk", "consumer delay-forecast", "consumer runway-board"):
        assert f"for {who}; incident {incident.number}" in said


def test_silver_and_gold_are_what_the_csv_says(
    demo: tuple[lg.Project, str], csv: duckdb.DuckDBPyConnection
) -> None:
    project, _ = demo
    assert project.sql("SELECT count(*) FROM departures").fetchall() == [(336_772,)]
    stays = " AND ".join(f"NOT regexp_matches(tailnum, '{form}')" for form in (FAA, FLEET))
    wanted = csv.execute(
        f"SELECT carrier, count(*) FROM flights WHERE NOT coalesce({stays}, false) "
        "GROUP BY 1 ORDER BY 1"
    ).fetchall()
    ours = "SELECT carrier, sum(flights) FROM carrier_months GROUP BY 1 ORDER BY 1"
    assert [(carrier, int(count)) for carrier, count in project.sql(ours).fetchall()] == wanted


def test_flights_to_airports_nobody_lists(
    demo: tuple[lg.Project, str], csv: duckdb.DuckDBPyConnection
) -> None:
    project, _ = demo
    nowhere = "dest NOT IN (SELECT faa FROM airports)"
    assert number(csv, f"SELECT count(*) FROM flights WHERE {nowhere}") == 7_602
    report = project.audits.latest("flights")
    assert report is not None
    (dest,) = [result for result in report.results if result.name == "dest->airports.faa"]
    assert dest.offending == 7_602
    assert {value.values[0] for value in dest.frequent} == {"SJU", "BQN", "STT", "PSE"}


def test_everything_is_proven_and_shown(demo: tuple[lg.Project, str]) -> None:
    project, shown = demo
    status = project.status(full=True)
    assert status.proven
    for text in ("336,776", "313,848", "22,928", "336,772", "1048.36058", "proven", "JetBlue"):
        assert text in shown


def test_only_an_earlier_demo_is_replaced(tmp_path: Path) -> None:
    (tmp_path / "precious").write_text("mine")
    with pytest.raises(ProjectError, match="not empty and no earlier demo"):
        show(tmp_path, Console(file=io.StringIO()))
    assert (tmp_path / "precious").read_text() == "mine"
