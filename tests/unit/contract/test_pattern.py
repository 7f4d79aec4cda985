"""ECMA-262 patterns: a table of what the standard says, and node's own RegExp."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Iterator

import pyarrow as pa
import pyarrow.compute as pc
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lakegate.contract import pattern
from lakegate.contract.pattern import PatternError
from lakegate.errors import ContractError

TABLE = [
    # anchors are of the input, never of a line
    ("^a$", "a", True),
    ("^a$", "a\n", False),
    ("^a$", "b\na", False),
    ("a", "bab", True),
    # ASCII classes
    (r"^\d$", "7", True),
    (r"^\d$", "\u0667", False),
    (r"^\w$", "é", False),
    (r"^\W$", "é", True),
    (r"\bab\b", "éabé", True),
    (r"a\Bb", "ab", True),
    # white space as ECMA-262 lists it
    *((r"^\s$", space, True) for space in "\t\n\v\f\r \u00a0\u1680\u2003\u2028\u2029\u3000\ufeff"),
    (r"^\s$", "\u200b", False),
    (r"^\s$", "\u0085", False),
    (r"^\S$", "\ufeff", False),
    # the dot and the classes that match all and nothing
    *((".", end, False) for end in "\n\r\u2028\u2029"),
    ("^.$", "\u0085", True),
    ("^.$", "😀", True),
    ("^[^]$", "\n", True),
    ("[]", "a", False),
    # escapes
    (r"^\u0041\x42\u{43}\cJ\0\t\/\-\.$", "ABC\n\0\t/-.", True),
    (r"^\ud83d\ude00$", "😀", True),
    (r"^[\u{1F600}-\u{1F64F}]$", "😁", True),
    (r"^[\b]$", "\b", True),
    (r"^[\w-]+$", "a-b", True),
    (r"^[\d-x]$", "-", True),
    (r"^[a\]]$", "]", True),
    (r"^[[]$", "[", True),
    (r"^[^\s\d]$", "a", True),
    (r"^[^\S]$", " ", True),
    (r"^[&&]$", "&", True),
    # quantifiers, groups
    ("^a{2,3}?$", "aaa", True),
    ("^a{2}$", "aaa", False),
    ("^(?<year>\\d{4})-(?:x|y)$", "2024-y", True),
    ("^{.*}$", "{a}", True),
    ("]", "]", True),
    ("^(a|)+$", "", True),
    ("", "", True),
    # properties
    (r"^\p{Lu}\P{Lu}$", "Éé", True),
    (r"^\p{Letter}\p{gc=Nd}$", "é7", True),
    (r"^[\p{Script=Greek}]+$", "αβγ", True),
]


@pytest.mark.parametrize(("source", "text", "expected"), TABLE)
def test_means_what_ecma_262_says(source: str, text: str, expected: bool) -> None:
    assert pattern.compile(source).search(text) is expected
    assert arrow(source, text) is expected


def arrow(source: str, text: str) -> bool:
    return bool(pc.match_substring_regex(pa.scalar(text), pattern.translate(source)).as_py())


@pytest.mark.parametrize(
    ("source", "construct", "position"),
    [
        ("a(?=b)", "(?=", 1),
        ("a(?!b)", "(?!", 1),
        ("(?<=a)b", "(?<=", 0),
        ("(?<!a)b", "(?<!", 0),
        (r"(a)\1", r"\1", 3),
        (r"(?<n>a)\k<n>", r"\k", 7),
        ("a{1001}", "{1001}", 1),
        ("a{1,99999}", "{1,99999}", 1),
        ("(a{100}){100}", "(a{100}){100}", 0),
        ("a{3,2}", "{3,2}", 1),
        ("x{,5}", "{,5}", 1),
        ("*a", "*", 0),
        ("a**", "*", 2),
        ("^*", "^*", 0),
        ("(a", "(", 0),
        ("a)", ")", 1),
        ("[a", "[", 0),
        ("[b-a]", "b-a", 1),
        ("(?i)a", "(?i)", 0),
        ("(?P<n>a)", "(?P<", 0),
        ("(?<n>a)(?<n>b)", "n", 10),
        ("(?<1>a)", "(?<", 0),
        (r"a\Z", r"\Z", 1),
        (r"\A", r"\A", 0),
        (r"\p{Nope}", r"\p{Nope}", 0),
        (r"\p{Cn}", r"\p{Cn}", 0),
        (r"\x1", r"\x", 0),
        (r"\u{110000}", r"\u{110000}", 0),
        (r"\ud800", r"\ud800", 0),
        (r"\01", r"\0", 0),
        (r"\c1", r"\c", 0),
        ("a\\", "\\", 1),
        ("[[:alpha:]]", "[[:alpha:]", 0),
        ("(" * 101 + ")" * 101, "(", 101),
    ],
)
def test_what_cannot_be_enforced_is_an_error_that_names_it(
    source: str, construct: str, position: int
) -> None:
    with pytest.raises(PatternError) as caught:
        pattern.translate(source)
    assert (caught.value.construct, caught.value.position) == (construct, position)
    assert isinstance(caught.value, ContractError)
    assert construct in str(caught.value)
    assert caught.value.advice in str(caught.value)


PIECE = st.sampled_from(
    [
        *(
            [
                r"a",
                r"b",
                r"c",
                r"A",
                r"1",
                r"_",
                r".",
                r"^",
                r"$",
                r"|",
                r"(",
                r")",
                r"(?:",
                r"[",
                r"]",
                r"[^",
                r"-",
                r"*",
                r"+",
                r"?",
                r"*?",
                r"{2}",
                r"{1,2}",
                r"{0,}",
                r",",
                r"é",
                r"😀",
                r"[]",
                r"[^]",
                r"\B",
            ]
        ),
        *(
            [
                r"\d",
                r"\D",
                r"\w",
                r"\W",
                r"\s",
                r"\S",
                r"\b",
                r"\t",
                r"\n",
                r"\.",
                r"\-",
                r"\/",
                r"\]",
                r"\u0061",
                r"\x62",
                r"\u{63}",
                r"\cJ",
                r"\0",
                r"(?<g>",
                r"\p{L}",
            ]
        ),
        *(
            [
                r"[a-c]",
                r"[^a\d]",
                r"[\w-]",
                r"[\s\S]",
                r"(?=a)",
                r"(?!a)",
                r"\1",
                r"}",
                r"{",
                r"-",
                r":",
                r"=",
                r"\u00e9",
            ]
        ),
    ]
)
SOURCES = st.lists(PIECE, max_size=7).map("".join)
SUBJECTS = st.text("abcA1_.-é😀 \n\r\u2028\ufeff\t{}[]", max_size=6)

NODE = """
const lines = require('readline').createInterface({ input: process.stdin });
lines.on('line', line => {
  const [source, texts] = JSON.parse(line);
  let answer = null;
  for (const flags of ['u', '']) {
    try {
      const regexp = new RegExp(source, flags);
      answer = [flags, texts.map(text => regexp.test(text))];
      break;
    } catch (error) { }
  }
  console.log(JSON.stringify(answer));
});
"""


@pytest.fixture(scope="module")
def node() -> Iterator[subprocess.Popen[str]]:
    path = shutil.which("node")
    if path is None:
        assert os.environ.get("CI") != "true", "CI must have node to compare patterns with"
        pytest.skip("node is not on PATH: nothing to compare with")
    pipe = subprocess.PIPE
    with subprocess.Popen([path, "-e", NODE], stdin=pipe, stdout=pipe, text=True) as process:
        yield process
        process.stdin.close()


@settings(max_examples=400, deadline=None)
@given(source=SOURCES, texts=st.lists(SUBJECTS, min_size=3, max_size=6))
def test_agrees_with_node(node: subprocess.Popen[str], source: str, texts: list[str]) -> None:
    node.stdin.write(json.dumps([source, texts]) + "\n")
    node.stdin.flush()
    check_against_node(source, texts, json.loads(node.stdout.readline()))


def check_against_node(source: str, texts: list[str], theirs: list | None) -> None:
    try:
        compiled = pattern.compile(source)
    except PatternError:
        # Unicode mode knows it: then only what linear time forbids may be refused.
        beyond = ("(?=", "(?!", "\\1")
        assert theirs is None or theirs[0] == "" or any(piece in source for piece in beyond), source
        return
    assert theirs is not None, f"{source!r} is no regular expression"
    for text, expected in zip(texts, theirs[1], strict=True):
        if theirs[0] == "u" or (source + text).isascii():
            assert compiled.search(text) is expected, (source, text)
            assert arrow(source, text) is expected, (source, text)
