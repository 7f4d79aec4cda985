"""What a check of models finds: every mistake at its place, and nothing else."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pytest

from lakegate.contract.problem import Problem
from lakegate.transform.binding import bind
from lakegate.transform.graph import Graph, find_models, load_models
from lakegate.transform.model import Kind, Materialisation
from lakegate.transform.problem import ModelReport

SOURCES = {
    "orders": pa.schema(
        [
            ("number", pa.int64()),
            ("Note", pa.string()),
            ("placed", pa.timestamp("us", tz="UTC")),
            ("lines", pa.list_(pa.struct([("qty", pa.int32())]))),
        ]
    ),
    "places": pa.schema([("code", pa.string()), ("name", pa.string())]),
}


def check(folder: Path, **files: str) -> tuple[Graph, list[Problem]]:
    for name, text in files.items():
        (folder / f"{name}.sql").write_text(text)
    report = ModelReport()
    graph = load_models(find_models(folder), SOURCES, report)
    bind(graph, SOURCES, report)
    return graph, report.sorted()


def said(problem: Problem) -> tuple[str, str]:
    return problem.code, f"{problem.location.line}:{problem.location.column}"


def headed(header: str, sql: str = "SELECT number, placed FROM orders") -> str:
    return f"/* lakegate\n{header}\n*/\n{sql}"


def test_everything_a_header_can_say_is_read(tmp_path: Path) -> None:
    text = headed(
        """name: daily
