"""Consumers: what a file may say, and what is said of a mistake, with its place."""

from __future__ import annotations

from pathlib import Path

import pytest

from lakegate.contract import loads
from lakegate.contract.consumer import (
    CONSUMER_CODES,
    Address,
    AddressKind,
    read_consumers,
)
from lakegate.contract.consumer_check import check_consumers, field_names
from lakegate.contract.consumer_version import VersionRange
from lakegate.contract.problem import Report

CONTRACT = """
apiVersion: v3.1.0
kind: DataContract
id: orders
name: orders
version: 1.4.0
status: active
schema:
  - name: orders
    logicalType: object
    properties:
      - {name: id, logicalType: integer}
      - {name: city, logicalType: object, properties: [{name: zip, logicalType: string}]}
      - name: lines
        logicalType: array
        items: {logicalType: object, properties: [{name: qty, logicalType: integer}]}
"""
STREAMS = loads(CONTRACT).streams
GOOD = """name: billing
owner: Billing team
contact: billing@example.com
streams:
  - stream: orders
    versions: ">=1.2 <2"
    fields: [id, city.zip, lines.element.qty]
channels:
  - ops
  - stdout
  - url: ${CHAT}
  - webhook: https://hooks.example.com/x
    secret: ${HOOK_SECRET}
  - stdout: json
"""


def codes(tmp_path: Path, text: str) -> list[tuple[str, int, int]]:
    file = tmp_path / "billing.yaml"
    file.write_text(text)
    found = check_consumers([file], STREAMS, channels=["ops", "stdout"])
    return [(one.code, one.location.line, one.location.column) for one in found]


@pytest.mark.parametrize(
    ("text", "holds", "fails"),
    [
        ("*", ["1.0.0", "x"], []),
        ("1", ["1.0.0", "1.9"], ["2.0.0", "11.0"]),
        ("1.2", ["1.2.0", "1.2"], ["1.20.0", "1.3.0"]),
        (">=1.2 <2", ["1.2.0", "1.10.0"], ["1.1.9", "2", "2.0.0"]),
        (">= 1.2, <= 1.4", ["1.4.0"], ["1.4.1"]),
        ("=1.2", ["1.2.0", "v1.2"], ["1.2.1"]),
        ("2026-a", ["2026-a"], ["2026-b", "2026"]),
        (">1", ["1.0.1"], ["1.0.0", "beta"]),
    ],
)
def test_ranges(text: str, holds: list[str], fails: list[str]) -> None:
    parsed = VersionRange.parse(text)
    assert parsed is not None
    assert [version for version in [*holds, *fails] if parsed.holds(version)] == holds


@pytest.mark.parametrize("text", ["", "~1", ">=x", "1 || 2", ">", "^1.2"])
def test_what_is_no_range(text: str) -> None:
    assert VersionRange.parse(text) is None


def test_a_good_file_is_read_whole(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(GOOD)
    report = Report()
    (consumer,) = read_consumers([tmp_path / "a.yaml"], report)
    assert report.problems == []
    assert (consumer.name, consumer.owner, consumer.contact) == (
        "billing",
        "Billing team",
        "billing@example.com",
    )
    use = consumer.use_of("orders")
    assert use is not None
    assert use.fields == ("id", "city.zip", "lines.element.qty")
    assert [address.kind for address in consumer.addresses] == [
        AddressKind.NAMED,
        AddressKind.STDOUT,
        AddressKind.APPRISE,
        AddressKind.WEBHOOK,
        AddressKind.STDOUT,
    ]
    assert [Address.from_text(one.text()) for one in consumer.addresses] == list(consumer.addresses)
    assert use.touched(["city", "lines.element", "other"]) == ("city", "lines.element")
    assert use.touched(None) == ()
    assert consumer.use_of("other") is None
    assert codes(tmp_path, GOOD) == []


def test_the_fields_one_may_name() -> None:
    names = field_names(STREAMS[0])
    assert names == ["id", "city", "city.zip", "lines", "lines.element", "lines.element.qty"]


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("stream: orders", "stream: order", ("LG911", 5, 13)),
        ("[id, city.zip", "[id, city.zap", ("LG912", 7, 18)),
        ('">=1.2 <2"', '"2"', ("LG913", 6, 15)),
        ('">=1.2 <2"', '"^1"', ("LG914", 6, 15)),
        ("  - ops", "  - opps", ("LG915", 9, 5)),
        ("url: ${CHAT}", "url: slack://a/b", ("LG916", 11, 10)),
        ("secret: ${HOOK_SECRET}", "secret: hunter2", ("LG916", 13, 13)),
        ("  - ops", "  - slack://a/b", ("LG916", 9, 5)),
        ("owner: Billing team", "ower: Billing team", ("LG103", 2, 1)),
        ("owner: Billing team\n", "", ("LG104", 1, 1)),
        ("    secret: ${HOOK_SECRET}\n", "", ("LG104", 12, 5)),
        ("  - url: ${CHAT}\n", "  - url: ${CHAT}\n    secret: ${A}\n", ("LG103", 12, 5)),
        ("  - stdout: json", "  - stdout: yaml", ("LG105", 14, 13)),
        ("  - stdout: json", "  - {stdout: json, url: '${A}'}", ("LG105", 14, 5)),
        ("  - stdout: json", "  - 7", ("LG105", 14, 5)),
        ("[id, city.zip", "[7, city.zip", ("LG105", 7, 14)),
        ("  - stream: orders", "  - orders\n  - stream: orders", ("LG105", 5, 5)),
        ("streams:\n", "streams: []\nstream:\n", ("LG105", 4, 10)),
    ],
)
def test_each_mistake_is_told_with_its_place(
    tmp_path: Path, old: str, new: str, expected: tuple[str, int, int]
) -> None:
    assert old in GOOD
    assert expected in codes(tmp_path, GOOD.replace(old, new))


def test_two_of_one_name(tmp_path: Path) -> None:
    for name in ("a.yaml", "b.yaml"):
        (tmp_path / name).write_text(GOOD)
    found = check_consumers(sorted(tmp_path.glob("*.yaml")), STREAMS, channels=["ops"])
    (problem,) = found
    assert (problem.code, Path(problem.location.file).name) == ("LG917", "b.yaml")


def test_a_broken_contract_hides_no_other_mistake(tmp_path: Path) -> None:
    file = tmp_path / "a.yaml"
    file.write_text(GOOD.replace("stream: orders", "stream: elsewhere").replace("- ops", "- opps"))
    found = check_consumers([file], STREAMS, channels=["ops"], complete=False)
    assert [one.code for one in found] == ["LG915"]


@pytest.mark.parametrize("text", ["", "- a\n", "a: [\n", "name: 7\nname: 8\n", "\xff"])
def test_hostile_files_are_problems_not_crashes(tmp_path: Path, text: str) -> None:
    file = tmp_path / "a.yaml"
    file.write_bytes(text.encode("latin-1"))
    assert len(check_consumers([file], STREAMS)) > 0


def test_the_page_lists_every_code() -> None:
    page = Path(__file__).parents[3] / "docs" / "reference" / "consumers.md"
    text = page.read_text()
    for code, entry in CONSUMER_CODES.items():
        assert f"| `{code}` | {entry.title} |" in text
