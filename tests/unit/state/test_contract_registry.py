from __future__ import annotations

import pytest

from lakegate.contract.stream import ContractRef
from lakegate.errors import ContractError
from lakegate.state.contract_registry import claim, seen
from lakegate.state.database import open_database

A = ContractRef("orders", "1.0.0", "a" * 64)
B = ContractRef("orders", "1.0.0", "b" * 64)
NEXT = ContractRef("orders", "1.1.0", "b" * 64)


@pytest.fixture
def database(tmp_path):
    return open_database(f"sqlite:///{tmp_path / 'state.db'}")


def test_claiming_twice_is_harmless(database):
    claim(database, A, draft=False)
    claim(database, A, draft=False)
    (entry,) = seen(database, "orders")
    assert (entry.ref, entry.draft) == (A, False)


def test_another_digest_of_the_same_version_is_refused_with_both_and_what_to_do(database):
    claim(database, A, draft=False)
    with pytest.raises(ContractError) as caught:
        claim(database, B, draft=False)
    message = str(caught.value)
    assert A.digest in message
    assert B.digest in message
    assert "raise `version`" in message
    claim(database, NEXT, draft=False)
    assert [entry.ref for entry in seen(database, "orders")] == [A, NEXT]


def test_drafts_may_change_and_then_become_final(database):
    claim(database, A, draft=True)
    claim(database, B, draft=True)
    claim(database, B, draft=False)
    assert [(entry.ref, entry.draft) for entry in seen(database, "orders")] == [
        (A, True),
        (B, False),
    ]
    with pytest.raises(ContractError):
        claim(database, A, draft=False)


def test_a_draft_beside_a_final_version_does_not_free_it(database):
    claim(database, A, draft=False)
    claim(database, B, draft=True)
    with pytest.raises(ContractError):
        claim(database, B, draft=False)


def test_other_contracts_do_not_mind(database):
    claim(database, A, draft=False)
    claim(database, ContractRef("flights", "1.0.0", "b" * 64), draft=False)
