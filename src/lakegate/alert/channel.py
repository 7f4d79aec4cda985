"""Channels: from an address to something that sends; secrets are read when one is opened."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from lakegate.alert.message import text, title
from lakegate.contract.consumer import Address, AddressKind
from lakegate.errors import LakegateError

__all__ = ["AlertError", "Channel", "Undelivered", "open_channel", "write_line"]

_VARIABLE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")


class AlertError(LakegateError):
    """Alerts cannot be sent as they are set up."""


class Undelivered(AlertError):
    """One alert did not arrive this time; says why, without addresses, secrets or contents."""

    transient = True


class Channel(Protocol):
    """Sends alerts one at a time, from one thread."""

    def send(self, alert: Mapping[str, Any], *, timeout_s: float) -> None:
        """Deliver; returns once it has arrived.

        Raises:
            Undelivered: it did not, or nobody knows whether it did.
        """
        ...


def write_line(line: str) -> None:
    """One line on standard output, now."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


@dataclass(frozen=True, slots=True)
class Stdout:
    """Standard output of whoever delivers: lines for people, or one JSON object per line."""

    write: Callable[[str], None]
    as_json: bool

    def send(self, alert: Mapping[str, Any], *, timeout_s: float) -> None:
        """Write it; ``timeout_s`` does not apply."""
        del timeout_s
        if self.as_json:
            line = json.dumps(alert, ensure_ascii=False)
        else:
            line = f"{title(alert)}\n  " + text(alert).replace("\n", "\n  ")
        try:
            self.write(line)
        except (OSError, ValueError) as error:
            raise Undelivered("standard output is closed") from error


def open_channel(
    address: Address,
    named: Mapping[str, Address],
    environment: Mapping[str, str],
    *,
    write: Callable[[str], None] = write_line,
    as_json: bool = False,
) -> Channel:
    """The channel of an address.

    ``named`` are the channels of ``[alerts.channels]``. ``as_json`` makes standard output JSON
    whatever its address says.

    Raises:
        Undelivered: a variable has no value, the name or address means nothing, or a library is
            missing. Later it may be otherwise.
    """
    if address.kind is AddressKind.NAMED:
        found = named.get(address.target)
        if found is None:
            raise Undelivered(
                f"[alerts.channels] has no `{address.target}`; add it to lakegate.toml"
            )
        address = found
    if address.kind is AddressKind.STDOUT:
        return Stdout(write, as_json or address.target == "json")
    target = _resolve(address.target, environment)
    if address.kind is AddressKind.WEBHOOK:
        from lakegate.alert.webhook import Webhook

        return Webhook(target, _resolve(address.secret or "", environment))
    from lakegate.alert.chat import Chat

    if "}?to=" in address.target:  # a mail server's address may have options of its own
        head, _, recipient = target.rpartition("?to=")
        target = f"{head}{'&' if '?' in head else '?'}to={recipient}"
    return Chat(target)


def _resolve(text_: str, environment: Mapping[str, str]) -> str:
    def value(match: re.Match[str]) -> str:
        found = environment.get(match[1])
        if not found:
            raise Undelivered(f"the variable {match[1]} has no value; set it where alerts are sent")
        return found

    return _VARIABLE.sub(value, text_)
