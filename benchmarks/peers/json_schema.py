"""The contract as JSON Schema, as its users would write it; formats asserted."""

TEXT_200 = {"type": ["string", "null"], "maxLength": 200}
SCHEMA = {
    "$schema": "http://json-schema.org/draft-07/schema#",
    "type": "object",
    "required": [
        "event_id", "user_id", "type", "occurred_at", "amount", "currency", "session", "address",
    ],
    "properties": {
        "event_id": {"type": "string", "pattern": "^[0-9a-f]{32}$"},
        "user_id": {"type": "integer", "minimum": 0},
        "type": {"enum": ["click", "view", "purchase", "login"]},
        "occurred_at": {"type": "string", "format": "date-time"},
        "amount": {"type": "number", "minimum": 0, "maximum": 100000},
        "currency": {"type": "string", "minLength": 3, "maxLength": 3},
        "session": {"type": "string", "minLength": 16, "maxLength": 16},
        "address": {
            "type": "object",
            "required": ["city", "zip", "country"],
            "properties": {
                "city": {"type": "string"},
                "zip": {"type": "string", "pattern": r"^\d{5}$"},
                "country": {"type": "string", "minLength": 2, "maxLength": 2},
            },
        },
        "tags": {
            "type": ["array", "null"],
            "maxItems": 10,
            "items": {"type": ["string", "null"], "maxLength": 20},
        },
        "email": {"type": ["string", "null"], "format": "email"},
        "lat": {"type": ["number", "null"], "minimum": -90, "maximum": 90},
        "lon": {"type": ["number", "null"], "minimum": -180, "maximum": 180},
        "user_agent": TEXT_200,
        "referrer": TEXT_200,
    },
}  # fmt: skip
