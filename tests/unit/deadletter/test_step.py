# ruff: noqa: E501 - one case a line
"""Every step, on the text of a record; what is not touched keeps its bytes."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from lakegate.deadletter.fix import Repair, repair
from lakegate.deadletter.fixfile import read_fixes

REASON = [{"path": "$.x", "rule": "type", "expected": "", "observed": "", "severity": "error"}]


class Airports:
    """A table of two airports."""

    def column(self, table: str, *, key: str, give: str) -> Mapping[str, bytes]:
        assert (table, key, give) == ("airports", "faa", "name")
        return {"JFK": b'"Kennedy"', "7": b"7.50"}


def done(folder: Path, steps: str, value: str, *, matches: str = "{rule: type}") -> Repair:
    file = folder / "fix.yaml"
    file.write_text(f"stream: s\nmatches: {matches}\nsteps:\n{steps}\n")
    fixes, problems = read_fixes([file])
    assert problems == []
    return repair(fixes, value.encode(), REASON, "1.0.0", Airports())


@pytest.mark.parametrize(
    ("step", "before", "after"),
    [
        ("set: {path: $.a, value: 2.50}", '{"a":1}', '{"a":2.50}'),
        ("set: {path: $.b.c, value: [x, null]}", '{"a":1}', '{"a":1,"b":{"c":["x",null]}}'),
        ("set: {path: '$.l[*].u', value: kg}", '{"l":[{},{"u":1}]}', '{"l":[{"u":"kg"},{"u":"kg"}]}'),
        ("rename: {path: $.a, to: b}", '{"a":1.0,"c":2}', '{"c":2,"b":1.0}'),
        ("rename: {path: '$.l[*].a', to: b}", '{"l":[{"a":1},{}]}', '{"l":[{"b":1},{}]}'),
        ("move: {from: $.a, to: $.b.a}", '{"a":1e5}', '{"b":{"a":1e5}}'),
        ("move: {from: '$.l[*].a', to: '$.l[*].b'}", '{"l":[{"a":1},{"a":2}]}', '{"l":[{"b":1},{"b":2}]}'),
        ("remove: $.a", '{"a":1,"b":2}', '{"b":2}'),
        ("remove: {path: '$.l[*]'}", '{"l":[1,2]}', '{"l":[]}'),
        ("cast: {path: $.a, to: integer}", '{"a":"42"}', '{"a":42}'),
        ("cast: {path: $.a, to: integer}", '{"a":42.00}', '{"a":42}'),
        ("cast: {path: $.a, to: integer}", '{"a":"4.5"}', '{"a":"4.5"}'),
        ("cast: {path: $.a, to: number}", '{"a":" 1.10 "}', '{"a":1.10}'),
        ("cast: {path: $.a, to: string}", '{"a":1.10}', '{"a":"1.10"}'),
        ("cast: {path: $.a, to: boolean}", '{"a":"True"}', '{"a":true}'),
        ("cast: {path: $.a, to: integer}", '{"a":null}', '{"a":null}'),
        ("map: {path: $.a, values: {2400: 0}}", '{"a":2400}', '{"a":0}'),
        ("map: {path: $.a, values: {x: y}, default: z}", '{"a":"q"}', '{"a":"z"}'),
        ("map: {path: $.a, values: {null: 0}}", '{"a":null}', '{"a":0}'),
        ("map: {path: $.a, values: {x: y}}", '{"a":"q"}', '{"a":"q"}'),
        (
            "regex: {path: $.a, pattern: '^([A-Z]+)-(?<n>[0-9]+)$', into: {$.k: '$1', $.n: '${n}$$'}}",
            '{"a":"AB-12"}',
            '{"a":"AB-12","k":"AB","n":"12$"}',
        ),
        (
            "regex: {path: $.a, pattern: '^(.)(.)', into: {$.k: '${2}${1}2$0'}}",
            '{"a":"xyz"}',
            '{"a":"xyz","k":"yx2xy"}',
        ),
        ("date: {path: $.a, kind: date, format: dd.MM.yyyy}", '{"a":"24.12.2026"}', '{"a":"2026-12-24"}'),
        (
            "date: {path: $.a, format: 'yyyy-MM-dd HH:mm:ss', timezone: Europe/Vienna}",
            '{"a":"2026-07-01 12:00:00"}',
            '{"a":"2026-07-01T10:00:00Z"}',
        ),
        ("date: {path: $.a, kind: date, format: dd.MM.yyyy}", '{"a":"soon"}', '{"a":"soon"}'),
        (
            "lookup: {path: $.a, table: airports, key: faa, give: name, into: $.b}",
            '{"a":"JFK"}',
            '{"a":"JFK","b":"Kennedy"}',
        ),
        ("lookup: {path: $.a, table: airports, key: faa, give: name}", '{"a":7}', '{"a":7.50}'),
        ("lookup: {path: $.a, table: airports, key: faa, give: name}", '{"a":"?"}', '{"a":"?"}'),
    ],
)  # fmt: skip
def test_a_step(tmp_path: Path, step: str, before: str, after: str) -> None:
    assert done(tmp_path, f"  - {step}", before).value == after.encode()


def test_what_is_not_touched_keeps_its_bytes(tmp_path: Path) -> None:
    rest = (
        '"big":12345678901234567890.123456789e-7,"text":"\\u00e4\\/ ä","deep":{"x" : [ 1.0, -0 ]}'
    )
    found = done(tmp_path, "  - set: {path: $.a, value: 1}", '{"a":0,' + rest + "}")
    assert found.value == ('{"a":1,' + rest + "}").encode()


@pytest.mark.parametrize(
    "step",
    [
        "cast: {path: $.a, to: integer, unmatched: fail}",
        "map: {path: $.a, values: {x: y}, unmatched: fail}",
        "regex: {path: $.a, pattern: '^z', into: {$.b: $0}, unmatched: fail}",
        "date: {path: $.a, kind: date, format: yyyy-MM-dd, unmatched: fail}",
        "lookup: {path: $.a, table: airports, key: faa, give: name, unmatched: fail}",
        "set: {path: $.a.b, value: 1}",
    ],
)
def test_a_step_that_must_and_cannot_says_where(tmp_path: Path, step: str) -> None:
    found = done(tmp_path, f"  - remove: $.none\n  - {step}", '{"a":"q"}')
    assert found.value is None
    assert found.where == "fix step 2"
    assert found.applied == (0,)


def test_what_is_no_json_object_is_left_alone(tmp_path: Path) -> None:
    found = done(tmp_path, "  - remove: $.a", "[1]")
    assert (found.value, found.applied) == (None, ())
    assert found.problem is not None


@pytest.mark.parametrize(
    ("matches", "does"),
    [
        ("{rule: type, path: $.x}", True),
        ("{rule: [type, maximum]}", True),
        ("{rule: maximum}", False),
        ("{rule: type, path: $.y}", False),
        ("{where: {$.kind: [a, b]}}", True),
        ("{where: {$.kind: c}}", False),
        ("{where: {$.n: 1.50}}", True),
        ("{where: {$.kind: {pattern: '^[ab]$'}}}", True),
        ("{rule: type, contract: 1.0.0}", True),
        ("{rule: type, contract: [2.0.0]}", False),
        ("{rule: type, observed: z}", False),
        ("{causes: [00000000]}", False),
    ],
)
def test_what_a_fix_matches(tmp_path: Path, matches: str, does: bool) -> None:
    found = done(tmp_path, "  - remove: $.x", '{"x":0,"kind":"a","n":1.50}', matches=matches)
    assert bool(found.applied) is does
