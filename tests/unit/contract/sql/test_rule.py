"""SQL rules: what is judged per record, what is left to the audit, what is an error."""

from __future__ import annotations

import subprocess
import sys

import pytest

from lakegate.contract.sql.function import find
from lakegate.contract.sql.rule import (
    Call,
    Column,
    Kind,
    Literal,
    NotPerRecord,
    RowRule,
    SqlRuleError,
    SqlType,
    parse_row_rule,
)
from lakegate.contract.type import (
    AnyType,
    ArrayType,
    DateType,
    DecimalType,
    Field,
    IntegerType,
    NumberType,
    ObjectType,
    StringType,
    TimestampType,
)
from lakegate.errors import ContractError


def field(name: str, kind: object) -> Field:
    return Field(name, kind, f"$.{name}")


FIELDS = (
    field("price", NumberType()),
    field("total", DecimalType(38, 2)),
    field("quantity", IntegerType()),
    field("status", StringType()),
    field("ordered_at", TimestampType()),
    field("day", DateType()),
    field("customer", ObjectType((field("country", StringType()),))),
    field("tags", ArrayType(field("element", StringType()))),
    field("extra", AnyType()),
)
IS_NEGATIVE = Call(
    find("<")[0],
    (
        Column(("quantity",), SqlType(Kind.INTEGER, precision=20)),
        Literal(0, SqlType(Kind.INTEGER, precision=10)),
    ),
    SqlType(Kind.BOOLEAN),
)


@pytest.mark.parametrize(
    "query",
    [
        "SELECT COUNT(*) FROM {object} WHERE quantity < 0",
        "select count(1) as n from ${table} where {property} < 0;",
        "SELECT COUNT(*) FROM {table} AS o WHERE o.${column} < 0",
        'SELECT COUNT(*) FROM "${object}" WHERE "{column}" < 0',
        "SELECT COUNT(*) FROM orders WHERE orders.QUANTITY < 0 -- ~ not the operator",
        "SELECT COUNT(*) FROM {object} WHERE ((0 > quantity))",
    ],
)
def test_the_same_rule_in_many_spellings(query: str) -> None:
    query = query.split(" --")[0]
    rule = parse_row_rule(query, FIELDS, property_name="quantity", object_name="orders")
    assert isinstance(rule, RowRule)
    assert rule.expression == IS_NEGATIVE
    assert rule.columns == (("quantity",),)


def test_nested_properties_and_text() -> None:
    rule = parse_row_rule(
        "SELECT COUNT(*) FROM {object} WHERE {property} NOT IN ('AT', 'DE') AND price > 1",
        FIELDS,
        property_name="customer.country",
    )
    assert isinstance(rule, RowRule)
    assert rule.columns == (("customer", "country"), ("price",))
    assert "country" in rule.text
    assert "{" not in rule.text


