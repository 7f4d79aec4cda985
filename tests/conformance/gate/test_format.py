"""What every format promises (:class:`lakegate.gate.decode.format.Format`), whichever it is."""

from __future__ import annotations

import gzip
import tracemalloc
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.conformance.gate.subject import SUBJECTS, Subject
from tests.unit.gate.corpus import CASES, EVERYTHING

from lakegate.contract.stream import Stream
from lakegate.gate import Gate, Verdict, compile  # noqa: A004 - as users write it
from lakegate.gate.json_text import Json, Malformed, canonical, parse
from lakegate.gate.reference import Reference
from lakegate.testing.strategy import batches, streams

_ROOT = Path(__file__).parents[3]
_LAW = settings(
    max_examples=15,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
_ENOUGH = 64  # records from which on a batch is decoded as one
_all = pytest.mark.parametrize("subject", SUBJECTS, ids=lambda subject: subject.name)

_FOREIGN = (
    gzip.compress(b'{"a":1}', mtime=0),
    b"Obj\x01\x04\x14avro.codec",
    b"PAR1\x15\x04",
    b"ARROW1\0\0",
    b"\0\0\0\0\x07\x02\x06abc",
    b"PK\x03\x04",
    b"\x89PNG\r\n\x1a\n",
    '{"a":1}'.encode("utf-16"),
    b"<order/>",
    b"\xff" * 40,
    b"\0" * 40,
    b"",
    b"\n",
)


def members_of(values: list[bytes | None]) -> list[dict[str, Json]]:
    """The members of those JSON records that can be read."""
    found = []
    for value in values:
        try:
            found.append(parse(value or b""))
        except Malformed:
            continue
    return found


def gates(subject: Subject, stream: Stream) -> tuple[Gate, Gate]:
    """The gate as users have it without the native path, and that of the reference."""
    form = subject.form(stream)
    fast = compile(stream, decoder="fast", format=form)
    return fast, compile(stream, decoder="reference", format=form)


def assert_same(one: Verdict, other: Verdict) -> None:
    assert one.rejected == other.rejected
    assert one.noted == other.noted
    assert one.accepted_index.equals(other.accepted_index)
    assert one.accepted.schema.equals(other.accepted.schema, check_metadata=True)
    assert repr(one.accepted.to_pylist()) == repr(other.accepted.to_pylist())  # -0 is not 0
    assert one.unknown_paths == other.unknown_paths
    assert list(one.tombstones) == list(other.tombstones)


def enough(values: list[bytes | None]) -> list[bytes | None]:
    return values * -(-_ENOUGH // len(values)) if values else values


@st.composite
def mutated(draw: st.DrawFn, value: bytes) -> bytes:
    """The bytes with some of them changed, cut, doubled or put in."""
    for _ in range(draw(st.integers(0, 3))):
        at = draw(st.integers(0, len(value)))
        end = draw(st.integers(at, min(len(value), at + 8)))
        piece = draw(
            st.one_of(
                st.binary(max_size=4),
                st.sampled_from([b'"', b"'", b",", b";", b"\n", b"\r\n", b"\xef\xbb\xbf", b"\0"]),
                st.just(value[at:end] * 2),
            )
        )
        value = value[:at] + piece + value[end:]
    return value


@st.composite
def written(draw: st.DrawFn, subject: Subject) -> tuple[Stream, list[bytes | None]]:
    """A stream, and records of its: good ones, bad ones, and what became of some on the way."""
    stream = subject.stream(draw(streams()))
    found: list[bytes | None] = [
        draw(mutated(subject.write(stream, members)))
        for members in members_of(draw(batches(stream)))
    ]
    return stream, [*found, draw(st.binary(max_size=20)), None]


@_all
@_LAW
@given(data=st.data())
def test_every_path_says_the_same(subject: Subject, data: st.DataObject) -> None:
    stream, values = data.draw(written(subject))
    fast, reference = gates(subject, stream)
    values = enough(values)
    wanted = reference(values)
    assert_same(fast(values), wanted)
    assert_same(compile(stream, format=subject.form(stream))(values), wanted)


@_all
@_LAW
@given(data=st.data())
def test_the_verdict_is_that_of_the_same_members_in_json(
    subject: Subject, data: st.DataObject
) -> None:
    stream, values = data.draw(written(subject))
    form = subject.form(stream)
    own = Reference(stream, form)
    json = Reference(replace(stream, format=SUBJECTS[0].record_format, size_limit_bytes=1 << 30))
    for value in values:
        if value is None or len(value) > stream.size_limit_bytes:
            continue
        try:
            members = form.parse(value)
        except Malformed:
            continue
        found, same = own.judge(value), json.judge(canonical(members).encode())
        assert found.failures == same.failures
        assert found.row == same.row
        assert found.unknown == same.unknown


@_all
@_LAW
@given(value=st.binary(max_size=200))
def test_it_never_raises_anything_else(subject: Subject, value: bytes) -> None:
    stream = subject.stream(EVERYTHING)
    form = subject.form(stream)
    refused = None
    try:
        form.parse(value)
    except Malformed as error:
        refused = error
    if refused is not None:
        assert refused.rule in form.codes
        assert 0 < len(refused.observed) <= 80
        failures = Reference(stream, form).judge(value).failures
        assert [(one.path, one.rule) for one in failures] == [("$", refused.rule)]


@_all
def test_it_reads_what_was_written(subject: Subject) -> None:
    stream = subject.stream(EVERYTHING)
    form = subject.form(stream)
    for members in members_of([value for value, _ in CASES if len(value) < 10_000]):
        declared = {name: held for name, held in members.items() if name in _NAMES}
        value = subject.write(stream, declared)
        found = form.parse(value)
        assert set(found) >= set(declared)
        for name in ("string", "integer", "decimal", "boolean", "timestamp"):
            if name in declared and _is_of(name, declared[name]):
                assert (type(found[name]), found[name]) == (type(declared[name]), declared[name])
        some = form.parse_some(value, ["string", "object", "no such name"])
        assert some == {name: found[name] for name in ("string", "object") if name in found}


_NAMES = {field.name for field in EVERYTHING.fields}


def _is_of(name: str, value: Json) -> bool:
    read = compile(EVERYTHING, decoder="reference")
    return value not in ("", None) and not read([canonical({name: value}).encode()]).rejected


@_all
def test_a_record_cut_off_anywhere_is_found_out(subject: Subject) -> None:
    stream = subject.stream(EVERYTHING)
    good = parse(
        '{"string":"aé😀","integer":-5,"number":1.5e3,"boolean":true,"any":[null]}'.encode()
    )
    value = subject.write(stream, good)
    fast, reference = gates(subject, stream)
    prefixes: list[bytes | None] = [value[:end] for end in range(len(value))]
    verdict = fast(enough(prefixes))
    assert_same(verdict, reference(enough(prefixes)))
    assert not fast([value]).rejected
    if subject.cut is not None:
        rules = [one.failures[0].rule for one in verdict.rejected[: len(prefixes)]]
        assert len(verdict.rejected) == len(enough(prefixes))
        assert set(rules) <= subject.cut


@_all
@pytest.mark.parametrize("value", _FOREIGN, ids=lambda value: repr(value[:8]))
def test_foreign_bytes_have_one_failure(subject: Subject, value: bytes) -> None:
    stream = subject.stream(EVERYTHING)
    fast, reference = gates(subject, stream)
    verdict = fast([value] * _ENOUGH)
    assert_same(verdict, reference([value] * _ENOUGH))
    assert len(verdict.rejected) == _ENOUGH
    (failure,) = verdict.rejected[0].failures
    assert failure.path == "$"
    assert failure.rule in subject.form(stream).codes


@_all
def test_bombs_cost_a_small_multiple_of_their_size(subject: Subject) -> None:
    stream = subject.stream(EVERYTHING)
    reference = Reference(stream, subject.form(stream))
    for value, rule in subject.bombs:
        tracemalloc.start()
        (failure,) = reference.judge(value).failures
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert failure.rule == rule
        assert peak < 20 * len(value) + (1 << 20)
        assert gates(subject, stream)[0]([value] * 2).rejected[1].failures == (failure,)


@_all
def test_size_and_null_are_nobodys_own(subject: Subject) -> None:
    stream = replace(subject.stream(EVERYTHING), size_limit_bytes=20)
    fast, reference = gates(subject, stream)
    values: list[bytes | None] = [b"x" * 21, None, subject.write(stream, {"string": "x" * 21})]
    verdict = fast(enough(values))
    assert_same(verdict, reference(enough(values)))
    rules = [record.failures[0].rule for record in verdict.rejected[:3]]
    assert rules == ["record.size", "record.null", "record.size"]


@_all
@_LAW
@given(data=st.data())
def test_cutting_a_batch_or_making_it_arrow_changes_nothing(
    subject: Subject, data: st.DataObject
) -> None:
    stream, values = data.draw(written(subject))
    values = enough(values)
    cut = data.draw(st.integers(0, len(values)))
    gate, _ = gates(subject, stream)
    whole = gate(pa.array(values, pa.binary()))
    parts = [gate(values[:cut]), gate(values[cut:])]
    assert [one.failures for one in whole.rejected] == [
        one.failures for part in parts for one in part.rejected
    ]
    rows = [row for part in parts for row in part.accepted.to_pylist()]
    assert whole.accepted.to_pylist() == rows


@pytest.mark.parametrize("subject", SUBJECTS[:-1], ids=lambda subject: subject.name)
def test_its_codes_are_documented(subject: Subject) -> None:
    pages = ("formats.md", "rules.md")
    text = "".join((_ROOT / "docs" / "reference" / page).read_text("utf-8") for page in pages)
    for code, meaning in subject.form(subject.stream(EVERYTHING)).codes.items():
        assert f"| `{code}` |" in text
        assert meaning in text


def test_the_toy_touches_nothing_but_its_module() -> None:
    source = _ROOT / "src" / "lakegate"
    assert not [file for file in source.rglob("*.py") if "tagged" in file.read_text("utf-8")]
