"""What the gateway says when it does not take a request (RFC 9457)."""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus

import msgspec

__all__ = ["Problem", "encoded"]


class Problem(Exception):
    """A request is refused: ``status``, why (``detail``), and headers the answer carries."""

    def __init__(
        self, status: int, detail: str, *, headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail
        self.headers = dict(headers or {})


def encoded(problem: Problem) -> bytes:
    """The body, ``application/problem+json``."""
    document = {
        "title": HTTPStatus(problem.status).phrase,
        "status": problem.status,
        "detail": problem.detail,
    }
    return msgspec.json.encode(document)
