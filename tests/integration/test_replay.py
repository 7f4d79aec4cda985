# ruff: noqa: E501 - contracts and fixes, one a line
"""Fix and replay, end to end: the command line and the Python API on a real project."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

import lakegate as lg
from lakegate.topic.base import TopicPartition

from .survival import call, finish, make_project, proven, refused, start

CAST = "stream: orders\nmatches: {rule: type, path: $.number}\nsteps:\n  - cast: {path: $.number, to: integer}\n"
NOTE = "stream: orders\nmatches: {rule: required, path: $.note}\nsteps:\n  - set: {path: $.note, value: none given}\n"
COUNT = 120


def value(number: int) -> bytes:
    """Every third has a text for a number, every fourth no note, every 24th cannot be mended."""
    record: dict[str, object] = {"number": number, "note": "x"}
    if number % 3 == 0:
        record["number"] = "?" if number % 24 == 0 else str(number)
    if number % 4 == 0:
        del record["note"]
    return json.dumps(record).encode()


BAD = [n for n in range(COUNT) if n % 3 == 0 or n % 4 == 0]
BEYOND = [n for n in range(COUNT) if n % 24 == 0]
MENDED = sorted(set(BAD) - set(BEYOND))


def make(folder: Path, *, partitions: int = 2, **fixes: str) -> Path:
    make_project(folder, toml=f"[log]\npartitions = {partitions}\n")
    (folder / "fixes").mkdir()
    for name, text in fixes.items():
        (folder / "fixes" / f"{name}.yaml").write_text(text)
    with lg.open(folder) as project:
        with project.producer("orders") as producer:
            for number in range(COUNT):
                headers = [("producer", b"shop 7")]
                producer.send(value(number), key=b"%d" % (number % 7), headers=headers)
        project.run(until="idle")
    return folder


def published(folder: Path) -> list[int]:
    with lg.open(folder) as project:
        project.run(until="idle")
        project.audit("orders").publish()
        return [row[0] for row in project.sql("SELECT number FROM orders ORDER BY 1").fetchall()]


def test_there_and_back(tmp_path: Path) -> None:
    make(tmp_path, cast=CAST, note=NOTE)
    with lg.open(tmp_path) as project:
        topics = {t: project.log.topics()[t] for t in ("orders.replay", "orders.triage")}
        (preview,) = project.preview("orders")
        assert (preview.tally.matched, preview.passing) == (len(BAD), len(MENDED))
        assert preview.tally.by_fixes["cast", "note"] == len([n for n in BAD if n % 12 == 0])
        (failing,) = preview.failing
        assert (failing.rule, failing.path, failing.observed) == ("type", "$.number", '"?"')
        for topic, count in topics.items():
            ends = [project.log.end_offset(TopicPartition(topic, n)) for n in range(count)]
            assert ends == [0] * count, "a preview changes nothing"
        assert preview.still_failing == preview.refused == len(BEYOND)
        (alone,) = project.preview("orders", "note")
        assert alone.passing + alone.still_failing == len(BAD)
        assert alone.tally.unmatched == alone.tally.unmatched_because.most_common()[0].count
        assert alone.passing == len([n for n in BAD if n % 3]), "both are needed for the others"
        assert project.replay("orders", why="ticket 12")[0].requested == len(BAD)
        assert project.replay("orders")[0].requested == 0, "on their way already"
        done = project.run("orders", until="idle")["orders"]
        assert (done.replayed, done.failed, done.records) == (len(MENDED), len(BEYOND), 0)
        assert project.replay("orders")[0].requested == 0, "the loop guard"
        assert project.replay("orders", again=True)[0].requested == len(BEYOND)
    good = sorted(set(range(COUNT)) - set(BEYOND))
    assert published(tmp_path) == good
    proven(tmp_path, raw=COUNT, rejected=len(BAD), replayed=len(MENDED), published=len(good))


def test_where_a_replayed_row_comes_from(tmp_path: Path) -> None:
    make(tmp_path, partitions=1, cast=CAST, note=NOTE)
    git = ["git", "-C", str(tmp_path), "-c", "user.name=a", "-c", "user.email=a@example.com"]
    for arguments in (["init", "-q"], ["add", "fixes"], ["commit", "-qm", "fixes"]):
        subprocess.run([*git, *arguments], check=True, timeout=120)
    head = subprocess.run([*git, "rev-parse", "HEAD"], check=True, capture_output=True, text=True)
    (tmp_path / "fixes" / "note.yaml").write_text(NOTE + "# not committed\n")
    with lg.open(tmp_path) as project:
        project.replay("orders", why="ticket 12")
        project.run("orders", until="idle")
        letter = project.deadletters("orders").show("orders.raw:0:12")
        assert letter.state == "replayed"
        requested, replayed = letter.history
        assert (requested["event"], requested["why"]) == ("requested", "ticket 12")
        fixes = json.loads(replayed["fixes"])
        assert [(fix["name"], fix["dirty"]) for fix in fixes] == [("cast", False), ("note", True)]
        assert {fix["commit"] for fix in fixes} == {head.stdout.strip()}
        digests = {fix.name: fix.digest for fix in project.fixes()}
        assert {fix["name"]: fix["digest"] for fix in fixes} == digests
        batches = list(project.log.read(TopicPartition("orders.validated", 0), 0))
        (row,) = [r for b in batches for r in b.rows.to_pylist() if r["_offset"] == 12]
        names = [header["key"] for header in row["_headers"]]
        assert names == ["producer", "lakegate.source", "lakegate.fixes"]
        raw = next(project.log.read(TopicPartition("orders.raw", 0), 12, max_records=1))
        assert row["_ingested_at"] == raw.appended_at
        assert row["note"] == "none given"


def test_a_second_failure_is_a_new_reason_on_the_same_dead_letter(tmp_path: Path) -> None:
    spoil = NOTE.replace("none given", "7").replace("value: 7", "value: 7")
    make(tmp_path, partitions=1, spoil=spoil)
    with lg.open(tmp_path) as project:
        letters = sum(c for c in project.deadletters("orders").causes().states)
        project.replay("orders")
        project.run("orders", until="idle")
        found = project.deadletters("orders").causes()
        assert sum(found.states) == letters, "no new dead letters"
        assert {(c.rule, c.path) for c in found.causes} == {
            ("required", "$.note"),
            ("type", "$.note"),
            ("type", "$.number"),
        }
        project.status().proofs[0]
        assert project.status().proven
    (tmp_path / "fixes" / "text.yaml").write_text(
        "stream: orders\nmatches: {rule: type, path: $.note}\n"
        "steps:\n  - cast: {path: $.note, to: string}\n"
    )
    with lg.open(tmp_path) as project:
        # The new reason has a fix, too; those that failed are tried again, by both.
        (again,) = project.replay("orders")
        assert dict(again.tally.by_fixes) == {("spoil", "text"): again.requested}
        assert project.run("orders", until="idle")["orders"].replayed == 20
        assert project.status().proven


def test_a_changed_contract_opens_the_way_for_what_no_fix_matches(tmp_path: Path) -> None:
    make(tmp_path, note=NOTE)
    contract = tmp_path / "contracts" / "orders.odcs.yaml"
    text = contract.read_text().replace("1.0.0", "2.0.0")
    contract.write_text(
        text.replace(
            "{name: note, logicalType: string, required: true}", "{name: note, logicalType: string}"
        )
    )
    with lg.open(tmp_path) as project:
        (preview,) = project.preview("orders", unchanged=True)
        assert preview.passing == len([n for n in BAD if n % 3])
        project.replay("orders", unchanged=True)
        project.run("orders", until="idle")
        assert project.status().proofs[0].total("replayed") == preview.passing
        assert project.status().proven


def test_looking_things_up_in_a_published_table(tmp_path: Path) -> None:
    look = (
        "stream: orders\nmatches: {rule: required, path: $.note}\nsteps:\n"
        "  - set: {path: $.note, value: 1}\n"
        "  - lookup: {path: $.note, table: orders, key: number, give: note}\n"
    )
    make(tmp_path, look=look)
    assert 1 in published(tmp_path)
    with lg.open(tmp_path) as project:
        project.replay("orders")
        assert project.run("orders", until="idle")["orders"].replayed == 20


@pytest.mark.parametrize(
    ("where", "said"),
    [
        (
            "table: order, key: number, give: note",
            "no published table is called order; did you mean",
        ),
        (
            "table: orders, key: nomber, give: note",
            "table orders has no column nomber; did you mean",
        ),
        ("table: orders, key: number, give: xyz", "table orders has no column xyz; there are: "),
    ],
)
def test_a_lookup_that_cannot_be_says_which_fix_wants_it(
    tmp_path: Path, where: str, said: str
) -> None:
    look = (
        "stream: orders\nmatches: {rule: required, path: $.note}\nsteps:\n"
        f"  - set: {{path: $.note, value: 1}}\n  - lookup: {{path: $.note, {where}}}\n"
    )
    make(tmp_path, look=look)
    refused(call(tmp_path, "fix", "preview"), "look.yaml: step 2 of look: " + said)


def test_the_command_line(tmp_path: Path) -> None:
    make(tmp_path, partitions=1, cast=CAST)
    said = call(tmp_path, "deadletter", "list", "--format", "json")
    causes = {(c["rule"], c["path"]): c for c in map(json.loads, said.out.splitlines())}
    note = causes["required", "$.note"]
    assert (note["count"], note["open"], note["producers"]) == (30, 30, ["shop 7"])
    for words in (["deadletter", "list"], ["deadletter", "show", note["sample"]], ["fix", "list"]):
        said = call(tmp_path, *words)
        assert said.code == 0, said
    shown = json.loads(call(tmp_path, "deadletter", "show", note["sample"], "--format", "json").out)
    assert shown["state"] == "open"
    said = call(tmp_path, "fix", "new", note["cause"], "--name", "note")
    assert said.code == 0, said
    assert (tmp_path / "fixes" / "note.yaml").exists()
    assert call(tmp_path, "contract", "check").code == 0
    said = call(tmp_path, "fix", "preview", "--format", "json")
    assert (said.code, json.loads(said.out)["passing"]) == (0, len(MENDED))
    assert "still fail" in call(tmp_path, "fix", "preview").out
    said = call(tmp_path, "fix", "preview", "note").out
    assert f" of {len(BAD)} now pass, " in said
    assert "still fail because no fix matches" in said
    assert "of these: expected an integer, got " in said
    said = call(tmp_path, "replay", "note", "--format", "json", "--why", "because")
    assert json.loads(said.out)["requested"] == 30
    refused(call(tmp_path, "replay", "nothing"), "no fix is called nothing; there are: cast, note")
    refused(call(tmp_path, "fix", "new", note["cause"], "--name", "note"), "is there already")
    cause = causes["type", "$.number"]["cause"]
    said = call(tmp_path, "deadletter", "discard", "--cause", cause, "--reason", "tests")
    assert said.code == 0, said
    assert call(tmp_path, "fix", "preview", "cast").code == 1, "nothing is left to pass"
    refused(call(tmp_path, "deadletter", "discard", "--reason", "x"), "name a dead letter, or a")
    (tmp_path / "fixes" / "wrong.yaml").write_text("stream: order\n")
    said = call(tmp_path, "contract", "check")
    assert (said.code, "LG902" in said.out) == (1, True)
    refused(call(tmp_path, "replay"), "wrong.yaml:1:1", "`steps` is missing")


def test_a_stream_that_only_observes_replays_nothing(tmp_path: Path) -> None:
    make(tmp_path, cast=CAST)
    contract = tmp_path / "contracts" / "orders.odcs.yaml"
    observe = "customProperties:\n  - {property: lakegate.enforcement, value: observe}\n"
    contract.write_text(contract.read_text().replace("1.0.0", "2.0.0") + observe)
    refused(call(tmp_path, "replay"), "stream orders only observes")


@pytest.mark.slow
def test_many_at_once_never_double(tmp_path: Path) -> None:
    make(tmp_path, cast=CAST, note=NOTE)
    with lg.open(tmp_path) as project:
        causes = project.deadletters("orders").causes().causes
    cause = next(c.id for c in causes if c.rule == "required")
    discard = ("deadletter", "discard", "--cause", cause, "--reason", "race")
    crowd = [start(tmp_path, *words) for words in (("replay",), discard, ("replay",), ("replay",))]
    for process in crowd:
        said = finish(process)
        assert "Traceback" not in said.err, said
        assert said.code in (0, 1), said
    numbers = published(tmp_path)
    assert len(numbers) == len(set(numbers))
    with lg.open(tmp_path) as project:
        (proof,) = project.status(full=True).proofs
    assert proof.gaps == ()
    assert proof.total("replayed") + proof.total("discarded") + proof.total("open") == len(BAD)
    assert {n for n in MENDED if n % 4} <= set(numbers)


@pytest.mark.slow
def test_the_proof_sees_no_gap_while_all_of_it_moves(tmp_path: Path) -> None:
    toml = "[log]\npartitions = 2\n[landing]\ninterval_s = 0.1\n[ledger]\nseal_after_s = 0\n"
    make(tmp_path, cast=CAST, note=NOTE)
    (tmp_path / "lakegate.toml").write_text(toml)
    worker = start(tmp_path, "run")
    with lg.open(tmp_path) as project:
        for turn in range(10):
            with project.producer("orders") as producer:
                for number in range(COUNT):
                    producer.send(value(COUNT * (turn + 1) + number), key=b"%d" % (number % 7))
            project.replay("orders")
            (proof,) = project.status("orders", full=turn % 3 == 0).proofs
            assert proof.gaps == (), turn
            if turn % 2:
                project.land("orders")
                project.audit("orders").publish()
    worker.terminate()
    assert finish(worker).code == 0
    with lg.open(tmp_path) as project:
        project.run("orders", until="idle")  # what the worker had not come to
        project.replay("orders")
        project.run("orders", until="idle")
        project.audit("orders").publish()
        for full in (True, False):
            (proof,) = project.status("orders", full=full).proofs
            assert proof.gaps == ()
            assert proof.total("replayed") == 11 * len(MENDED)
            assert proof.total("published") == 11 * (COUNT - len(BEYOND))
