"""Signed webhooks (docs/reference/alerts.md shows how to verify one).

``POST`` of the alert as JSON, with ``Lakegate-Signature: t=<unix seconds>,v1=<hex>``, where the
second part is HMAC-SHA256, keyed with the secret, over ``<t>.<body>``. ``Lakegate-Delivery`` is the
alert's id: the same when it comes twice.
"""

from __future__ import annotations

import hashlib
import hmac
import http.client
import json
import re
import socket
import ssl
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import SplitResult, urlsplit

from lakegate.alert.channel import Undelivered

__all__ = ["Webhook", "signature"]


def signature(secret: str, timestamp: int, body: bytes) -> str:
    """The value of ``Lakegate-Signature``."""
    signed = f"{timestamp}.".encode() + body
    digest = hmac.new(secret.encode(), signed, hashlib.sha256).hexdigest()
    return f"t={timestamp},v1={digest}"


class Webhook:
    """Posts to one URL. Only an answer of 2xx is delivery; redirects are refused."""

    def __init__(self, url: str, secret: str, *, now: Callable[[], float] = time.time) -> None:
        self._secret = secret
        self._now = now
        try:
            self._url: SplitResult = urlsplit(url)
            self._port = self._url.port
        except ValueError as error:
            raise Undelivered("the webhook's address is no URL") from error
        if self._url.scheme not in ("http", "https") or not self._url.hostname:
            raise Undelivered("the webhook's address is no http or https URL")

    def send(self, alert: Mapping[str, Any], *, timeout_s: float) -> None:
        """Post it; all of it, answer included, within ``timeout_s``."""
        body = json.dumps(alert, ensure_ascii=False, separators=(",", ":")).encode()
        connection = self._connection(timeout_s)
        late = threading.Event()
        # A socket's timeout is per read: a server that drips would hold us for ever.
        watchdog = threading.Timer(timeout_s, _cut, (connection, late))
        watchdog.daemon = True
        watchdog.start()
        try:
            connection.request("POST", self._path(), body, self._headers(alert, body))
            status = connection.getresponse().status
        except (OSError, http.client.HTTPException, ValueError) as error:
            if late.is_set() or isinstance(error, TimeoutError):
                raise Undelivered(f"no answer within {timeout_s:g} s") from error
            raise Undelivered(_reason(error)) from error
        finally:
            watchdog.cancel()
            connection.close()
        if 300 <= status < 400:
            raise Undelivered(f"answered {status}; redirects are refused, give the final address")
        if not 200 <= status < 300:
            raise Undelivered(f"answered {status}")

    def _connection(self, timeout_s: float) -> http.client.HTTPConnection:
        host = self._url.hostname or ""
        if self._url.scheme == "http":
            return http.client.HTTPConnection(host, self._port, timeout=timeout_s)
        context = ssl.create_default_context()
        return http.client.HTTPSConnection(host, self._port, timeout=timeout_s, context=context)

    def _path(self) -> str:
        query = f"?{self._url.query}" if self._url.query else ""
        return f"{self._url.path or '/'}{query}"

    def _headers(self, alert: Mapping[str, Any], body: bytes) -> dict[str, str]:
        identity = re.sub(r"[^\x20-\x7e]", "?", str(alert.get("id", "")))
        return {
            "Content-Type": "application/json; charset=utf-8",
            "User-Agent": "lakegate",
            "Lakegate-Delivery": identity,
            "Lakegate-Signature": signature(self._secret, int(self._now()), body),
        }


def _cut(connection: http.client.HTTPConnection, late: threading.Event) -> None:
    late.set()
    sock = connection.sock
    if sock is not None:
        try:
            sock.shutdown(socket.SHUT_RDWR)
        except OSError:
            return


def _reason(error: Exception) -> str:
    """What went wrong, without the address: it may hold a secret."""
    if isinstance(error, ConnectionRefusedError):
        return "the connection was refused"
    if isinstance(error, socket.gaierror):
        return "the host's name is not known"
    if isinstance(error, ssl.SSLError):
        return "the TLS handshake failed"
    return f"the connection failed ({type(error).__name__})"
