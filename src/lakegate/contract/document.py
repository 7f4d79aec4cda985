"""YAML as a tree of nodes that know where they stand.

YAML 1.2 as a contract needs it: one mapping, text keys, no key twice. Scalars are resolved here by
the core schema (null, bool, int, float), and never through a float: a number becomes an int or a
:class:`decimal.Decimal`. Dates stay text. Aliases and ``<<`` merges are expanded, within limits.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any, TypeAlias

from lakegate.contract.problem import Report
from lakegate.contract.type import Location

__all__ = ["MAX_BYTES", "MAX_DEPTH", "MAX_NODES", "Node", "Scalar", "parse", "read", "resolve"]

MAX_BYTES = 1 << 20
MAX_NODES = 100_000
MAX_DEPTH = 64
_MAX_DIGITS = 1_000

Scalar: TypeAlias = str | int | Decimal | bool | None
Path_: TypeAlias = tuple[str | int, ...]

_TAGS = frozenset({"str", "int", "float", "bool", "null", "timestamp", "merge", "value"})
_NULL = frozenset({"", "~", "null", "Null", "NULL"})
_BOOL = {"true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False}
_INT = re.compile(r"[-+]?[0-9]+\Z")
_BASED = re.compile(r"0(?:o[0-7]+|x[0-9a-fA-F]+)\Z")
_FLOAT = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?\Z")
_NOT_FINITE = re.compile(r"(?:[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN))\Z")


@dataclass(slots=True)
class Node:
    """A value of the document: a mapping, a list or a scalar, and where it stands.

    ``keys`` has the place of each key of a mapping. ``plain`` says that a scalar stands unquoted.
    """

    value: dict[str, Node] | list[Node] | Scalar
    at: Location
    keys: dict[str, Location] = field(default_factory=dict)
    plain: bool = False

    def get(self, key: str) -> Node | None:
        """The value of a key of a mapping, or None when it is absent (or this is no mapping)."""
        return self.value.get(key) if isinstance(self.value, dict) else None

    def at_key(self, key: str) -> Location:
        """Where a key stands; the mapping itself when it has no such key."""
        return self.keys.get(key, self.at)

    def text(self, key: str) -> str | None:
        """The value of a key when it is text, else None."""
        node = self.get(key)
        return node.value if node is not None and isinstance(node.value, str) else None

    def flag(self, key: str) -> bool:
        """Whether the value of a key is true."""
        node = self.get(key)
        return node is not None and node.value is True

    def items(self, key: str) -> list[Node]:
        """The entries of a list under a key; empty when there is no list."""
        node = self.get(key)
        return node.value if node is not None and isinstance(node.value, list) else []

    def mapping(self) -> dict[str, Node]:
        """The entries of a mapping; empty for anything else."""
        return self.value if isinstance(self.value, dict) else {}

    def find(self, path: Path_) -> Node:
        """The node at a path of keys and indices; the deepest that exists on the way there."""
        node = self
        for step in path:
            child: Node | None = None
            if isinstance(step, str):
                child = node.get(step)
            elif isinstance(node.value, list) and step < len(node.value):
                child = node.value[step]
            if child is None:
                break
            node = child
        return node

    def to_plain(self) -> Any:
        """The value as dicts, lists and scalars."""
        if isinstance(self.value, dict):
            return {key: child.to_plain() for key, child in self.value.items()}
        if isinstance(self.value, list):
            return [child.to_plain() for child in self.value]
        return self.value

    def walk(self, path: Path_ = ()) -> Iterator[tuple[Path_, Node]]:
        """This node and everything below it, in document order."""
        yield path, self
        if isinstance(self.value, dict):
            for key, child in self.value.items():
                yield from child.walk((*path, key))
        elif isinstance(self.value, list):
            for index, child in enumerate(self.value):
                yield from child.walk((*path, index))


def read(path: Path, report: Report) -> Node | None:
    """Read a file; None when it cannot be used, with the reason in ``report``."""
    at = Location(str(path), 1, 1)
    try:
        size = path.stat().st_size
        if size > MAX_BYTES:
            _too_large(size, at, report)
            return None
        data = path.read_bytes()
    except OSError as cause:
        report.add("LG001", at, f"cannot be read: {cause.strerror or cause}")
        return None
    return parse(data, file=str(path), report=report)


def parse(source: bytes | str, *, file: str, report: Report) -> Node | None:
    """Parse one document; None when it cannot be used, with the reasons in ``report``."""
    at = Location(file, 1, 1)
    data = source.encode("utf-8", "surrogatepass") if isinstance(source, str) else source
    if len(data) > MAX_BYTES:
        _too_large(len(data), at, report)
        return None
    try:
        text = data.decode("utf-8").removeprefix("\ufeff")
    except UnicodeDecodeError as cause:
        line = data.count(b"\n", 0, cause.start) + 1
        column = cause.start - (data.rfind(b"\n", 0, cause.start) + 1) + 1
        message = f"byte 0x{data[cause.start]:02x} is not UTF-8"
        report.add("LG003", Location(file, line, column), message, advice="save it as UTF-8")
        return None
    root = _compose(text, at, report)
    if root is None:
        return None
    node = _Builder(file, report).build(root)
    if node is None:
        return None
    if not isinstance(node.value, dict):
        what = "a list" if isinstance(node.value, list) else "a single value"
        advice = "a contract starts with keys such as `apiVersion:`, `kind:`, `id:`"
        report.add("LG007", node.at, f"the document is {what}, not a mapping", advice=advice)
        return None
    return node


def resolve(text: str) -> Scalar:
    """The value of an unquoted scalar by the YAML 1.2 core schema; a number is never a float.

    Raises:
        ValueError: an infinite, undefined or absurdly long number.
    """
    if text in _NULL:
        return None
    if text in _BOOL:
        return _BOOL[text]
    if _NOT_FINITE.match(text):
        raise ValueError("is not a finite number")
    if text[0] not in "+-.0123456789":
        return text
    if _INT.match(text) or _FLOAT.match(text) or _BASED.match(text):
        if len(text) > _MAX_DIGITS:
            raise ValueError(f"has more than {_MAX_DIGITS} digits")
        if _BASED.match(text):
            return int(text, 0)
        return int(text) if _INT.match(text) else _decimal(text)
    return text


def _decimal(text: str) -> Decimal:
    value = Decimal(text)
    if not value.is_finite() or abs(value.adjusted()) > _MAX_DIGITS:
        raise ValueError(f"has an exponent beyond {_MAX_DIGITS}")
    return value


def _too_large(size: int, at: Location, report: Report) -> None:
    message = f"{size:,} bytes; a contract may have {MAX_BYTES:,}"
    report.add("LG002", at, message, advice="split it into one file per contract")


def _compose(text: str, at: Location, report: Report) -> Any:
    """The library's node graph, or None with the reason in ``report``."""
    from ruamel.yaml import YAML
    from ruamel.yaml.composer import ComposerError
    from ruamel.yaml.error import MarkedYAMLError, YAMLError

    yaml = YAML(typ="safe", pure=True)
    yaml.version = "1.2"
    try:
        root = yaml.compose(text)
    except RecursionError:
        report.add("LG011", at, f"nested deeper than {MAX_DEPTH} levels")
        return None
    except MarkedYAMLError as cause:
        mark = cause.problem_mark or cause.context_mark
        place = at if mark is None else Location(at.file, mark.line + 1, mark.column + 1)
        if isinstance(cause, ComposerError) and "single document" in (cause.context or ""):
            advice = "put each contract into a file of its own"
            report.add("LG005", place, "a second document starts here", advice=advice)
        else:
            report.add("LG004", place, f"not YAML: {cause.problem or cause.context}")
        return None
    except (
        YAMLError,
        ValueError,
        AttributeError,
        TypeError,
        IndexError,
        KeyError,
        AssertionError,
    ) as cause:
        report.add(
            "LG004", at, f"not YAML: {str(cause).splitlines()[0] if str(cause) else cause!r}"
        )
        return None
    if root is None or (root.tag.endswith(":null") and not text.strip().strip("-. \n")):
        report.add("LG006", at, "nothing in it", advice="start with `apiVersion: v3.2.0`")
        return None
    return root