@pytest.mark.parametrize(
    ("predicate", "reason"),
    [
        ("quantity > (SELECT 1)", "SELECT 1"),
        ("SUM(quantity) > 1", "more than one record"),
        ("ROW_NUMBER() OVER () > 1", "ROW_NUMBER"),
        ("ordered_at > now()", "reads the clock"),
        ("day > current_date", "reads the clock"),
        ("ordered_at > CURRENT_TIMESTAMP", "reads the clock"),
        ("random() > 0.5", "another answer each time"),
        ("quantity // 0 > 1", "divisor may be zero"),
        ("quantity % quantity > 1", "divisor may be zero"),
        ("quantity = 0 AND 5 % quantity = 1", "divisor may be zero"),
        ("price // 2 = 0", "other than integers"),
        ("sqrt(price) > 2", "greatest(x, 0)"),
        ("power(price, 2) > 2", "C library"),
        ("price ** 2 > 2", "C library"),
        ("ln(price) > 2", "C library"),
        ("total > price", "more than 15 digits"),
        ("status = 5", "TRY_CAST"),
        ("status > ordered_at", "string and timestamp"),
        ("quantity", "as a condition"),
        ("status ~ 'a'", "write regexp_matches"),
        ("status !~ 'a'", "write regexp_matches"),
        ("price LIKE 'a'", "like"),
        ("regexp_matches(status, 'a', 'm')", "the option 'm'"),
        ("regexp_matches(status, customer.country)", "constant"),
        ("regexp_matches(status, '\\pL')", "version of Unicode"),
        ("ordered_at > '2024-1-1'", "as a timestamp"),
        ("ordered_at + INTERVAL (quantity) MONTH > day", "from month to month"),
        ("ordered_at AT TIME ZONE 'Europe/Vienna' > day", "zones other than UTC"),
        ("date_trunc(status, day) > day", "constant"),
        ("date_diff('week', day, day) > 1", "the unit 'week'"),
        ("extract(epoch FROM day) > 1", "parts are"),
        ("quantity = 1 = true", "parentheses"),
        ("status || 'a' ^ 2 = ''", "without parentheses"),
        ("extra = '1'", "without a simple type"),
        ("quantity = 99999999999999999999", "99999999999999999999"),
        ("CAST(price AS VARCHAR) = ''", "to text"),
        ("CAST(ordered_at AS TIME) > '12:00:00'", "TIME"),
        ("'a' IN tags", "list_contains"),
        ("'a' = ANY(tags)", "list_contains"),
        ("tags[quantity] = 'a'", "list_extract"),
        ("list_contains(tags, 5)", "a integer in a list of string"),
        ("len(list_filter(tags, lambda x, i: i > 1)) > 1", "one parameter"),
        ("reverse(status) = status", "version of Unicode"),
        ("EXISTS (SELECT 1 FROM unnest(tags))", "EXISTS"),
        ("soundex(status) = ''", "SOUNDEX"),
    ],
)
def test_what_is_left_to_the_audit(predicate: str, reason: str) -> None:
    rule = parse_row_rule(f"SELECT COUNT(*) FROM {{object}} WHERE {predicate}", FIELDS)
    assert isinstance(rule, NotPerRecord), rule
    assert rule.is_condition
    assert reason.lower() in rule.reason.lower()


@pytest.mark.parametrize(
    "predicate",
    [
        "price / quantity > 1",
        "quantity % NULLIF(quantity, 0) = 1",
        "quantity <> 0 AND 10 % quantity = 1",
        "quantity = 0 OR 10 % quantity = 1",
        "CASE WHEN quantity > 0 THEN 10 % quantity ELSE 0 END = 1",
        "CASE WHEN quantity = 0 THEN 0 ELSE 10 // quantity END = 1",
        "10 % greatest(quantity, 1) = 1",
        "price >= 0 AND sqrt(price) > 2",
        "sqrt(price * price + 1) > 2",
        "sqrt(abs(price)) > 2",
    ],
)
def test_a_guard_that_is_there_is_seen(predicate: str) -> None:
    rule = parse_row_rule(f"SELECT COUNT(*) FROM {{object}} WHERE {predicate}", FIELDS)
    assert isinstance(rule, RowRule), rule


