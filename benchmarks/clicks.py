"""Small records, about 90 bytes each: what a tracker or a sensor sends."""

from __future__ import annotations

import random

__all__ = ["CONTRACT", "records"]

CONTRACT = """
apiVersion: v3.1.0
kind: DataContract
id: clicks
name: clicks
version: 1.0.0
status: active
schema:
  - name: clicks
    logicalType: object
    properties:
      - {name: id, logicalType: integer, required: true, logicalTypeOptions: {minimum: 1}}
      - {name: at, logicalType: timestamp, required: true}
      - {name: page, logicalType: string, required: true, logicalTypeOptions: {maxLength: 50}}
      - {name: ms, logicalType: number, logicalTypeOptions: {minimum: 0}}
"""


def records(count: int, *, bad: float = 0.0, seed: int = 7) -> list[bytes]:
    """``count`` JSON records, a share ``bad`` of them with one fault each; the same every time."""
    chance = random.Random(seed)
    found = []
    for number in range(1, count + 1):
        at = f"2026-11-01T{number // 3600 % 24:02d}:{number // 60 % 60:02d}:{number % 60:02d}.000Z"
        page, ms, shown = (
            f"/p/{chance.randrange(10**6):06d}",
            f"{chance.random() * 900:.1f}",
            str(number),
        )
        if chance.random() < bad:
            fault = chance.randrange(3)
            shown, at, ms = (
                ('"x"', at, ms),
                (shown, "2026-11-31T00:00:00Z", ms),
                (shown, at, "-1"),
            )[fault]
        found.append(f'{{"id":{shown},"at":"{at}","page":"{page}","ms":{ms}}}'.encode())
    return found
