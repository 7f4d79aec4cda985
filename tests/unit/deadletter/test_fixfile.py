# ruff: noqa: E501 - one case a line
"""Fix files: problems at their place, digests of what they mean."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from lakegate.deadletter.fixfile import CODES, fix_files, read_fixes

GOOD = "stream: orders\nmatches: {rule: type}\nsteps:\n  - remove: $.a\n"


def problems(folder: Path, text: str) -> list[str]:
    file = folder / "f.yaml"
    file.write_text(text)
    found, said = read_fixes([file], streams=["orders"])
    assert not said or not found
    return [f"{p.location.line}:{p.location.column} {p.code} {p.message}; {p.help}" for p in said]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("strem: orders\n" + GOOD, "1:1 LG901 the key `strem` is not known; did you mean `stream`?"),
        ("stream: orders\nmatches: {rule: x}\n", "1:1 LG902 `steps` is missing"),
        ("", "1:1 LG006 nothing in it; start with `stream:`"),
        ("a: [", "LG004"),
        (GOOD.replace("orders", "order"), "1:9 LG907 no stream is called order; did you mean `ord"),
        (GOOD.replace("{rule: type}", "{}"), "2:10 LG906 it would match every dead letter"),
        (GOOD.replace("{rule: type}", "{contract: 1.0.0}"), "LG906"),
        (GOOD.replace("rule: type", "observed: '(?=x)'"), "2:21 LG905 pattern:"),
        (GOOD.replace("$.a", "a"), "4:13 LG904 the path 'a' does not start with `$`"),
        (GOOD.replace("remove: $.a", "remov: $.a"), "4:5 LG901 the key `remov` is not known; did "),
        (GOOD.replace("remove: $.a", "cast: {path: $.a, to: int}"), "LG903 `to` cannot be `int`"),
        (GOOD.replace("remove: $.a", "cast: {path: $.a}"), "4:11 LG902 `to` is missing"),
        (GOOD.replace("remove: $.a", "date: {path: $.a, format: qq}"), "LG905"),
        (GOOD.replace("remove: $.a", "move: {from: '$.a[*]', to: $.b}"), "LG909 $.b has 0 `[*]`"),
        (
            GOOD.replace("remove: $.a", "regex: {path: $.a, pattern: (x), into: {$.b: $2}}"),
            "LG905 the pattern has no group 2",
        ),
        *(
            (GOOD.replace("remove: $.a", f"regex: {{path: $.a, pattern: (x), into: {{$.b: '{to}'}}}}"), said)
            for to, said in (
                ("${2}", "LG905 the pattern has no group 2"),
                ("$" + "9" * 5000, "LG905 the pattern has no group 9"),
                ("${n}", "LG905 the pattern has no group n"),
                ("a$", "LG905 a `$` names no group, in what $.b wants: a$; write `$1`"),
                ("${1", "LG905 a `$` names no group"),
                ("${a-b}", "LG905 a `$` names no group"),
            )
        ),
        (GOOD.replace("- remove: $.a", "{}"), "LG903 `steps` is no list"),
        (GOOD.replace("remove: $.a", "set: {path: $.a, value: 1}\n    remove: $.b"), "LG903 a step "),
    ],
)  # fmt: skip
def test_a_problem_is_named_at_its_place(tmp_path: Path, text: str, said: str) -> None:
    found = problems(tmp_path, text)
    assert any(said in problem for problem in found), found


def test_all_problems_of_a_file_are_said_at_once(tmp_path: Path) -> None:
    steps = "  - remove: a\n  - cast: {path: b, to: integer}\n  - nothing: {}\n"
    assert len(problems(tmp_path, GOOD + steps)) == 3


def test_the_digest_is_of_what_a_fix_does(tmp_path: Path) -> None:
    one, two, three = (tmp_path / f"{name}.yaml" for name in "abc")
    one.write_text(GOOD)
    two.write_text(
        "# said otherwise\nsteps: [{remove: $.a}]\nstream: orders\nmatches:\n  rule: type\n"
    )
    three.write_text(GOOD.replace("$.a", "$.b"))
    (a, b, c), said = read_fixes([one, two, three])
    assert said == []
    assert a.digest == b.digest != c.digest
    assert [fix.name for fix in (a, b, c)] == ["a", "b", "c"]


def test_two_fixes_of_one_name(tmp_path: Path) -> None:
    for name in "ab":
        (tmp_path / f"{name}.yaml").write_text("name: same\n" + GOOD)
    found, said = read_fixes(fix_files(tmp_path))
    assert [fix.file for fix in found] == [str(tmp_path / "a.yaml")]
    assert [problem.code for problem in said] == ["LG908"]


def test_the_page_has_every_code() -> None:
    page = Path(__file__).parents[3] / "docs" / "reference" / "fixes.md"
    assert set(re.findall(r"LG9\d\d", page.read_text())) == set(CODES)
