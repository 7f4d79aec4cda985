"""The key of a record, taken from its value.

One field: a string is its text, anything else the JSON token as written. Several fields: a compact
JSON array of their tokens. A record that lacks one of them (absent or null), or cannot be read,
has no key; that it is wrong is for the gate to say.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from lakegate.gate.decode.format import Format
from lakegate.gate.json_text import Malformed, canonical

__all__ = ["Key", "change_key", "member_key", "record_key"]

Key = Callable[[bytes], bytes | None]
_ABSENT = msgspec.Raw()
_NOTHING = (b"", b"null")
_UNREADABLE = (msgspec.DecodeError, msgspec.ValidationError, RecursionError, UnicodeDecodeError)


def record_key(fields: Sequence[str]) -> Key:
    """The key of a JSON object whose top-level ``fields`` make it; none if there are no fields."""
    if not fields:
        return _none
    names = [f"f{position}" for position in range(len(fields))]
    shape = msgspec.defstruct(
        "KeyFields",
        [(name, msgspec.Raw, _ABSENT) for name in names],
        rename=dict(zip(names, fields, strict=True)),
    )
    decode: Callable[[bytes], Any] = msgspec.json.Decoder(shape).decode

    def only(value: bytes) -> bytes | None:
        try:
            token = bytes(decode(value).f0)
            return None if token in _NOTHING else _text(token)
        except _UNREADABLE:
            return None

    def key(value: bytes) -> bytes | None:
        try:
            found = decode(value)
            tokens = [bytes(getattr(found, name)) for name in names]
            if any(token in _NOTHING for token in tokens):
                return None
            return b"[" + b",".join(tokens) + b"]"
        except _UNREADABLE:
            return None

    return only if len(fields) == 1 else key


def member_key(form: Format, fields: Sequence[str]) -> Key:
    """The key of a record of any format, of the same fields the same as that of JSON."""
    if not fields:
        return _none

    def key(value: bytes) -> bytes | None:
        try:
            members = form.parse_some(value, fields)
        except Malformed:
            return None
        tokens = [canonical(members.get(name)).encode() for name in fields]
        if any(token in _NOTHING for token in tokens):
            return None
        return _text(tokens[0]) if len(fields) == 1 else b"[" + b",".join(tokens) + b"]"

    return key


def change_key(fields: Sequence[str]) -> Key:
    """The key of the row a Debezium event is about: of ``after``, else of ``before``."""
    row_key = record_key(fields)
    decode = msgspec.json.Decoder(_Envelope).decode

    def key(value: bytes) -> bytes | None:
        try:
            event = decode(value)
            if bytes(event.payload) not in _NOTHING:
                event = decode(event.payload)
        except _UNREADABLE:
            return None
        row = bytes(event.after)
        return row_key(bytes(event.before) if row in _NOTHING else row)

    return key


class _Envelope(msgspec.Struct):
    payload: msgspec.Raw = _ABSENT
    after: msgspec.Raw = _ABSENT
    before: msgspec.Raw = _ABSENT


def _none(_value: bytes) -> bytes | None:
    return None


def _text(token: bytes) -> bytes:
    if not token.startswith(b'"'):
        return token
    if b"\\" not in token:
        return token[1:-1]
    text: Any = msgspec.json.decode(token)
    return str(text).encode()
