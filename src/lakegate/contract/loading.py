"""Loading contracts: one file into a :class:`Contract`, or many into a list of problems."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from lakegate.contract.digest import digest
from lakegate.contract.document import Node, parse, read
from lakegate.contract.model import Contract
from lakegate.contract.model import from_plain as model_of
from lakegate.contract.normalise import Normalised, streams_of
from lakegate.contract.problem import Problem, Report, nearest
from lakegate.contract.relationship import Outside, columns_of, comparable, exactly_comparable
from lakegate.contract.stream import ContractRef, Stream
from lakegate.contract.structure import check_structure, minor_of
from lakegate.contract.type import Location
from lakegate.contract.variable import substitute
from lakegate.errors import ContractError

__all__ = ["check", "contract_files", "examine", "load", "loads"]

_SUFFIXES = (".odcs.yaml", ".odcs.yml")


def load(source: Path | str, *, variables: Mapping[str, str] | None = None) -> Contract:
    """Load one contract file.

    ``variables`` gives the ``${NAME}``s their values; the environment is not read.

    Raises:
        ContractError: the contract cannot be used; every error with file, line and column.
    """
    report = Report()
    root = read(Path(source), report)
    return _contract(root, variables or {}, report)


def loads(
    text: str | bytes, *, file: str = "<text>", variables: Mapping[str, str] | None = None
) -> Contract:
    """Load a contract from its text; ``file`` is what messages call it.

    Raises:
        ContractError: the contract cannot be used; every error with file, line and column.
    """
    report = Report()
    root = parse(text, file=file, report=report)
    return _contract(root, variables or {}, report)


def _contract(root: Node | None, variables: Mapping[str, str], report: Report) -> Contract:
    loaded = _normalised(root, variables, report) if root is not None else None
    report.raise_errors()
    if root is None or loaded is None:
        raise ContractError("the contract cannot be read")
    streams = loaded.found.streams
    return model_of(root.to_plain(), digest=loaded.ref.digest, streams=streams)


@dataclass(frozen=True, slots=True)
class _Loaded:
    root: Node
    ref: ContractRef
    found: Normalised


def _normalised(root: Node, variables: Mapping[str, str], report: Report) -> _Loaded | None:
    substitute(root, variables, report)
    minor = minor_of(root, report)
    if minor is None:
        return None
    check_structure(root, minor, report)
    version = root.get("version")
    ref = ContractRef(
        id=root.text("id") or "",
        version="" if version is None else str(version.value),
        digest=digest(root.to_plain()),
    )
    return _Loaded(root, ref, streams_of(root, ref, report))


def contract_files(paths: Iterable[Path | str]) -> list[Path]:
    """The files to check: files as named, directories searched for ``*.odcs.yaml``, sorted."""
    found: dict[Path, None] = {}
    for path in map(Path, paths):
        if path.is_dir():
            inside = (p for p in path.rglob("*") if p.name.endswith(_SUFFIXES) and p.is_file())
            found |= dict.fromkeys(sorted(inside))
        else:
            found[path] = None
    return list(found)


def check(
    paths: Iterable[Path | str], *, variables: Mapping[str, str] | None = None
) -> list[Problem]:
    """Every problem of every file, by file, line and column; also those between files.

    Directories are searched for ``*.odcs.yaml``. Never raises because of what a file holds.
    """
    return examine(paths, variables=variables)[0]


def examine(
    paths: Iterable[Path | str], *, variables: Mapping[str, str] | None = None
) -> tuple[list[Problem], list[Stream]]:
    """What :func:`check` says, and the streams as far as they can be understood.

    Those of a file with errors lack what is wrong.
    """
    report = Report()
    loaded: list[_Loaded] = []
    for path in contract_files(paths):
        root = read(path, report)
        one = _normalised(root, variables or {}, report) if root is not None else None
        if one is not None:
            loaded.append(one)
    _check_twins(loaded, report)
    _check_outside(loaded, report)
    return report.sorted(), [stream for one in loaded for stream in one.found.streams]


def _check_twins(loaded: list[_Loaded], report: Report) -> None:
    seen: dict[tuple[str, str], Location] = {}
    prefixes: dict[str, tuple[str, Location]] = {}
    for one in loaded:
        at = one.root.find(("id",)).at
        first = seen.setdefault((one.ref.id, one.ref.version), at)
        if one.ref.id and first is not at:
            message = f"id {one.ref.id} in version {one.ref.version} is also in {first}"
            report.add("LG110", at, message, advice="raise the version, or give it its own id")
            continue
        for stream in one.found.streams:
            owner = prefixes.setdefault(stream.topic_prefix, (one.ref.id, at))
            if owner[0] != one.ref.id:
                message = f"topics `{stream.topic_prefix}.*` also belong to {owner[1]}"
                report.add("LG207", at, message, advice="rename one contract or object")


def _check_outside(loaded: list[_Loaded], report: Report) -> None:
    streams = [stream for one in loaded for stream in one.found.streams]
    by_name: dict[str, Stream] = {}
    for stream in streams:
        by_name.setdefault(stream.object_name, stream)
    by_name |= {stream.name: stream for stream in streams}
    by_id = {
        node.text("id") or "": by_name[node.text("name") or ""]
        for one in loaded
        for node in one.root.items("schema")
        if node.text("name") in by_name
    }
    for one in loaded:
        for end in one.found.outside:
            _check_end(end, by_id if end.by_id else by_name, report)


def _check_end(end: Outside, by_name: Mapping[str, Stream], report: Report) -> None:
    stream = by_name.get(end.object_name)
    if stream is None:
        near = nearest(end.object_name, by_name)
        advice = f"did you mean `{near}`?" if near else "check the contract it is in as well"
        report.add("LG701", end.location, f"no stream or object `{end.object_name}`", advice=advice)
        return
    fields = columns_of(stream.fields)
    if end.by_id:
        fields = {field.id: field for field in fields.values() if field.id is not None}
    for column, kind in zip(end.columns, end.types, strict=True):
        field = fields.get(column)
        if field is None:
            near = nearest(column, fields)
            advice = f"did you mean `{near}`?" if near else ""
            message = f"`{end.object_name}` has no property `{column}`"
            report.add("LG701", end.location, message, advice=advice)
        elif kind is not None and not comparable(kind, field.type):
            message = f"`{column}` of `{end.object_name}` is of another type"
            report.add("LG702", end.location, message, advice="give both the same logicalType")
        elif kind is not None and end.at_gate and not exactly_comparable(kind, field.type):
            message = f"`{column}` of `{end.object_name}` cannot be compared exactly"
            advice = "it is judged at the audit only"
            report.add("LG705", end.at_gate, message, advice=advice)
