from __future__ import annotations

from decimal import Decimal

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from lakegate.audit.base import Limits, Unjudgeable
from lakegate.audit.result import Status
from lakegate.audit.session import open_session
from lakegate.audit.statement import expand
from lakegate.contract.stream import Scope

ROWS = [{"id": n, "state": "odd" if n % 3 == 0 else "even"} for n in range(9)]


@pytest.mark.parametrize(
    "query",
    [
        "SELECT COUNT(*) FROM {object} WHERE {property} = 'odd'",
        "SELECT COUNT(*) FROM ${object} WHERE ${property} = 'odd'",
        "SELECT COUNT(*) FROM ${table} WHERE ${column} = 'odd'",
        'select count(*) from "{table}" where "{column}" = \'odd\';',
        "SELECT COUNT(*) FROM orders o WHERE o.state = 'odd' -- a remark",
    ],
)
def test_placeholders_and_offending_rows(room, query):
    (result,) = room.judge(ROWS, room.sql(query, "state"))
    assert (result.observed, result.offending, result.total) == (3, 3, 9), result.message
    assert [s.offset for s in result.samples] == [0, 3, 6]
    assert result.samples[0].values == (("state", "odd"),)


def test_placeholder_of_the_whole_object_has_no_column():
    with pytest.raises(Unjudgeable, match="no meaning for a rule of the whole object"):
        expand("SELECT max({property}) FROM {object}", view="t", column=None)


@pytest.mark.parametrize(
    ("query", "operator", "bound", "status"),
    [
        ("SELECT avg(id) FROM {object}", "mustBe", 4, Status.PASSED),
        ("SELECT 0.1::DOUBLE FROM {object} LIMIT 1", "mustBe", "0.1", Status.PASSED),
        ("SELECT max(id) FROM {object}", "mustBeLessThan", 8, Status.FAILED),
        ("SELECT bool_and(id >= 0) FROM {object}", "mustBe", True, Status.PASSED),
        ("SELECT bool_and(id > 0) FROM {object}", "mustBe", True, Status.FAILED),
        ("WITH a AS (SELECT id FROM {object}) SELECT sum(id) FROM a", "mustBe", 36, Status.PASSED),
        ("SELECT count(*) FROM (SELECT 1 FROM {object} LIMIT 3)", "mustBe", 3, Status.PASSED),
        ("SELECT count(*) FROM unnest([1, 2])", "mustBe", 2, Status.PASSED),
        ("SELECT max(weight) FROM {object}", "mustBe", 0, Status.ERROR),
        ("SELECT 'NaN'::DOUBLE FROM {object} LIMIT 1", "mustBe", 0, Status.ERROR),
        ("SELECT id FROM {object}", "mustBe", 0, Status.ERROR),
        ("SELECT 1, 2 FROM {object} LIMIT 1", "mustBe", 0, Status.ERROR),
        ("SELECT id FROM {object} WHERE false", "mustBe", 0, Status.ERROR),
        ("SELECT max(state) FROM {object}", "mustBe", 0, Status.ERROR),
        ("SELECT count(*) FROM {object}", "mustBe", True, Status.ERROR),
        ("SELECT nothing FROM {object}", "mustBe", 0, Status.ERROR),
        ("", "mustBe", 0, Status.ERROR),
    ],
)
def test_answers(room, query, operator, bound, status):
    (result,) = room.judge(ROWS, room.sql(query, operator=operator, bounds=(bound,)))
    assert result.status is status, result.message
    assert (result.message is not None) == (status is Status.ERROR)


@pytest.mark.parametrize(
    "query",
    [
        "SELECT count(*) FROM read_text('/etc/passwd')",
        "SELECT count(*) FROM '/etc/passwd'",
        "SELECT count(*) FROM glob('/**')",
        "SELECT count(*) FROM duckdb_settings()",
        "SELECT count(*) FROM information_schema.tables",
        "SELECT count(*) FROM query('SELECT 1')",
        "SELECT count(*) FROM other",
        "SELECT (SELECT count(*) FROM read_csv('x.csv')) FROM {object} LIMIT 1",
        "SELECT 1 WHERE EXISTS (SELECT * FROM sqlite_master)",
        "SELECT 1; SELECT 2",
        "DROP VIEW orders",
        "WITH a AS (INSERT INTO orders VALUES (1) RETURNING 1) SELECT 1",
        "COPY (SELECT 1) TO 'x.csv'",
        "ATTACH 'x.db'",
        "SET memory_limit = '1TB'",
        "DESCRIBE orders",
        "PRAGMA database_list",
        "SELECT count(* FROM",
    ],
)
def test_hostile_statements_are_refused_unrun(room, query):
    (result,) = room.judge(ROWS, room.sql(query))
    assert result.status is Status.ERROR
    assert result.observed is None
    assert "Permission" not in result.message


