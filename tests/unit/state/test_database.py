from __future__ import annotations

import sqlite3
import subprocess
import sys

import pytest
from sqlalchemy import text

from lakegate.errors import NewerState, StateError
from lakegate.state import database as module
from lakegate.state.contract_registry import seen
from lakegate.state.database import open_database
from lakegate.state.schema import VERSION


@pytest.fixture
def path(tmp_path):
    return tmp_path / "state.db"


def url(path):
    return f"sqlite:///{path}"


def test_new_database_has_the_version_and_opens_again(path):
    for _ in range(2):
        with open_database(url(path)).read() as connection:
            assert connection.execute(text("SELECT version FROM lakegate_version")).all() == [
                (VERSION,)
            ]


def test_newer_database_is_refused_untouched(path):
    open_database(url(path))
    with sqlite3.connect(path) as raw:
        raw.execute("UPDATE lakegate_version SET version = ?", (VERSION + 1,))
    raw.close()
    before = path.read_bytes()
    with pytest.raises(NewerState, match=f"has version {VERSION + 1}.*install the newer Lakegate"):
        open_database(url(path))
    assert path.read_bytes() == before


def test_older_database_is_migrated_forward_and_keeps_its_rows(path, monkeypatch):
    open_database(url(path))
    with sqlite3.connect(path) as raw:
        raw.execute("INSERT INTO contracts VALUES ('a', '1', 'd', 0, '2026-01-01T00:00:00+00:00')")
    raw.close()

    def add_note(connection):
        connection.exec_driver_sql("ALTER TABLE contracts ADD COLUMN note TEXT")

    monkeypatch.setattr(module, "MIGRATIONS", (*module.MIGRATIONS, add_note))
    monkeypatch.setattr(module, "VERSION", VERSION + 1)
    upgraded = open_database(url(path))
    with upgraded.read() as connection:
        assert connection.execute(text("SELECT note FROM contracts")).all() == [(None,)]
        assert connection.execute(text("SELECT version FROM lakegate_version")).scalar() == (
            VERSION + 1
        )


def test_a_migration_that_fails_leaves_the_version_before(path, monkeypatch):
    open_database(url(path))

    def half(connection):
        connection.exec_driver_sql("ALTER TABLE contracts ADD COLUMN note TEXT")
        connection.exec_driver_sql("ALTER TABLE nowhere ADD COLUMN note TEXT")

    with monkeypatch.context() as patch:
        patch.setattr(module, "MIGRATIONS", (*module.MIGRATIONS, half))
        patch.setattr(module, "VERSION", VERSION + 1)
        with pytest.raises(StateError, match="no such table: nowhere"):
            open_database(url(path))
    with open_database(url(path)).read() as connection, pytest.raises(Exception, match="note"):
        connection.execute(text("SELECT note FROM contracts"))


def test_not_a_database(path):
    path.write_bytes(b"x" * 4096)
    with pytest.raises(StateError, match="not a database; the file is no database; move it away"):
        open_database(url(path))


def test_damaged_database(path):
    open_database(url(path))
    content = path.read_bytes()
    path.write_bytes(content[:100] + b"\xff" * (len(content) - 100))
    with pytest.raises(StateError, match="damaged; restore it"):
        open_database(url(path))


def test_locked_database(path, monkeypatch):
    monkeypatch.setattr(module, "_BUSY_S", 0.05)
    opened = open_database(url(path))
    holder = sqlite3.connect(path)
    holder.execute("BEGIN EXCLUSIVE")
    with pytest.raises(StateError, match="another process has held it"), opened.write():
        pass
    holder.close()
    with opened.write():
        pass


def test_read_only_database_is_read_and_says_why_it_cannot_be_written(path):
    open_database(url(path))
    opened = open_database(f"sqlite:///file:{path}?mode=ro&uri=true")
    assert seen(opened, "orders") == ()
    with pytest.raises(StateError, match="read-only; make it writable"), opened.write() as c:
        c.exec_driver_sql("DELETE FROM contracts")


def test_no_folder(tmp_path):
    with pytest.raises(StateError, match="create its folder"):
        open_database(url(tmp_path / "nowhere" / "state.db"))


@pytest.mark.parametrize("bad", ["", "state.db", "nosuchdb://x/y"])
def test_no_such_kind_of_database(bad):
    with pytest.raises(StateError, match="give a URL such as"):
        open_database(bad)


def test_errors_show_neither_password_nor_parameters():
    with pytest.raises(StateError) as caught:
        open_database("nosuchdb://me:secret@host/db")
    assert "secret" not in str(caught.value)


OPEN = """
import sys
from sqlalchemy import text
from lakegate.state.database import open_database
opened = open_database(sys.argv[1])
"""
COUNT_UP = (
    OPEN
    + """
for _ in range(25):
    with opened.write() as connection:
        seen = connection.execute(text("SELECT first_seen FROM contracts")).scalar()
        connection.execute(
            text("UPDATE contracts SET first_seen = :next"), {"next": str(int(seen) + 1)}
        )
"""
)


def run_two(script, path):
    workers = [
        subprocess.Popen([sys.executable, "-c", script, url(path)], stderr=subprocess.PIPE)
        for _ in range(2)
    ]
    return [worker.communicate(timeout=120)[1].decode() for worker in workers]


def test_two_processes_write_at_once_and_none_is_lost(path):
    opened = open_database(url(path))
    with opened.write() as connection:
        connection.execute(text("INSERT INTO contracts VALUES ('a', '1', 'd', 0, '0')"))
    assert run_two(COUNT_UP, path) == ["", ""]
    with opened.read() as connection:
        assert connection.execute(text("SELECT first_seen FROM contracts")).scalar() == "50"


def test_two_processes_create_at_once(path):
    assert run_two(OPEN, path) == ["", ""]
