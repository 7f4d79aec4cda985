"""Files damaged, missing, foreign or of a newer version: which command says what."""

from __future__ import annotations

import shutil
import sqlite3
from pathlib import Path

import pytest

import lakegate as lg
from lakegate.errors import NewerState

from .survival import call, finish, make_project, order, proven, refused, start

READING = (("status",), ("query", "select * from orders"), ("topic", "tail", "orders.validated"))
WRITING = (("run", "--until-idle"), ("land",), ("audit",), ("publish",))
EVERYTHING = (*READING, *WRITING)


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project through which ten records have gone, three of them wrong."""
    folder = make_project(
        tmp_path_factory.mktemp("original") / "project", toml="[ledger]\nseal_after_s = 0\n"
    )
    with lg.open(folder) as project:
        with project.producer("orders") as producer:
            for number in range(10):
                producer.send(order(number) if number % 4 else b"{}", key=b"%d" % number)
        project.run(until="idle")
        project.audit("orders").publish()
        assert project.status().proven
    return folder


@pytest.fixture
def folder(original: Path, tmp_path: Path) -> Path:
    """That project, at its own place: table locations are absolute."""
    saved = tmp_path / "saved"
    shutil.copytree(original, saved)
    yield original
    shutil.rmtree(original)
    shutil.copytree(saved, original)


def state(folder: Path, name: str) -> Path:
    return folder / ".lakegate" / name


def outcomes(folder: Path, file: str, commands: tuple[tuple[str, ...], ...], *parts: str) -> int:
    """Each command works, or refuses and names the file; how many refused."""
    number = 0
    for command in commands:
        said = call(folder, *command)
        assert "Traceback" not in said.err, said
        if said.code == 2:
            refused(said, file, *parts)
            number += 1
    return number


def segment(folder: Path, topic: str) -> Path:
    (path,) = state(folder, "log/segments").joinpath(topic).glob("*.seg")
    return path


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


@pytest.mark.parametrize("damage", [flip, Path.unlink], ids=["damaged", "missing"])
@pytest.mark.parametrize("kind", ["raw", "validated", "deadletter"])
def test_a_segment(folder: Path, kind: str, damage) -> None:  # type: ignore[no-untyped-def]
    path = segment(folder, f"orders.{kind}")
    damage(path)
    said = call(folder, "status", "--full")
    assert said.code == 1, said
    assert "gap" in said.out
    assert path.name in "".join(said.out.split()), said.out
    refused(call(folder, "topic", "tail", f"orders.{kind}"), path.name, "backup")
    assert call(folder, "query", "select count(*) from orders").code == 0


@pytest.mark.parametrize("damage", [flip, Path.unlink], ids=["damaged", "missing"])
def test_a_segment_that_is_not_judged_yet(folder: Path, damage) -> None:  # type: ignore[no-untyped-def]
    with lg.open(folder) as project, project.producer("orders") as producer:
        producer.send(order(10))
    path = segment(folder, "orders.raw")
    if damage is flip:
        content = bytearray(path.read_bytes())
        content[-20] ^= 1
        path.write_bytes(content)
    else:
        path.unlink()
    refused(call(folder, "run", "--until-idle"), path.name, "backup")
    said = finish(start(folder, "run"))
    refused_in(said, path.name)


def refused_in(said, part: str) -> None:  # type: ignore[no-untyped-def]
    """As :func:`refused`, where log lines may stand before the error."""
    assert said.code == 2, said
    assert "Traceback" not in said.err, said
    assert part in said.err


@pytest.mark.parametrize("content", [b"", b"no database at all" * 100, None])
def test_the_index_of_the_log(folder: Path, content: bytes | None) -> None:
    path = state(folder, "log/index.db")
    if content is None:
        path.unlink()
    else:
        path.write_bytes(content)
    for command in EVERYTHING:
        refused(call(folder, *command), "index.db", "backup")


def test_a_page_of_the_index_of_the_log(folder: Path) -> None:
    path = state(folder, "log/index.db")
    content = bytearray(path.read_bytes())
    content[4096:] = bytes(byte ^ 0x5A for byte in content[4096:])
    path.write_bytes(content)
    for command in EVERYTHING:
        refused(call(folder, *command), "index.db", "backup")


@pytest.mark.parametrize("content", [b"no database at all" * 100, "pages"])
def test_the_operational_database(folder: Path, content: bytes | str) -> None:
    path = state(folder, "state.db")
    if isinstance(content, str):
        pages = bytearray(path.read_bytes())
        pages[100:] = b"\x5a" * (len(pages) - 100)
        path.write_bytes(pages)
    else:
        path.write_bytes(content)
    assert outcomes(folder, "state.db", EVERYTHING) >= 2
    assert call(folder, "status").code == 0, "no data is in it"
    path.rename(path.with_suffix(".damaged"))
    assert call(folder, "audit").code == 0
    assert call(folder, "publish").code == 0


def test_the_operational_database_is_missing(folder: Path) -> None:
    state(folder, "state.db").unlink()
    said = call(folder, "publish")
    assert said.code == 1, said
    assert "lakegate audit orders" in said.err
    assert call(folder, "audit").code == 0
    assert call(folder, "publish").code == 0
    proven(folder, published=7)


@pytest.mark.parametrize("content", [b"no database at all" * 100, "pages"])
def test_the_catalog(folder: Path, content: bytes | str) -> None:
    path = state(folder, "lake/catalog.db")
    if isinstance(content, str):
        pages = bytearray(path.read_bytes())
        pages[100:] = b"\x5a" * (len(pages) - 100)
        path.write_bytes(pages)
    else:
        path.write_bytes(content)
    assert outcomes(folder, "catalog.db", EVERYTHING) >= 4
    assert call(folder, "topic", "list").code == 0


def test_the_catalog_is_missing(folder: Path) -> None:
    path = state(folder, "lake/catalog.db")
    aside = path.rename(path.with_suffix(".aside"))
    for command in (("status",), ("status", "--full")):
        said = call(folder, *command, "--format", "json")
        assert said.code == 1, said
        assert "restore the lake's catalog" in said.out
    shutil.copy(aside, path)
    proven(folder, landed=7, published=7)
    path.unlink()
    assert call(folder, "land").code == 0, "the log still has everything"
    assert call(folder, "audit").code == 0
    assert call(folder, "publish").code == 0
    proven(folder, landed=7, published=7)


def test_the_table_metadata_is_missing(folder: Path) -> None:
    for path in state(folder, "lake/warehouse").rglob("*.metadata.json"):
        path.unlink()
    assert outcomes(folder, "metadata.json", EVERYTHING) >= 4


def test_the_seals(folder: Path) -> None:
    path = state(folder, "ledger/orders.seals.json")
    path.write_text("[{")
    refused(call(folder, "status"), str(path), "remove it")
    path.unlink()
    proven(folder, raw=10, published=7)


@pytest.mark.parametrize("content", [b"", b"{", b"\xff\xfe", b"[]"])
def test_the_note_of_a_pause(folder: Path, content: bytes) -> None:
    path = state(folder, "paused/orders.json")
    path.parent.mkdir()
    path.write_bytes(content)
    refused(call(folder, "run", "--until-idle"), str(path), "lakegate resume orders")
    refused(call(folder, "status"), str(path))
    assert call(folder, "resume", "orders", "--reason", "the note was damaged").code == 0
    assert call(folder, "run", "--until-idle").code == 0


@pytest.mark.parametrize(
    "content", [b"\xff\xfe", b"[log", b"[log]\npartitons = 2\n", b"[log]\npartitions = 'x'\n"]
)
def test_the_configuration(folder: Path, content: bytes) -> None:
    (folder / "lakegate.toml").write_bytes(content)
    for command in EVERYTHING:
        refused(call(folder, *command), "lakegate.toml")


@pytest.mark.parametrize("content", [b"\xff\xfe\x00", b"a: [", b"kind: nonsense", b""])
def test_the_contract(folder: Path, content: bytes) -> None:
    (folder / "contracts" / "orders.odcs.yaml").write_bytes(content)
    for command in EVERYTHING:
        refused(call(folder, *command), "orders.odcs.yaml")


def test_no_contract_and_no_folder_for_one(folder: Path) -> None:
    shutil.rmtree(folder / "contracts")
    refused(call(folder, "status"), "contracts", "write one")


def test_a_state_folder_that_is_a_file(tmp_path: Path) -> None:
    make_project(tmp_path)
    (tmp_path / ".lakegate").write_text("not a folder")
    refused(call(tmp_path, "status"), ".lakegate")


def newer(path: Path, statement: str) -> None:
    with sqlite3.connect(path) as connection:
        connection.execute(statement)
    connection.close()


def test_a_newer_log(folder: Path) -> None:
    newer(state(folder, "log/index.db"), "PRAGMA user_version = 99")
    for command in EVERYTHING:
        refused(call(folder, *command), "index.db", "newer Lakegate", "install that version")
    with pytest.raises(NewerState):
        lg.open(folder)


def test_a_newer_operational_database(folder: Path) -> None:
    newer(state(folder, "state.db"), "UPDATE lakegate_version SET version = 99")
    for command in (("run", "--until-idle"), ("audit",), ("publish",)):
        refused(call(folder, *command), "state.db", "install the newer Lakegate")


def test_a_newer_layout_of_a_table(folder: Path) -> None:
    with lg.open(folder) as project, project.lake.table("orders").transaction() as change:
        change.set_properties({"lakegate.layout": "99"})
    for command in (("land",), ("audit",), ("status",), ("query", "select * from orders")):
        refused(call(folder, *command), "orders", "layout 99", "upgrade")
