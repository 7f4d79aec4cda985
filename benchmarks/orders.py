"""The records all benchmarks share: events of a shop, about 430 bytes each, some of them bad."""

from __future__ import annotations

import json
import random
from datetime import UTC, datetime, timedelta

__all__ = ["CONTRACT", "records"]

CONTRACT = r"""
apiVersion: v3.1.0
kind: DataContract
id: orders
name: orders
version: 1.0.0
status: active
schema:
  - name: orders
    logicalType: object
    properties:
      - {name: event_id, logicalType: string, required: true, logicalTypeOptions: {pattern: '^[0-9a-f]{32}$'}}
      - {name: user_id, logicalType: integer, required: true, logicalTypeOptions: {minimum: 0}}
      - name: type
        logicalType: string
        required: true
        quality:
          - {id: known_type, metric: invalidValues, arguments: {validValues: [click, view, purchase, login]}, mustBe: 0}
      - {name: occurred_at, logicalType: timestamp, required: true}
      - {name: amount, logicalType: number, required: true, logicalTypeOptions: {minimum: 0, maximum: 100000}}
      - {name: currency, logicalType: string, required: true, logicalTypeOptions: {minLength: 3, maxLength: 3}}
      - {name: session, logicalType: string, required: true, logicalTypeOptions: {minLength: 16, maxLength: 16}}
      - name: address
        logicalType: object
        required: true
        properties:
          - {name: city, logicalType: string, required: true}
          - {name: zip, logicalType: string, required: true, logicalTypeOptions: {pattern: '^\d{5}$'}}
          - {name: country, logicalType: string, required: true, logicalTypeOptions: {minLength: 2, maxLength: 2}}
      - name: tags
        logicalType: array
        logicalTypeOptions: {maxItems: 10}
        items: {logicalType: string, logicalTypeOptions: {maxLength: 20}}
      - {name: email, logicalType: string, logicalTypeOptions: {format: email}}
      - {name: lat, logicalType: number, logicalTypeOptions: {minimum: -90, maximum: 90}}
      - {name: lon, logicalType: number, logicalTypeOptions: {minimum: -180, maximum: 180}}
      - {name: user_agent, logicalType: string, logicalTypeOptions: {maxLength: 200}}
      - {name: referrer, logicalType: string, logicalTypeOptions: {maxLength: 200}}
"""

_DAMAGE = (
    ("user_id", "7"),
    ("type", "clck"),
    ("occurred_at", "2026-11-31T00:00:00Z"),
    ("amount", -1),
    ("email", "nobody"),
    ("event_id", None),
)


def records(count: int, *, bad: float = 0.0, seed: int = 7) -> list[bytes]:
    """``count`` JSON records, a share ``bad`` of them with one fault each; the same every time."""
    chance = random.Random(seed)
    start = datetime(2026, 11, 1, tzinfo=UTC)
    found = []
    for number in range(count):
        record = _record(chance, start + timedelta(milliseconds=137 * number))
        if chance.random() < bad:
            name, value = chance.choice(_DAMAGE)
            record[name] = value
        found.append(json.dumps(record, separators=(",", ":")).encode())
    return found


def _record(chance: random.Random, at: datetime) -> dict[str, object]:
    return {
        "event_id": f"{chance.getrandbits(128):032x}",
        "user_id": chance.randrange(10**7),
        "type": chance.choice(("click", "view", "purchase", "login")),
        "occurred_at": at.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "amount": round(chance.random() * 1000, 2),
        "currency": chance.choice(("EUR", "USD", "JPY")),
        "session": f"{chance.getrandbits(64):016x}",
        "address": {
            "city": chance.choice(("Berlin", "Lisbon", "Osaka", "Lima", "Oslo", "Quito", "Turin")),
            "zip": f"{chance.randrange(10**5):05d}",
            "country": chance.choice(("DE", "PT", "JP")),
        },
        "tags": [chance.choice(("a1", "b2", "c3", "d4")) for _ in range(3)],
        "email": f"user{chance.randrange(10**6)}@example.com",
        "lat": round(chance.random() * 180 - 90, 6),
        "lon": round(chance.random() * 360 - 180, 6),
        "user_agent": f"Mozilla/5.0 (X11; Linux x86_64) v{chance.randrange(100)}",
        "referrer": f"https://shop.example.com/p/{chance.randrange(10**6):06d}?c={chance.randrange(999):03d}",
    }
