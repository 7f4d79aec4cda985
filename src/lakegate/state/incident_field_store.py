"""Fields nobody declared: when each was seen first, and whether people were told."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Select, func, insert, select, update

from lakegate.state.alert_schema import undeclared
from lakegate.state.database import Database
from lakegate.state.moment import time_text

__all__ = ["UndeclaredStore"]

_ROOM = 1_000  # of one stream: names come from outside


class UndeclaredStore:
    """Remembers each undeclared path of a stream once. Raises StateError when the database does."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def see(self, stream: str, paths: Iterable[str], *, now: datetime) -> None:
        """Remember paths that were not known; beyond a thousand of a stream, none."""
        with self._database.write() as connection:
            known = set(connection.execute(_of(stream)).scalars())
            fresh = [path for path in dict.fromkeys(paths) if path not in known]
            rows = [
                {"stream": stream, "path": path, "first_seen": time_text(now), "told": False}
                for path in fresh[: max(0, _ROOM - len(known))]
            ]
            if rows:
                connection.execute(insert(undeclared), rows)

    def count(self, stream: str) -> int:
        """How many are known of a stream."""
        query = select(func.count()).where(undeclared.c.stream == stream)
        with self._database.read() as connection:
            return connection.execute(query).scalar_one()

    def tell(self, stream: str, say: Callable[[Connection, Sequence[str]], None]) -> int:
        """Call ``say`` with paths people do not know of yet, in the transaction that marks them.

        Returns how many there were; with none ``say`` is not called.
        """
        waiting = undeclared.c.told.is_(False)
        with self._database.read() as connection:
            if connection.execute(_of(stream).where(waiting).limit(1)).first() is None:
                return 0
        with self._database.write() as connection:
            paths = connection.execute(_of(stream).where(waiting)).scalars().all()
            if paths:
                say(connection, paths)
                mine = (undeclared.c.stream == stream) & undeclared.c.path.in_(paths)
                connection.execute(update(undeclared).where(mine).values(told=True))
        return len(paths)


def _of(stream: str) -> Select[Any]:
    return (
        select(undeclared.c.path).where(undeclared.c.stream == stream).order_by(undeclared.c.path)
    )
