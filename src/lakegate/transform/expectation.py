"""The tests of a header: each entry one kind, its arguments, a name and a severity."""

from __future__ import annotations

from decimal import Decimal

from lakegate.contract.document import Node
from lakegate.contract.problem import nearest
from lakegate.contract.type import Location, Severity
from lakegate.transform.model import Kind, ModelTest, TableUse, Value
from lakegate.transform.problem import ModelReport
from lakegate.transform.statement import read_statement

__all__ = ["read_tests"]

_COMMON = ("name", "severity", "description")
_ARGUMENTS = {
    Kind.ACCEPTED_VALUES: ("column", "values"),
    Kind.REFERENCES: ("column", "to"),
    Kind.ROW_COUNT: ("at_least", "at_most"),
}


def read_tests(
    header: Node, model: str, key: tuple[str, ...], report: ModelReport
) -> tuple[tuple[ModelTest, ...], tuple[TableUse, ...]]:
    """The tests, and the tables they read besides the model itself.

    A key is unique without saying so: the test ``unique(…)`` of it is added unless it is there.
    """
    found = header.get("tests")
    entries = header.items("tests")
    if found is not None and not isinstance(found.value, list):
        report.add("LM004", found.at, "`tests` is a list, an entry per test")
    tests: list[ModelTest] = []
    reads: list[TableUse] = []
    for entry in entries:
        tests.extend(_entry(entry, model, reads, report))
    if key and not any(t.kind is Kind.UNIQUE and set(t.columns) == set(key) for t in tests):
        at = header.at_key("key")
        tests.append(ModelTest(f"unique({', '.join(key)})", Kind.UNIQUE, at, columns=key))
    names: dict[str, ModelTest] = {}
    for test in tests:
        if names.setdefault(test.name, test) is not test:
            advice = "give one of them a `name`"
            report.add("LM004", test.location, f"two tests are called {test.name}", advice=advice)
    reads.extend(
        TableUse(test.to_table, test.location) for test in tests if test.to_table is not None
    )
    return tuple(tests), tuple({use.name.casefold(): use for use in reads}.values())


def _entry(entry: Node, model: str, reads: list[TableUse], report: ModelReport) -> list[ModelTest]:
    known = [kind.value for kind in Kind]
    given = [name for name in entry.mapping() if name in known]
    for name in entry.mapping():
        if name not in known and name not in _COMMON:
            near = nearest(name, [*known, *_COMMON])
            advice = f"did you mean `{near}`?" if near else f"tests: {', '.join(known)}"
            report.add("LM003", entry.at_key(name), f"`{name}` is not known", advice=advice)
            return []
    if len(given) != 1:
        message = f"a test is one of {', '.join(known)}; found {', '.join(given) or 'none'}"
        report.add("LM004", entry.at, message)
        return []
    kind = Kind(given[0])
    argument = entry.mapping()[kind.value]
    severity = _severity(entry, report)
    made = _made(kind, argument, model, reads, report)
    said = entry.text("name")
    numbered = len(made) > 1
    return [
        ModelTest(
            name=test.name if said is None else f"{said}_{i + 1}" if numbered else said,
            kind=kind,
            location=entry.at_key(kind.value),
            severity=severity,
            columns=test.columns,
            values=test.values,
            to_table=test.to_table,
            to_column=test.to_column,
            at_least=test.at_least,
            at_most=test.at_most,
            query=test.query,
            description=entry.text("description"),
        )
        for i, test in enumerate(made)
    ]


def _severity(entry: Node, report: ModelReport) -> Severity:
    found = entry.get("severity")
    if found is None:
        return Severity.ERROR
    if found.value in ("error", "warning"):
        return Severity(str(found.value))
    report.add("LM004", found.at, f"`severity: {found.value}` is not error or warning")
    return Severity.ERROR


def _made(
    kind: Kind, argument: Node, model: str, reads: list[TableUse], report: ModelReport
) -> list[ModelTest]:
    at = argument.at
    match kind:
        case Kind.NOT_NULL | Kind.UNIQUE:
            columns = _columns(kind, argument, report)
            if kind is Kind.NOT_NULL:
                return [ModelTest(f"not_null({c})", kind, at, columns=(c,)) for c in columns]
            if not columns:
                return []
            return [ModelTest(f"unique({', '.join(columns)})", kind, at, columns=columns)]
        case Kind.SQL:
            return _query(argument, model, reads, report)
        case _:
            for name in argument.mapping():
                if name not in _ARGUMENTS[kind]:
                    near = nearest(name, _ARGUMENTS[kind]) or ", ".join(_ARGUMENTS[kind])
                    place = argument.at_key(name)
                    advice = f"did you mean `{near}`?"
                    report.add("LM003", place, f"`{name}` is not known in {kind}", advice=advice)
                    return []
            return _with_arguments(kind, argument, report)


def _columns(kind: Kind, argument: Node, report: ModelReport) -> tuple[str, ...]:
    items = argument.value if isinstance(argument.value, list) else [argument]
    if not items or not all(isinstance(item.value, str) for item in items):
        report.add("LM004", argument.at, f"`{kind}` takes a column or a list of columns")
        return ()
    return tuple(str(item.value) for item in items)


def _query(
    argument: Node, model: str, reads: list[TableUse], report: ModelReport
) -> list[ModelTest]:
    text = argument.value
    if not isinstance(text, str):
        report.add("LM004", argument.at, "`sql` takes a SELECT that must give no rows")
        return []
    inner = ModelReport()
    statement = read_statement(text, Location("", 1, 1), inner, what="the test")
    for problem in inner.problems:  # where in a YAML text a character stands is not known exactly
        report.add(problem.code, argument.at, problem.message, advice=problem.help)
    if statement is None:
        return []
    reads.extend(
        TableUse(use.name, argument.at)
        for use in statement.reads
        if use.name.casefold() != model.casefold()
    )
    return [
        ModelTest(f"sql in line {argument.at.line}", Kind.SQL, argument.at, query=statement.text)
    ]


def _with_arguments(kind: Kind, argument: Node, report: ModelReport) -> list[ModelTest]:
    at, column = argument.at, argument.text("column")
    if kind is Kind.ROW_COUNT:
        bounds = [argument.get(name) for name in _ARGUMENTS[kind]]
        given = [None if bound is None else bound.value for bound in bounds]
        whole = [v for v in given if isinstance(v, int) and not isinstance(v, bool)]
        if not whole or len(whole) < sum(value is not None for value in given):
            report.add("LM004", at, "`row_count` takes `at_least`, `at_most` or both, as integers")
            return []
        least, most = (v if isinstance(v, int) else None for v in given)
        return [ModelTest("row_count", kind, at, at_least=least, at_most=most)]
    if kind is Kind.REFERENCES:
        table, _, field = (argument.text("to") or "").rpartition(".")
        if column is None or not table or not field:
            report.add("LM004", at, "`references` takes `{column: …, to: table.column}`")
            return []
        name = f"references({column}, {table}.{field})"
        return [ModelTest(name, kind, at, columns=(column,), to_table=table, to_column=field)]
    values = [
        item.value
        for item in argument.items("values")
        if isinstance(item.value, str | int | Decimal | bool)
    ]
    if column is None or not values or len(values) < len(argument.items("values")):
        report.add("LM004", at, "`accepted_values` takes `{column: …, values: […]}`, no nulls")
        return []
    accepted: tuple[Value, ...] = tuple(values)
    name = f"accepted_values({column})"
    return [ModelTest(name, kind, at, columns=(column,), values=accepted)]
