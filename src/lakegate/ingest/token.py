"""Bearer tokens (RFC 6750): who may send.

A token is configured by name, never as itself: ``sha256:<hex of its SHA-256>``, ``env:VARIABLE``,
or ``file:PATH`` (one token a line, ``#`` begins a comment). Tokens are compared by their SHA-256,
with every one there is and in constant time, and are never logged.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from lakegate.ingest.error import IngestError
from lakegate.ingest.problem import Problem

__all__ = ["Tokens"]

_HEX = re.compile(r"[0-9a-fA-F]{64}")


class Tokens:
    """The tokens there are; with none, everybody may send."""

    def __init__(self, digests: Mapping[str, tuple[bytes, ...]]) -> None:
        self._digests = [(name, digest) for name, all_ in digests.items() for digest in all_]

    def __bool__(self) -> bool:
        return bool(self._digests)

    @classmethod
    def configured(
        cls, references: Mapping[str, str], *, folder: Path, environment: Mapping[str, str]
    ) -> Tokens:
        """The tokens that references name; files are found from ``folder``.

        Raises:
            IngestError: a reference names nothing, or is a token itself.
        """
        return cls(
            {
                name: tuple(_digests(name, reference, folder, environment))
                for name, reference in references.items()
            }
        )

    def holder(self, authorization: bytes | None) -> str:
        """The name of the token in an ``Authorization`` header; empty if there are no tokens.

        Raises:
            Problem: 401, missing or not known.
        """
        if not self._digests:
            return ""
        scheme, _, token = (authorization or b"").partition(b" ")
        presented = hashlib.sha256(token.strip()).digest()
        found = ""
        for name, digest in self._digests:
            if hmac.compare_digest(presented, digest):
                found = name
        if scheme.lower() != b"bearer" or not found:
            missing = authorization is None
            raise Problem(
                401,
                "send a token: `Authorization: Bearer …`" if missing else "the token is not known",
                headers={"www-authenticate": 'Bearer realm="lakegate"'},
            )
        return found


def _digests(
    name: str, reference: str, folder: Path, environment: Mapping[str, str]
) -> Iterator[bytes]:
    kind, _, rest = reference.partition(":")
    if kind == "sha256" and _HEX.fullmatch(rest):
        yield bytes.fromhex(rest)
    elif kind == "env":
        token = environment.get(rest, "").strip()
        if not token:
            raise IngestError(f"gateway.tokens.{name}: the environment variable {rest} is not set")
        yield hashlib.sha256(token.encode()).digest()
    elif kind == "file":
        yield from _of_file(name, folder / rest)
    else:
        raise IngestError(
            f"gateway.tokens.{name}: expected `sha256:` and 64 hexadecimal digits, `env:` and the "
            "name of a variable, or `file:` and a path; a token itself does not belong into a file "
            "that is under version control: `printf %s TOKEN | sha256sum` hashes it"
        )


def _of_file(name: str, path: Path) -> Iterator[bytes]:
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise IngestError(f"gateway.tokens.{name}: cannot read {path}: {error}") from error
    tokens = [line.strip() for line in lines if line.strip() and not line.startswith("#")]
    if not tokens:
        raise IngestError(f"gateway.tokens.{name}: there is no token in {path}")
    for token in tokens:
        yield hashlib.sha256(token.encode()).digest()