class _Builder:
    """Turns the library's node graph into ours, with limits on what aliases may do."""

    def __init__(self, file: str, report: Report) -> None:
        self.file = file
        self.report = report
        self.open: set[int] = set()
        self.count = 0
        self.refused = False

    def build(self, root: Any) -> Node | None:
        node = self.node(root, 0)
        return None if self.refused else node

    def location(self, node: Any) -> Location:
        return Location(self.file, node.start_mark.line + 1, node.start_mark.column + 1)

    def refuse(self, code: str, node: Any, message: str, advice: str = "") -> Node:
        self.report.add(code, self.location(node), message, advice=advice)
        self.refused = True
        return Node(None, self.location(node))

    def node(self, source: Any, depth: int) -> Node:
        if self.refused and self.count > MAX_NODES:
            return Node(None, self.location(source))
        self.count += 1
        if self.count > MAX_NODES:
            message = f"aliases expand to more than {MAX_NODES:,} values"
            return self.refuse("LG010", source, message, "write the values out")
        if depth > MAX_DEPTH:
            return self.refuse("LG011", source, f"nested deeper than {MAX_DEPTH} levels")
        if id(source) in self.open:
            return self.refuse(
                "LG009", source, "an alias in here points back to it", "write it out"
            )
        kind = type(source).__name__
        if kind == "ScalarNode":
            return self.scalar(source)
        self.open.add(id(source))
        built = self.mapping(source, depth) if kind == "MappingNode" else self.list(source, depth)
        self.open.discard(id(source))
        return built

    def scalar(self, source: Any) -> Node:
        at = self.location(source)
        text = source.value
        if source.style is not None:
            return Node(text, at)
        tag = str(source.tag).removeprefix("tag:yaml.org,2002:")
        if tag not in _TAGS:
            return self.refuse("LG014", source, f"the tag {tag[:40]} means nothing here")
        if tag == "str":
            return Node(text, at, plain=True)
        try:
            return Node(resolve(text), at, plain=True)
        except ValueError as cause:
            return self.refuse("LG013", source, f"the number {cause}", "quote it if it is text")

    def list(self, source: Any, depth: int) -> Node:
        return Node([self.node(child, depth + 1) for child in source.value], self.location(source))

    def mapping(self, source: Any, depth: int) -> Node:
        result = Node({}, self.location(source))
        values = result.mapping()
        merged: list[Node] = []
        for key, child in source.value:
            at = self.location(key)
            if type(key).__name__ != "ScalarNode":
                self.refuse("LG012", key, "a key must be text")
                continue
            if key.value == "<<" and key.style is None:
                merged.append(self.node(child, depth + 1))
                continue
            if key.value in values:
                first = result.keys[key.value]
                message = f"`{key.value}` already stands in line {first.line}"
                self.report.add("LG008", at, message, advice="remove one of them")
                continue
            values[key.value] = self.node(child, depth + 1)
            result.keys[key.value] = at
        for extra in merged:
            self.merge(result, extra)
        return result

    def merge(self, target: Node, source: Node) -> None:
        parts = source.value if isinstance(source.value, list) else [source]
        for part in parts:
            for key, child in part.mapping().items():
                if key not in target.mapping():
                    target.mapping()[key] = child
                    target.keys[key] = part.keys[key]