@pytest.mark.parametrize(
    ("query", "reason"),
    [
        ("SELECT COUNT(*) FROM {object}", "every row"),
        ("SELECT COUNT(price) FROM {object} WHERE price > 1", "it counts price"),
        ("SELECT COUNT(DISTINCT price) FROM {object} WHERE price > 1", "DISTINCT"),
        ("SELECT SUM(price) FROM {object} WHERE price > 1", "COUNT(*)"),
        ("SELECT COUNT(*), 1 FROM {object} WHERE price > 1", "COUNT(*)"),
        ("SELECT COUNT(*) FROM {object} WHERE price > 1 GROUP BY status", "GROUP"),
        ("SELECT COUNT(*) FROM {object} WHERE price > 1 HAVING COUNT(*) > 1", "HAVING"),
        ("SELECT COUNT(*) FROM {object} WHERE price > 1 LIMIT 1", "LIMIT"),
        ("SELECT COUNT(*) FROM {object} JOIN other USING (price) WHERE price > 1", "JOIN"),
        ("SELECT COUNT(*) FROM {object}, other WHERE price > 1", "JOIN"),
        ("SELECT COUNT(*) FROM other WHERE price > 1", "other"),
        ("SELECT COUNT(*) FROM (SELECT 1 AS price) WHERE price > 1", "object itself"),
        ("WITH x AS (SELECT 1) SELECT COUNT(*) FROM {object} WHERE price > 1", "WITH"),
        ("SELECT COUNT(*) FROM {object} TABLESAMPLE 10% WHERE price > 1", "object"),
        ("SELECT COUNT(*) FILTER (WHERE price > 1) FROM {object}", "COUNT(*)"),
        ("SELECT SUM(CASE WHEN price > 1 THEN 1 ELSE 0 END) FROM {object}", "COUNT(*)"),
        ("SELECT COUNT(*) FROM {object} WHERE price > 1 QUALIFY true", "QUALIFY"),
        ("SELECT COUNT(*) FROM {object} WHERE price > 1 UNION ALL SELECT 1", "UNION"),
        ("SELECT COUNT(*) FROM {object} WHERE len(list_filter(tags, x -> x > 'a')) > 1", "lambda"),
    ],
)
def test_other_queries_are_left_to_the_audit(query: str, reason: str) -> None:
    rule = parse_row_rule(query, FIELDS)
    assert isinstance(rule, NotPerRecord), rule
    assert reason in rule.reason


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("SELECT COUNT(*) FROM {object} WHERE quantty < 0", "did you mean `quantity`"),
        ("SELECT COUNT(*) FROM {object} WHERE customer.contry = ''", "did you mean `country`"),
        ("SELECT COUNT(*) FROM {object} WHERE status.x = ''", "`status` is not an object"),
        ("SELECT COUNT(*) FROM {object} WHERE {property} < 0", "name the property"),
        ("SELECT COUNT(*) FROM {object} WHERE price >", "does not parse at line 1"),
        ("SELECT COUNT(*) FROM {object} WHERE regexp_matches(status, '(')", "regular expression"),
        ("", "no statement"),
        ("SELECT COUNT(*) FROM {object} WHERE price > 1; DROP TABLE x", "2 statements"),
        ("DELETE FROM {object} WHERE price > 1", "DELETE where one SELECT belongs"),
        ("SELECT COUNT(*) FROM {object} WHERE price <=> quantity", "IS NOT DISTINCT FROM"),
        ("SELECT COUNT(price <=> quantity) FROM {object}", "IS NOT DISTINCT FROM"),
        ("SELECT COUNT(*) FROM {object} WHERE !(price > 1)", "write NOT"),
        ("SELECT COUNT(*) FROM {object} WHERE IF(price > 1, 2) = 2", "three arguments"),
        ("SELECT COUNT(*) FROM {object} WHERE CAST(status AS NUMBER(5)) > 1", "no type NUMBER"),
        ("SELECT COUNT(*) FROM {object} WHERE status::VARCHAR2 = ''", "no type VARCHAR2"),
        ("SELECT COUNT(*) FROM {object} WHERE position('a', status) = 1", "IN in_text"),
        ("SELECT COUNT(*) FROM {object} WHERE day + INTERVAL quantity DAY > day", "INTERVAL (quan"),
        ("SELECT COUNT(*) FROM {object} WHERE day + INTERVAL -1 DAY > day", "(-1)"),
    ],
)
def test_what_cannot_be_right_is_an_error(query: str, message: str) -> None:
    with pytest.raises(SqlRuleError) as caught:
        parse_row_rule(query, FIELDS)
    assert message in str(caught.value)
    assert isinstance(caught.value, ContractError)


@pytest.mark.parametrize(
    "predicate",
    ["status = '<=>'", "status LIKE '!%' ESCAPE '!'", "price > +5", "position(',' IN status) = 1"],
)
def test_what_only_looks_foreign_is_judged(predicate: str) -> None:
    rule = parse_row_rule(f"SELECT COUNT(*) FROM {{object}} WHERE {predicate}", FIELDS)
    assert isinstance(rule, RowRule), rule


def test_a_column_may_be_called_by_the_objects_name_too() -> None:
    query = "SELECT COUNT(*) FROM {object} WHERE orders.price > 1"
    assert isinstance(parse_row_rule(query, FIELDS, object_name="orders"), RowRule)


def test_a_keyword_as_a_column_stands_in_quotes() -> None:
    fields = (Field("end", DateType(), "$.end"),)
    query = "SELECT COUNT(*) FROM {object} WHERE %s < DATE '2020-01-01'"
    with pytest.raises(SqlRuleError, match="keyword"):
        parse_row_rule(query % "end", fields)
    assert isinstance(parse_row_rule(query % '"end"', fields), RowRule)


def test_a_rule_that_nests_too_deep_is_no_crash() -> None:
    query = "SELECT COUNT(*) FROM {object} WHERE " + "NOT " * 5000 + "price > 1"
    with pytest.raises(SqlRuleError, match="nests too deep"):
        parse_row_rule(query, FIELDS)


def test_sqlglot_is_imported_only_for_sql() -> None:
    code = "import sys, lakegate.contract.sql.rule; sys.exit('sqlglot' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
