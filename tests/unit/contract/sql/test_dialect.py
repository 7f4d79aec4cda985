"""What the gate judges DuckDB runs: sqlglot reads more than DuckDB does."""

from __future__ import annotations

from collections.abc import Iterator

import duckdb
import pytest
from sqlglot.dialects.duckdb import DuckDB

from lakegate.contract.sql.rule import RowRule, SqlRuleError, parse_row_rule
from lakegate.contract.type import (
    ArrayType,
    BooleanType,
    DateType,
    DecimalType,
    Field,
    IntegerType,
    NumberType,
    ObjectType,
    StringType,
    TimestampType,
    TimeType,
)

_TYPES = {
    "s": (StringType(), "VARCHAR"),
    "r": (StringType(), "VARCHAR"),
    "x": (IntegerType(), "BIGINT"),
    "z": (IntegerType(), "BIGINT"),
    "y": (NumberType(), "DOUBLE"),
    "p": (DecimalType(12, 2), "DECIMAL(12, 2)"),
    "d": (DateType(), "DATE"),
    "t": (TimestampType(), "TIMESTAMPTZ"),
    "lo": (TimestampType(zoned=False), "TIMESTAMP"),
    "ti": (TimeType(), "TIME"),
    "b": (BooleanType(), "BOOLEAN"),
    "l": (ArrayType(Field("element", IntegerType(), "$.l[*]")), "BIGINT[]"),
    "o": (
        ObjectType((Field("k", StringType(), "$.o.k"), Field("v", NumberType(), "$.o.v"))),
        "STRUCT(k VARCHAR, v DOUBLE)",
    ),
}
_FIELDS = tuple(Field(name, type_, f"$.{name}") for name, (type_, _) in _TYPES.items())

