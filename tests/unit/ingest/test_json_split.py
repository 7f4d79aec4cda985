"""JSON cut into its values: bytes untouched, however the text comes in pieces."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lakegate.ingest.json_split import NotJson, array_elements, documents

LIMIT = 1 << 20


def pieces(text: bytes, size: int) -> list[bytes]:
    return [text[at : at + size] for at in range(0, len(text), size)]


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner),
    max_leaves=6,
)


@given(st.lists(values, max_size=6), st.integers(1, 40), st.sampled_from(["", " ", "\n\t "]))
def test_elements_are_those_of_the_array(elements, size, space):
    texts = [json.dumps(element, ensure_ascii=False) for element in elements]
    text = (space + "[" + space + f"{space},{space}".join(texts) + space + "]" + space).encode()
    found = list(array_elements(pieces(text, size), limit_bytes=LIMIT))
    assert found == [text.encode() for text in texts]


@given(st.lists(values, min_size=1, max_size=6), st.integers(1, 40))
def test_documents_follow_each_other(elements, size):
    texts = [json.dumps(element, indent=1) for element in elements]
    text = "\n".join(texts).encode()
    assert list(documents(pieces(text, size), limit_bytes=LIMIT)) == [t.encode() for t in texts]


@pytest.mark.parametrize(
    "element", [b'{"a":"\xff\xfe"}', b'{"a":NaN}', b'{"a":"\\ud800"}', b'{"a":1,"a":2}', b'"\x01"']
)
def test_what_the_gate_rejects_can_still_be_cut(element):
    text = b"[" + element + b", 1]"
    assert list(array_elements(pieces(text, 3), limit_bytes=LIMIT)) == [element, b"1"]


def test_a_number_is_not_cut_where_a_piece_ends():
    assert list(array_elements([b"[12", b"34]"], limit_bytes=LIMIT)) == [b"1234"]


def test_an_integer_of_any_length():
    digits = b"9" * 5_000
    assert list(array_elements([b"[" + digits + b"]"], limit_bytes=LIMIT)) == [digits]


@pytest.mark.parametrize(
    ("text", "whole", "said"),
    [
        (b"[1, 2", 2, "expected `,` or `]` after element 2"),
        (b'[1, {"a":', 1, "element 2 is malformed or cut off"),
        (b"[1 2]", 1, "after element 1"),
        (b"[1,]", 1, "element 2"),
        (b"[1] x", 1, "more after the array of 1 elements"),
        (b"{}", 0, "does not begin"),
        (b"", 0, "does not begin"),
        (b"[" * 200_000, 0, "element 1"),
    ],
)
def test_what_was_whole_comes_before_the_error(text, whole, said):
    found = []
    with pytest.raises(NotJson, match=said):
        found.extend(array_elements([text], limit_bytes=LIMIT))
    assert len(found) == whole


def test_memory_is_bounded_by_the_limit():
    read = 0

    def endless():
        nonlocal read
        yield b'["'
        while True:
            read += 1000
            yield b"x" * 1000

    with pytest.raises(NotJson, match="longer than"):
        list(array_elements(endless(), limit_bytes=10_000))
    assert read < 100_000
