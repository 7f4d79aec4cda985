"""The gate's surface: shapes of input, tombstones, undeclared fields, sample records."""

from __future__ import annotations

import json
import pickle
from dataclasses import replace

import pyarrow as pa
import pytest
from tests.unit.gate.corpus import EVERYTHING

from lakegate.contract.stream import ContractRef, Stream
from lakegate.contract.type import Constraint, Field, IntegerType, Severity
from lakegate.errors import GateError
from lakegate.gate import arrow_schema, compile  # noqa: A004 - as users write it
from lakegate.gate.reference import Reference
from lakegate.testing.sample import sample, to_json

_GATE = compile(EVERYTHING)
_POSITIVE = Constraint("minimum", 0, Severity.WARNING)


@pytest.mark.parametrize("type_", [pa.binary(), pa.large_binary()])
@pytest.mark.parametrize("chunked", [False, True])
def test_arrow_arrays_are_judged_as_sequences_are(type_: pa.DataType, chunked: bool) -> None:
    values = [b"{}", None, b"[]"]
    keys = [None, b"k", None]
    arrays = [pa.array(values, type_), pa.array(keys, type_)]
    given = [pa.chunked_array([one]) if chunked else one for one in arrays]
    verdict = _GATE(given[0], keys=given[1])
    assert verdict.accepted_index.to_pylist() == [0]
    assert list(verdict.tombstones) == [1]
    assert [found.index for found in verdict.rejected] == [2]


def test_a_null_without_a_key_is_rejected() -> None:
    for keys in (None, [None]):
        (found,) = _GATE([None], keys=keys).rejected
        assert [failure.rule for failure in found.failures] == ["record.null"]


def test_input_of_another_shape_is_the_callers_fault() -> None:
    with pytest.raises(GateError, match="as many keys"):
        _GATE([b"{}"], keys=[])
    with pytest.raises(GateError, match="binary"):
        _GATE(pa.array(["{}"]))


def test_an_empty_batch_has_an_empty_verdict_of_the_right_schema() -> None:
    verdict = _GATE([])
    assert verdict.accepted.schema.equals(arrow_schema(EVERYTHING), check_metadata=True)
    assert verdict.accepted.num_rows == 0


def test_a_field_sent_on_every_record_is_learned_and_certified() -> None:
    gate = compile(EVERYTHING)
    values = [b'{"string":"a","extra":{"n":1.50},"object":{"q":%d}}' % n for n in range(200)]
    verdict = gate(values)
    assert len(gate._certify(values).sure().index) == len(values)
    assert verdict.unknown_paths == {"$.extra", "$.object.q"}
    kept = verdict.accepted.column("_unknown_fields").to_pylist()
    assert kept[7] == '{"$.extra":{"n":1.50},"$.object.q":7}'


def test_a_warning_leaves_the_row_where_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    fields = (
        Field("a", IntegerType(), "$.a", constraints=(_POSITIVE,)),
        Field("b", IntegerType(), "$.b", required=True),
    )
    gate = compile(replace(EVERYTHING, fields=fields, constraints=(), rules=()), decoder="fast")
    values = [b'{"a":%d,"b":%d,"x":1}' % (n % 3 - 1, n) for n in range(90)]
    expected = compile(gate.stream, decoder="reference")(values)
    monkeypatch.setattr(Reference, "judge", lambda *_: pytest.fail("the record is read again"))
    verdict = gate(values)
    assert len(verdict.noted) == 30
    assert verdict.noted == expected.noted
    assert verdict.accepted.equals(expected.accepted, check_metadata=True)
    assert verdict.accepted.column("a").to_pylist() == [-1, 0, 1] * 30


def test_every_failure_of_a_record_is_reported_in_declared_order() -> None:
    (found,) = _GATE([b'{"time":1,"integer":"x","string":null,"date":"x"}']).rejected
    assert [failure.path for failure in found.failures] == ["$.integer", "$.date", "$.time"]


def test_sample_records_are_valid_and_the_same_for_the_same_seed() -> None:
    records = sample(EVERYTHING, 100, seed=7)
    assert records == sample(EVERYTHING, 100, seed=7)
    assert records != sample(EVERYTHING, 100, seed=8)
    verdict = _GATE(records)
    assert verdict.accepted.num_rows == 100
    rows = verdict.accepted.to_pylist()
    assert _GATE([to_json(row, EVERYTHING) for row in rows]).accepted.to_pylist() == rows
    assert all(json.loads(record) is not None for record in records)


def test_a_batch_too_large_for_one_column_is_judged_in_halves(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    stream = Stream(
        contract=ContractRef("n", "1.0.0", "0" * 64),
        name="n",
        object_name="n",
        fields=(Field("n", IntegerType(), "$.n", required=True),),
    )
    records = [b'{"n": %d}' % n if n % 7 else b'{"n": "x", "m": 1}' for n in range(500)]
    records[11] = None  # type: ignore[call-overload]
    keys = [b"k"] * 500
    whole = compile(stream)(records, keys=keys)
    monkeypatch.setattr("lakegate.gate.batch._BATCH_BYTES", 1_000)
    halves = compile(stream)(pa.array(records, pa.binary()), keys=pa.array(keys, pa.binary()))
    assert halves.accepted.combine_chunks().equals(whole.accepted.combine_chunks())
    assert halves.accepted_index.equals(whole.accepted_index)
    assert list(halves.rejected) == list(whole.rejected)
    assert list(halves.tombstones) == list(whole.tombstones) == [11]


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (b"{}", "values: expected a sequence .* got a bytes; one record is a batch of one"),
        ("{}", "values: expected a sequence .* got a str"),
        (None, "values: .* got None; make a list"),
        ((one for one in [b"{}"]), "values: .* got a generator; make a list"),
        ({b"{}": 1}, "values: .* got a dict; make a list"),
        ([b"{}", "{}"], r"values\[1\]: expected bytes or None, got a str; encode it"),
        ([memoryview(b"{}")], r"values\[0\]: expected bytes or None, got a memoryview"),
        ([{"a": 1}] * 100, r"values\[0\]: expected bytes or None, got a dict"),
    ],
    ids=["bytes", "str", "None", "generator", "dict", "of_str", "of_memoryview", "of_dict"],
)
@pytest.mark.parametrize("decoder", [None, "fast", "reference"])
def test_what_is_no_batch_is_named(given: object, said: str, decoder: str | None) -> None:
    with pytest.raises(GateError, match=said):
        compile(EVERYTHING, decoder=decoder)(given)  # type: ignore[arg-type]


def test_what_is_no_stream_or_path_is_named() -> None:
    with pytest.raises(GateError, match="expected a Stream, got an int"):
        compile(5)  # type: ignore[arg-type]
    with pytest.raises(GateError, match="'turbo': expected one of native, fast, reference"):
        compile(EVERYTHING, decoder="turbo")  # type: ignore[arg-type]


@pytest.mark.parametrize("decoder", ["fast", "reference"])
def test_a_gate_is_pickled_with_its_path(decoder: str) -> None:
    gate = compile(EVERYTHING, decoder=decoder)  # type: ignore[arg-type]
    again = pickle.loads(pickle.dumps(gate))
    assert (again.path, again.stream) == (decoder, EVERYTHING)
    assert again([b"{}"]).accepted.equals(gate([b"{}"]).accepted)