layer: gold
materialise: incremental
time: day
lookback: 2 d
key: [day, number]
partition: [month(day), "bucket(4, number)"]
description: Orders per day.
owner: sales@example.com
columns: {day: The day.}
tests:
  - not_null: [day, number]
  - accepted_values: {column: number, values: [1, 2.5]}
    severity: warning
  - references: {column: name, to: places.name}
  - row_count: {at_least: 1, at_most: 9}
  - sql: SELECT * FROM daily JOIN places USING (name) WHERE number < 0
    name: positive""",
        "SELECT date_trunc('day', placed) AS day, number, \"Note\" AS name FROM orders;\n-- end",
    )
    graph, problems = check(tmp_path, a=text)
    assert problems == []
    model = graph.model("DAILY")
    assert model.materialisation is Materialisation.INCREMENTAL
    assert [(part.column, part.transform) for part in model.partitions] == [
        ("day", "month"),
        ("number", "bucket[4]"),
    ]
    assert graph.needs["daily"] == ("orders", "places")
    assert [test.name for test in model.tests] == [
        "not_null(day)",
        "not_null(number)",
        "accepted_values(number)",
        "references(name, places.name)",
        "row_count",
        "positive",
        "unique(day, number)",
    ]
    assert model.tests[-1].kind is Kind.UNIQUE
    assert not model.sql.rstrip().endswith((";", "end"))


def test_a_file_without_a_header_is_a_table_called_like_it(tmp_path: Path) -> None:
    graph, problems = check(tmp_path, plain="SELECT number FROM orders")
    assert problems == []
    assert graph.model("plain").materialisation is Materialisation.TABLE


@pytest.mark.parametrize(
    ("text", "code", "place", "part"),
    [
        (headed("layr: gold"), "LM003", "2:1", "layr"),
        (headed("materialise: tabel"), "LM004", "2:14", "tabel"),
        (headed("materialise: incremental"), "LM005", "2:1", "`time` or `key`"),
        (headed("time: placed"), "LM005", "2:1", "incremental"),
        (headed("materialise: view\npartition: placed"), "LM005", "3:1", "view"),
        (headed("name: no good"), "LM006", "2:7", "no good"),
        (headed("key: nmber"), "LM302", "2:6", "nmber"),
        (headed("columns:\n  nmber: x"), "LM302", "3:3", "nmber"),
        (headed("partition: month(plcd)"), "LM302", "2:12", "plcd"),
        (headed("tests:\n  - uniqe: placed"), "LM003", "3:5", "uniqe"),
        (headed("tests:\n  - not_null: plcd"), "LM302", "3:5", "plcd"),
        (headed("tests:\n  - row_count: {at_leest: 1}"), "LM003", "3:17", "at_leest"),
        (headed("tests:\n  - references: {column: number, to: orders.nmber}"), "LM302", "3:5", ""),
        (headed("tests:\n  - references: {column: number, to: ordres.x}"), "LM201", "3:5", ""),
        (headed("tests:\n  - sql: SELEC 1"), "LM101", "3:10", "test"),
        (headed("tests:\n  - sql: SELECT nmber FROM m"), "LM301", "3:5", "nmber"),
        (headed("tests: [{not_null: placed}, {not_null: placed}]"), "LM004", "2:30", "not_null"),
        (headed("a: ["), "LM002", "3:1", "YAML"),
        (headed("materialise: incremental\ntime: number"), "LM305", "3:7", "BIGINT"),
        (headed("materialise: incremental\nkey: lines", "FROM orders"), "LM305", "3:6", "lines"),
        ("SELECT 1 +\n FROM orders", "LM101", "2:2", "SQL"),
        ("DROP TABLE orders", "LM102", "1:1", "SELECT"),
        ("SELECT 1; SELECT 2", "LM102", "1:1", "found 2"),
        ("-- nothing", "LM102", "1:1", "nothing"),
        ("SELECT * FROM read_csv('x.csv')", "LM103", "1:15", "read_csv"),
        ("SELECT * FROM 'x.parquet'", "LM103", "1:15", "x.parquet"),
        ("SELECT * FROM lake.orders", "LM103", "1:20", "lake.orders"),
        ("SELECT number,\n random() AS r FROM orders", "LM104", "2:2", "RANDOM"),
        ("SELECT current_date AS d FROM orders", "LM104", "1:1", "CURRENT_DATE"),
        ("SELECT * FROM ordrs", "LM201", "1:15", "ordrs"),
        ("SELECT number,\n nmber FROM orders", "LM301", "2:2", "nmber"),
        ("SELECT number, number FROM orders", "LM304", "1:1", "number"),
        ("SELECT MAP {[1]: number} AS m FROM orders", "LM303", "1:1", "m has keys"),
        ("SELECT NULL AS nothing FROM orders", "LM303", "1:1", "nothing"),
        ("SELECT {'a': INTERVAL 1 DAY} AS s FROM orders", "LM303", "1:1", "s.a"),
    ],
)  # fmt: skip
def test_a_mistake_is_found_at_its_place(
    tmp_path: Path, text: str, code: str, place: str, part: str
) -> None:
    _, problems = check(tmp_path, m=text)
    assert [said(problem) for problem in problems] == [(code, place)], problems
    assert part in problems[0].message


def test_the_nearest_name_is_offered(tmp_path: Path) -> None:
    _, problems = check(tmp_path, m="SELECT number FROM ordrs", n=headed("layr: x"))
    assert [problem.help for problem in problems] == [
        "did you mean `orders`?",
        "did you mean `layer`?",
    ]


def test_models_that_need_each_other_are_named_once(tmp_path: Path) -> None:
    graph, problems = check(
        tmp_path,
        a="SELECT x FROM b",
        b="SELECT x FROM c",
        c="SELECT x FROM a",
        d="SELECT x FROM a",
        e="SELECT number FROM orders",
    )
    assert [said(problem) for problem in problems] == [("LM204", "1:15")]
    assert "→" in problems[0].message
    assert list(graph.models) == ["e"]


def test_two_of_one_name_and_a_streams_name_are_refused(tmp_path: Path) -> None:
    _, problems = check(
        tmp_path,
        a=headed("name: same"),
        b=headed("name: Same"),
        orders="SELECT code FROM places",
    )
    assert [said(problem) for problem in problems] == [("LM202", "2:7"), ("LM203", "1:1")]


def test_with_hides_a_table_only_where_it_reaches(tmp_path: Path) -> None:
    graph, problems = check(
        tmp_path,
        inner="WITH orders AS (SELECT number FROM orders) SELECT number FROM orders",
        outer="WITH t AS (SELECT code FROM places) SELECT (SELECT max(code) FROM t) AS c "
        "FROM orders",
        only="WITH places AS (SELECT 1 AS code) SELECT code FROM places",
    )
    assert problems == []
    assert graph.needs == {"inner": ("orders",), "outer": ("orders", "places"), "only": ()}


def test_models_are_ordered_and_chosen_with_what_they_need(tmp_path: Path) -> None:
    graph, problems = check(
        tmp_path,
        a="SELECT * FROM z",
        m="SELECT number FROM orders",
        y=headed("materialise: view", "SELECT code FROM places"),
        z=headed("tests: [{references: {column: number, to: y.code}}]", "SELECT * FROM m"),
    )
    assert problems == []
    assert list(graph.models) == ["m", "y", "z", "a"]
    assert [model.name for model in graph.closure(["z"])] == ["m", "y", "z"]
    assert [model.name for model in graph.closure(["Y"])] == ["y"]


def test_the_digest_is_of_what_decides_the_rows(tmp_path: Path) -> None:
    texts = {
        "a": headed("description: x", "SELECT number FROM orders"),
        "b": headed("tests: [{not_null: number}]", "select  number\nfrom orders -- why\n;"),
        "c": headed("partition: number", "SELECT number FROM orders"),
        "d": headed("layer: x", "SELECT number FROM orders WHERE number > 1"),
    }
    graph, problems = check(tmp_path, **texts)
    assert problems == []
    digests = {name: model.digest() for name, model in graph.models.items()}
    assert digests["a"] == digests["b"]
    assert len(set(digests.values())) == 3
    assert graph.model("a").tests_digest() != graph.model("b").tests_digest()
