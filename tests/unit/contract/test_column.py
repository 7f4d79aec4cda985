"""Columns by name: members, items, names with dots; and where a relationship is judged."""

from __future__ import annotations

import pytest

from lakegate.contract import loads
from lakegate.contract.column import column_at
from lakegate.contract.coverage import Where, coverage
from lakegate.contract.loading import check
from lakegate.contract.stream import Place
from lakegate.contract.type import ArrayType, Field, IntegerType, ObjectType, StringType

_INNER = ObjectType((Field("x", IntegerType(), "$"), Field("a.b", StringType(), "$")))
_FIELDS = (
    Field("o", _INNER, "$.o"),
    Field("l", ArrayType(Field("element", ArrayType(Field("element", _INNER, "$")), "$")), "$.l"),
    Field("o.x", StringType(), "$"),
)


@pytest.mark.parametrize(
    ("name", "items", "members"),
    [
        ("o.x", (), ("o", "x")),
        ("o.a.b", (), ("o", "a.b")),
        ("l.element.element.x", ("l", None, None), ("x",)),
        ("l.element", ("l", None), ()),
    ],
)
def test_a_column_is_found_with_its_steps(
    name: str, items: tuple[str | None, ...], members: tuple[str, ...]
) -> None:
    found = column_at(_FIELDS, name)
    assert found is not None
    assert (found.items, found.members) == (items, members)


@pytest.mark.parametrize("name", ["q", "o.q", "l.x", "o.x.y", "l.element.x", ""])
def test_what_is_not_there_is_not_found(name: str) -> None:
    assert column_at(_FIELDS, name) is None


_CONTRACT = """
apiVersion: v3.1.0
kind: DataContract
id: c
name: c
version: 1.0.0
status: active
schema:
  - name: a
    properties:
      - name: x
        logicalType: {left}
        relationships:
          - to: b.y
            customProperties: [{{property: lakegate.place, value: {place}}}]
  - name: b
    properties: [{{name: y, logicalType: {right}}}]
"""


@pytest.mark.parametrize(
    ("left", "right", "place", "judged"),
    [
        ("string", "string", "gate", Place.GATE),
        ("integer", "integer", "gate", Place.GATE),
        ("string", "string", "audit", Place.AUDIT),
        ("integer", "number", "gate", Place.AUDIT),
        ("object", "object", "gate", Place.AUDIT),
    ],
)
def test_a_relationship_is_judged_where_it_asks_to_be_if_it_can(
    left: str, right: str, place: str, judged: Place
) -> None:
    contract = loads(_CONTRACT.format(left=left, right=right, place=place))
    (reference,) = contract.stream("a").references
    assert reference.place is judged
    (said,) = [one for one in coverage(contract) if one.key == "relationship"]
    assert said.where is (Where.GATE if judged is Place.GATE else Where.AUDIT)


def test_check_says_what_cannot_be_judged_at_the_gate_across_files(tmp_path: object) -> None:
    from pathlib import Path

    folder = Path(str(tmp_path))
    one, other = _CONTRACT.format(left="integer", right="number", place="gate").split(
        "  - name: b\n"
    )
    head = one.partition("schema:")[0].replace("id: c", "id: d").replace("name: c", "name: d")
    (folder / "a.odcs.yaml").write_text(one)
    (folder / "b.odcs.yaml").write_text(f"{head}schema:\n  - name: b\n{other}")
    found = check([folder / "a.odcs.yaml", folder / "b.odcs.yaml"])
    assert [problem.code for problem in found if problem.code == "LG705"] == ["LG705"]
