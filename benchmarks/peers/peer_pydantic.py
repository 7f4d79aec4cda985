"""pydantic: strict models, ``model_validate_json`` per record."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.metadata import version
from typing import Annotated, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, EmailStr, Field, ValidationError

VERSION = version("pydantic")
NOTE = (
    "strict models, `model_validate_json` per record; an e-mail address is a pattern, or `EmailStr`"
)
EXPLAINS = "every failure"
COLUMNS = False
LARGEST = 10_000

Email = Annotated[str, Field(pattern=r"^[^@\s]+@[^@\s.]+(\.[^@\s.]+)+$")]
Tag = Annotated[str, Field(max_length=20)]
Text200 = Annotated[str, Field(max_length=200)]


class Address(BaseModel):
    model_config = ConfigDict(strict=True)
    city: str
    zip: Annotated[str, Field(pattern=r"^\d{5}$")]
    country: Annotated[str, Field(min_length=2, max_length=2)]


class Order(BaseModel):
    model_config = ConfigDict(strict=True)
    event_id: Annotated[str, Field(pattern=r"^[0-9a-f]{32}$")]
    user_id: Annotated[int, Field(ge=0)]
    type: Literal["click", "view", "purchase", "login"]
    occurred_at: AwareDatetime
    amount: Annotated[float, Field(ge=0, le=100000)]
    currency: Annotated[str, Field(min_length=3, max_length=3)]
    session: Annotated[str, Field(min_length=16, max_length=16)]
    address: Address
    tags: Annotated[list[Tag | None], Field(max_length=10)] | None = None
    email: Email | None = None
    lat: Annotated[float, Field(ge=-90, le=90)] | None = None
    lon: Annotated[float, Field(ge=-180, le=180)] | None = None
    user_agent: Text200 | None = None
    referrer: Text200 | None = None


class OrderEmailStr(Order):
    email: EmailStr | None = None  # type: ignore[assignment]


_model: type[Order] = Order


def use(variant: str) -> None:
    """``EmailStr``: the address by pydantic's own type instead of a pattern."""
    global _model
    _model = {"EmailStr": OrderEmailStr}[variant]


def judge(values: Sequence[bytes]) -> list[bool]:
    said = []
    for value in values:
        try:
            _model.model_validate_json(value)
        except ValidationError:
            said.append(False)
        else:
            said.append(True)
    return said
