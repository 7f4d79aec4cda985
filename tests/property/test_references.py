"""The law of relationships at the gate: all paths agree, and agree with a join in DuckDB."""

from __future__ import annotations

import json

import duckdb
import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st

from lakegate.contract.stream import ContractRef, Place, Reference, Stream
from lakegate.contract.type import (
    ArrayType,
    BooleanType,
    DateType,
    DecimalType,
    Field,
    IntegerType,
    NumberType,
    ObjectType,
    StringType,
    TimestampType,
    TimeType,
    Type,
)
from lakegate.gate import ReferenceSet, compile  # noqa: A004 - as users write it
from tests.property.paths import assert_same, verdicts

# A type with the texts of values that are its own: few, so that keys meet.
_POOLS: list[tuple[Type, list[str]]] = [
    (StringType(), ['"a"', '"b"', '""', '"ä"', '"A"']),
    (IntegerType(), ["0", "-0", "1", "9223372036854775807"]),
    (IntegerType(32), ["0", "1", "-2147483648"]),
    (IntegerType(64, signed=False), ["0", "18446744073709551615", "7"]),
    (DecimalType(5, 2), ["1.50", "1.5", "0", "-0.01"]),
    (NumberType(), ["0.1", "-0.0", "1e300", "3"]),
    (BooleanType(), ["true", "false"]),
    (DateType(), ['"2026-11-23"', '"0001-01-01"', '"9999-12-31"']),
    (TimeType(), ['"00:00:00"', '"23:59:59.999999"']),
    (
        TimestampType(),
        ['"2026-11-23T00:00:00Z"', '"2026-11-23T01:00:00+01:00"', '"0001-01-01T00:00:00Z"'],
    ),
]


@st.composite
def _cases(draw: st.DrawFn) -> tuple[Stream, dict[str, ReferenceSet], list[bytes]]:
    width = draw(st.integers(1, 3))
    pools = [draw(st.sampled_from(_POOLS)) for _ in range(width)]
    wrapped = draw(st.sampled_from(["", "o.", "l.element."]))
    members = tuple(Field(f"c{n}", kind, "$") for n, (kind, _) in enumerate(pools))
    fields: tuple[Field, ...] = members
    if wrapped == "o.":
        fields = (Field("o", ObjectType(members), "$.o"),)
    elif wrapped:
        item = Field("element", ObjectType(members), "$.l[*]")
        fields = (Field("l", ArrayType(item), "$.l"),)
    names = tuple(f"{wrapped}c{n}" for n in range(width))
    reference = Reference("r", names, "there", names, place=Place.GATE)
    stream = Stream(ContractRef("c", "1", "0" * 64), "s", "s", fields, references=(reference,))
    row = st.tuples(*(st.sampled_from([*texts, "null", None, "[]"]) for _, texts in pools))

    def text(values: tuple[str | None, ...]) -> str:
        pairs = [f'"c{n}":{value}' for n, value in enumerate(values) if value is not None]
        return "{" + ",".join(pairs) + "}"

    def record() -> str:
        if wrapped == "l.element.":
            items = draw(st.lists(st.one_of(row.map(text), st.just("null")), max_size=3))
            return '{"l":[' + ",".join(items) + "]}"
        return '{"o":' + text(draw(row)) + "}" if wrapped else text(draw(row))

    values = [record().encode() for _ in range(draw(st.integers(1, 8)))]
    plain = Stream(stream.contract, "k", "k", members)
    keys = [text(draw(st.tuples(*(st.sampled_from(texts) for _, texts in pools)))).encode()
            for _ in range(draw(st.integers(0, 4)))]  # fmt: skip
    known = compile(plain, decoder="reference")(keys).accepted.select(range(width))
    return stream, {"r": ReferenceSet(known, table="there", snapshot_id=1)}, values


@settings(max_examples=150, deadline=None)
@given(_cases())
def test_all_paths_agree(case: tuple[Stream, dict[str, ReferenceSet], list[bytes]]) -> None:
    stream, sets, values = case
    first, *others = verdicts(stream, values, sets)
    assert first.references == {"r": 1}
    for other in others:
        assert_same(first, other)


@settings(max_examples=80, deadline=None)
@given(_cases())
def test_a_record_passes_exactly_when_sql_finds_every_key(
    case: tuple[Stream, dict[str, ReferenceSet], list[bytes]],
) -> None:
    stream, sets, values = case
    if stream.fields[0].name == "l":
        return
    typed = compile(stream)(values)  # without keys: what is well formed
    table = typed.accepted
    names = [f"c{n}" for n in range(sets["r"].keys.num_columns)]
    if stream.fields[0].name == "o":
        table = pa.Table.from_arrays(table.column("o").combine_chunks().flatten(), names=names)
    connection = duckdb.connect()
    connection.register("here", table.append_column("nth", typed.accepted_index).combine_chunks())
    connection.register("there", sets["r"].keys.rename_columns(names))
    both = " AND ".join(f"here.{name} = there.{name}" for name in names)
    present = " AND ".join(f"here.{name} IS NOT NULL" for name in names)
    orphans = connection.execute(
        f"SELECT nth FROM here WHERE {present} AND NOT EXISTS (SELECT 1 FROM there WHERE {both})"
    ).fetchall()
    verdict = compile(stream).refer(sets)(values)
    found = {r.index for r in verdict.rejected if any(f.rule == "reference" for f in r.failures)}
    assert found == {at for (at,) in orphans}
    assert json.loads(verdict.accepted.schema.metadata[b"lakegate.references"]) == {"r": 1}
