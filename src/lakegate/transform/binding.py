"""Checking models without data: every SELECT is bound by DuckDB to empty tables of the right kind.

So a misspelt column, an impossible cast or a header that names what the SQL does not give is found
before anything runs, in CI, with nothing but contracts and models.
"""

# ruff: noqa: S608 - names go through identifier()

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

import duckdb
import pyarrow as pa

from lakegate.contract.problem import nearest
from lakegate.contract.type import Location
from lakegate.lake.generation import type_name
from lakegate.lake.spelling import identifier
from lakegate.transform.failure import said
from lakegate.transform.graph import Graph
from lakegate.transform.kind import Unstorable, stored_type
from lakegate.transform.model import Kind, Model
from lakegate.transform.problem import ModelReport

__all__ = ["Columns", "bind"]

Columns = Mapping[str, str]  # name -> DuckDB type, in order

_TIMES = re.compile(r"DATE|TIMESTAMP")
_DESCRIBE = "DESCRIBE "


def bind(graph: Graph, sources: Mapping[str, pa.Schema], report: ModelReport) -> dict[str, Columns]:
    """The columns of every table and model, as far as they can be known.

    ``sources`` are the columns of the streams' tables. What is wrong goes into ``report``; a model
    that does not bind, and what reads it, is missing in the result.
    """
    connection = duckdb.connect()
    found: dict[str, Columns] = {}
    try:
        connection.execute("SET TimeZone = 'UTC'")
        connection.execute("SET python_enable_replacements = false")
        connection.execute("SET enable_external_access = false")
        connection.execute("SET errors_as_json = true")
        for name, schema in sources.items():
            connection.register(f"{name} arrow", schema.empty_table())
            empty = f"SELECT * FROM {identifier(name + ' arrow')}"
            connection.execute(f"CREATE TEMP TABLE {identifier(name)} AS {empty}")
            found[name] = dict(_described(connection, f"SELECT * FROM {identifier(name)}"))
        for model in graph.models.values():
            reads = {use.name.casefold() for use in model.reads}
            needs = [need for need in graph.needs[model.name] if need.casefold() in reads]
            if len(needs) == len(reads) and all(need in found for need in needs):
                columns = _bind(connection, model, report)
                if columns is not None:
                    found[model.name] = columns
                    _check_tests(connection, model, found, report)
    finally:
        connection.close()
    return found


def _described(connection: duckdb.DuckDBPyConnection, sql: str) -> Iterator[tuple[str, str]]:
    for name, kind, *_ in connection.execute(f"{_DESCRIBE}{sql}").fetchall():
        yield name, kind


def _bind(
    connection: duckdb.DuckDBPyConnection, model: Model, report: ModelReport
) -> Columns | None:
    try:
        connection.execute(f"{_DESCRIBE}{model.sql}").fetchall()
        bound = connection.sql(model.sql)
        names, kinds = list(bound.columns), list(bound.types)
    except duckdb.Error as error:
        message, place = _said(error, model)
        report.add("LM301", place, message)
        return None
    columns: dict[str, str] = {}
    before = len(report.problems)
    for name, kind in zip(names, kinds, strict=True):
        if name.casefold() in {known.casefold() for known in columns}:
            advice = "give one of them another name with AS"
            report.add("LM304", model.location, f"two columns are called {name}", advice=advice)
        columns[name] = _stored(name, kind, model, report)
    _check_header(model, columns, report)
    if len(report.problems) > before:
        return None
    if model.is_view:
        connection.execute(f"CREATE TEMP VIEW {identifier(model.name)} AS {model.sql}\n")
    else:
        body = ", ".join(f"{identifier(name)} {kind}" for name, kind in columns.items())
        connection.execute(f"CREATE TEMP TABLE {identifier(model.name)} ({body})")
    return columns


def _stored(name: str, kind: Any, model: Model, report: ModelReport) -> str:
    if model.is_view:
        return str(kind)
    try:
        return type_name(stored_type(kind, name))
    except Unstorable as error:
        text, _, advice = str(error).partition("; ")
        report.add("LM303", model.location, text, advice=advice)
        return "VARCHAR"


def _said(error: duckdb.Error, model: Model) -> tuple[str, Location]:
    """DuckDB's message, and the place in the file it speaks of."""
    text = str(error)
    start = text.find("{")
    try:
        content = json.loads(text[start:]) if start >= 0 else {}
    except ValueError:
        content = {}
    message = said(Exception(content.get("exception_message", text)))
    near = content.get("candidates") or content.get("candidate_bindings")
    if near:
        message = f"{message}; candidates: {near}"
    if "position" not in content:
        return message, model.location
    # DuckDB counts bytes
    before = model.sql.encode()[: max(int(content["position"]) - len(_DESCRIBE), 0)].decode(
        errors="ignore"
    )
    line, column = before.count("\n") + 1, len(before) - (before.rfind("\n") + 1) + 1
    return message, Location(model.location.file, line, column)


def _check_header(model: Model, columns: Columns, report: ModelReport) -> None:
    """Every column the header names is one the SQL gives."""
    parts = enumerate(model.partitions)
    named = [(name, model.place(f"key.{i}")) for i, name in enumerate(model.key)]
    named += [(part.column, model.place(f"partition.{i}")) for i, part in parts]
    named += [(name, model.place(f"columns.{name}")) for name in model.columns]
    declared = [test for test in model.tests if test.columns != model.key]
    named += [(name, test.location) for test in declared for name in test.columns]
    if model.time is not None:
        named.append((model.time, model.place("time")))
    for name, place in named:
        if name not in columns:
            near = nearest(name, columns)
            advice = f"did you mean `{near}`?" if near else f"it gives {', '.join(columns)}"
            report.add("LM302", place, f"the SQL gives no column {name}", advice=advice)
    if model.time in columns and _TIMES.match(columns[str(model.time)]) is None:
        message = f"`time: {model.time}` is {columns[str(model.time)]}, not a date or timestamp"
        report.add("LM305", model.place("time"), message)
    for i, name in enumerate(model.key):
        if columns.get(name, "").endswith(("]", ")")) and "DECIMAL" not in columns[name]:
            message = f"{name} is {columns[name]}; a key is made of plain values"
            report.add("LM305", model.place(f"key.{i}"), message)


def _check_tests(
    connection: duckdb.DuckDBPyConnection,
    model: Model,
    found: Mapping[str, Columns],
    report: ModelReport,
) -> None:
    for test in model.tests:
        if test.kind is Kind.REFERENCES:
            there = next(
                (c for n, c in found.items() if n.casefold() == str(test.to_table).casefold()), None
            )
            if there is not None and test.to_column not in there:
                near = nearest(str(test.to_column), there)
                advice = f"did you mean `{near}`?" if near else f"it has {', '.join(there)}"
                message = f"{test.to_table} has no column {test.to_column}"
                report.add("LM302", test.location, message, advice=advice)
        elif test.query is not None:
            try:
                connection.execute(f"{_DESCRIBE}{test.query}").fetchall()
            except duckdb.Error as error:
                if "Catalog" not in type(error).__name__:
                    message, _ = _said(error, model)
                    report.add("LM301", test.location, message)
