"""From an address to a channel, and what is said when it cannot be opened or used."""

from __future__ import annotations

import json
import re
import time
from pathlib import Path
from typing import Any

import msgspec
import pytest

from lakegate.alert.channel import Undelivered, open_channel
from lakegate.alert.webhook import Webhook, signature
from lakegate.contract.consumer import STDOUT, Address, AddressKind
from lakegate.pipeline.config import AlertsSection

ALERT = {
    "id": "1/1/owner:Ä", "event": "opened", "incident": 1, "stream": "orders",
    "contract": {"id": "o", "version": "1"}, "rule": "r", "severity": "error", "summary": "s",
    "since": "t", "your_fields": [], "recipient": {"role": "owner", "name": "Ä"}, "command": "c",
}  # fmt: skip


def test_standard_output_for_people_and_for_machines() -> None:
    lines: list[str] = []
    open_channel(STDOUT, {}, {}, write=lines.append).send(ALERT, timeout_s=1)
    named = {"json": Address(AddressKind.STDOUT, "json")}
    address = Address(AddressKind.NAMED, "json")
    open_channel(address, named, {}, write=lines.append).send(ALERT, timeout_s=1)
    open_channel(STDOUT, {}, {}, write=lines.append, as_json=True).send(ALERT, timeout_s=1)
    assert lines[0].startswith("✗ orders 1: r (error)\n  s\n")
    assert json.loads(lines[1]) == json.loads(lines[2]) == ALERT


def test_a_closed_pipe_is_a_failed_delivery() -> None:
    def broken(line: str) -> None:
        raise BrokenPipeError

    with pytest.raises(Undelivered, match="closed"):
        open_channel(STDOUT, {}, {}, write=broken).send(ALERT, timeout_s=1)


@pytest.mark.parametrize(
    ("address", "said"),
    [
        (Address(AddressKind.NAMED, "gone"), "has no `gone`"),
        (Address(AddressKind.APPRISE, "${NOPE}"), "the variable NOPE has no value"),
        (Address(AddressKind.WEBHOOK, "https://x", "${NOPE}"), "NOPE"),
        (Address(AddressKind.WEBHOOK, "ftp://x", "s"), "no http"),
        (Address(AddressKind.WEBHOOK, "http://x:y", "s"), "no URL"),
    ],
)
def test_what_cannot_be_opened(address: Address, said: str) -> None:
    with pytest.raises(Undelivered, match=said):
        open_channel(address, {}, {})


def test_an_unknown_host_is_said_without_its_name() -> None:
    with pytest.raises(Undelivered) as caught:
        Webhook("http://token-in-host.invalid/x", "s").send(ALERT, timeout_s=5)
    assert "token" not in str(caught.value)


def test_the_signature_is_what_the_page_says() -> None:
    body = b'{"a":1}'
    assert signature("k", 1_700_000_000, body) == (
        "t=1700000000,v1=1b6ad1bc9bf48c52ce01939866d5877c6cc4e87ddad27e16673cb8c4964394a3"
    )


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # inside Apprise's plugins
def test_a_mail_server_gets_the_recipient() -> None:
    pytest.importorskip("apprise")
    for server in ("mailto://u:p@example.com", "mailtos://u:p@example.com?smtp=mail.example.com"):
        address = Address(AddressKind.APPRISE, "${SMTP}?to=bo@x.org")
        channel = open_channel(address, {}, {"SMTP": server})
        (plugin,) = channel._apprise  # type: ignore[attr-defined]
        assert plugin.targets == [(False, "bo@x.org")]


def test_the_page_verifies_what_we_sign() -> None:
    page = Path(__file__).parents[3] / "docs" / "reference" / "alerts.md"
    (code,) = [
        block
        for block in re.findall(r"```python\n(.*?)```", page.read_text(), re.DOTALL)
        if "def genuine" in block
    ]
    names: dict[str, Any] = {}
    exec(code, names)
    header = signature("k", int(time.time()), b"body")
    assert names["genuine"]("k", header, b"body")
    assert not names["genuine"]("k", header, b"bodY")
    assert not names["genuine"]("K", header, b"body")
    assert not names["genuine"]("k", signature("k", int(time.time()) - 301, b"body"), b"body")


def test_the_page_lists_every_setting() -> None:
    page = (Path(__file__).parents[3] / "docs" / "reference" / "alerts.md").read_text()
    for field in msgspec.structs.fields(AlertsSection):
        if field.name not in ("channels", "owners"):
            assert f"| `{field.name}` |" in page, field.name
