"""The loader: each file once, from where it was left, and nothing lost around damage."""

from __future__ import annotations

import gzip
import json
from dataclasses import replace

import pytest

from lakegate.contract.record_format import FormatName, RecordFormat
from lakegate.contract.stream import ContractRef, Stream
from lakegate.contract.type import Field, IntegerType
from lakegate.errors import LogFull
from lakegate.ingest.error import IngestError
from lakegate.ingest.file import DamagedFile, FileFormat
from lakegate.ingest.key import record_key
from lakegate.ingest.loader import Reading, load_file
from lakegate.topic.base import TopicPartition
from lakegate.topic.codec import records
from lakegate.topic.embedded import EmbeddedLog

STREAM = Stream(
    ContractRef("orders", "1.0.0", "0"),
    "orders",
    "orders",
    (Field("id", IntegerType(), "$.id"),),
)
LINES = [b'{"id": %d}' % n for n in range(25_000)]


@pytest.fixture
def log(tmp_path):
    made = EmbeddedLog(tmp_path / "log")
    made.create("orders.raw", partitions=3)
    yield made
    made.close()


def load(log, path, **named):
    return load_file(log, STREAM, "orders.raw", path, key=record_key(("id",)), **named)


def kept(log):
    found = []
    for partition in range(3):
        for batch in log.read(TopicPartition("orders.raw", partition), 0, max_records=1 << 30):
            found += records(batch.rows)
    return found


def values(log):
    return sorted(record.value for record in kept(log))


def test_every_line_with_its_key_and_never_again(log, tmp_path):
    path = tmp_path / "a.ndjson"
    path.write_bytes(b"\n".join(LINES) + b"\n")
    steps = []
    done = load(log, path, on_step=steps.append)
    assert (done.records, done.appended, done.already) == (25_000, 25_000, False)
    assert steps[-1].fraction == 1.0
    assert [step.fraction for step in steps] == sorted(step.fraction for step in steps)
    assert values(log) == sorted(LINES)
    assert all(record.key == record.value[7:-1] for record in kept(log)[:100])
    renamed = path.rename(tmp_path / "b.jsonl")
    assert load(log, renamed).already
    assert len(kept(log)) == 25_000


def test_again_loads_it_once_more_and_can_be_resumed(log, tmp_path, monkeypatch):
    path = tmp_path / "a.ndjson"
    path.write_bytes(b"\n".join(LINES))
    load(log, path)
    send, calls = log.send, []

    def full_later(*arguments, **named):
        calls.append(1)
        if len(calls) == 2:
            raise LogFull("no room")
        return send(*arguments, **named)

    monkeypatch.setattr(log, "send", full_later)
    with pytest.raises(LogFull, match=r"10,000 records are loaded; load it again"):
        load(log, path, again=True)
    monkeypatch.undo()
    done = load(log, path)
    assert (done.before, done.appended) == (10_000, 15_000)
    assert values(log) == sorted(LINES * 2)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.json", json.dumps([{"id": 1}, {"id": 2}])),
        ("a.json", '{"id": 1}\n{"id": 2}\n'),
        ("a.json", '{\n "id": 1}\n{"id": 2\n}'),
        ("a.csv", "id\n1\n2\n"),
        ("a.ndjson", '{"id": 1}\r\n\n{"id": 2}'),
    ],
)
@pytest.mark.parametrize("zipped", [False, True])
def test_each_text_format_zipped_or_not(log, tmp_path, name, content, zipped):
    path = tmp_path / (name + ".gz" * zipped)
    data = content.encode()
    path.write_bytes(gzip.compress(data, mtime=0) if zipped else data)
    assert load(log, path).appended == 2
    assert [json.loads(value) for value in values(log)] == [{"id": 1}, {"id": 2}]


def test_a_broken_line_is_a_record(log, tmp_path):
    path = tmp_path / "a.ndjson"
    path.write_bytes(b'{"id": 1}\n{broken\n\xff\xfe\n')
    assert load(log, path).appended == 3
    assert values(log) == sorted([b'{"id": 1}', b"{broken", b"\xff\xfe"])


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("a.csv", b"id\n1\n2\n3,4\n5\n", "line 4"),
        ("a.json", b'[{"id":1}, {"id":2}, {"id"', "element 3"),
        ("a.csv.gz", gzip.compress(b"id\n1\n2\n" + b"3\n" * 9, mtime=0)[:-9], "gzip"),
    ],
)
def test_damage_is_named_and_what_was_before_is_loaded(log, tmp_path, name, content, said):
    path = tmp_path / name
    path.write_bytes(content)
    for _ in range(2):
        with pytest.raises(DamagedFile, match=said) as caught:
            load(log, path)
        assert str(path) in str(caught.value)
        count = len(kept(log))
        assert f"the {count} records before that are loaded" in str(caught.value)
    assert count >= 2 or "gz" in name


def test_a_name_that_says_nothing(log, tmp_path):
    path = tmp_path / "export.dat"
    path.write_bytes(b"id\n1\n")
    with pytest.raises(IngestError, match="--format-of"):
        load(log, path)
    assert load(log, path, reading=Reading(FileFormat.CSV)).appended == 1


def test_a_file_that_is_not_there(log, tmp_path):
    with pytest.raises(IngestError, match="cannot read"):
        load(log, tmp_path / "no.csv")


def test_a_file_that_grows_meanwhile(log, tmp_path):
    path = tmp_path / "a.ndjson"
    path.write_bytes(b"\n".join(LINES))

    def grow(_step):
        with path.open("ab") as file:
            file.write(b"\n1")

    with pytest.raises(IngestError, match="changed while it was loaded"):
        load(log, path, on_step=grow)


def test_a_stream_takes_files_that_have_its_records(log, tmp_path):
    row, line = tmp_path / "a.csv", tmp_path / "a.ndjson"
    row.write_bytes(b'id\n1\n"2"\n')
    line.write_bytes(b'{"id": 1}')
    of_rows = replace(STREAM, format=RecordFormat(FormatName.CSV))
    behind = replace(STREAM, format=RecordFormat(FormatName.CONFLUENT_JSON))
    key = record_key(())
    assert load_file(log, of_rows, "orders.raw", row, key=key).appended == 2
    assert values(log) == [b'"2"', b"1"]
    with pytest.raises(IngestError, match=r"takes rows of CSV, and .* is ndjson"):
        load_file(log, of_rows, "orders.raw", line, key=key)
    with pytest.raises(IngestError, match="behind Confluent's header"):
        load_file(log, behind, "orders.raw", line, key=key)
