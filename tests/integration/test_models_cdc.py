"""A model over the merged table of a stream of changes."""

from __future__ import annotations

from pathlib import Path

import lakegate as lg
from lakegate.testing.change import debezium_event
from lakegate.transform.result import Mode, Status

from .test_cdc import STOCK, folder_with, send, settle
from .test_models import became, headed


def test_a_model_follows_the_merged_table_of_changes(tmp_path: Path) -> None:
    folder_with(tmp_path, STOCK.format(version="1.0.0", more=""))
    (tmp_path / "models").mkdir()
    sql = "SELECT number, upper(note) AS note FROM orders_current"
    text = headed("materialise: incremental\nkey: number", sql)
    (tmp_path / "models" / "stock.sql").write_text(text)
    with lg.open(tmp_path) as project:
        assert became(project.run_models()) == {"stock": Status.WAITING}
        first = [debezium_event("c", after={"number": n, "note": "a"}, lsn=n) for n in (1, 2, 3)]
        send(project, *first)
        settle(project, "orders")
        assert project.run_models().ok
        changes = [
            debezium_event("u", before={"number": 1}, after={"number": 1, "note": "b"}, lsn=11),
            debezium_event("d", before={"number": 2, "note": "a"}, lsn=12),
        ]
        send(project, *changes)
        settle(project, "orders")
        (result,) = project.run_models().results
        assert result.mode is Mode.KEY
        assert project.sql("SELECT * FROM stock ORDER BY 1").fetchall() == [(1, "B"), (3, "A")]
        fields = project.models().lineage().find("stock.note")
        assert project.models().lineage().fields(fields[0]) == ("orders.cdc $.note",)