# Spellings of many databases, one a line: some are DuckDB's, some only sqlglot's, some nobody's.
_CONDITIONS = r"""
x == z
x === z
x !== z
x <=> z
x ~= z
s ~* r
s !~ 'a'
s !~* 'a'
s ~~ 'a'
s ~~* 'a'
s !~~ 'a'
s !~~* 'a'
s ~~~ 'a'
s RLIKE 'a'
s REGEXP 'a'
s NOT RLIKE 'a'
s GLOB 'a'
x DIV z > 1
x MOD z > 1
b XOR b
x XOR z > 1
b && b
b
x
z = '12'
s = 'a'
d
x ^ z > 1
x # z > 1
~x > 1
x << 1 > 2
x >> 1 > 2
z > 1
x ! > 1
!b
NOT b
`x` > 1
[x] > 1
"x" > 1
s = "a"
s = $$a$$
s = E'a'
s = N'a'
s = r'a'
s = b'a'
s = x'41'
s = u&'a'
s LIKE ANY ('a','b')
s LIKE ALL ('a')
s LIKE ANY ['a']
s ILIKE r ESCAPE '!'
s LIKE r ESCAPE 'ab'
s LIKE 1
x LIKE 'a'
s IN 'a'
x IN (1)
x IN [1]
x IN l
x = 1 = b
s IS 'a'
x IS z
x IS NOT z
x IS 1
b IS TRUE
b IS UNKNOWN
x ISNULL
x NOTNULL
x NOT NULL
x IS DISTINCT z
x = ANY(1,2)
x = SOME(l)
x BETWEEN 1 AND 2
x BETWEEN SYMMETRIC 2 AND 1
x BETWEEN ASYMMETRIC 1 AND 2
x NOT BETWEEN 1 AND 2
IFNULL(x,1)=1
NVL(x,1)=1
ISNULL(x,1)=1
ISNULL(x)
COALESCE(x)=1
COALESCE()=1
NULLIF(x,1)=1
IF(b,1,2)=1
IIF(b,1,2)=1
IF(b,1)=1
DECODE(x,1,2)=1
CASE WHEN b THEN 1 END = 1
CASE x WHEN 1 THEN b END
DATE_ADD(d, INTERVAL 1 DAY) > d
DATE_ADD(d, 1) > d
DATE_ADD('day',1,d) > d
DATEADD(day,1,d) > d
DATE_SUB(d, INTERVAL 1 DAY) > d
DATEDIFF(d,d) > 1
DATEDIFF('day',d,d) > 1
DATEDIFF(day,d,d) > 1
DATE_DIFF(d,d,day)>1
d + INTERVAL 1 DAY > d
d + INTERVAL '1 day' > d
d + INTERVAL '1' DAY > d
d + INTERVAL 1 > d
d + INTERVAL (x) DAY > d
d + INTERVAL x DAY > d
d + INTERVAL '1-2' YEAR TO MONTH > d
d + INTERVAL '1 02:03' DAY TO SECOND > d
d + 1 DAY > d
d + INTERVAL 1 fortnight > d
d + '1 day'::interval > d
d + 1 > d
d - d > 1
1 + d > d
d - INTERVAL 1 DAY > lo
ti + INTERVAL 1 HOUR > ti
t + 1 > t
lo + 1 > lo
lo - lo > INTERVAL 1 DAY
lo - d > INTERVAL 1 DAY
d - lo > INTERVAL 1 DAY
t - lo > INTERVAL 1 DAY
t - d > INTERVAL 1 DAY
ti - ti > INTERVAL 1 HOUR
ti > lo
ti > d
d > 5
d > x
d > s
s > d
t > s
lo > '2024-01-01'
ti > '12:00'
ti > '12:00:00'
d = 'abc'
d = '2024-02-30'
x = 'abc'
x = '5'
x = 'a'
'b'
b = 'true'
b = 1
b > x
b = s
x > s
y > s
p > s
p > '1.5'
y = '1.5'
d = DATE 'abc'
d = DATE '2024-01-01'
ti = TIME '25:00:00'
lo = TIMESTAMP '2024-01-01 10:00'
t = TIMESTAMPTZ '2024-01-01 10:00:00Z'
l = 1
l = [1]
l = '[1]'
l = ARRAY[1]
l = {1}
o = {'k':'a','v':1}
o = 1
o.k = 'a'
o.K = 'a'
o['k']='a'
o["k"]='a'
o.nope IS NULL
o:k = 'a'
o->'k' = 'a'
o->>'k' = 'a'
l[1]=1
l[x]=1
l(1)=1
s[1]='a'
l[1:2]=[1]
l.a = 1
x.a = 1
s.upper() = 'A'
s.length() > 1
x.abs() > 1
length(x) > 1
length(d) > 1
length(b) > 1
length(l) > 1
length(o) > 1
len(s)>1
upper(x)='A'
upper(d)='A'
lower(b)='true'
trim(x)='1'
trim(s,'a','b')='a'
trim(BOTH FROM s)='a'
trim(LEADING 'a' FROM s)='a'
trim('a' FROM s)='a'
substring(s)='a'
substring(s FROM 1)='a'
substring(s FOR 2)='a'
substring(s,1,2,3)='a'
substring(x,1,2)='a'
left(s)='a'
left(x,1)='1'
left(s,'1')='a'
left(s,1.5)='a'
repeat(s,y)='a'
lpad(s,4)='a'
lpad(s,4,'x')='a'
replace(s,'a')='b'
position('a','b')=1
position('a' IN s)=1
strpos(s)=1
strpos(s,x)=1
instr(s,'a',2)=1
instr(s,'a')=1
split_part(s,',',y)='a'
concat(s)='a'
concat()='a'
concat(x,s)='1'
concat(l,l)=l
concat_ws(',',s,r)='a'
contains(s,x)
contains(l,s)
starts_with(s,x)
ascii(x)=1
chr(x)='a'
char(x)='a'
abs(s)>1
abs(b)>1
abs(d)>1
round(s)>1
round(x,1,2)>1
round(x,y)>1
round(y,2)>1
round(p)>1
floor(s)>1
floor(x)>1
ceil(x,1)>1
trunc(y,2)>1
truncate(y)>1
truncate(y,1)>1
sign(s)=1
sqrt(abs(s))=1
sqrt(greatest(x,0))=1
mod(x,2)=1
mod(y,2)=1
mod(s,2)=1
x % 2 = 1
x % 2.5 = 1
y % 2 = 1
x // 2 = 1
y // 2 = 1
p // 2 = 1
x / 2 = 1
s / 2 = 1
s + 1 = 1
s + r = 'a'
b + 1 = 1
b + b = 1
-b = 1
-s = '1'
-d = 1
+x > 1
+s = 'a'
- -x > 1
--x > 1
x - -1 > 1
x::int > 1
x::foo > 1
CAST(x AS foo) > 1
CAST(s AS INT64) > 1
CAST(s AS STRING) > 'a'
CAST(s AS TEXT) > 'a'
CAST(s AS CHAR(3)) > 'a'
CAST(s AS NVARCHAR) > 'a'
CAST(s AS NUMBER) > 1
CAST(s AS NUMBER(5,2)) > 1
CAST(s AS NUMERIC) > 1
CAST(s AS DECIMAL(40,2)) > 1
CAST(s AS DECIMAL(5,7)) > 1
CAST(s AS DECIMAL(5)) > 1
CAST(s AS DECIMAL) > 1
CAST(s AS INT(5)) > 1
CAST(s AS SIGNED) > 1
CAST(s AS UNSIGNED) > 1
CAST(s AS BYTEINT) > 1
CAST(s AS TINYINT) > 1
CAST(s AS MEDIUMINT) > 1
CAST(s AS INT2)>1
CAST(s AS LONG) > 1
CAST(s AS SHORT)>1
CAST(s AS FLOAT64) > 1
CAST(s AS DOUBLE PRECISION) > 1
CAST(s AS REAL) > 1
CAST(s AS FLOAT) > 1
CAST(s AS FLOAT8)>1
CAST(s AS BOOL)
CAST(s AS LOGICAL)
CAST(s AS BIT) = 1
CAST(s AS DATE) > d
CAST(s AS DATETIME) > lo
CAST(s AS DATETIME2) > lo
CAST(s AS TIMESTAMP_NTZ) > lo
CAST(s AS TIMESTAMP_LTZ) > lo
CAST(s AS TIMESTAMP WITH TIME ZONE) > t
CAST(s AS TIMESTAMP WITHOUT TIME ZONE) > lo
CAST(s AS TIMESTAMP(3)) > lo
CAST(s AS TIMESTAMPNTZ) > lo
CAST(s AS TIMESTAMPLTZ) > t
CAST(s AS TIMESTAMP_S) > lo
CAST(s AS SMALLDATETIME) > lo
SAFE_CAST(s AS INT) > 1
TRY_CAST(s AS INT) > 1
CONVERT(INT, s) > 1
CONVERT(s, SIGNED) > 1
x::int::varchar = '1'
CAST(s AS INT FORMAT 'a')=1
CAST(x AS DATE)=d
CAST(y AS DATE)=d
CAST(d AS INT)=1
CAST(b AS DATE)=d
CAST(d AS BOOLEAN)
CAST(l AS VARCHAR)='a'
CAST(ti AS VARCHAR)='a'
CAST(d AS VARCHAR)='a'
CAST(lo AS DATE)=d
CAST(lo AS TIME)=ti
CAST(t AS DATE)=d
CAST(d AS TIMESTAMPTZ)=t
CAST(p AS BOOLEAN)
CAST(b AS DECIMAL(3,1))=1
CAST(b AS DOUBLE)=1
CAST(x AS BOOLEAN)
x::boolean
year(s)=1
year(x)=1
year(ti)=1
year(d)=1
hour(d)=1
hour(ti)=1
extract(foo FROM d)=1
extract(year FROM d)=1
extract('year' FROM d)=1
extract(hour FROM d)=1
extract(epoch FROM d)=1
extract(year FROM ti)=1
extract(d, year)=1
date_part('year',d)=1
date_part(year,d)=1
date_part('foo',d)=1
date_trunc('month',d)=d
date_trunc(month,d)=d
date_trunc(d,month)=d
date_trunc('foo',d)=d
date_trunc('day',ti)=ti
trunc(d,'month')=d
last_day(d)=d
last_day(lo)=d
last_day(d,month)=d
dayname(x)='a'
weekday(d)=1
weekofyear(d)=1
epoch_us(d)=1
epoch_us(ti)=1
to_days(x) > INTERVAL 1 DAY
to_days(y) > INTERVAL 1 DAY
d + to_days(1) > d
list_contains(l,1)
list_contains(l,'a')
list_contains(s,'a')
list_contains(l)
list_min(s)=1
list_sum(l,1)=1
list_unique(l)=1
list_position(l,1)=1
array_contains(l,1)
array_size(l)=1
size(l)=1
cardinality(l)=1
list_filter(l, x -> x > 1) = l
len(list_filter(l, x -> x > 1)) = 1
len(list_filter(l, lambda q: q > 1)) = 1
len(list_filter(l, (q) -> q > 1)) = 1
len(filter(l, lambda q: q > 1)) = 1
len([q for q in l if q > 1]) = 1
len(list_transform(l, lambda q: q + 1))=1
list_extract(l,1)=1
l && [1]
list_has_any(l,[1])
list_has_any(l,['a'])
list_has_any(l,1)
list_bool_or(l)
list_bool_or([q > 1 for q in l])
struct_extract(o,'k')='a'
struct_extract(o,k)='a'
greatest(x,s)=1
greatest(x)=1
greatest()=1
greatest(b,b)
greatest(d,lo)=d
least(x,d)=1
coalesce(x,s)=1
coalesce(x,d)=1
coalesce(s,1)='a'
coalesce(d,'2024-01-01')=d
ifnull(x)=1
nullif(x)=1
nullif(s,1)='a'
nullif(x,s)=1
CASE WHEN x THEN 1 ELSE 2 END=1
CASE WHEN b THEN 1 ELSE 'a' END=1
CASE WHEN b THEN s ELSE d END='a'
IF(x,1,2)=1
x AND b
s AND b
NOT x
NOT s
y
s
NULL
1
'true'
TRUE
b AND
b OR NULL
b AND 1
b AND 'true'
isnan(x)
isnan(y)
isnan(p)
isinf(y)
isfinite(d)
isfinite(x)
isinf(d)
xor(x,z)=1
xor(b,b)
x & z = 1
x & y = 1
b & b
s & s
s ^@ r
s ^@ 1
s SIMILAR TO 'a'
s SIMILAR TO r
s NOT SIMILAR TO 'a'
s SIMILAR TO 'a' ESCAPE '!'
regexp_matches(s,'a')
regexp_matches(s,'(')
regexp_matches(s,r)
regexp_matches(s,'a','q')
regexp_matches(x,'a')
regexp_full_match(s,'a')
regexp_extract(s,'a',3)='a'
regexp_extract(s,'(a)',1)='a'
regexp_extract(s,'a',x)='a'
regexp_replace(s,'a','b','g')='a'
regexp_replace(s,'a')='a'
regexp_replace(s,'a','\\2')='a'
regexp_like(s,'a')
regexp_substr(s,'a')='a'
s COLLATE nocase = 'a'
t AT TIME ZONE 'UTC' = lo
lo AT TIME ZONE 'UTC' = t
d AT TIME ZONE 'UTC' = t
s AT TIME ZONE 'UTC' = t
t AT TIME ZONE 'UTC' = t
x = 1e400
x = 99999999999999999999999999999999999999999
x = 0x1F
x = 0b1
x = 1_000
x = 1__0
x = .5
x = 5.
x = 1e
y = 1e5
x = 1L
x = 1u
x = 1.5d
x > 1 -- c
x > 1 /* c */
x > 1 # c
x > 1 // c
x > 1;
x > @v
x > :v
x > ?
x > $1
x > {v}
x > %s
x <> 1
x != 1
x ^= 1
x !< 1
x < > 1
x => 1
x =< 1
x <== 1
(x) = (1)
(x,z) = (1,2)
(x,z) IN ((1,2))
ROW(x,z)=ROW(1,2)
x = (1)
x IN ()
x IN (NULL)
x IN (1,'a')
x IN (1,s)
s IN ('a',1)
d IN ('2024-01-01')
b IN (1)
x NOT IN (1)
NOT x IN (1)
x IS NOT DISTINCT FROM z
x IS DISTINCT FROM s
EXISTS(SELECT 1)
t.x = 1
X = 1
"X" = 1
rowid > 1
count(*) > 1
unnest(l) > 1
x = ALL(l)
x OVERLAPS z
x MEMBER OF l
s CONTAINS 'a'
s STARTS WITH 'a'
s LIKE BINARY 'a'
BINARY s = 'a'
s SOUNDS LIKE 'a'
CURRENT_DATE > d
INTERVAL 1 DAY > INTERVAL 1 HOUR
INTERVAL '1 foo' > INTERVAL 1 HOUR
DATE(lo)=d
DATE(s)=d
TIMESTAMP(s)=lo
TIMESTAMP(d)=lo
TIME(lo)=ti
DATE '2024-1-1' = d
DATE 'epoch' = d
TIMESTAMP '2024-01-01T10:00:00' = lo
TIMESTAMP '2024-01-01 10:00:00+02' = lo
TO_DATE(s)=d
STR_TO_DATE(s,'a')=d
TO_CHAR(d)='a'
LOG(x)=1
x IS OF (INT)
s = 'a' 'b'
x @> z
l @> [1]
l <@ [1]
l @> 1
b IS NOT TRUE
(x > 1) IS TRUE
x > 1 IS TRUE
b = TRUE
b <> FALSE
s > TRUE
ord(s)=1
unicode(x)=1
strlen(x)=1
bit_length(x)=1
translate(s,'a')='b'
reverse(s)='a'
initcap(s)='a'
octet_length(s)=1
char_length(s)=1
ltrim(x)='a'
rtrim(s,'a')='a'
s * 2 = 1
d * 2 = d
d + d = d
d + ti = lo
ti + d = lo
d + y > d
d + p > d
x + INTERVAL 1 DAY > d
y ** 2 > 1
microsecond(d)=1
quarter(ti)=1
epoch_us(s)=1
datediff('foo',d,d)=1
datediff('day',ti,ti)=1
datediff('hour',d,lo)=1
datediff('hour',d,t)=1
datediff('day',s,d)=1
datesub('day',d,d)=1
x || z = '12'
b || b
x | z = 1
x || s = 'a'
d || s = 'a'
l || [1] = l
s || NULL = 'a'
y || s = 'a'
d + INTERVAL -1 DAY > d
d + INTERVAL (-1) DAY > d
d - INTERVAL (x) DAY > d
x > +1
ifnull(x, 1, 2) = 1
"""


