"""Chat, mail, pagers: whatever Apprise knows how to reach (the extra ``lakegate[alerts]``)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lakegate.alert.channel import Undelivered
from lakegate.alert.message import text, title

__all__ = ["Chat"]


class Chat:
    """One Apprise address."""

    def __init__(self, url: str) -> None:
        try:
            import apprise
        except ImportError as error:
            raise Undelivered(
                "Apprise is not installed; `pip install 'lakegate[alerts]'`, or use a webhook"
            ) from error
        self._type, self._plain = apprise.NotifyType, apprise.NotifyFormat.TEXT
        self._apprise = apprise.Apprise()
        if not self._apprise.add(url):
            raise Undelivered("the address is none that Apprise understands")

    def send(self, alert: Mapping[str, Any], *, timeout_s: float) -> None:
        """Send it; Apprise's own time limits apply (4 s to connect, 4 s per read)."""
        del timeout_s
        closed = alert["event"] == "closed"
        failed = alert["event"] in ("opened", "updated")
        kind = self._type.SUCCESS if closed else self._type.FAILURE if failed else self._type.INFO
        try:
            arrived = self._apprise.notify(
                body=text(alert), title=title(alert), notify_type=kind, body_format=self._plain
            )
        except Exception as error:  # a plugin may raise anything
            raise Undelivered(f"Apprise failed ({type(error).__name__})") from error
        if not arrived:
            raise Undelivered("Apprise could not deliver it; its log says more")
