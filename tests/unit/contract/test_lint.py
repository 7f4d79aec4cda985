"""Every lint code: documented, with an example that gives it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from lakegate.contract import Level, check
from lakegate.contract.loading import examine
from lakegate.contract.problem import CODES
from lakegate.pipeline.sql_check import sql_problems

_DOC = (Path(__file__).parents[3] / "docs" / "reference" / "lint.md").read_text(encoding="utf-8")
_SECTION = re.compile(
    r"^### (LG\d{3}): (.+?)\n\n\*\*(\w+)\*\*.*?(?=^###? |\Z)", re.MULTILINE | re.DOTALL
)
_SECTIONS = {match[1]: match for match in _SECTION.finditer(_DOC)}
_FENCE = re.compile(r"```yaml\n(.*?)```", re.DOTALL)
_EXAMPLES = {code: fence[1] for code, m in _SECTIONS.items() if (fence := _FENCE.search(m[0]))}
_HEAD = {
    "apiVersion": "v3.2.0",
    "kind": "DataContract",
    "id": "example",
    "version": "1.0.0",
    "status": "active",
}


def complete(fragment: str) -> str:
    """A fragment with the keys every contract needs."""
    missing = (f"{k}: {v}" for k, v in _HEAD.items() if not re.search(f"^{k}:", fragment, re.M))
    return fragment + "\n".join(missing) + "\n"


def codes_of(tmp_path: Path, content: str | bytes) -> dict[str, str]:
    """Code to level of the problems of one file."""
    path = tmp_path / "x.odcs.yaml"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    problems, streams = examine([path])
    problems += sql_problems(streams, problems)
    return {problem.code: str(problem.level) for problem in problems}


def test_the_document_lists_exactly_the_codes() -> None:
    assert {code: (m[2], m[3]) for code, m in _SECTIONS.items()} == {
        code: (entry.title, str(entry.level)) for code, entry in CODES.items()
    }


@pytest.mark.parametrize("code", _EXAMPLES)
def test_the_documented_example_gives_the_code(code: str, tmp_path: Path) -> None:
    fragment = _EXAMPLES[code]
    text = fragment if code in ("LG004", "LG005") else complete(fragment)
    assert codes_of(tmp_path, text).get(code) == CODES[code].level


def test_a_pattern_of_values_is_of_strings(tmp_path: Path) -> None:
    text = """
schema:
  - name: order
    properties:
      - name: amount
        logicalType: number
        quality: [{metric: invalidValues, arguments: {pattern: '^[0-9]+$'}, mustBe: 0}]
"""
    assert codes_of(tmp_path, complete(text)).get("LG301") == Level.ERROR
    assert "LG301" not in codes_of(tmp_path, complete(text.replace("number", "string")))


@pytest.mark.parametrize("type_", ["object", "array", "string"])
def test_values_are_compared_of_single_values_only(type_: str, tmp_path: Path) -> None:
    text = f"""
schema:
  - name: order
    properties:
      - name: amount
        logicalType: {type_}
        {"properties" if type_ == "object" else "x"}: [{{name: a, logicalType: string}}]
        {"items: {logicalType: string}" if type_ == "array" else ""}
        quality: [{{metric: missingValues, arguments: {{missingValues: ['']}}, mustBe: 0}}]
