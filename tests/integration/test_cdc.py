"""Changes of a real PostgreSQL, as Debezium recorded them, from the topic to the merged table."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, date, datetime, time
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

import lakegate as lg
from lakegate.errors import LakeError, ProjectError
from lakegate.pipeline.project import Project
from lakegate.testing.change import debezium_event
from lakegate.topic.base import TopicPartition
from tests.integration.survival import call, make_project, proven

_SAMPLES = Path(__file__).parents[1] / "contracts" / "debezium"

STOCK = """
apiVersion: v3.1.0
kind: DataContract
id: orders
name: orders
version: {version}
status: active
schema:
  - name: orders
    logicalType: object
    properties:
      - {{name: number, logicalType: integer, primaryKey: true}}
      - {{name: note, logicalType: string, required: true, logicalTypeOptions: {{maxLength: 9}}}}
    customProperties:
      - {{property: lakegate.cdc, value: debezium}}
{more}
"""


def events(name: str) -> list[bytes]:
    return (_SAMPLES / f"{name}.ndjson").read_bytes().splitlines()


def contract(**encodings: str) -> str:
    text = (_SAMPLES / "t.odcs.yaml").read_text()
    if not encodings:
        return text
    said = "".join(
        f"      - {{property: lakegate.cdc.{kind}, value: {how}}}\n"
        for kind, how in encodings.items()
    )
    return text.replace("      - {property: lakegate.cdc.schema, value: embedded}\n", said)


def folder_with(folder: Path, text: str, toml: str = "") -> Path:
    make_project(folder, toml=toml)
    (folder / "contracts" / "orders.odcs.yaml").write_text(text)
    return folder


@pytest.fixture
def stock(tmp_path: Path) -> Iterator[Project]:
    folder_with(tmp_path, STOCK.format(version="1.0.0", more=""))
    with lg.open(tmp_path) as project:
        yield project


def settle(project: Project, stream: str) -> None:
    project.run(stream, until="idle")
    audited = project.audit(stream)
    assert audited.passed, audited.report
    audited.publish()
    project.merge(stream)


def send(project: Project, *sent: bytes) -> None:
    with project.producer("orders") as producer:
        for event in sent:
            producer.send(event, key=b"k")


def rows(project: Project, table: str = "orders_current") -> list[tuple[Any, ...]]:
    return project.sql(f"SELECT number, note FROM {table} ORDER BY 1").fetchall()


_ENCODINGS = {"decimal": "base64", "date": "days", "time": "micros", "timestamp": "millis"}


@pytest.mark.parametrize(
    ("name", "said"),
    [
        pytest.param("36_schema", {}, marks=pytest.mark.slow),
        pytest.param("27_default", _ENCODINGS, marks=pytest.mark.slow),
        pytest.param(
            "36_decstring_connect",
            _ENCODINGS | {"decimal": "string", "time": "millis"},
            marks=pytest.mark.slow,
        ),
    ],
)
def test_the_recorded_changes_end_as_the_source_did(
    tmp_path: Path, name: str, said: dict[str, str]
) -> None:
    folder_with(tmp_path, contract(**said))
    recorded = events(name)
    with lg.open(tmp_path) as project:
        for upto in (4, 8, len(recorded)):
            with project.producer("t", producer_id="connector") as producer:
                for event in recorded[:upto]:
                    producer.send(event, key=b"one")
            settle(project, "t")
            found = project.sql("SELECT * FROM t_current ORDER BY id").to_arrow_table().to_pylist()
            if upto == 4:
                assert [row["id"] for row in found] == [1, 2, 10]
                _check_values(found[0], millis="connect" in name)
                assert found[2]["n"] == Decimal("1.10")
                assert found[2]["big"] == found[0]["big"]  # unchanged TOAST
            elif upto == 8:
                assert [row["id"] for row in found] == [1, 2]  # 10 became 11, and was deleted
        truncates = len([event for event in recorded if b'"op":"t"' in event])
        assert truncates == 1
        assert [(row["id"], row["n"]) for row in found] == [(30, Decimal("3.00"))]
        assert project.status("t").proven


def _check_values(row: dict[str, Any], *, millis: bool) -> None:
    assert row["n"] == Decimal("12345678.90")
    assert row["ts"] == datetime(2024, 2, 29, 23, 59, 59, 123_000, tzinfo=UTC)
    assert row["tz"] == datetime(2024, 2, 29, 21, 59, 59, 123_456, tzinfo=UTC)
    assert row["d"] == date(2024, 2, 29)
    assert row["tm"] == time(13, 14, 15, 678_000 if millis else 678_901)
    assert row["j"] == {"k": [1.0, 2.5, None], "z": "é"}
    assert row["a"] == ["a", None, 'q"x']
    assert row["un"] == Decimal("1234567890123456789.000100")


def test_events_are_judged_and_the_books_balance(stock: Project, tmp_path: Path) -> None:
    send(
        stock,
        debezium_event("c", after={"number": 1, "note": "a"}, lsn=1),
        debezium_event("c", after={"number": 2, "note": "far too long"}, lsn=2),
        debezium_event("u", after={"number": 1, "note": "b"}, lsn=3),
        b'{"ts_ms":1}',
        b"{}",
        debezium_event("d", before={"number": 7, "note": None}, lsn=4),
    )
    with stock.producer("orders") as producer:
        producer.send(None, key=b"7")
    settle(stock, "orders")
    assert rows(stock) == [(1, "b")]
    assert stock.status("orders").proven
    proven(tmp_path, raw=7, accepted=3, rejected=2, tombstones=2, landed=3, published=3)


def test_dead_letters_hold_the_event_and_the_path_into_it(stock: Project) -> None:
    event = debezium_event("c", after={"number": "x", "note": None}, lsn=2)
    send(stock, event)
    stock.run("orders", until="idle")
    source = TopicPartition("orders.deadletter", 0)
    (batch,) = stock.log.read(source, 0)
    (letter,) = batch.rows.to_pylist()
    assert letter["value"] == event
    reasons = [(reason["path"], reason["rule"]) for reason in letter["reasons"]]
    assert reasons == [("$.after.number", "type"), ("$.after.note", "required")]


def test_a_replayed_event_takes_its_old_place(stock: Project, tmp_path: Path) -> None:
    send(
        stock,
        debezium_event("c", after={"number": 1, "note": "far too long"}, lsn=1),
        debezium_event("u", after={"number": 1, "note": "newer"}, lsn=2),
    )
    settle(stock, "orders")
    folder_with(
        tmp_path, STOCK.format(version="1.1.0", more="").replace("maxLength: 9", "maxLength: 20")
    )
    with lg.open(tmp_path) as project:
        project.replay("orders", unchanged=True)
        settle(project, "orders")
        assert rows(project) == [(1, "newer")]
        assert project.sql("SELECT count(*) FROM orders").fetchall() == [(2,)]
        assert project.status("orders").proven


def test_a_key_that_changed_often_is_still_unique(stock: Project) -> None:
    """The primary key implies a uniqueness rule: the audit sees rows as merged, not changes."""
    for lsn in range(3):
        op = "c" if lsn == 0 else "u"
        send(stock, debezium_event(op, after={"number": 1, "note": str(lsn)}, lsn=lsn))
    settle(stock, "orders")
    assert rows(stock) == [(1, "2")]


def test_several_partitions(tmp_path: Path) -> None:
    """Keys keep the changes of a row together; a truncate empties all partitions."""
    text = STOCK.format(version="1.0.0", more="")
    with lg.open(folder_with(tmp_path, text, "[log]\npartitions = 3\n")) as project:

        def deliver(*sent: tuple[str, int, str | None]) -> None:
            for lsn, (op, number, note) in enumerate(sent):
                row = {"number": number, "note": note}
                event = debezium_event(
                    op,  # type: ignore[arg-type]
                    after=None if op in "dt" else row,
                    before=row if op == "d" else None,
                    lsn=1000 * len(sent) + lsn,
                )
                with project.producer("orders") as producer:
                    producer.send(event, key=str(number).encode())

        deliver(*[("c", n, "a") for n in range(9)], *[("u", n, "b") for n in range(0, 9, 2)])
        settle(project, "orders")
        assert rows(project) == [(n, "a" if n % 2 else "b") for n in range(9)]
        deliver(("d", 1, None), ("t", 0, None), ("c", 4, "c"))
        settle(project, "orders")
        assert rows(project) == [(4, "c")]
        assert project.status("orders").proven


def test_merge_on_the_command_line(stock: Project, tmp_path: Path) -> None:
    assert "nothing is published yet" in call(tmp_path, "merge").out
    send(stock, debezium_event("c", after={"number": 1, "note": "a"}))
    settle(stock, "orders")
    assert "up to date, 1 row" in call(tmp_path, "merge", "orders").out
    said = call(tmp_path, "merge", "--format", "json")
    assert json.loads(said.out)["table"] == "orders_current"
    assert call(tmp_path, "merge", "nobody").code == 2


def test_a_stream_stays_of_one_kind(tmp_path: Path) -> None:
    with lg.open(make_project(tmp_path)) as project:
        send(project, b'{"number":1,"note":"x"}')
    folder_with(tmp_path, STOCK.format(version="2.0.0", more=""))
    with pytest.raises(ProjectError, match=r"one kind for life"):
        lg.open(tmp_path)


def test_a_plain_stream_has_nothing_to_merge(tmp_path: Path) -> None:
    with (
        lg.open(make_project(tmp_path)) as project,
        pytest.raises(LakeError, match="plain records"),
    ):
        project.merge("orders")
