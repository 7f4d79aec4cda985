"""Reading a model's file: the YAML header in its first comment, then the SQL.

::

    /* lakegate
    layer: gold
    materialise: incremental
    time: month
    lookback: 31 d
    tests:
      - unique: [carrier, month]
    */
    SELECT …
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

from lakegate.contract.document import MAX_BYTES, Node, parse
from lakegate.contract.duration import parse_duration
from lakegate.contract.problem import nearest
from lakegate.contract.stream import Partition
from lakegate.contract.type import Location
from lakegate.transform.expectation import read_tests
from lakegate.transform.model import Materialisation, Model
from lakegate.transform.problem import ModelReport
from lakegate.transform.statement import read_statement

__all__ = ["read_model"]

KEYS = [
    "name",
    "layer",
    "materialise",
    "key",
    "time",
    "lookback",
    "partition",
    "description",
    "owner",
    "columns",
    "tests",
]
_HEADER = re.compile(r"\A(\ufeff?\s*)/\*\s*lakegate\b[ \t]*:?(.*?)\*/", re.DOTALL)
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,99}\Z")
_PARTITION = re.compile(
    r"\s*(?:(year|month|day|hour)\((\w+)\)|(bucket|truncate)\((\d{1,6}),\s*(\w+)\)|(\w+))\s*\Z"
)


def read_model(path: Path, report: ModelReport) -> Model | None:
    """The model in a file; None when it cannot be used, with the reasons in ``report``."""
    at = Location(str(path), 1, 1)
    try:
        data = path.read_bytes()
        if len(data) > MAX_BYTES:
            report.add("LM001", at, f"{len(data):,} bytes; a model may have {MAX_BYTES:,}")
            return None
        text = data.decode("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        said = error.strerror if isinstance(error, OSError) else "not UTF-8"
        report.add("LM001", at, f"cannot be read: {said}")
        return None
    before = len(report.problems)
    header, sql = _split(text, at, report)
    statement = read_statement(sql, at, report, what="the model")
    reader = _Header(header, report)
    name = reader.text("name") or path.name.removesuffix(".sql")
    if _NAME.match(name) is None:
        advice = "letters, digits and _, not beginning with a digit"
        report.add(
            "LM006", header.find(("name",)).at, f"{name!r} cannot be a model's name", advice=advice
        )
    tests, tests_read = read_tests(header, name, reader.names("key"), report)
    time = reader.text("time")
    model_parts = (reader.materialisation(), reader.partitions(), reader.lookback())
    columns = reader.columns()
    reader.finish(model_parts[0], time)
    if len(report.problems) > before or statement is None:
        return None
    own = {name.casefold(), *(use.name.casefold() for use in statement.reads)}
    return Model(
        name=name,
        location=at,
        sql=statement.text,
        canonical=statement.canonical,
        reads=statement.reads,
        tests_read=tuple(use for use in tests_read if use.name.casefold() not in own),
        layer=reader.text("layer"),
        materialisation=model_parts[0],
        key=reader.names("key"),
        time=time,
        lookback=model_parts[2],
        partitions=model_parts[1],
        description=reader.text("description"),
        owner=reader.text("owner"),
        columns=columns,
        tests=tests,
        places=dict(reader.places()),
    )


def _split(text: str, at: Location, report: ModelReport) -> tuple[Node, str]:
    """The header as a node, and the text with the header blanked out, of the same length."""
    found = _HEADER.match(text)
    if found is None:
        return Node({}, at), text
    blank = re.sub(r"[^\n]", " ", text[: found.end()])
    body = found[2]
    # YAML with everything before it blanked, so that its lines and columns are the file's
    yaml = blank[: found.start(2)] + body
    root: Node | None = None
    if body.strip():
        inner = ModelReport()
        root = parse(yaml.lstrip("\n") and yaml, file=at.file, report=inner)
        for problem in inner.problems:
            code = problem.code if problem.code == "LG008" else "LM002"
            report.add(code, problem.location, problem.message)
    return root or Node({}, at), blank + text[found.end() :]


class _Header:
    """The statements of a header, each read once; what is wrong goes into the report."""

    def __init__(self, node: Node, report: ModelReport) -> None:
        self.node = node
        self.report = report
        for key in node.mapping():
            if key not in KEYS:
                near = nearest(key, KEYS)
                advice = f"did you mean `{near}`?" if near else f"known: {', '.join(KEYS)}"
                report.add("LM003", node.at_key(key), f"`{key}` is not known", advice=advice)

    def text(self, key: str) -> str | None:
        found = self.node.get(key)
        if found is None:
            return None
        if not isinstance(found.value, str) or not found.value.strip():
            self._wrong(key, found.at, "text")
            return None
        return found.value.strip()

    def names(self, key: str) -> tuple[str, ...]:
        found = self.node.get(key)
        if found is None:
            return ()
        entries = found.value if isinstance(found.value, list) else [found]
        if not entries or not all(isinstance(item.value, str) for item in entries):
            self._wrong(key, found.at, "a column or a list of columns")
            return ()
        return tuple(str(item.value) for item in entries)

    def materialisation(self) -> Materialisation:
        said = self.text("materialise")
        known = [kind.value for kind in Materialisation]
        if said is None or said in known:
            return Materialisation(said or "table")
        near = nearest(said, known)
        advice = f"did you mean `{near}`?" if near else f"one of {', '.join(known)}"
        place = self.node.find(("materialise",)).at
        self.report.add("LM004", place, f"`materialise: {said}` is not known", advice=advice)
        return Materialisation.TABLE

    def lookback(self) -> timedelta:
        found = self.node.get("lookback")
        if found is None:
            return timedelta(0)
        length = parse_duration(str(found.value)) if found.value is not None else None
        if length is None:
            self._wrong("lookback", found.at, "a duration such as `2 d`, `6 h` or PT6H")
            return timedelta(0)
        return length

    def partitions(self) -> tuple[Partition, ...]:
        found = self.node.get("partition")
        if found is None:
            return ()
        result = []
        for item in found.value if isinstance(found.value, list) else [found]:
            match = _PARTITION.match(item.value) if isinstance(item.value, str) else None
            if match is None:
                self._wrong("partition", item.at, "`month(column)`, `bucket(16, column)` or a name")
                continue
            calendar, of, counted, count, into, plain = match.groups()
            if calendar:
                result.append(Partition(of, calendar))
            elif counted:
                result.append(Partition(into, f"{counted}[{count}]"))
            else:
                result.append(Partition(plain, "identity"))
        return tuple(result)

    def columns(self) -> dict[str, str]:
        found = self.node.get("columns")
        if found is None:
            return {}
        if not isinstance(found.value, dict):
            self._wrong("columns", found.at, "`name: what it means`, a line each")
            return {}
        result = {}
        for name, said in found.mapping().items():
            if not isinstance(said.value, str):
                self._wrong(f"columns.{name}", said.at, "text")
                continue
            result[name] = said.value
        return result

    def finish(self, materialisation: Materialisation, time: str | None) -> None:
        """What belongs together."""
        keyed = self.node.get("key") is not None
        if materialisation is Materialisation.INCREMENTAL and time is None and not keyed:
            message = "an incremental model needs `time` or `key`, to know what to replace"
            self.report.add("LM005", self.node.at_key("materialise"), message)
        for key in ("time", "lookback"):
            if (
                self.node.get(key) is not None
                and materialisation is not Materialisation.INCREMENTAL
            ):
                message = f"`{key}` is of incremental models; this one is a {materialisation}"
                self.report.add("LM005", self.node.at_key(key), message)
        if self.node.get("lookback") is not None and time is None:
            self.report.add("LM005", self.node.at_key("lookback"), "`lookback` needs `time`")
        if materialisation is Materialisation.VIEW and self.node.get("partition") is not None:
            message = "a view is not stored, so it has no partitions"
            self.report.add("LM005", self.node.at_key("partition"), message)

    def places(self) -> Iterator[tuple[str, Location]]:
        for path, node in self.node.walk():
            if path:
                yield ".".join(map(str, path)), node.at
        for name, at in (self.node.get("columns") or Node({}, self.node.at)).keys.items():
            yield f"columns.{name}", at

    def _wrong(self, key: str, at: Location, expected: str) -> None:
        self.report.add("LM004", at, f"`{key}` is not {expected}")
