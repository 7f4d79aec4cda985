"""What a failure shows, and what an untyped column keeps, from raw bytes as from parsed values."""

from __future__ import annotations

import json
import random
from types import ModuleType

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lakegate.gate.json_text import canonical, observe, parse_text

_STRINGS = (
    *("", "a", "é", "x" * 70, "é" * 79, "😀" * 80, "\x7f", "\u2028"),
    *(r"\/", r"\u0041", r"\u001F", r"\\", r"\"", r"\ud83d\ude00", r"\n\t\r\b\f", r"\u00e9"),
)
_SCALARS = ("null", "true", "false", "[]", "{}", "-0", "1.50", "1E400", "9" * 100, "0.1e-7")


def any_json(source: random.Random, depth: int = 0) -> str:
    """A JSON value, written in any way."""

    def gap() -> str:
        return source.choice(("", "", " ", "\n\t\r "))

    def quoted(start: str = "") -> str:
        return f'"{start}{"".join(source.choices(_STRINGS, k=source.randint(0, 4)))}"'

    shape = source.randint(0, 9 if depth < 4 else 5)
    if shape < 3:
        return source.choice(_SCALARS)
    if shape < 6:
        return quoted()
    items = [any_json(source, depth + 1) for _ in range(source.randint(0, 4))]
    if shape < 8:
        return f"[{gap()}{','.join(f'{gap()}{item}{gap()}' for item in items)}]"
    members = (f"{gap()}{quoted(str(at))}{gap()}:{gap()}{item}" for at, item in enumerate(items))
    return "{" + gap() + f"{gap()},".join(members) + gap() + "}"


@settings(max_examples=200, deadline=None)
@given(st.integers(0, (1 << 32) - 1).map(random.Random))
def test_observed_and_canonical_text(kernels: ModuleType, source: random.Random) -> None:
    texts = [any_json(source) for _ in range(5)]
    texts += [f" {any_json(source)}\n"]
    for text, answer in zip(
        texts, kernels._observe([text.encode() for text in texts]), strict=True
    ):
        value = parse_text(text)
        said = value if type(value) is str and text.startswith('"') else None
        assert answer == (observe(value), canonical(value), said)


@pytest.mark.parametrize("length", [75, 76, 77, 78, 79, 80, 81, 82, 300, 400, 5000])
@pytest.mark.parametrize("letter", ["x", "é", "😀", '"', "\x01", "\\"])
def test_eighty_characters_are_observed(kernels: ModuleType, letter: str, length: int) -> None:
    values = [letter * length, [letter * length], {letter * length: None}]
    answers = kernels._observe([canonical(value).encode() for value in values])
    answers += kernels._observe([json.dumps(value).encode() for value in values])
    assert [answer[0] for answer in answers] == [observe(value) for value in values] * 2