@pytest.fixture(scope="module")
def connection() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect() as made:
        made.execute("SET TimeZone = 'UTC'")
        columns = ", ".join(f"{name} {type_}" for name, (_, type_) in _TYPES.items())
        made.execute(f"CREATE TABLE records ({columns})")
        yield made


def _judged(condition: str) -> bool:
    return _is_judged(f"SELECT COUNT(*) FROM {{object}} WHERE {condition}", _FIELDS)


def _is_judged(query: str, fields: tuple[Field, ...]) -> bool:
    try:
        rule = parse_row_rule(query, fields, object_name="words")
    except SqlRuleError:
        return False
    return isinstance(rule, RowRule)


def _refusal(connection: duckdb.DuckDBPyConnection, condition: str) -> str | None:
    try:
        connection.execute(f"SELECT COUNT(*) FROM records WHERE {condition}")
    except duckdb.Error as error:
        return str(error).splitlines()[0]
    return None


def test_a_condition_the_gate_judges_is_one_that_duckdb_runs(
    connection: duckdb.DuckDBPyConnection,
) -> None:
    conditions = [line for line in _CONDITIONS.splitlines() if line]
    judged = [condition for condition in conditions if _judged(condition)]
    assert len(judged) > 150
    refused = {condition: _refusal(connection, condition) for condition in judged}
    assert {c: said for c, said in refused.items() if said is not None} == {}