"""
    assert ("LG504" in codes_of(tmp_path, complete(text))) is (type_ != "string")


@pytest.mark.parametrize("code", _EXAMPLES)
def test_an_example_gives_no_other_error(code: str, tmp_path: Path) -> None:
    if code in ("LG004", "LG005"):
        return
    found = codes_of(tmp_path, complete(_EXAMPLES[code]))
    alone = {"LG701"} if code == "LG704" else set()  # its target is in no file checked here
    assert {c for c, level in found.items() if level == Level.ERROR} <= {code} | alone


_BOMB = "a: &a [1,1,1,1,1,1,1,1,1]\n" + "".join(
    f"{chr(98 + i)}: &{chr(98 + i)} [{','.join(['*' + chr(97 + i)] * 9)}]\n" for i in range(9)
)


@pytest.mark.parametrize(
    ("code", "content"),
    [
        ("LG002", b"#" * (1 << 20) + b"\n"),
        ("LG003", b"name: \xff\n"),
        ("LG006", b"# nothing\n"),
        ("LG007", b"- a\n"),
        ("LG010", _BOMB.encode()),
        ("LG011", b"a: " + b"[" * 70 + b"]" * 70),
    ],
)
def test_files_that_cannot_be_read_have_their_own_code(
    code: str, content: bytes, tmp_path: Path
) -> None:
    assert list(codes_of(tmp_path, content)) == [code]


def test_a_missing_file(tmp_path: Path) -> None:
    (problem,) = check([tmp_path / "none.odcs.yaml"])
    assert problem.code == "LG001"


def test_a_file_of_fifty_megabytes_is_refused_unread(tmp_path: Path) -> None:
    path = tmp_path / "big.odcs.yaml"
    with path.open("wb") as handle:
        handle.truncate(50 << 20)  # sparse: reading it would find zero bytes, which are not YAML
    (problem,) = check([path])
    assert problem.code == "LG002"


def test_two_contracts_with_one_id_and_version(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / f"{name}.odcs.yaml").write_text(complete(""))
    problems = [p for p in check([tmp_path]) if p.level is Level.ERROR]
    assert [p.code for p in problems] == ["LG110"]
    assert problems[0].location.file.endswith("b.odcs.yaml")


def test_every_code_has_a_test() -> None:
    elsewhere = {"LG001", "LG002", "LG003", "LG006", "LG007", "LG010", "LG011", "LG110"}
    assert set(_EXAMPLES) | elsewhere == set(CODES)


def test_problems_of_all_files_come_at_once_in_order(tmp_path: Path) -> None:
    (tmp_path / "a.odcs.yaml").write_text(complete("nmae: x\ndomian: y\n"))
    (tmp_path / "b.odcs.yaml").write_text("a: [")
    found = [
        (Path(p.location.file).name, p.location.line, p.code)
        for p in check([tmp_path])
        if p.level is Level.ERROR
    ]
    assert found == [
        ("a.odcs.yaml", 1, "LG103"),
        ("a.odcs.yaml", 2, "LG103"),
        ("b.odcs.yaml", 1, "LG004"),
    ]


@pytest.mark.parametrize(
    ("text", "column", "near"),
    [
        ("servers:\n  - {server: a, type: kafka, host: b, formt: json}\n", 39, "format"),
        ("team:\n  name: x\n  member: []\n", 3, "members"),
        ("schema:\n  - name: o\n    propertys: []\n", 5, "properties"),
        (
            "schema:\n  - name: o\n    properties:\n      - {name: a, requird: true}\n",
            19,
            "required",
        ),
        ("description:\n  purpos: x\n", 3, "purpose"),
    ],
)
def test_a_misspelt_key_names_the_nearest(
    text: str, column: int, near: str, tmp_path: Path
) -> None:
    path = tmp_path / "x.odcs.yaml"
    path.write_text(complete(text))
    problems = [p for p in check([path]) if p.code == "LG103"]
    assert [p.location.column for p in problems] == [column]
    assert f"`{near}`" in problems[0].help


@pytest.mark.parametrize("version", ["v3.0.2", "v3.1.0"])
def test_a_key_of_a_newer_version_names_the_version(version: str, tmp_path: Path) -> None:
    path = tmp_path / "x.odcs.yaml"
    sla = """slaProperties:
  - {property: latency, value: 2, unit: h,
     customProperties: [{property: lakegate.window, value: 1h}]}
"""
    path.write_text(complete(f"apiVersion: {version}\n{sla}"))
    (problem,) = [p for p in check([path]) if p.code == "LG103"]
    assert problem.message == "unknown key `customProperties`"
    assert problem.help == "known from v3.2.0 on: set `apiVersion: v3.2.0`"


def test_a_wrong_argument_of_an_option_is_said_once(tmp_path: Path) -> None:
    path = tmp_path / "x.odcs.yaml"
    text = """
schema:
  - name: order
    properties:
      - {name: a, logicalType: string, logicalTypeOptions: {minLength: b, pattern: 5}}
"""
    path.write_text(complete(text))
    found = [p.code for p in check([path]) if p.level is Level.ERROR]
    assert found == ["LG105", "LG105"]


def test_references_between_files_are_checked(tmp_path: Path) -> None:
    customers = "schema:\n  - name: customer\n    properties: [{name: id, logicalType: integer}]\n"
    orders = (
        "schema:\n  - name: order\n    properties:\n"
        "      - {name: a, logicalType: integer, relationships: [{to: customer.id}]}\n"
        "      - {name: b, logicalType: integer, relationships: [{to: customer.idd}]}\n"
        "      - {name: c, logicalType: string, relationships: [{to: customer.id}]}\n"
        "      - {name: d, logicalType: string, relationships: [{to: customers.id}]}\n"
    )
    (tmp_path / "c.odcs.yaml").write_text(complete("id: c\n" + customers))
    (tmp_path / "o.odcs.yaml").write_text(complete("id: o\n" + orders))
    errors = [p for p in check([tmp_path]) if p.level is Level.ERROR]
    assert [(p.code, p.help) for p in errors] == [
        ("LG701", "did you mean `id`?"),
        ("LG702", "give both the same logicalType"),
        ("LG701", "did you mean `customer`?"),
    ]


def test_every_setting_is_in_the_reference() -> None:
    from lakegate.contract.custom import SETTINGS

    text = (Path(__file__).parents[3] / "docs" / "reference" / "contract.md").read_text("utf-8")
    assert all(f"`lakegate.{name}`" in text for name in SETTINGS)


@pytest.mark.parametrize(("target", "errors"), [("id_prop", []), ("id_prp", ["LG701"])])
def test_references_by_id_into_another_file(target: str, errors: list[str], tmp_path: Path) -> None:
    customers = (
        "{id: c_tbl, name: customer, properties: [{id: id_prop, name: id, logicalType: integer}]}"
    )
    (tmp_path / "c.odcs.yaml").write_text(complete(f"id: c\nschema: [{customers}]\n"))
    to = f"c.odcs.yaml#/schema/c_tbl/properties/{target}"
    order = f"{{name: a, logicalType: integer, relationships: [{{to: '{to}'}}]}}"
    orders = f"id: o\nschema: [{{name: order, properties: [{order}]}}]\n"
    (tmp_path / "o.odcs.yaml").write_text(complete(orders))
    assert [p.code for p in check([tmp_path]) if p.level is Level.ERROR] == errors
