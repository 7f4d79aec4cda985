"""Seals are only ever built upon one another, and nobody waits for ever to write one."""

from __future__ import annotations

import fcntl
import os
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import pytest

from lakegate.errors import LedgerError
from lakegate.ledger.seal import Seal, SealBook

FIRST = Seal("n.raw", 0, 100, 90, 10, 90, 10, 0, 1, 2, 3, ("n",), datetime.now(UTC))
LONGER = msgspec.structs.replace(FIRST, next_offset=120, validated_next=110)
REPLAYED = msgspec.structs.replace(FIRST, validated_next=91, replayed=1, triage_next=2)
OTHER = msgspec.structs.replace(FIRST, partition=1)


@pytest.fixture
def book(tmp_path: Path) -> SealBook:
    book = SealBook(tmp_path / "ledger")
    book.extend("n", {0: FIRST}, over={})
    return book


def test_a_seal_takes_the_place_of_the_one_it_was_built_on(book: SealBook) -> None:
    assert book.extend("n", {0: LONGER, 1: OTHER}, over={0: FIRST}) == {0: LONGER, 1: OTHER}
    assert book.read("n") == {0: LONGER, 1: OTHER}


@pytest.mark.parametrize("late", [REPLAYED, LONGER, FIRST])
def test_what_another_proof_has_sealed_since_stays(book: SealBook, late: Seal) -> None:
    known = book.read("n")
    sealed = msgspec.structs.replace(FIRST, triage_next=3, replayed=2)
    book.extend("n", {0: sealed}, over=known)
    assert book.extend("n", {0: late, 1: OTHER}, over=known) == {0: sealed, 1: OTHER}


def test_no_seal_becomes_shorter(book: SealBook) -> None:
    shorter = msgspec.structs.replace(FIRST, next_offset=50)
    assert book.extend("n", {0: shorter}, over={0: FIRST}) == {0: FIRST}


def test_a_writer_that_was_stopped_is_an_error_not_a_wait(
    book: SealBook, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lakegate.lock._PATIENCE_S", 0.05)
    held = os.open(book.directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(held, fcntl.LOCK_EX)
        with pytest.raises(LedgerError, match=r"writing the seals in .* is it stopped\?"):
            book.extend("n", {0: LONGER}, over={0: FIRST})
    finally:
        os.close(held)
    assert book.read("n") == {0: FIRST}
