"""Records at the edges of a contract, and just beyond them, each with what the gate says of it.

::

    from lakegate.testing.adversarial import adversarial

    for case in adversarial(stream, seed=7):
        print(case.path, case.what, case.rules or "accepted")

Nothing here knows what a rule means: values that tend to slip through other tools are put in place
of each declared value, one at a time, and the reference path is asked. So a case cannot be wrong
about its contract, and a rule added to the gate is covered as soon as one of the values breaks it.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from lakegate.contract.stream import Stream
from lakegate.contract.type import ArrayType, Constraint, Field, MapType, ObjectType
from lakegate.gate.json_text import Float, Integer, Json, canonical, parse
from lakegate.gate.path import ROOT, child
from lakegate.gate.reference import Reference
from lakegate.testing.sample import check_plain, sample

__all__ = ["Case", "adversarial"]

_LARGEST_PADDING = 4 << 20
_MOST_ITEMS = 100_000
_ABSENT: Any = object()


@dataclass(frozen=True, slots=True)
class Case:
    """A record, where it was changed and how, and the rules that refuse it (none: accepted).

    ``rules`` are all codes the gate gives, in its order, failures of info and warning among them;
    ``accepted`` says whether it passes all the same.
    """

    value: bytes
    path: str
    what: str
    rules: tuple[str, ...]
    accepted: bool

    @property
    def name(self) -> str:
        """For the name of a test."""
        return f"{self.path} {self.what}"


def adversarial(stream: Stream, *, seed: int = 0) -> list[Case]:
    """Cases of a stream, the same for the same seed: for each value declared, one per way it can
    be refused and per odd way it can be accepted; then what can be wrong with a record as a whole.

    Raises:
        GateError: the stream's records are no plain JSON, or no valid one to begin with was found.
    """
    check_plain(stream)
    (record,) = sample(stream, 1, seed=seed)
    members = parse(record)
    reference = Reference(stream)
    source = random.Random(seed)  # noqa: S311 - test data
    found: dict[tuple[str, str], Case] = {}
    changes = [*_changed(stream.fields, members, source), *_whole(record, members, stream)]
    for path, what, value in changes:
        judged = reference.judge(value)
        rules = tuple(dict.fromkeys(failure.rule for failure in judged.failures))
        case = Case(value, path, what, rules, not judged.rejects)
        # Of several values refused alike one is enough; each accepted one is odd in its own way.
        found.setdefault((path, " ".join(rules) or what), case)
    return list(found.values())


def _changed(
    fields: tuple[Field, ...], members: dict[str, Json], source: random.Random
) -> Iterator[tuple[str, str, bytes]]:
    for path, what, changed in _members(fields, members, ROOT, source):
        yield path, what, canonical(changed).encode("utf-8", "surrogatepass")


def _members(
    fields: tuple[Field, ...], members: dict[str, Json], path: str, source: random.Random
) -> Iterator[tuple[str, str, dict[str, Json]]]:
    for field in fields:
        where, present = child(path, field.name), members.get(field.name)
        for what, value in _values(field, present, source):
            rest = {name: kept for name, kept in members.items() if name != field.name}
            yield where, what, rest if value is _ABSENT else members | {field.name: value}
        for inner, what, value in _nested(field, present, where, source):
            yield inner, what, members | {field.name: value}


def _nested(
    field: Field, present: Json, where: str, source: random.Random
) -> Iterator[tuple[str, str, Json]]:
    """Changes inside an object, or inside the first item of an array."""
    match field.type:
        case ObjectType(fields=fields) if isinstance(present, dict):
            yield from _members(fields, present, where, source)
        case ArrayType(item=item) if isinstance(present, list) and present:
            for what, value in _values(item, present[0], source):
                if value is not _ABSENT:
                    yield f"{where}[0]", what, [value, *present[1:]]
            for inner, what, value in _nested(item, present[0], f"{where}[0]", source):
                yield inner, what, [value, *present[1:]]
        case MapType() if isinstance(present, dict) and present:
            yield from _entries(field.type, present, where, source)


def _entries(
    declared: MapType, present: dict[str, Json], where: str, source: random.Random
) -> Iterator[tuple[str, str, Json]]:
    """Changes to the key and to the value of the first entry of a map."""
    name, item = next(iter(present.items()))
    rest = {key: value for key, value in present.items() if key != name}
    for what, value in _values(declared.key, name, source):
        if isinstance(value, str) and type(value) is str:
            yield child(where, name), f"key {what}", {value: item} | rest
    yield child(where, name), "with no text as key", {"": item} | rest
    for what, value in _values(declared.value, item, source):
        if value is not _ABSENT:
            yield child(where, name), what, {name: value} | rest
    for inner, what, value in _nested(declared.value, item, child(where, name), source):
        yield inner, what, {name: value} | rest


def _values(field: Field, present: Json, source: random.Random) -> Iterator[tuple[str, Json]]:
    """What to put in place of a value, and what that is."""
    for constraint in field.constraints:
        yield from _around(constraint, present, source)
    yield "absent", _ABSENT
    yield "null", None
    if isinstance(present, Integer | Float):
        yield "a number in a string", str(present)
        yield "with a fraction of zero", Float(present if "." in present else f"{present}.0")
        yield (
            "with a tenth too fine",
            Float(f"{present}0000001" if "." in present else f"{present}.1"),
        )
        yield "with an exponent", Float(f"{present}e0")
        yield "with a leading zero", Float(f"-0{present.lstrip('-')}")
    elif isinstance(present, str):
        yield "with a line end behind", present + "\n"
        yield "with a space before", " " + present
        yield "in other letters", present.swapcase() if present.swapcase() != present else "Ⅷ"
        yield "a string in an array", [present]
    for token in _TOKENS:
        yield f"`{token}`", Float(token)


# Beyond what the types need: what parsers coerce, round, or cannot hold (docs/reference/gate.md).
_TOKENS = (
    "true", "false", "0", "-0", "-0.0", "1", "-1", "5.0", "1e2", "0.1", "2147483648",
    "-9223372036854775809", "9223372036854775808", "18446744073709551616", "1E400", "1e-400",
    "NaN", "Infinity", "01", "1.", '""', '" "', '"1"', '"true"', '"null"', '"NaN"', '"\\u0000"',
    '"\\ud83d\\ude00"', '"\\ud800"', '"\u0663"', '"e\u0301"', "[]", "{}", "[null]", '"2026-02-30"',
    '"2026-01-31"', '"2026-01-31T10:00:00"', '"2026-01-31 10:00:00Z"', '"2026-01-31T10:00:00Z"',
    '"2016-12-31T23:59:60Z"', '"2026-01-31T24:00:00Z"', '"2026-01-31T10:00:00+24:00"',
    '"0000-01-01T00:00:00Z"', '"9999-12-31T23:59:59.999999999Z"', '"24:00:00"', '"10:00"',
)  # fmt: skip


def _around(
    constraint: Constraint, present: Json, source: random.Random
) -> Iterator[tuple[str, Json]]:
    """Values at the bound of a constraint, and one step to each side."""
    rule, bound = constraint.rule, constraint.bound
    if isinstance(bound, int | Decimal) and not isinstance(bound, bool):
        for step in (-1, 0, 1):
            value = bound + step
            if rule in ("minLength", "maxLength") and 0 <= value <= _LARGEST_PADDING:
                letter = source.choice("abcxyz")
                yield f"{rule} {step:+d}", letter * int(value)
                yield f"{rule} {step:+d} of two bytes each", "é" * int(value)
            elif (
                rule in ("minItems", "maxItems")
                and isinstance(present, list)
                and 0 <= value <= _MOST_ITEMS
            ):
                items = present or [None]
                yield f"{rule} {step:+d}", [items[n % len(items)] for n in range(int(value))]
            elif rule.endswith(("imum", "multipleOf")):
                text = f"{value:f}"
                yield f"{rule} {step:+d}", Float(text) if "." in text else Integer(text)
    elif rule == "uniqueItems" and isinstance(present, list):
        yield "the same item twice", [*present, *(present[:1] or [Integer("1")] * 2)]
    elif rule == "requiredKeys" and isinstance(present, dict) and isinstance(bound, tuple):
        for key in bound:
            yield f"without key {key}", {n: v for n, v in present.items() if n != key}
    elif isinstance(bound, tuple):
        for listed in bound:
            yield f"{rule} {listed!r}", listed
        yield f"none of {rule}", "no such value"


def _whole(
    record: bytes, members: dict[str, Json], stream: Stream
) -> Iterator[tuple[str, str, bytes]]:
    inside, limit = record[1:-1], stream.size_limit_bytes
    comma = b"," if inside else b""
    yield ROOT, "no bytes at all", b""
    yield ROOT, "null", b"null"
    yield ROOT, "in an array", b"[" + record + b"]"
    yield ROOT, "twice in a row", record + record
    yield ROOT, "with a byte order mark", b"\xef\xbb\xbf" + record
    yield ROOT, "in UTF-16", record.decode().encode("utf-16-le")
    yield ROOT, "cut off", record[:-1]
    yield ROOT, "with a comma before the end", b"{" + inside + b",}"
    yield ROOT, "in single quotes", record.replace(b'"', b"'") if inside else b"{'a':1}"
    yield ROOT, "with space around", b" \r\n\t" + record + b"\n"
    yield ROOT, "with bytes that are no UTF-8", b'{"\xff":1' + comma + inside + b"}"
    yield ROOT, "with half a surrogate pair", b'{"\\ud800":1' + comma + inside + b"}"
    yield ROOT, "with NaN where nobody looks", b'{"lakegate_extra":NaN' + comma + inside + b"}"
    yield (
        ROOT,
        "nested too deep",
        b'{"lakegate_extra":' + b"[" * 64 + b"]" * 64 + comma + inside + b"}",
    )
    yield ROOT, "with a field nobody declared", b'{"lakegate_extra":1' + comma + inside + b"}"
    if members:
        name = next(iter(members))
        escaped = canonical({name: members[name]})[1:-1].encode()
        yield ROOT, "with a key twice", b"{" + escaped + b"," + inside + b"}"
        first = f'"\\u{ord(name[0]):04x}' if name and ord(name[0]) < 0x10000 else ""
        if first:
            again = first + canonical(name)[2:] if name[0] not in '"\\' else ""
            if again:
                text = f"{again}:{canonical(members[name])}".encode()
                yield ROOT, "with a key twice, once escaped", b"{" + text + b"," + inside + b"}"
    if limit <= _LARGEST_PADDING:
        yield ROOT, "of the largest size", record + b" " * (limit - len(record))
        yield ROOT, "a byte too large", record + b" " * (limit - len(record) + 1)