def test_a_column_the_gate_finds_is_one_that_duckdb_finds(
    connection: duckdb.DuckDBPyConnection,
) -> None:
    words = connection.execute("SELECT keyword_name FROM duckdb_keywords()").fetchall()
    judged = 0
    for (word,) in words:
        fields = (Field(word, IntegerType(), f"$.{word}"),)
        connection.execute(f'CREATE OR REPLACE TABLE words ("{word}" BIGINT)')
        for name in (word, f'"{word}"', f"words.{word}"):
            query = f"SELECT COUNT(*) FROM words WHERE {name} > 1"
            if _is_judged(query, fields):
                connection.execute(query)
                judged += 1
    assert judged > 1000


def test_a_type_the_gate_casts_to_is_one_that_duckdb_has(
    connection: duckdb.DuckDBPyConnection,
) -> None:
    words = [word for word in DuckDB.Tokenizer.KEYWORDS if word.replace(" ", "").isidentifier()]
    casts = [
        f"CAST(s AS {word}{digits}) IS NULL"
        for word in sorted(words)
        for digits in ("", "(5)", "(5, 2)")
    ]
    refused = {cast: _refusal(connection, cast) for cast in casts if _judged(cast)}
    assert len(refused) > 20
    assert {cast: said for cast, said in refused.items() if said is not None} == {}
