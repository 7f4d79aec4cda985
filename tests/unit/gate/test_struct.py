"""What the struct decoder is sure of: texts told apart, keys counted, bad values read around."""

from __future__ import annotations

import pytest
from tests.unit.gate.corpus import EVERYTHING

from lakegate.gate import compile  # noqa: A004 - as users write it
from lakegate.gate.decode.struct import StructDecoder, _count_keys

_MANY = 80


@pytest.mark.parametrize(
    ("text", "count"),
    [
        (b'{"a":1,"b":2}', 2),
        (b'{"a" : 1, "b"  : 2}', 2),
        (b'{"a"\n:1,"b"\t:2}', 2),
        (b'{"a":"b\\":"}', 1),
        (b'{"a":"b\\\\","c":1}', 2),
    ],
)
def test_keys_are_never_undercounted(text: bytes, count: int) -> None:
    assert _count_keys(text) >= count
    assert _count_keys(b" " + text) >= count  # whatever the alignment


@pytest.mark.parametrize(
    "value",
    [
        b'{"string":"a\\u0000b"}',
        b'{"string":"a\\u0000"}',
        b'{"string":"","array":[]}',
        b'{"string":null}',
        b"{}",
        b'{"string" : "note : this"}',
        '{"string":"\u00e9\u4e2d\U0001f600"}'.encode(),
    ],
)
def test_texts_are_told_apart(value: bytes) -> None:
    values = [value, b'{"string":"xy"}', b'{"string":"z"}'] * _MANY
    fast, slow = compile(EVERYTHING)(values), compile(EVERYTHING, decoder="reference")(values)
    assert fast.rejected == slow.rejected
    assert fast.accepted.to_pylist() == slow.accepted.to_pylist()
    assert fast.accepted_index.equals(slow.accepted_index)


def test_a_record_with_one_bad_value_is_decoded_but_for_that_value() -> None:
    values = [b'{"string":"a","integer":1}'] * _MANY
    values[7] = b'{"string":5,"integer":1}'
    values[9] = b'{"string":5,"integer":"x"}'
    values[11] = b'{"string":{"a":1},"integer":1}'
    decoded = StructDecoder(EVERYTHING).decode(values)
    names = [field.name for field in EVERYTHING.fields]
    assert decoded.unread == {
        7: [names.index("string")],
        9: sorted((names.index("string"), names.index("integer")), key=decoded.unread[9].index),
    }
    assert 11 not in decoded.index
    fast, slow = compile(EVERYTHING)(values), compile(EVERYTHING, decoder="reference")(values)
    assert fast.rejected == slow.rejected
    assert [found.index for found in fast.rejected] == [7, 9, 11]