@pytest.mark.parametrize(
    ("query", "says"),
    [
        ("WITH a AS (INSERT INTO orders VALUES (1) RETURNING 1) SELECT 1", "changes data"),
        ("SELECT count(*) FROM memory.main.orders", "not a table this rule may read"),
        ('SELECT (WITH "x.csv" AS (SELECT 1) SELECT 1) FROM "x.csv"', "use letters"),
        ("SUMMARIZE orders", "SHOW is not allowed"),
        ("SELECT 1; SELECT 2", "2 statements where one SELECT belongs"),
    ],
)
def test_refusals_say_what_to_do(room, query, says):
    (result,) = room.judge(ROWS, room.sql(query))
    assert says in result.message


def test_the_connection_itself_opens_only_what_its_views_read(tmp_path):
    inside, outside = tmp_path / "in.parquet", tmp_path / "out.parquet"
    for path in (inside, outside):
        pq.write_table(pa.table({"a": [1, 2]}), path)
    with open_session(Limits()) as session:
        session.connection.execute(f"CREATE VIEW v AS SELECT * FROM read_parquet(['{inside}'])")
        session.lock()
        assert session.row("SELECT count(*) FROM v") == (2,)
        for query in (
            f"SELECT * FROM read_parquet('{outside}')",
            f"COPY (SELECT 1) TO '{tmp_path / 'new.csv'}'",
            f"ATTACH '{tmp_path / 'new.db'}'",
            "SET enable_external_access = true",
            "SET memory_limit = '1TB'",
            "SELECT * FROM session",
        ):
            with pytest.raises(Unjudgeable):
                session.rows(query)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in.parquet", "out.parquet"]


def test_a_query_that_takes_too_long_is_stopped_and_the_audit_goes_on(room):
    endless = room.sql("SELECT count(*) FROM range(100000000000) a, range(1000000) b")
    room.lake.land(ROWS)
    report = room.audit(
        room.orders(rules=(endless, room.sql("SELECT 0"))), limits=Limits(timeout_s=0.2)
    )
    assert [result.status for result in report.results] == [Status.ERROR, Status.PASSED]
    assert report.results[0].message.startswith("stopped after 0.2 s")


def test_increment(room):
    room.lake.land(ROWS, publish=True)
    (result,) = room.judge(
        [{"id": 9, "state": "odd"}],
        room.sql("SELECT COUNT(*) FROM {object} WHERE state = 'odd'", scope=Scope.INCREMENT),
    )
    assert (result.observed, result.total) == (1, 1)
    assert [s.offset for s in result.samples] == [9]


def test_published_rows_of_other_streams_can_be_joined(room):
    others = room.orders(rules=())
    room.lake.land([{"id": 1}], stream="customers", publish=True)
    room.lake.land([{"id": 2}], stream="customers")
    customers = type(others)(others.contract, "customers", "customers", others.fields)
    room.lake.land([{"id": 1}, {"id": 2}])
    query = "SELECT count(*) FROM orders WHERE id NOT IN (SELECT id FROM customers)"
    report = room.audit(room.orders(rules=(room.sql(query),)), targets={"customers": customers})
    assert report.results[0].observed == Decimal(1)


def test_duckdb_parses_as_the_fence_reads():
    """The tree the fence walks is that of the DuckDB in use: a part renamed must fail here."""
    text = duckdb.execute("SELECT json_serialize_sql('SELECT count(*) FROM t WHERE a')").fetchone()
    for word in ("SELECT_NODE", "BASE_TABLE", "table_name", "count_star", "where_clause"):
        assert word in text[0]
