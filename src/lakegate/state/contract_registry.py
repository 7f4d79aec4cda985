"""Which contract versions have been in force: the same version never means two things."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

from sqlalchemy import insert, select

from lakegate.contract.stream import ContractRef
from lakegate.errors import ContractError
from lakegate.state.database import Database
from lakegate.state.moment import time_of, time_text
from lakegate.state.schema import contracts

__all__ = ["SeenContract", "claim", "seen"]


@dataclass(frozen=True, slots=True)
class SeenContract:
    """A contract version that was claimed: when first (UTC), and whether as a draft."""

    ref: ContractRef
    draft: bool
    first_seen: datetime


def claim(database: Database, ref: ContractRef, *, draft: bool) -> None:
    """Take the version for this digest, before anything is judged by it. Repeating is harmless.

    A draft may change under its version; a version that was ever in force as something else than a
    draft keeps its digest (SEMANTICS "Identities").

    Raises:
        ContractError: the version is taken by another digest.
        StateError: the database refused or failed.
    """
    here = (contracts.c.id == ref.id) & (contracts.c.version == ref.version)
    with database.write() as connection:
        known = connection.execute(
            select(contracts.c.digest, contracts.c.draft, contracts.c.first_seen)
            .where(here)
            .order_by(contracts.c.first_seen)
        ).all()
        for digest, was_draft, first_seen in known:
            if not draft and not was_draft and digest != ref.digest:
                raise ContractError(
                    f"contract {ref.id} version {ref.version} has changed without a new version: "
                    f"digest {ref.digest} now, {digest} since {first_seen}; raise `version`, "
                    "or take the change back, or set `status: draft` while you work on it"
                )
        digests = {digest: was_draft for digest, was_draft, _ in known}
        if ref.digest not in digests:
            connection.execute(
                insert(contracts).values(
                    id=ref.id,
                    version=ref.version,
                    digest=ref.digest,
                    draft=draft,
                    first_seen=time_text(datetime.now(UTC)),
                )
            )
        elif digests[ref.digest] and not draft:
            row = here & (contracts.c.digest == ref.digest)
            connection.execute(contracts.update().where(row).values(draft=False))


def seen(database: Database, contract_id: str) -> tuple[SeenContract, ...]:
    """Every version and digest claimed for this contract, the first seen first."""
    query = select(contracts).where(contracts.c.id == contract_id).order_by(contracts.c.first_seen)
    with database.read() as connection:
        return tuple(
            SeenContract(
                ContractRef(row.id, row.version, row.digest),
                row.draft,
                time_of(row.first_seen),
            )
            for row in connection.execute(query)
        )
