"""What bytes are instead, when they are not what they should be: other formats by their beginning.

Asked only of what cannot be read, so a mistaken likeness never decides anything.
"""

from __future__ import annotations

__all__ = ["foreign"]

_MAGIC = (
    (b"\x1f\x8b", "gzip"),
    (b"\x28\xb5\x2f\xfd", "Zstandard"),
    (b"\x04\x22\x4d\x18", "LZ4"),
    (b"BZh", "bzip2"),
    (b"\xfd7zXZ\x00", "xz"),
    (b"PK\x03\x04", "a ZIP archive"),
    (b"Obj\x01", "an Avro file"),
    (b"\xc3\x01", "an Avro message of one object"),
    (b"PAR1", "Parquet"),
    (b"ORC", "ORC"),
    (b"ARROW1", "an Arrow file"),
    (b"\xff\xff\xff\xff", "an Arrow stream"),
    (b"\xff\xfe", "UTF-16 or UTF-32"),
    (b"\xfe\xff", "UTF-16"),
    (b"%PDF", "PDF"),
    (b"\x89PNG", "PNG"),
)
_HEADER_BYTES = 5


def foreign(value: bytes) -> str | None:
    """The name of the other format, with the bytes it was known by; None when none is known."""
    for magic, name in _MAGIC:
        if value.startswith(magic):
            return f"{name} ({magic.hex(' ').upper()})"
    # Ids of schemas are counted up from 1, and so the byte after the magic one is 0, too.
    if len(value) > _HEADER_BYTES and value.startswith(b"\0\0"):
        return f"a header of Confluent (schema {int.from_bytes(value[1:5], 'big')})"
    return None
