"""The standard's own JSON Schema as lint: each ODCS minor by its own, in our words.

``jsonschema`` judges everything but unknown keys. Those we find ourselves, at any depth and in
every version, also where the standard's schema leaves an object open: a key nobody reads is a
mistake (SEMANTICS "vocabulary"). The schemas are in ``schema/``, with their NOTICE.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from functools import lru_cache
from importlib.resources import files
from typing import Any

from lakegate.contract.document import Node
from lakegate.contract.problem import Report, nearest
from lakegate.contract.type import Location

__all__ = ["VERSIONS", "check_structure", "minor_of", "schema"]

VERSIONS = ("3.0", "3.1", "3.2")
_API_VERSION = re.compile(r"v?(3)\.([0-9]+)(?:\.[0-9]+)?\Z")
_OPERATORS = frozenset(
    [
        "mustBe",
        "mustNotBe",
        "mustBeGreaterThan",
        "mustBeGreaterOrEqualTo",
        "mustBeLessThan",
        "mustBeLessOrEqualTo",
        "mustBeBetween",
        "mustNotBeBetween",
    ]
)
_QUALITY = _OPERATORS | frozenset(
    [
        "metric",
        "rule",
        "arguments",
        "query",
        "engine",
        "implementation",
        "validValues",
        "missingValues",
        "pattern",
        "properties",
    ]
)
_ARGUMENTS = frozenset({"validValues", "missingValues", "pattern", "properties"})
_DEPRECATED = {
    "slaDefaultElement": "name the `element` in each SLA property",
    "dataProduct": "name it in the data product's own file",
    "rule": "use `metric`",
}
_STATUS = frozenset({"proposed", "draft", "active", "deprecated", "retired"})
_KINDS = {
    "string": "text",
    "integer": "a whole number",
    "number": "a number",
    "boolean": "true or false",
    "array": "a list",
    "object": "a mapping",
    "null": "nothing",
}


def minor_of(root: Node, report: Report) -> str | None:
    """The minor version (``3.1``) whose schema holds, or None after reporting why there is none."""
    node = root.get("apiVersion")
    kind = root.get("kind")
    if kind is not None and kind.value != "DataContract":
        message = f"kind is {kind.value}, not DataContract"
        report.add("LG102", kind.at, message, advice="only data contracts can be used here")
        return None
    if node is None:
        report.add("LG104", root.at, "`apiVersion` is missing", advice="add `apiVersion: v3.2.0`")
        return None
    match = _API_VERSION.match(str(node.value))
    minor = f"3.{int(match[2])}" if match is not None else None
    if minor not in VERSIONS:
        advice = f"versions read: {', '.join(f'v{version}' for version in VERSIONS)}"
        report.add("LG101", node.at, f"unknown apiVersion {node.value}", advice=advice)
        return None
    return minor


@lru_cache
def schema(minor: str) -> Any:
    """The JSON Schema of a minor version, as vendored."""
    path = files("lakegate.contract") / "schema" / f"odcs-{minor}.json"
    return json.loads(path.read_text(encoding="utf-8"))


@lru_cache
def _validator(minor: str) -> Any:
    from jsonschema import Draft201909Validator

    return Draft201909Validator(_prepared(schema(minor)))


def _prepared(part: Any) -> Any:
    """The schema without what is checked here: unknown keys, apiVersion, options of no type."""
    if isinstance(part, list):
        return [_prepared(item) for item in part]
    if not isinstance(part, dict):
        return part
    kept = {
        key: _prepared(value)
        for key, value in part.items()
        if not (key in ("additionalProperties", "unevaluatedProperties") and value is False)
    }
    properties = kept.get("properties")
    if isinstance(properties, dict):
        if set(properties) == {"logicalType"} and "const" in properties["logicalType"]:
            kept["required"] = ["logicalType"]  # else every branch holds when there is no type
        for name in ("apiVersion", "kind"):
            if isinstance(properties.get(name), dict):
                properties[name].pop("enum", None)
    return kept


def check_structure(root: Node, minor: str, report: Report) -> None:
    """Hold a document to the JSON Schema of its version; report everything it breaks."""
    validator = _validator(minor)
    plain = root.to_plain()
    for error in validator.iter_errors(plain):
        for leaf in _relevant(error):
            _report(leaf, root, report)
    _check_keys(root, plain, minor, report)
    _check_values(root, minor, report)


def _relevant(error: Any) -> Iterator[Any]:
    """The errors behind one error: of the alternatives, only the one that was meant."""
    if error.validator == "oneOf" and "mustBe" in str(error.validator_value):
        return  # operators of a quality rule: LG501 and LG502 say it better
    if error.validator not in ("oneOf", "anyOf") or not error.context:
        yield error
        return
    branches: dict[int, list[Any]] = {}
    for child in error.context:
        branches.setdefault(child.schema_path[0], []).append(child)
    if all(any(_foreign(e) for e in branch) for branch in branches.values()):
        yield error
        return
    fitting = [b for b in branches.values() if not any(_foreign(e) for e in b)]
    best = min(fitting, key=lambda branch: (len(branch), -max(len(e.path) for e in branch)))
    for child in best:
        yield from _relevant(child)


def _foreign(error: Any) -> bool:
    """Whether a branch is meant for another kind of value altogether."""
    return error.validator == "type" and not error.path


def _report(error: Any, root: Node, report: Report) -> None:
    path = tuple(error.absolute_path)
    node = root.find(path)
    name = next((str(step) for step in reversed(path) if isinstance(step, str)), "the document")
    rule, wanted, found = error.validator, error.validator_value, error.instance
    if rule == "required":
        missing = [key for key in wanted if key not in found]
        for key in missing:
            if not (name == "quality" and key in ("metric", "rule", "query")):
                advice = _missing_advice(key, found)
                report.add("LG104", node.at, f"`{key}` is missing", advice=advice)
    elif rule == "type":
        kinds = [wanted] if isinstance(wanted, str) else wanted
        message = f"`{name}` must be {_or([_KINDS[kind] for kind in kinds])}, not {_found(found)}"
        if found is None and path and isinstance(path[-1], str):
            parent = root.find(path[:-1])
            if name == "arguments" and parent.mapping().keys() & _ARGUMENTS:
                return  # LG505
            node = Node(None, parent.at_key(path[-1]))
        report.add("LG105", node.at, message, advice=_type_advice(kinds, found))
    elif rule == "enum":
        near = nearest(str(found), map(str, wanted))
        choices = ", ".join(map(str, wanted))
        advice = f"did you mean `{near}`?" if near else f"one of: {choices}"
        if name == "logicalType" and found == "map":
            advice = "maps begin with ODCS 3.2: set `apiVersion: v3.2.0`"
        if name != "metric":  # LG503
            report.add("LG106", node.at, f"`{name}` cannot be `{found}`", advice=advice)
    elif rule == "not" and isinstance(found, dict) and "from" in found:
        message = "`from` is implied by the property and must not be given"
        report.add("LG107", node.at_key("from"), message, advice="remove it")
    elif rule in ("oneOf", "anyOf"):
        report.add(
            "LG105", node.at, f"`{name}` cannot be {_found(found)}", advice=_KNOWN.get(name, "")
        )
    else:
        report.add("LG107", node.at, f"`{name}`: {_plain(error)}", advice=_KNOWN.get(name, ""))


_KNOWN = {
    "to": "write object.property, or schema/<id>/properties/<id>",
    "from": "write object.property, or schema/<id>/properties/<id>",
    "id": "letters, digits, `_` and `-` only",
}


def _missing_advice(key: str, found: dict[str, Any]) -> str:
    near = nearest(key, [str(name) for name in found])
    if near is not None and near != key:
        return f"is `{near}` meant?"
    return {"status": "such as `status: active`", "version": "such as `version: 1.0.0`"}.get(
        key, ""
    )


def _type_advice(kinds: list[str], found: Any) -> str:
    number = isinstance(found, int | Decimal)
    if found is None:
        return "give it a value or remove the key"
    if "string" in kinds and number:
        return "quote it"
    if isinstance(found, str) and {"integer", "number", "boolean"} & set(kinds):
        return "remove the quotes" if found in ("true", "false") or found[:1].isdigit() else ""
    return "start each entry with `- `" if "array" in kinds else ""


def _found(value: Any) -> str:
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int | Decimal):
        return f"the number {value}"
    if isinstance(value, str):
        return f"the text `{value[:40]}`"
    return "a list" if isinstance(value, list) else "a mapping"


def _or(names: list[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} or {names[-1]}"


def _plain(error: Any) -> str:
    value, rule = error.validator_value, error.validator
    sentences = {
        "pattern": "not written as it must be",
        "minimum": f"must be at least {value}",
        "exclusiveMinimum": f"must be above {value}",
        "minItems": f"needs at least {value} entries",
        "maxItems": f"takes at most {value} entries",
        "uniqueItems": "an entry stands there twice",
        "const": f"must be {value}",
    }
    return sentences.get(rule, "is not what the standard allows")


@dataclass(frozen=True, slots=True)
class _Unknown:
    """A key that no schema which holds at its place knows; ``known`` are those they do."""

    path: tuple[str | int, ...]
    at: Location
    known: tuple[str, ...]


def _check_keys(root: Node, plain: Any, minor: str, report: Report) -> None:
    """Report keys that none of the schemas which hold here knows, at any depth."""
    unknown = list(_unknown_keys(root, plain, minor))
    newer = VERSIONS[VERSIONS.index(minor) + 1 :] if unknown else ()
    still = {one: {key.path for key in _unknown_keys(root, plain, one)} for one in newer}
    for key in unknown:
        name = str(key.path[-1])
        since = next((one for one in newer if key.path not in still[one]), None)
        near = nearest(name, key.known)
        if since is not None:
            advice = f"known from v{since}.0 on: set `apiVersion: v{since}.0`"
        else:
            advice = f"did you mean `{near}`?" if near else f"known here: {', '.join(key.known)}"
        report.add("LG103", key.at, f"unknown key `{name}`", advice=advice)


def _unknown_keys(root: Node, plain: Any, minor: str) -> Iterator[_Unknown]:
    """The keys of a document that the schema of that version does not know, in its order."""
    validator = _validator(minor)
    return _unknown_below(root, plain, [validator.schema], validator, ())


def _unknown_below(
    node: Node, plain: Any, schemas: list[Any], validator: Any, path: tuple[str | int, ...]
) -> Iterator[_Unknown]:
    flat = [part for schema in schemas for part in _flatten(schema, plain, validator)]
    if isinstance(node.value, list):
        items = [part["items"] for part in flat if isinstance(part.get("items"), dict)]
        for at, (child, value) in enumerate(zip(node.value, plain, strict=True)):
            yield from _unknown_below(child, value, items, validator, (*path, at))
        return
    if not isinstance(node.value, dict):
        return
    known: dict[str, list[Any]] = {}
    for part in flat:
        for key, child_schema in part.get("properties", {}).items():
            known.setdefault(key, []).append(child_schema)
    name = next((step for step in reversed(path) if isinstance(step, str)), "")
    free = not known or name == "logicalTypeOptions"  # options have their own check
    for key, child in node.value.items():
        below = (*path, key)
        if key in known:
            yield from _unknown_below(child, plain[key], known[key], validator, below)
        elif not free and not (name == "quality" and key in _QUALITY):
            yield _Unknown(below, node.at_key(key), tuple(sorted(known)))


def _flatten(part: Any, plain: Any, validator: Any) -> Iterator[Any]:
    """A schema and all that it includes for this value: references, allOf, matching branches."""
    if not isinstance(part, dict):
        return
    yield part
    if "$ref" in part:
        target = validator.schema
        for step in part["$ref"].removeprefix("#/").split("/"):
            target = target[step]
        yield from _flatten(target, plain, validator)
    for child in part.get("allOf", ()):
        yield from _flatten(child, plain, validator)
    for child in (*part.get("oneOf", ()), *part.get("anyOf", ())):
        if _same_kind(child, plain, validator):
            yield from _flatten(child, plain, validator)
    if "if" in part and validator.evolve(schema=part["if"]).is_valid(plain):
        yield from _flatten(part.get("then"), plain, validator)


def _same_kind(part: Any, plain: Any, validator: Any) -> bool:
    kinds = [p["type"] for p in _flatten(part, plain, validator) if isinstance(p.get("type"), str)]
    kind = "object" if isinstance(plain, dict) else "array" if isinstance(plain, list) else None
    return kind is None or not kinds or kind in kinds


def _check_values(root: Node, minor: str, report: Report) -> None:
    """What the schema describes only in words: deprecations, statuses, unique ids."""
    for path, node in root.walk():
        if not isinstance(node.value, dict):
            _check_ids(node, report)
            continue
        in_quality = len(path) > 1 and path[-2] == "quality"
        for key in node.value.keys() & _DEPRECATED.keys():
            if minor != "3.0" and (in_quality if key == "rule" else not path):
                message = f"`{key}` is deprecated since ODCS 3.1"
                report.add("LG108", node.at_key(key), message, advice=_DEPRECATED[key])
    team = root.get("team")
    if minor != "3.0" and team is not None and isinstance(team.value, list):
        message = "`team` as a list is deprecated since ODCS 3.1"
        report.add("LG108", root.at_key("team"), message, advice="put the list under `members:`")
    status = root.text("status")
    if status is not None and status.lower() not in _STATUS:
        near = nearest(status, _STATUS)
        advice = f"did you mean `{near}`?" if near else f"usual: {', '.join(sorted(_STATUS))}"
        report.add("LG109", root.find(("status",)).at, f"unknown status `{status}`", advice=advice)


def _check_ids(node: Node, report: Report) -> None:
    if not isinstance(node.value, list):
        return
    seen: dict[str, Node] = {}
    for child in node.value:
        name = child.text("id")
        if name is None:
            continue
        at = child.find(("id",)).at
        if name in seen:
            line = seen[name].at.line
            report.add("LG111", at, f"the id `{name}` already stands in line {line}")
        seen[name] = child
