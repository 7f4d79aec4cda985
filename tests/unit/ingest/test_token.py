"""Bearer tokens: references, never themselves."""

from __future__ import annotations

import hashlib

import pytest

from lakegate.ingest.error import IngestError
from lakegate.ingest.problem import Problem
from lakegate.ingest.token import Tokens

HASH = "sha256:" + hashlib.sha256(b"secret").hexdigest()


def made(tmp_path, **environment):
    (tmp_path / "tokens.txt").write_text("# ours\nfirst\n\nsecond\n")
    references = {"hashed": HASH, "env": "env:TOKEN", "file": "file:tokens.txt"}
    return Tokens.configured(references, folder=tmp_path, environment={"TOKEN": "fromenv"})


@pytest.mark.parametrize(
    ("token", "name"),
    [(b"secret", "hashed"), (b"fromenv", "env"), (b"first", "file"), (b"second", "file")],
)
def test_each_kind(tmp_path, token, name):
    assert made(tmp_path).holder(b"Bearer " + token) == name
    assert made(tmp_path).holder(b"bearer  " + token) == name


@pytest.mark.parametrize("given", [None, b"", b"Bearer ", b"Bearer wrong", b"Basic secret"])
def test_refused(tmp_path, given):
    with pytest.raises(Problem) as caught:
        made(tmp_path).holder(given)
    assert caught.value.status == 401
    assert caught.value.headers["www-authenticate"].startswith("Bearer")
    assert "wrong" not in caught.value.detail


def test_without_tokens_everybody_may_send():
    assert Tokens({}).holder(None) == ""
    assert not Tokens({})


@pytest.mark.parametrize(
    "reference", ["secret", "sha256:12", "env:NOT_THERE", "file:nope.txt", "file:empty.txt"]
)
def test_a_reference_that_is_none(tmp_path, reference):
    (tmp_path / "empty.txt").write_text("# nothing\n")
    with pytest.raises(IngestError) as caught:
        Tokens.configured({"shop": reference}, folder=tmp_path, environment={})
    assert "gateway.tokens.shop" in str(caught.value)
    assert "secret" not in str(caught.value)
