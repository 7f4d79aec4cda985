"""The prompt: when a statement ends, what is completed, what stops a query and what ends it all."""

from __future__ import annotations

import signal
import stat
import threading
from collections.abc import Iterator
from pathlib import Path

import duckdb
import pytest
from prompt_toolkit.completion import CompleteEvent
from prompt_toolkit.document import Document
from prompt_toolkit.input import create_pipe_input
from prompt_toolkit.output import DummyOutput

import lakegate as lg
from lakegate.cli.query import converse
from lakegate.errors import LakeError
from lakegate.pipeline import prompt
from lakegate.pipeline.project import Project
from lakegate.pipeline.prompt import SqlCompleter, ask_with, execute, finished
from lakegate.pipeline.query import connect

CONTRACT = """
apiVersion: v3.1.0
kind: DataContract
id: orders
name: orders
version: 1.0.0
status: active
schema:
  - name: orders
    properties:
      - {name: number, logicalType: integer, required: true}
"""
TABLES = {
    "flights": {"carrier": "VARCHAR", "delay": "BIGINT"},
    "carriers": {"carrier": "VARCHAR", "name": "VARCHAR"},
}


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Project]:
    (tmp_path / "contracts").mkdir()
    (tmp_path / "contracts" / "orders.odcs.yaml").write_text(CONTRACT)
    (tmp_path / "lakegate.toml").touch()
    with lg.open(tmp_path) as opened:
        yield opened


def completed(text: str) -> list[str]:
    completer = SqlCompleter(lambda: TABLES)
    found = completer.get_completions(Document(text), CompleteEvent())
    return [completion.text for completion in found]


@pytest.mark.parametrize(
    ("text", "ends"),
    [
        ("", True),
        ("  \n", True),
        (".tables", True),
        ("select 1", False),
        ("select 1;", True),
        ("select 1; -- why", True),
        ("select ';", False),
        ("select ';'", False),
        ("select 1 -- ;", False),
        ("select /* ; ", False),
        ('select ";" from t;', True),
        ("select $$;$$", False),
    ],
)
def test_a_statement_ends_with_a_semicolon_of_its_own(text: str, ends: bool) -> None:
    assert finished(text) is ends


def test_what_may_come_next_is_offered() -> None:
    assert completed("select * from fl") == ["flights"]
    assert completed("select * from ") == ["flights", "carriers"]
    assert completed("select f.d from flights f where f.") == ["carrier", "delay"]
    assert completed("select name from carriers where na") == ["name"]
    assert completed("sel") == ["SELECT"]
    assert completed(".t") == [".tables"]
    assert completed(".schema c") == ["carriers"]


def test_lines_are_read_until_the_semicolon_and_remembered(project: Project) -> None:
    with create_pipe_input() as keys:
        ask = ask_with(project, input=keys, output=DummyOutput())
        keys.send_text("select\r1;\r")
        assert ask() == "select\n1;"
        keys.send_text("\x04")
        with pytest.raises(EOFError):
            ask()
        keys.send_text("abc\x03")
        with pytest.raises(KeyboardInterrupt):
            ask()
    history = project.state_folder / "query_history"
    assert "+select\n+1;" in history.read_text()
    assert stat.S_IMODE(history.stat().st_mode) == 0o600


def test_a_talk_goes_on_after_errors_and_ends_with_quit(
    project: Project, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = iter(["select 1 as one;", "selec;", ".tables", ".schema ordes", ".what", "", ".quit"])
    assert converse(project, lambda: next(lines), "text") == 0
    assert list(lines) == []
    said = capsys.readouterr()
    assert "one" in said.out
    assert "1 row" in said.out
    assert "syntax error" in said.err
    assert "no table is called" in said.err
    assert ".what is not known" in said.err


def test_an_interrupted_line_is_asked_again_and_the_end_of_input_ends(project: Project) -> None:
    raised = iter([KeyboardInterrupt(), EOFError()])

    def ask() -> str:
        raise next(raised)

    assert converse(project, ask, "text") == 0
    assert list(raised) == []


def test_ctrl_c_stops_a_running_query(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    running = connect(project)
    pressed = threading.Timer(0.5, signal.raise_signal, [signal.SIGINT])

    class Pressing:
        """The connection; Ctrl-C is pressed soon after its query has begun."""

        interrupt, close = running.interrupt, running.close

        def execute(self, sql: str) -> duckdb.DuckDBPyConnection:
            pressed.start()
            return running.execute(sql)

    monkeypatch.setattr(prompt, "connect", lambda _project: Pressing())
    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # test workers ignore it
    endless = "SELECT count(*) FROM range(1000000000000) AS t(i) WHERE i % 7 = 3"
    with pytest.raises(KeyboardInterrupt):
        execute(project, endless)
    pressed.join()
    signal.signal(signal.SIGINT, before)
    with pytest.raises(duckdb.ConnectionException):  # it was closed, so it had ended
        running.execute("SELECT 1")


def test_a_wrong_query_says_which_tables_there_are(project: Project) -> None:
    with pytest.raises(LakeError, match="published tables"):
        execute(project, "SELECT * FROM nowhere")
