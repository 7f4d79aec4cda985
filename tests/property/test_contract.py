"""Laws of contracts: the digest is the meaning, the document survives, checking never raises."""

from __future__ import annotations

import json
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lakegate.contract import check, load, loads
from lakegate.contract.digest import canonical, digest
from lakegate.contract.document import parse
from lakegate.contract.model import to_plain
from lakegate.contract.problem import Report
from lakegate.errors import ContractError

_FIXTURES = sorted((Path(__file__).parents[1] / "contracts").glob("*.odcs.yaml"))
_TEXTS = [path.read_text(encoding="utf-8") for path in _FIXTURES]


def plain_of(text: str) -> Any:
    node = parse(text, file="x", report=Report())
    assert node is not None
    return node.to_plain()


def written(value: Any, draw: Any) -> str:
    """A value as YAML (its JSON subset), keys in another order and scalars in another style."""
    if isinstance(value, dict):
        keys = draw(st.permutations(list(value)))
        return "{" + ", ".join(f"{_text(k, draw)}: {written(value[k], draw)}" for k in keys) + " }"
    if isinstance(value, list):
        return "[" + ", ".join(written(item, draw) for item in value) + " ]"
    if isinstance(value, str):
        return _text(value, draw)
    return "~" if value is None else str(value).lower()


def _text(value: str, draw: Any) -> str:
    if "\n" not in value and draw(st.booleans()):
        return "'" + value.replace("'", "''") + "'"
    return json.dumps(value)


@settings(max_examples=20, deadline=None)
@given(st.data())
def test_the_digest_ignores_order_of_keys_quoting_and_comments(data: st.DataObject) -> None:
    plain = plain_of(data.draw(st.sampled_from(_TEXTS)))
    again = "# a comment\n" + written(plain, data.draw) + "  # another\n"
    assert digest(plain_of(again)) == digest(plain)


def leaves(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    if isinstance(value, dict):
        return [leaf for key, item in value.items() for leaf in leaves(item, (*path, key))]
    if isinstance(value, list):
        return [leaf for index, item in enumerate(value) for leaf in leaves(item, (*path, index))]
    return [path]


@settings(max_examples=30, deadline=None)
@given(st.data())
def test_any_change_of_a_value_changes_the_digest(data: st.DataObject) -> None:
    plain = plain_of(data.draw(st.sampled_from(_TEXTS)))
    before = digest(plain)
    *way, last = data.draw(st.sampled_from(leaves(plain)))
    parent = plain
    for step in way:
        parent = parent[step]
    old = parent[last]
    if isinstance(old, bool) or old is None:
        parent[last] = "changed"
    elif isinstance(old, str):
        parent[last] = old + "x"
    else:
        parent[last] = old + 1
    assert digest(plain) != before


@given(st.integers(), st.integers(min_value=0, max_value=30))
def test_one_number_has_one_canonical_text(number: int, zeros: int) -> None:
    from decimal import Decimal

    text = f"{number}.{'0' * zeros}" if zeros else f"{number}"
    assert canonical(Decimal(text)) == canonical(number)
    assert canonical(number) != canonical(str(number))


@pytest.mark.parametrize("path", _FIXTURES, ids=lambda path: path.name)
def test_the_document_survives_the_model(path: Path) -> None:
    assert to_plain(load(path)) == plain_of(path.read_text(encoding="utf-8"))


@settings(max_examples=100, deadline=None, suppress_health_check=list(HealthCheck))
@given(content=st.binary(max_size=300))
def test_check_never_raises_on_bytes(
    content: bytes, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.getbasetemp() / "fuzz.odcs.yaml"
    path.write_bytes(content)
    check([path])


_VOCABULARY = """
    a order mustBe nullValues string integer number 2020-01-01 $ {object} lakegate.severity
    decimal(10,2) uuid order.a active rows d latency ${X} -1 [
"""
_WORDS = st.sampled_from(_VOCABULARY.split())
_VALUES: st.SearchStrategy[Any] = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.decimals(allow_nan=False, allow_infinity=False)
    | _WORDS
    | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(_WORDS | st.text(max_size=4), inner, max_size=3)
    ),
    max_leaves=6,
)


@settings(max_examples=50, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.data())
def test_a_damaged_contract_loads_or_says_why(data: st.DataObject) -> None:
    plain = plain_of(data.draw(st.sampled_from(_TEXTS)))
    for _ in range(data.draw(st.integers(1, 3))):
        way = data.draw(st.sampled_from(leaves(plain)))
        cut = data.draw(st.integers(1, len(way)))
        parent = plain
        for step in way[: cut - 1]:
            parent = parent[step]
        parent[way[cut - 1]] = data.draw(_VALUES)
    text = json.dumps(plain, default=lambda number: int(number) if number == int(number) else 0.5)
    with suppress(ContractError):
        loads(text)
