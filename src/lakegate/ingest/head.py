"""The head of a request: parameters, record headers, and by what a retry of it is known."""

from __future__ import annotations

import hashlib
from collections.abc import MutableMapping
from dataclasses import dataclass
from typing import Any, TypeAlias
from urllib.parse import parse_qs

from lakegate.ingest.problem import Problem
from lakegate.topic.stub import ERASED

__all__ = ["Head", "Identity", "Scope", "digest_of"]

Scope: TypeAlias = MutableMapping[str, Any]

_HEADER = b"lakegate-header-"
# By these Lakegate knows what it erased and replayed itself.
_OURS = frozenset({ERASED, "lakegate.source", "lakegate.fixes"})
_MAX_TOKEN_CHARACTERS = 255


@dataclass(frozen=True, slots=True)
class Identity:
    """By what a request is known when it comes again.

    ``token``: who sent and the Idempotency-Key; ``digest``: of everything that was sent.
    """

    token: tuple[bytes, bytes] | None
    digest: bytes


class Head:
    """The head of one request."""

    def __init__(self, scope: Scope) -> None:
        self.scope = scope
        self.headers: dict[bytes, bytes] = dict(scope["headers"])
        query = scope["query_string"]
        self._query: dict[str, list[str]] = {}
        if query:
            self._query = parse_qs(query.decode("latin-1"), keep_blank_values=True)

    def one(self, name: str) -> str | None:
        """A parameter of the query, one of those that mean something."""
        values = self._query.get(name)
        return None if values is None else values[-1]

    def refuse_but(self, *known: str) -> None:
        """Refuse a parameter that would mean nothing here: most likely it is misspelt.

        Raises:
            Problem: 400, there is another one than ``known``.
        """
        for name in self._query:
            if name not in known:
                there = f"there are: {', '.join(known)}" if known else "there is none"
                raise Problem(400, f"no parameter of the query is called {name[:40]}; {there}")

    def wants_judging(self, *, default: bool) -> bool:
        """``?judge=``.

        Raises:
            Problem: 400, it is neither true nor false.
        """
        text = self.one("judge")
        if text is None:
            return default
        if text.lower() not in ("true", "false"):
            raise Problem(400, f"judge must be true or false, got {text[:20]}")
        return text.lower() == "true"

    def record_headers(self) -> tuple[tuple[str, bytes | None], ...]:
        """Every ``Lakegate-Header-*``, in order; names in lower case, as HTTP has none.

        Raises:
            Problem: 400, a name is one by which Lakegate knows records of its own.
        """
        found = tuple(
            (name[len(_HEADER) :].decode("latin-1"), value)
            for name, value in self.scope["headers"]
            if name.startswith(_HEADER)
        )
        for name, _ in found:
            if name in _OURS:
                raise Problem(400, f"record header {name} is Lakegate's own; choose another name")
        return found

    def token(self) -> bytes | None:
        """The Idempotency-Key.

        Raises:
            Problem: 400, it is empty or too long.
        """
        header = self.headers.get(b"idempotency-key")
        if header is None:
            return None
        token = header.strip().strip(b'"')
        if not 0 < len(token) <= _MAX_TOKEN_CHARACTERS:
            raise Problem(400, f"Idempotency-Key must have 1 to {_MAX_TOKEN_CHARACTERS} characters")
        return token

    def identity(self, holder: str, token: bytes | None, body: bytes) -> Identity:
        """Of a request with that body, sent by the holder of a token of the gateway."""
        if token is None:
            return Identity(None, b"")
        headers = b"\n".join(
            name + b":" + value for name, value in self.scope["headers"] if name[:9] == b"lakegate-"
        )
        key = (self.one("key") or "").encode()
        return Identity((holder.encode(), token), digest_of(body, headers, key))


def digest_of(*parts: bytes) -> bytes:
    """One digest of all parts, in which each keeps its bounds."""
    digest = hashlib.sha256()
    for part in parts:
        digest.update(len(part).to_bytes(8, "big"))
        digest.update(part)
    return digest.digest()
