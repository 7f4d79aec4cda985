"""msgspec alone: structs with constraints, decoded per record."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from importlib.metadata import version
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

VERSION = version("msgspec")
NOTE = "structs with constraints, decoded per record; an e-mail address is a pattern"
EXPLAINS = "the first failure"
COLUMNS = False
LARGEST = 10_000

Tag = Annotated[str, Meta(max_length=20)]
Text200 = Annotated[str, Meta(max_length=200)]
Email = Annotated[str, Meta(pattern=r"^[^@\s]+@[^@\s.]+(\.[^@\s.]+)+$")]


class Address(msgspec.Struct):
    city: str
    zip: Annotated[str, Meta(pattern=r"^\d{5}$")]
    country: Annotated[str, Meta(min_length=2, max_length=2)]


class Order(msgspec.Struct):
    event_id: Annotated[str, Meta(pattern=r"^[0-9a-f]{32}$")]
    user_id: Annotated[int, Meta(ge=0)]
    type: Literal["click", "view", "purchase", "login"]
    occurred_at: Annotated[datetime, Meta(tz=True)]
    amount: Annotated[float, Meta(ge=0, le=100000)]
    currency: Annotated[str, Meta(min_length=3, max_length=3)]
    session: Annotated[str, Meta(min_length=16, max_length=16)]
    address: Address
    tags: Annotated[list[Tag | None], Meta(max_length=10)] | None = None
    email: Email | None = None
    lat: Annotated[float, Meta(ge=-90, le=90)] | None = None
    lon: Annotated[float, Meta(ge=-180, le=180)] | None = None
    user_agent: Text200 | None = None
    referrer: Text200 | None = None


_decode = msgspec.json.Decoder(Order).decode


def judge(values: Sequence[bytes]) -> list[bool]:
    said = []
    for value in values:
        try:
            _decode(value)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            said.append(False)
        else:
            said.append(True)
    return said
