"""``fixes/*.yaml``: read strictly, with every problem at its file, line and column.

The schema is in docs/reference/fixes.md. One fix per file; fixes apply in the order of their file
names.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path as File
from typing import Any

from lakegate.contract import pattern
from lakegate.contract.document import Node, read
from lakegate.contract.problem import Level, Problem, Report, nearest
from lakegate.contract.temporal_format import TemporalFormat, compile_format
from lakegate.contract.type import Location
from lakegate.deadletter import step as steps
from lakegate.deadletter.fix import Condition, Fix, Matches, digest_of
from lakegate.deadletter.path import Path, generalised, parse_path
from lakegate.deadletter.step import json_of
from lakegate.errors import ContractError

__all__ = ["CODES", "fix_files", "read_fixes"]

CODES = {
    "LG901": "unknown key",
    "LG902": "missing key",
    "LG903": "wrong kind of value",
    "LG904": "a path that cannot be read",
    "LG905": "a pattern or format that cannot be used",
    "LG906": "a fix that would match everything",
    "LG907": "a stream that no contract defines",
    "LG908": "two fixes with one name",
    "LG909": "the `[*]` of two paths do not pair up",
}
"""Problems of fix files; YAML itself is reported under the codes of contracts."""

_FIX = ("name", "stream", "description", "matches", "steps")
_MATCHES = ("causes", "rule", "path", "observed", "where", "contract")
_NAMING = frozenset({"causes", "rule", "path", "observed", "where"})
_CASTS = ("integer", "number", "string", "boolean")
_KINDS = ("timestamp", "date", "time")
_MOST_DIGITS = 4  # of a group's number
_ADVICE = {
    "LG006": "start with `stream:`, `matches:` and `steps:`",
    "LG007": "a fix has the keys `stream:`, `matches:` and `steps:`",
    "LG005": "put each fix into a file of its own",
}


class _Wrong(Exception):
    """A part of a fix that cannot be used; already reported."""


def fix_files(folder: File) -> list[File]:
    """Every ``*.yaml`` and ``*.yml`` in a folder, in the order in which they apply."""
    if not folder.is_dir():
        return []
    return sorted(file for file in folder.iterdir() if file.suffix in {".yaml", ".yml"})


def read_fixes(
    files: Iterable[File], *, streams: Iterable[str] | None = None
) -> tuple[list[Fix], list[Problem]]:
    """The good fixes, and every problem of every file; ``streams`` are the names there are."""
    known = None if streams is None else list(streams)
    found: list[Fix] = []
    problems: list[Problem] = []
    names: dict[str, str] = {}
    for file in files:
        reading = _Reading(file, known)
        fix = reading.read()
        if fix is not None and fix.name in names:
            message = f"a fix in {names[fix.name]} is called {fix.name}, too"
            reading.say("LG908", Location(str(file), 1, 1), message, "rename one of them")
            fix = None
        if fix is not None:
            names[fix.name] = fix.file
            found.append(fix)
        problems += reading.problems
    return found, problems


@dataclass(frozen=True, slots=True)
class _StepReader:
    """Keys a step takes and needs, and what makes it."""

    keys: tuple[str, ...]
    needed: tuple[str, ...]
    make: Callable[[_Reading, Node], steps.Step]


class _Reading:
    """One file on its way to a fix."""

    def __init__(self, file: File, streams: list[str] | None) -> None:
        self._file = file
        self._streams = streams
        self.problems: list[Problem] = []

    def say(self, code: str, at: Location, message: str, advice: str = "") -> None:
        self.problems.append(Problem(code, Level.ERROR, message, advice, at))

    def read(self) -> Fix | None:
        report = Report()
        node = read(self._file, report)
        self.problems += [
            replace(problem, help=_ADVICE.get(problem.code, problem.help))
            for problem in report.sorted()
        ]
        if node is None or report.failed:
            return None
        try:
            self.keys(node, _FIX, needed=("stream", "matches", "steps"))
            stream = self.text(node, "stream")
            self._check_stream(node, stream)
            matches = self.matches(node.mapping()["matches"])
            made = [self.step(entry) for entry in self._steps(node)]
        except _Wrong:
            return None
        if self.problems or None in made:
            return None
        return Fix(
            name=self.text(node, "name", File(self._file).stem),
            stream=stream,
            description=self.text(node, "description", "").strip(),
            matches=matches,
            steps=tuple(step for step in made if step is not None),
            digest=digest_of(node.to_plain()),
            file=str(self._file),
        )

    def _check_stream(self, node: Node, stream: str) -> None:
        if self._streams is None or stream in self._streams:
            return
        near = nearest(stream, self._streams)
        advice = f"did you mean `{near}`?" if near else f"there are: {', '.join(self._streams)}"
        at = node.mapping()["stream"].at
        self.say("LG907", at, f"no stream is called {stream}", advice)

    def _steps(self, node: Node) -> list[Node]:
        entries = node.items("steps")
        if not entries:
            self.say("LG903", node.at_key("steps"), "`steps` is no list of steps", "give one")
            raise _Wrong
        return entries

    def keys(self, node: Node, known: Iterable[str], *, needed: Iterable[str] = ()) -> None:
        """Only known keys, and all that are needed."""
        choices = list(known)
        if not isinstance(node.value, dict):
            self.say("LG903", node.at, f"expected a mapping of {', '.join(choices)}")
            raise _Wrong
        for key in node.value:
            if key not in choices:
                near = nearest(key, choices)
                advice = f"did you mean `{near}`?" if near else f"known: {', '.join(choices)}"
                self.say("LG901", node.at_key(key), f"the key `{key}` is not known", advice)
        missing = [key for key in needed if key not in node.value]
        for key in missing:
            self.say("LG902", node.at, f"`{key}` is missing")
        if missing:
            raise _Wrong

    def text(self, node: Node, key: str, default: str | None = None) -> str:
        child = node.get(key)
        if child is None and default is not None:
            return default
        if child is None or not isinstance(child.value, str) or not child.value:
            at = node.at if child is None else child.at
            self.say("LG903", at, f"`{key}` must be text", "quote it if it looks like a number")
            raise _Wrong
        return child.value

    def texts(self, node: Node, key: str) -> frozenset[str] | None:
        """One text or a list of them, scalars as they are written; None when the key is absent."""
        child = node.get(key)
        if child is None:
            return None
        entries = child.value if isinstance(child.value, list) else [child]
        return frozenset(self.scalar(entry) for entry in entries)

    def scalar(self, node: Node) -> str:
        value = node.value
        if isinstance(value, dict | list):
            self.say("LG903", node.at, "expected a single value")
            raise _Wrong
        return value if isinstance(value, str) else json_of(value).decode()

    def choice(self, node: Node, key: str, choices: tuple[str, ...], default: str) -> str:
        text = self.text(node, key, default)
        if text not in choices:
            advice = f"one of: {', '.join(choices)}"
            self.say("LG903", node.mapping()[key].at, f"`{key}` cannot be `{text}`", advice)
            raise _Wrong
        return text

    def path(self, node: Node, key: str = "path") -> Path:
        return self.path_at(self.text(node, key), node.mapping()[key].at)

    def path_at(self, text: str, at: Location) -> Path:
        try:
            return parse_path(text)
        except ValueError as error:
            self.say("LG904", at, str(error), "write it like `$.lines[*].sku`")
            raise _Wrong from error

    def pattern(self, node: Node, key: str) -> pattern.Pattern:
        try:
            return pattern.compile(self.text(node, key))
        except ContractError as error:
            self.say("LG905", node.mapping()[key].at, str(error))
            raise _Wrong from error

    def format(self, node: Node, key: str, kind: str) -> TemporalFormat:
        try:
            return compile_format(self.text(node, key), kind)
        except ContractError as error:
            self.say("LG905", node.mapping()[key].at, str(error))
            raise _Wrong from error

    def paired(self, node: Node, source: Path, *targets: Path) -> None:
        """Every target has as many ``[*]`` as the source, so that each value has its place."""
        for target in targets:
            if target.stars != source.stars:
                message = f"{target} has {target.stars} `[*]`, {source} has {source.stars}"
                self.say("LG909", node.at, message, "each value needs a place of its own")
                raise _Wrong

    def fails(self, node: Node) -> bool:
        return self.choice(node, "unmatched", ("leave", "fail"), "leave") == "fail"

    def matches(self, node: Node) -> Matches:
        self.keys(node, _MATCHES)
        if not _NAMING & set(node.mapping()):
            advice = f"name at least one of: {', '.join(sorted(_NAMING))}"
            self.say("LG906", node.at, "it would match every dead letter of the stream", advice)
            raise _Wrong
        path = None
        if node.get("path") is not None:
            path = generalised(self.text(node, "path"))
            if path != "$":
                path = str(self.path_at(path, node.at_key("path")))
        where = node.get("where")
        conditions: list[Condition] = []
        if where is not None:
            for text, held in where.mapping().items():
                conditions.append(self.condition(self.path_at(text, where.at_key(text)), held))
        return Matches(
            causes=self.texts(node, "causes"),
            rules=self.texts(node, "rule"),
            path=path,
            observed=self.pattern(node, "observed") if node.get("observed") is not None else None,
            where=tuple(conditions),
            versions=self.texts(node, "contract"),
        )

    def condition(self, path: Path, held: Node) -> Condition:
        if isinstance(held.value, dict):
            self.keys(held, ("pattern",), needed=("pattern",))
            return Condition(path, None, self.pattern(held, "pattern"))
        entries = held.value if isinstance(held.value, list) else [held]
        return Condition(path, frozenset(self.scalar(entry) for entry in entries), None)

    def step(self, node: Node) -> steps.Step | None:
        """One step; its problems do not keep the next one from being read."""
        held = node.mapping()
        try:
            if len(held) != 1:
                message = f"a step has one name, this has {len(held)}"
                self.say("LG903", node.at, message, f"one of: {', '.join(_STEPS)}")
                raise _Wrong
            self.keys(node, _STEPS)
            ((name, body),) = held.items()
            if name not in _STEPS:
                raise _Wrong
            if name == "remove" and isinstance(body.value, str):
                return steps.Remove(self.path_at(body.value, body.at))
            reader = _STEPS[name]
            self.keys(body, reader.keys, needed=reader.needed)
            return reader.make(self, body)
        except _Wrong:
            return None


def _set(reading: _Reading, node: Node) -> steps.Step:
    return steps.SetValue(reading.path(node), json_of(node.mapping()["value"].to_plain()))


def _rename(reading: _Reading, node: Node) -> steps.Step:
    path = reading.path(node)
    if not isinstance(path.segments[-1], str):
        reading.say("LG904", node.mapping()["path"].at, "only a member of an object has a name")
        raise _Wrong
    return steps.Rename(path, reading.text(node, "to"))


def _move(reading: _Reading, node: Node) -> steps.Step:
    source, to = reading.path(node, "from"), reading.path(node, "to")
    reading.paired(node, source, to)
    return steps.Move(source, to)


def _remove(reading: _Reading, node: Node) -> steps.Step:
    return steps.Remove(reading.path(node))


def _cast(reading: _Reading, node: Node) -> steps.Step:
    to = reading.choice(node, "to", _CASTS, "")
    return steps.Cast(reading.path(node), to, reading.fails(node))


def _map(reading: _Reading, node: Node) -> steps.Step:
    values = node.mapping()["values"]
    if not values.mapping():
        reading.say("LG903", values.at, "`values` maps nothing", "write `old: new` below it")
        raise _Wrong
    default = node.get("default")
    return steps.MapValues(
        path=reading.path(node),
        values={key: json_of(held.to_plain()) for key, held in values.mapping().items()},
        default=None if default is None else json_of(default.to_plain()),
        fail=reading.fails(node),
    )


def _regex(reading: _Reading, node: Node) -> steps.Step:
    path, into = reading.path(node), node.mapping()["into"]
    if not into.mapping():
        reading.say("LG903", into.at, "`into` names no place", "write `$.path: $1` below it")
        raise _Wrong
    targets = tuple(
        (reading.path_at(text, into.at_key(text)), reading.text(into, text))
        for text in into.mapping()
    )
    reading.paired(node, path, *(target for target, _ in targets))
    compiled = _capturing(reading, node)
    _check_groups(reading, into, compiled)
    return steps.Regex(path, compiled, targets, reading.fails(node))


def _capturing(reading: _Reading, node: Node) -> Any:
    """RE2 itself: the patterns of contracts capture nothing."""
    import re2

    options = re2.Options()
    options.log_errors = False
    try:
        return re2.compile(reading.text(node, "pattern").replace("(?<", "(?P<"), options)
    except re2.error as error:
        reason = error.args[0] if error.args else error
        said = reason.decode(errors="replace") if isinstance(reason, bytes) else str(reason)
        advice = "write it in RE2's syntax: no look-around, no back-references"
        reading.say("LG905", node.mapping()["pattern"].at, f"pattern: {said}", advice)
        raise _Wrong from error


def _check_groups(reading: _Reading, into: Node, compiled: Any) -> None:
    for key, held in into.mapping().items():
        for group in steps.references(str(held.value)):
            if not group:
                message = f"a `$` names no group, in what {key} wants: {held.value}"
                advice = "write `$1` or `${name}`, and `$$` for a dollar sign"
                reading.say("LG905", held.at, message, advice)
                raise _Wrong
            is_number = group.isdigit() and len(group) <= _MOST_DIGITS
            there = int(group) <= compiled.groups if is_number else group in compiled.groupindex
            if not there:
                message = f"the pattern has no group {group}, which {key} wants"
                reading.say("LG905", held.at, message)
                raise _Wrong


def _date(reading: _Reading, node: Node) -> steps.Step:
    kind = reading.choice(node, "kind", _KINDS, "timestamp")
    timezone = reading.text(node, "timezone", "UTC")
    return steps.Date(
        path=reading.path(node),
        format=reading.format(node, "format", kind),
        write=None if node.get("write") is None else reading.format(node, "write", kind),
        timezone=_zone(reading, node, timezone),
        fail=reading.fails(node),
    )


def _zone(reading: _Reading, node: Node, name: str) -> str:
    from lakegate.contract.temporal import time_zone

    try:
        time_zone(name)
    except ContractError as error:
        reading.say("LG905", node.at_key("timezone"), str(error))
        raise _Wrong from error
    return name


def _lookup(reading: _Reading, node: Node) -> steps.Step:
    path = reading.path(node)
    into = reading.path(node, "into") if node.get("into") is not None else path
    reading.paired(node, path, into)
    return steps.LookupStep(
        path=path,
        table=reading.text(node, "table"),
        key=reading.text(node, "key"),
        give=reading.text(node, "give"),
        into=into,
        fail=reading.fails(node),
    )


_STEPS: Mapping[str, _StepReader] = {
    "set": _StepReader(("path", "value"), ("path", "value"), _set),
    "rename": _StepReader(("path", "to"), ("path", "to"), _rename),
    "move": _StepReader(("from", "to"), ("from", "to"), _move),
    "remove": _StepReader(("path",), ("path",), _remove),
    "cast": _StepReader(("path", "to", "unmatched"), ("path", "to"), _cast),
    "map": _StepReader(("path", "values", "default", "unmatched"), ("path", "values"), _map),
    "regex": _StepReader(
        ("path", "pattern", "into", "unmatched"), ("path", "pattern", "into"), _regex
    ),
    "date": _StepReader(
        ("path", "format", "kind", "write", "timezone", "unmatched"), ("path", "format"), _date
    ),
    "lookup": _StepReader(
        ("path", "table", "key", "give", "into", "unmatched"),
        ("path", "table", "key", "give"),
        _lookup,
    ),
}
